"""Rerankers: cross-encoders that read a question and a chunk together, and put the best chunks into a new order."""
