"""What a run leaves on disk, and how a later one reads it: workdir, trials, checkpoints.

It may import experiments, host, configurations of controller.
Put here by mistake: what the user reads: that is a `summary` or `report`.
"""
