"""Numbers and what they mean: scores, statistics, advice and reports, all from tables.

The layers, from the lowest: `stats/`, `evidence/`, `readers/`, `gold/`, `comparing/`, `sweep/`, `advice/`, `report/`.
Nothing here asks a model; what is published lies in `published/`.
"""

import corpora as corpora  # before anything else: it says how OpenMP waits
