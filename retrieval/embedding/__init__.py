"""Embedders: texts to vectors, each distinct text once, kept on disk by digest."""
