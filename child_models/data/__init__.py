"""What children learn from: images, text, sequences with known answers."""
