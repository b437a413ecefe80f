"""Searchers side by side: each with several seeds, on children that are trained once for all.

It may import paper, searches, evaluators, records, experiments, host.
Put here by mistake: a searcher: that is the controller's.
"""
