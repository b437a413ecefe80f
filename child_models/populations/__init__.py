"""Many language models at once, in one program that is compiled once for all cells."""
