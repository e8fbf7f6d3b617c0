"""Chunks and hits.

Documents are split (`chunking/`), embedded (`embedding/`) and ranked (`ranking/`); a cut of a ranking becomes the
context that a reader sees. Nothing here knows a reader or a score.
"""
