"""What a run leaves on disk (`workdir` names the files), and how a later one reads it.

It may import experiments, host, and of controller what a searcher is and how it is configured.
Put here by mistake: what the user reads: that is a `summary` or `report`.
"""
