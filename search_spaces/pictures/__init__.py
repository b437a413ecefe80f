"""Architectures as pictures: SVG written from text alone, without a library.

A layout places boxes, lines and texts in a `Scene`; `svg` writes a scene. It may import
search_spaces. Put here by mistake: curves of results, which are launch.results.charts'.
"""
