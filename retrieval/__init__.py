"""From documents to what a reader sees of them.

Documents are split (`chunking/`), embedded (`embedding/`) and ranked (`ranking/`); a cut of a ranking becomes the
context that a reader sees. Nothing here knows about readers or scores.
"""

import corpora as corpora  # before anything else: it says how OpenMP waits
