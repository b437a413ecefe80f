"""What can be said: decisions, their choices, and the architectures that they span.

Standard library and NumPy only: a space never builds a model. Every other folder may import this
one, so that it also has what all share: `errors`, `field_checks`, `randomness`, `whole_files`.
"""
