"""Cells trained and traced for the explorer's page.

It may import trainings, evaluators, records, experiments, host, explorer, child_models.
Put here by mistake: what the page shows of them: that is the explorer's.
"""
