"""Where things go, and what they are called: axes that fit their data, names that do not overlap, numbers in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results.report.plots.plot import LINE, POINT, Spec, marks, on_paper, wrapped
from retrieval.context import Cut

ARMS = {
    "closed_book": "closed book", "random": "random text", "document": "whole document", "oracle_chunk": "best chunks",
    "retrieved": "retrieved",
}  # fmt: skip


def cut_words(cut: Cut) -> str:
    """How much is read, as people say it: `1 chunk`, `3 chunks`, `256 tokens`."""
    unit = "token" if cut.kind == "budget" else "chunk"
    return f"{cut.amount} {unit}{'' if cut.amount == 1 else 's'}"


def percent(value: float) -> str:
    """As in `76 %`, never broken into two lines."""
    return f"{100 * value:.0f}\N{NO-BREAK SPACE}%".replace("-0\N{NO-BREAK SPACE}", "0\N{NO-BREAK SPACE}")


def with_ends(row: Mapping[str, Any], name: str, low: str = "", high: str = "") -> str:
    """A share with its interval, as in `76 % (43 to 93 %)`; without it where it is not known."""
    ends = row.get(low or f"{name}_low"), row.get(high or f"{name}_high")
    told = percent(row[name])
    return told if None in ends else f"{told} ({100 * ends[0]:.0f} to {percent(ends[1])})"  # type: ignore[operator,arg-type]


def tenths(values: Iterable[float | None]) -> tuple[float, float]:
    """The tenths around all values, for an axis that several plots or layers share."""
    known = [value for value in values if value is not None]
    if not known:
        return 0.0, 1.0
    low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
    return low, max(high, low + 0.1)


def spread(places: Sequence[float], heights: Sequence[float], room: tuple[float, float]) -> list[float]:
    """Move the middles of labels as little as needed for none to overlap another.

    Args:
        places: where each would be, in pixels.
        heights: of each.
        room: its top and its bottom; the labels stay between them, if they fit.

    Returns:
        The middles, in the order of `places`.
    """
    groups: list[tuple[list[int], float]] = []  # labels that touch, from the top on, and the top of the first
    for label in sorted(range(len(places)), key=lambda one: places[one]):
        groups.append(_group([label], places, heights, room))
        while len(groups) > 1 and groups[-2][1] + sum(heights[one] for one in groups[-2][0]) > groups[-1][1]:
            (ours, _), (above, _) = groups.pop(), groups.pop()
            groups.append(_group([*above, *ours], places, heights, room))
    middles = [0.0] * len(places)
    for members, top in groups:
        for one in members:
            middles[one], top = top + heights[one] / 2, top + heights[one]
    return middles


def _group(
    members: list[int], places: Sequence[float], heights: Sequence[float], room: tuple[float, float]
) -> tuple[list[int], float]:
    """The members one below the other, as near to their places as they can be together."""
    before, wanted = 0.0, []
    for one in members:
        wanted.append(places[one] - heights[one] / 2 - before)
        before += heights[one]
    return members, max(room[0], min(sum(wanted) / len(wanted), room[1] - before))


def names_at_right(
    entries: Sequence[tuple[str, float, Spec]], y: Spec, place: tuple[float, float], height: float
) -> list[Spec]:
    """What the lines of a panel are, right of it, at the height where each ends, none on top of another.

    Args:
        entries: a name, the value at the end, and colour and shape of its mark.
        y: the channel of the field `at`.
        place: width of the panel, and how much room there is beside it.
        height: of the panel.
    """
    width, room = place
    low, high = y["scale"]["domain"]
    texts = [wrapped(name, room - 22) for name, _, _ in entries]
    pixels = [(high - value) / (high - low) * height for _, value, _ in entries]
    middles = spread(pixels, [len(lines) * LINE + 2 for lines in texts], (0, height))
    layers = []
    for (_, _, look), lines, middle in zip(entries, texts, middles, strict=True):
        row = [{"at": high - middle / height * (high - low), "text": "\n".join(lines)}]
        text = {"baseline": "middle", "dy": -(len(lines) - 1) * LINE / 2}
        layers.append(marks(row, "point", POINT | look, x={"value": width + 9}, y=y))
        layers += on_paper(row, text, x={"value": width + 18}, y=y)
    return layers
