"""Whole stores: what is damaged in one, and taking over the answers of another."""
