"""Scores of a sweep: each cell's answers against the gold set, the ladder of losses, and differences between cells."""
