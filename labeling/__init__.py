"""Readers and their votes: what a reader is, how it is asked here or at a provider, and what its votes add up to.

`votes/` is the lowest layer, followed by `models/` and `prompting/`. At the top, independent of each other, are
`engine/` (this machine) and `remote/` (providers). Nothing here knows a chunk or a score.
"""

import corpora as corpora  # before anything else: it says how OpenMP waits
