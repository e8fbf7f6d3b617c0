"""Readers on this machine.

Llama.cpp with shared prefixes, labels read from the next-token distribution, and generated answers under a grammar.
Nothing here reaches the network.
"""
