"""What the reader sees: a cut of a ranking, by a number of chunks or by a token budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from corpora.errors import InputError

CHUNK_BREAK = "\n\n"


class Cut(NamedTuple):
    """How much of a ranking is read: its first `amount` chunks, or as many as fit in `amount` tokens."""

    kind: Literal["k", "budget"]
    amount: int

    def written(self, equals: str) -> str:
        """Kind and amount with something between them; nothing else formats a cut."""
        return f"{self.kind}{equals}{self.amount}"

    @property
    def name(self) -> str:
        """For example `k=3` or `budget=256`: in tables, sentences and manifests."""
        return self.written("=")

    @property
    def title(self) -> str:
        """For example `k = 3`: in plots."""
        return self.written(" = ")

    @property
    def file_part(self) -> str:
        """For example `k3`: in names of files."""
        return self.written("")


def depth_for(cuts: Sequence[Cut], chunks: pl.DataFrame) -> int:
    """How deep a ranking must go for every cut to be made from it, whichever chunks come first."""
    smallest_first = np.sort(chunks["n_tokens"].to_numpy()).cumsum()
    fits = [int(np.searchsorted(smallest_first, cut.amount, side="right")) for cut in cuts if cut.kind == "budget"]
    return max([cut.amount for cut in cuts if cut.kind == "k"] + fits)


def usual_depth(cuts: Sequence[Cut], chunks: pl.DataFrame) -> int:
    """How deep nearly all rankings must go for every cut to be made from them: `depth_for` may be many times deeper.

    It holds twice as many chunks of mean length as the largest budget does.
    """
    most_tokens = max((cut.amount for cut in cuts if cut.kind == "budget"), default=0)
    most_chunks = max((cut.amount for cut in cuts if cut.kind == "k"), default=0)
    return max(most_chunks, math.ceil(2 * most_tokens / float(chunks["n_tokens"].to_numpy().mean())), 1)


def check_budgets(cuts: Sequence[Cut], largest_size: int) -> None:
    """Reject a budget that could not hold one chunk of the largest size.

    Raises:
        InputError: a budget is too small; the message gives both numbers.
    """
    for cut in cuts:
        if cut.kind == "budget" and cut.amount < largest_size:
            raise InputError(
                f"token budget {cut.amount} with chunks of up to {largest_size} tokens",
                "a budget that holds at least one chunk of the largest size",
                "raise the budget or remove the largest size",
            )


def cut_ranking(ranked: pl.DataFrame, cut: Cut) -> pl.DataFrame:
    """The head of each question's ranking.

    A budget takes whole chunks from the top and stops at the first that does not fit: skipping that one
    for a smaller one further down would let a lower-ranked chunk take its place.

    Args:
        ranked: hits joined with their chunks: question_id, rank, n_tokens, sorted by rank within a question.
        cut: how much of it to keep.
    """
    if cut.kind == "k":
        return ranked.filter(pl.col("rank") <= cut.amount)
    return ranked.filter(pl.col("n_tokens").cum_sum().over("question_id") <= cut.amount)


def each_cut(
    ranked: pl.DataFrame, key: Sequence[str], cuts: Sequence[Cut]
) -> Iterator[tuple[tuple[Any, ...], Cut, pl.DataFrame]]:
    """Every cut of the rankings of every setting.

    Args:
        ranked: hits joined with their chunks, as `cut_ranking` takes them, of several settings.
        key: the columns that name a setting.
        cuts: how much is read.

    Yields:
        The values of `key`, the cut, and what the cut shows.
    """
    for values, of_setting in ranked.group_by(key, maintain_order=True):
        for cut in cuts:
            yield values, cut, cut_ranking(of_setting, cut)


def shown_by_any(ranked: pl.DataFrame, cuts: Sequence[Cut]) -> pl.DataFrame:
    """What at least one of these cuts shows of rankings that are deep enough for any cut.

    A ranking is deep enough to fill a budget with the shortest chunks; few questions rank that many short ones.

    Args:
        ranked: as `cut_ranking` takes it.
        cuts: how much is read.
    """
    most_chunks = max((cut.amount for cut in cuts if cut.kind == "k"), default=0)
    most_tokens = max((cut.amount for cut in cuts if cut.kind == "budget"), default=0)
    in_budget = pl.col("n_tokens").cum_sum().over("question_id") <= most_tokens
    return ranked.filter((pl.col("rank") <= most_chunks) | in_budget)


def assemble(texts: Sequence[str]) -> str:
    """Chunks as the reader sees them: in rank order, so that a context of fewer chunks is a prefix of one of more."""
    return CHUNK_BREAK.join(texts)
