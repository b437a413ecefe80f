"""What is claimed of cells that do a task, measured on their traces.

It may import the modules of explorer beside it, child_models.
Put here by mistake: how a finding looks: that is page's.
"""
