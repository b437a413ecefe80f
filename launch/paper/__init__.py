"""The paper's tables and curves as data, and what is known here of their rows.

It may import trainings, evaluators, records, experiments, host, child_models.
Put here by mistake: training a row: its command does.
"""
