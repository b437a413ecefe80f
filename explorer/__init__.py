"""The page that shows what a recurrent cell remembers."""
