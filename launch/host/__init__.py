"""This machine: cores, memory, ports, devices, processes and their ends."""
