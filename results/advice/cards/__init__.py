"""The sentences of a run's summary, a file for each question; `results.advice.summary` puts them together."""
