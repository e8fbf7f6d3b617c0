"""Breakpoints: how unlike the sentences on both sides of a gap are, and at which gap a stretch is cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrieval.embedding.embedder import Vectors

Distances = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

NEIGHBOURS = 3  # sentences on either side of a gap that are compared
# Distances that agree to this many decimals are ties: below that, they depend on how the sums were ordered.
DECIMALS = 6
_BATCH = 4096  # gaps compared at once


def gap_distances(vectors: Vectors, rows: Counts) -> Distances:
    """Distance at each gap between neighbouring sentences.

    It is the cosine distance between the mean of the three sentences before the gap and that of the three behind it,
    fewer at the ends, rounded. A mean of length 0 is at distance 1 from everything.

    Args:
        vectors: shape (distinct sentences, dimensions), unit length.
        rows: shape (sentences,), the row of each sentence in `vectors`.

    Returns:
        Shape (sentences - 1,), from 0 to 2.
    """
    n_gaps = max(len(rows) - 1, 0)
    parts = [_batch(vectors, rows, at, min(at + _BATCH, n_gaps)) for at in range(0, n_gaps, _BATCH)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _batch(vectors: Vectors, rows: Counts, first: int, last: int) -> Distances:
    """Distances of the gaps from `first` to before `last`; gap g stands between sentences g and g + 1."""
    before, after = (np.zeros((last - first, vectors.shape[1])) for _ in range(2))
    gaps = np.arange(first, last)
    # Sums in place of means: the cosine does not see the length. Added one by one, so that equal sentences sum equally.
    for step in range(NEIGHBOURS):
        there = gaps - step >= 0
        before[there] += vectors[rows[gaps[there] - step]]
        there = gaps + 1 + step < len(rows)
        after[there] += vectors[rows[gaps[there] + 1 + step]]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    products = np.einsum("gd,gd->g", before, after)
    cosines = np.divide(products, lengths, out=np.zeros(last - first), where=lengths > 0)
    distances: Distances = np.round(1 - np.clip(cosines, -1, 1), DECIMALS)
    return distances


def best_cut(distances: Distances, totals: Counts, first: int, last: int, least: int) -> int:
    """Where a stretch of sentences is cut in two.

    Args:
        distances: shape (sentences - 1,), as `gap_distances` gives them.
        totals: shape (sentences + 1,), tokens before each sentence and, last, of all.
        first: the stretch's first sentence.
        last: the sentence behind it; at least two after `first`.
        least: tokens to be left on either side, where a gap leaves so many.

    Returns:
        The sentence before which to cut: at the greatest distance, of equal ones next to the middle, then the first.
    """
    gaps = np.arange(first + 1, last)
    left, right = totals[gaps] - totals[first], totals[last] - totals[gaps]
    wide = gaps[(left >= least) & (right >= least)]
    gaps = wide if len(wide) else gaps
    at_gaps = distances[gaps - 1]
    greatest = gaps[at_gaps == at_gaps.max()]
    off_middle = np.abs(2 * totals[greatest] - totals[first] - totals[last])
    return int(greatest[np.argmin(off_middle)])
