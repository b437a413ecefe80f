"""The page that shows what a recurrent cell remembers: what it shows, and in which order.

It may import child_models, search_spaces; the modules here no room of theirs.
Put here by mistake: computing a signal: that is child_models.traces'.
"""
