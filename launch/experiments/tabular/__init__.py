"""Tables of measured architectures, as files of one's own: read, checked, and the spaces they span.

It may import search_spaces alone.
Put here by mistake: what a search makes of a row: that is `evaluators.kinds.tabular`'s.
"""
