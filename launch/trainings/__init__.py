"""Given architectures trained in full: one, several beside each other, over a grid.

It may import evaluators, records, experiments, host, child_models.
Put here by mistake: one epoch: that is child_models'.
"""
