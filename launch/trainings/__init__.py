"""Given architectures, trained in full: one, several beside each other, over a grid."""
