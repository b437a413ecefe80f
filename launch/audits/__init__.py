"""Audits of searches: what is stored of one, recomputed, and what does not follow.

It may import records, experiments, host, controller, child_models.
Put here by mistake: anything that writes into a workdir.
"""
