"""A cell of an earlier run against a later one, and how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from results.advice.wording import count, percent, points


class Drop(NamedTuple):
    """One cell of an earlier run against a later one.

    Attributes:
        what: the cell, as people say it, and its reader.
        score: what is compared, as in `accuracy`.
        before: of the earlier run.
        after: of the later run.
        basis: on what, as in `97 effective gold questions`.
        n: what the questions that both asked are worth.
        margin: the largest drop that is acceptable.
        p_value: of the drop being no larger than that, corrected for the cells that it was chosen from.
        is_shown: whether it is shown to be larger.
    """

    what: str
    score: str
    before: float
    after: float
    basis: str
    n: float
    margin: float
    p_value: float
    is_shown: bool

    @property
    def line(self) -> str:
        """All of it in a sentence."""
        scores = f"{self.score} {percent(self.before)} before and {percent(self.after)} now"
        found = f"{self.what}: {scores}, on {self.basis} of both runs"
        beyond = f"by more than {points(self.margin)}" if self.margin else "at all"
        if self.is_shown:
            return f"{found}. It is shown to be worse {beyond} (p = {self.p_value:.2g})."
        if self.after < self.before:
            return f"{found}. It is not shown to be worse {beyond} (p = {self.p_value:.2g})."
        return f"{found}. That is no drop."


def drop_lines(drops: Sequence[Drop], most: int = 5) -> list[str]:
    """The drops that are shown; where none is, the largest that was observed, and of how many.

    Args:
        drops: those of `find_drops`.
        most: lines for shown drops; more are counted.
    """
    shown = [one for one in drops if one.is_shown]
    if shown:
        n_more = len(shown) - most
        more = [f"{count(n_more, 'more cell')} {'is' if n_more == 1 else 'are'} shown to be worse."]
        return [*(one.line for one in shown[:most]), *(more if n_more > 0 else [])]
    largest = max(drops, key=lambda one: one.before - one.after)
    if len(drops) == 1:
        return [largest.line]
    if largest.after >= largest.before:
        return [f"None of the {len(drops)} cells that were compared scores lower than before."]
    return [f"{largest.line} It is the largest drop of the {len(drops)} cells that were compared."]
