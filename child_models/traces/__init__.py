"""What a trained cell computes, character by character, and what follows from it.

It may import language_models, cells, data, the modules of child_models beside it.
Put here by mistake: words and colours for it: those are the explorer's.
"""
