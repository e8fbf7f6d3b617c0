"""Splitters: documents to chunks, each an exact slice of its document.

The semantic one embeds sentences.
"""
