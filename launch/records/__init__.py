"""What a run leaves on disk, and how a later one reads it."""
