"""Side by side with several seeds: searchers, on shared children, and the best that one has found.

It may import paper, searches, results, evaluators, records, experiments, host.
Put here by mistake: a searcher: that is the controller's.
"""
