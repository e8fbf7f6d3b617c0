"""Readers and their votes: what a reader is, how it is asked here or at a provider, and what its votes make up.

`votes/` is the lowest layer, then `models/`, `prompting/`, and beside each other `engine/` (this machine) and
`remote/` (providers). Nothing here knows a chunk or a score.
"""
