"""Recurrent cells: what a node computes, trees that a search finds, cells that are known."""
