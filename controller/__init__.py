"""Who writes architectures: the policy, REINFORCE, and every other searcher, a module each.

It may import search_spaces.
Put here by mistake: building or measuring what was written: that is child_models' and launch's.
"""
