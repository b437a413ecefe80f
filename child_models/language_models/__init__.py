"""Language models around any cell: the model, its size, its training on both backends.

It may import cells, data, the modules of child_models beside it.
Put here by mistake: one cell's equations: those are cells'.
"""
