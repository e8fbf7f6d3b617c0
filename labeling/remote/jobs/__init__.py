"""Batch jobs: planned, submitted, watched and collected; their state is on disk, so that nothing is paid for twice."""
