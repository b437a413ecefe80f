"""ConvNets from layers and blocks, and how they are trained."""
