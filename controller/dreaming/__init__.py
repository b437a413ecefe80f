"""The searcher that dreams: a surrogate of the rewards, what it wants tried, the policy.

It may import the rest of controller and search_spaces.
Put here by mistake: what other searchers need too: that is controller's.
"""
