"""Documents and questions: what a corpus is, how it is read, and how it is checked.

Sources are read in `sources/`, cut down or joined in `shaping/`, and put together in `load`. Nothing here knows a
model, a chunk or a score.
"""
