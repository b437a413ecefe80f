"""What was found as code: files of plain Keras 3 that need nothing of this project.

It may import the rooms of child_models beside it, and needs no Keras to write.
Put here by mistake: what builds a model in this process, which is cells', convnets' and
language_models': here it is only written down.
"""
