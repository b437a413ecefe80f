"""What is claimed of a cell, measured on its traces."""
