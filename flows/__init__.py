"""The only layer that puts the stages in order.

`label`, `sweep` and `compare` are the three flows, each on one screen. The layers, from the lowest: `session/`,
`stages/`, the three flows, `planning/`, `run/`, `runners/`, `serving/`, `cli/`. Only `runners/` and `serving/` import
Prefect.
"""

import corpora as corpora  # before anything else: it says how OpenMP waits
