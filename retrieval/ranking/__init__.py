"""Rankers: dense (exact or approximate), BM25, and both fused.

Chunks come in as tables and vectors; hits go out.
"""
