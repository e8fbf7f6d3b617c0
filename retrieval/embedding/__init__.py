"""Embedders turn texts into vectors: each distinct text once, cached on disk by digest."""
