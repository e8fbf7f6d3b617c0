"""Tercet beside other tools for the same question: `python -m tests.benchmarks.peers`."""
