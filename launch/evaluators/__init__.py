"""Who measures children: here, in child processes, in groups; and by which plan."""
