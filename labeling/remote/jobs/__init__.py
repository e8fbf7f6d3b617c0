"""Batch jobs: planned, submitted, watched and collected, with their state on disk, so that nothing is paid for twice."""
