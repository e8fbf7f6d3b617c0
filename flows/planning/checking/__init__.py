"""What is wrong with an experiment, and whether its readers can be asked and its documents read, before a run."""
