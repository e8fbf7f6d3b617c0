"""Finished runs in a browser: a list of them, and the report of each."""
