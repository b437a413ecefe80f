"""A search: its loop, the run around it, what looks on, and what it reports."""
