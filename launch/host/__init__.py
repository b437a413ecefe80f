"""This machine: cores, memory, ports, devices, Keras's backend, processes and their ends, terminal.

It may import search_spaces alone.
Put here by mistake: what a child is: that is evaluators'.
"""
