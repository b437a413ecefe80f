"""What a trained cell computes, character by character, and what follows from it."""
