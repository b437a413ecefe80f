"""Who measures children: in this process, in child processes, in groups; by which plan.

It may import records, experiments, host, child_models.
Put here by mistake: what becomes of an outcome: that is searches'.
"""
