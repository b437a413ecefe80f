"""Many language models at once, in one program that is compiled once for all cells.

It may import language_models, cells, data, the modules of child_models beside it.
Put here by mistake: processes and plans: those are launch.evaluators'.
"""
