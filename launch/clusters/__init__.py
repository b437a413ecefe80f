"""A search on many machines: roles, the chief's evaluator, workers; `supervisor` restarts them.

It may import searches, evaluators, records, experiments, host, child_models.
Put here by mistake: what one machine does just so: that is evaluators' and host's.
"""
