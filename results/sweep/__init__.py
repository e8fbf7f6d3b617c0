"""Scores of a sweep: each cell's answers against the gold set, the ladder of losses, and what tells cells apart."""
