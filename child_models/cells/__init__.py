"""Recurrent cells: activations and combinations (`operations`), trees, cells that are known.

It may import the modules of child_models beside it.
Put here by mistake: what a whole model has, as an embedding: that is language_models'.
"""
