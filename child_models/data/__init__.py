"""What children learn from: images, text, sequences with known answers.

It may import the modules of child_models beside it.
Put here by mistake: how long and how fast they learn: that is a `config`.
"""
