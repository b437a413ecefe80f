"""Cells trained and traced for the explorer's page."""
