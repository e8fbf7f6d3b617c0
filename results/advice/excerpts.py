"""Which stretches of a long document are shown: around its evidence and the chunks that were read, within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

AROUND = 240  # characters before and after what matters
ENDS = 600  # characters shown of each end of a stretch that is too long to be shown whole
WHOLE = 3000  # characters of a document that is shown whole


class Stretch(NamedTuple):
    """Character offsets into a document, end-exclusive."""

    start: int
    end: int


def choose_stretches(length: int, matters: Sequence[Stretch], budget: int, *, whole: bool) -> list[Stretch]:
    """Stretches of a document to show, in its order, apart from each other.

    A short document is shown whole where that is wanted. Else every stretch that matters is, with some text around it;
    of a long one both ends; the first of `matters` first, until the budget is spent.

    Args:
        length: characters of the document.
        matters: what should be seen, the most important first.
        budget: most characters to show.
        whole: whether a short document is shown whole.
    """
    if whole and length <= min(WHOLE, budget):
        return [Stretch(0, length)]
    shown: list[Stretch] = []
    for one in matters or [Stretch(0, 0)]:
        for part in _parts(one):
            wider = Stretch(max(0, part.start - AROUND), min(length, part.end + AROUND))
            for candidate in (wider, part):
                merged = _merge([*shown, candidate])
                if sum(end - start for start, end in merged) <= budget:
                    shown = merged
                    break
    return shown


def _parts(one: Stretch) -> list[Stretch]:
    if one.end - one.start <= 2 * ENDS:
        return [one]
    return [Stretch(one.start, one.start + ENDS), Stretch(one.end - ENDS, one.end)]


def _merge(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Overlapping and touching stretches as one, in order."""
    merged: list[Stretch] = []
    for one in sorted(stretches):
        if merged and one.start <= merged[-1].end:
            merged[-1] = Stretch(merged[-1].start, max(merged[-1].end, one.end))
        else:
            merged.append(one)
    return merged
