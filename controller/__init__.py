"""Who writes architectures: the policy, and the searchers around it."""
