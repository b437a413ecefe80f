"""The page: its data, packed, in one HTML file or in a notebook's widget."""
