"""Statistics that know nothing of readers or chunks: intervals, paired tests, resampling, and metrics of answers."""
