"""A search on many machines: roles, the chief's evaluator, workers, supervisors."""
