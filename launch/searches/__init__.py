"""A search: its loop, the run around it, what looks on, what it reports.

It may import evaluators, records, experiments, host, controller, child_models.
Put here by mistake: measuring a child: that is evaluators'.
"""
