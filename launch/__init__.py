"""The binaries and `nas.search` (`api`): flags in, exit status out; a room for all they do.

It may import everything; nothing imports a binary.
Put here by mistake: what two binaries do: that is a room's.
"""
