"""Documents and questions: what a corpus is, how it is read, and how it is checked.

Sources are read in `sources/`, cut down or joined in `shaping/`, and put together in `load`. Nothing here knows a
model, a chunk or a score.
"""

import os

# OpenMP reads this when the first library that brings it is loaded (llama.cpp, faiss, torch, scikit-learn), so it is
# set in the package that every other one imports first. By default, threads spin while they wait and take the
# processor from whatever else runs: beside five busy processes a reader then reads 15 tokens a second instead of 26.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
