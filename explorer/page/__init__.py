"""The page: its data, packed, in one HTML file or a notebook's widget; module/ is its code.

It may import the modules of explorer beside it, child_models.
Put here by mistake: figures that it shows: those are findings' and rankings'.
"""
