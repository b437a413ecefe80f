"""ConvNets: built from layers, their size, their training on TensorFlow and JAX.

It may import data, the modules of child_models beside it.
Put here by mistake: reading images: that is data's.
"""
