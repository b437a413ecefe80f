"""What can be said: decisions, their choices, and the architectures that they span.

Standard library and NumPy only: a space never builds a model.
"""
