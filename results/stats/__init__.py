"""Statistics that know nothing of readers or chunks: intervals, paired tests, resampling, and answer metrics."""
