"""What the controller builds: children, their training, `rewards` of what they measure.

It may import search_spaces; the modules here no room of theirs.
Put here by mistake: what is of one kind of child: that is its room's.
"""
