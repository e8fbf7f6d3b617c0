"""Readers on this machine.

They run on llama.cpp with shared prefixes: labels read from the next-token distribution, or answers generated under a
grammar.
Nothing here reaches the network.
"""
