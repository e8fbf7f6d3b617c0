"""What every stage of a sweep takes as the corpus grows: `python -m tests.benchmarks.scale`."""
