"""Training a specialist on the gold labels of a finished run: what it may learn from, how, and how good it is."""
