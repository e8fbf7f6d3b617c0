"""Splitters cut documents into chunks, each an exact slice of its document.

The semantic splitter embeds sentences to choose its cuts.
"""
