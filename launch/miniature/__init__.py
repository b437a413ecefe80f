"""The paper in miniature: what is run for its tables and Figure 6, and what was found.

It may import comparisons, paper, trainings, records, experiments.
Put here by mistake: how something is trained or compared: that is trainings' and comparisons'.
"""
