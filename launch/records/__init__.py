"""What a run leaves on disk (`workdir` names the files), and how a later one reads it.

It may import experiments, host, configurations of controller.
Put here by mistake: what the user reads: that is a `summary` or `report`.
"""
