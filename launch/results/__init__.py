"""What a search found, as Python and a notebook show it: the best, tables, curves.

It may import evaluators, records, experiments, host.
Put here by mistake: what a binary prints: that is a `summary`.
"""
