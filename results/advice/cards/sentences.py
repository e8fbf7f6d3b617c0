"""The sentences on cells that cards, recommendations and verdicts share: what to use, or what it takes to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from results.advice.wording import (
    MOST_PARTS,
    NO_FIGURES,
    NO_WINNER,
    all_of,
    basis_of,
    count,
    either,
    from_to,
    is_nothing,
    leaders,
    needed,
    percent,
    points,
    right,
    say_equal,
    too_few,
)
from results.config import ScoringConfig
from results.settings import SETTING, Cell, Spoken, cell_of, say_cut
from results.sweep.cells import COST_ORDER

ON_SPANS, ON_DOCUMENTS = "span_recall", "ndcg"


class Saying(NamedTuple):
    """What the sentences on the cells of one reader have in common.

    Attributes:
        spoken: how settings are said.
        config: confidence, margin, and how scores are formed.
        whose: as in ` with qwen2.5-coder-0.5b`; empty where there is only one reader.
        column: the p-values of being within the margin: of all cells, or of those of one cut.
        n_dropped: cells that were tried and dropped on the way, as some other cell, maybe of another cut, is better.
    """

    spoken: Spoken
    config: ScoringConfig
    whose: str = ""
    column: str = "p_within"
    n_dropped: int = 0

    @property
    def is_of_cut(self) -> bool:
        """Whether the cells are those of one cut."""
        return self.column != "p_within"

    def the_cell(self, row: Mapping[str, Any]) -> str:
        """A cell inside a sentence, as in `the best 3 chunks of 64 tokens`."""
        return self.spoken.the_cell(cell_of(row))


def use_line(
    chosen: Mapping[str, Any], rows: pl.DataFrame, saying: Saying, basis: str = "", *, is_best: bool = False
) -> str:
    """What to use, with its number.

    Args:
        chosen: the row of the recommended cell.
        rows: all cells that it was compared with, frame of schema `CELLS`.
        saying: how it is said.
        basis: how much was asked for it, where that is not the number of gold questions.
        is_best: whether the chosen cell is shown to be better than all others.
    """
    accuracy = _accuracy(chosen, basis)
    n_tried = len(rows) + saying.n_dropped
    n_within = _n_within(rows, saying)
    if n_tried == 1:
        only = f"{saying.the_cell(chosen)}, the only setting that was tried"
        return f"Nothing to choose{saying.whose}: {only}: {accuracy}."
    if is_nothing(rows["gold_accuracy"].max()):  # type: ignore[arg-type]  # a number
        return _none_right(saying)
    if n_within == n_tried and not is_best:
        alike = f"all are within {points(saying.config.margin)} of each other"
        which, least = _any_of(rows, chosen, saying)
        return f"Any {which} will do{saying.whose}: {alike}. The least text is read with {least}: {accuracy}."
    whose = f",{saying.whose}" if saying.whose else ""
    standing = _better_than(len(rows) - 1) if is_best else _standing(rows, saying)
    if saying.n_dropped and (is_best or saying.is_of_cut):
        # Of one cut, nothing is known of what was dropped but that some other cell is better.
        standing += f"; {saying.n_dropped} of {n_tried} settings {_was(saying.n_dropped)} dropped on the way"
    return f"Use {saying.the_cell(chosen)}{whose}: {accuracy}; {standing}."


def _n_within(rows: pl.DataFrame, saying: Saying) -> int:
    return len(rows.filter(pl.col(saying.column) < 1 - saying.config.confidence))


def _better_than(n_others: int) -> str:
    return f"it is shown to be better than {'the other' if n_others == 1 else f'each of the {n_others} others'}"


def _standing(rows: pl.DataFrame, saying: Saying) -> str:
    """Why this cell and no other, where it is not shown to be better than all of them."""
    n_within, near = _n_within(rows, saying), points(saying.config.margin)
    n_all = len(rows) if saying.is_of_cut else len(rows) + saying.n_dropped
    if n_all == 1:
        return "it is the only one left"
    if n_within < 2:
        return f"only this one of {n_all} settings is shown to be within {near} of the best"
    return f"it reads the least of the {n_within} settings (of {n_all}) within {near} of the best"


def _was(n: int) -> str:
    return "was" if n == 1 else "were"


def _accuracy(row: Mapping[str, Any], basis: str) -> str:
    """The accuracy of a cell and what it is based on; the number of gold questions is too few for one."""
    if row["gold_n"] < NO_FIGURES:
        return too_few(row["gold_n"], "to name its accuracy")
    return right(row, "gold_accuracy") + (basis or f", on {count(row['gold_n'], 'gold question')}")


def _any_of(rows: pl.DataFrame, chosen: Mapping[str, Any], saying: Saying) -> tuple[str, str]:
    """The settings that are alike, and the one of them that reads the least."""
    same = [name for name in (*SETTING, "cut", "amount") if name != "size"]
    if rows.select(same).n_unique() == 1:
        *sizes, last = (str(size) for size in sorted(rows["size"].to_list()))
        return f"size of {', '.join(sizes)} or {last} tokens", str(chosen["size"])
    return f"of the {len(rows)} settings", saying.the_cell(chosen)


def open_line(rows: pl.DataFrame, saying: Saying, n_more: float | None, *, more: str = "", rule: str = "") -> str:
    """That no winner is known, what leads, and what it would take to know.

    Args:
        rows: the cells that were compared, frame of schema `CELLS`.
        saying: how it is said.
        n_more: how many more questions would tell, gold questions if scores are drawn; None where no number is known.
        more: said in place of that number.
        rule: the consensus rule.
    """
    basis = basis_of(rows, len(rows), saying.config, rule)
    if basis.is_unscored:
        return f"Nothing can be told{saying.whose}: {basis.why_unscored}"
    if n_more:
        more = needed(n_more, "gold question" if saying.config.answers == "drawn" else "question")
    if basis.n_gold < NO_WINNER:
        few = too_few(basis.n_gold, "to name a leader")
        return f"No winner yet{saying.whose}: {few}{f'; {more}' if more else ''}."
    equal = leaders(rows, "gold_accuracy").sort(COST_ORDER)
    best = equal.row(0, named=True)
    if is_nothing(best["gold_accuracy"]):
        return _none_right(saying)
    more = more or f"no setting is shown to be within {points(saying.config.margin)} of the best"
    found = percent(best["gold_accuracy"])
    n_tried = len(rows) + saying.n_dropped
    if len(equal) == n_tried > 1:
        return f"No winner yet{saying.whose}: {all_of(n_tried)} are equal so far ({found}); {more}."
    if len(equal) > 1:
        cells = [cell_of(row) for row in equal.iter_rows(named=True)]
        cuts = {say_cut(cell.cut) for cell in cells}
        named = ", ".join([say_equal(cells, n_tried, saying.spoken), *(cuts if len(cuts) == 1 else ())])
        return f"No winner yet{saying.whose}. Best so far, and equal: {named} ({found}); {more}."
    accuracy = f"{found}, {from_to(best['gold_accuracy_low'], best['gold_accuracy_high'])}"
    return f"No winner yet{saying.whose}. Best so far: {saying.the_cell(best)} ({accuracy}); {more}."


def _none_right(saying: Saying) -> str:
    return f"Nothing can be told{saying.whose}: no setting gets any gold question right."


class Found(NamedTuple):
    """How well a cell retrieves.

    Attributes:
        cell: the cell.
        value: its mean score.
        n_tokens: mean number of tokens that are read in it.
    """

    cell: Cell
    value: float
    n_tokens: float


class Choice(NamedTuple):
    """What retrieves best under one cut.

    Attributes:
        score: what was compared: `ON_SPANS` or `ON_DOCUMENTS`.
        n: number of questions.
        n_settings: how many settings were compared.
        best: the one that scores highest, the cheapest of several.
        equal: all that score exactly as high, itself included.
        chosen: the one to use; None where none is shown to be within the margin of the best.
        n_within: how many are shown to be; None where that is not known any more.
        maybe: all that may be the best, where others are shown to be worse; empty where none is.
    """

    score: str
    n: float
    n_settings: int
    best: Found
    equal: tuple[Cell, ...]
    chosen: Found | None
    n_within: int | None = None
    maybe: tuple[Cell, ...] = ()


def retrieval_line(choice: Choice, spoken: Spoken, margin: float) -> str:
    """What to retrieve with, and why.

    Args:
        choice: what was found.
        spoken: how settings are said.
        margin: how much worse than the best a setting may be.
    """
    best, chosen, n = choice.best, choice.chosen, count(choice.n, "question")
    best_said, best_found = spoken.the_cell(best.cell), _found(choice.score, best.value)
    if choice.n_settings == 1:
        return f"Nothing to choose: {best_said}, the only setting that was tried: {best_found}, over {n}."
    if is_nothing(best.value):
        return f"Nothing can be told of retrieval, {say_cut(best.cell.cut)}: {found_nothing(choice.score)} ({n})."
    named = best_said if len(choice.equal) == 1 else say_equal(choice.equal, choice.n_settings, spoken)
    if chosen is None and 0 < len(choice.maybe) <= MOST_PARTS:
        left = say_left(choice.maybe, choice.n_settings, spoken)
        so_far = f"{'Best' if len(choice.equal) == 1 else 'Equal'} so far: {named}"
        return f"Retrieve {left}. {so_far} ({best_found}, over {n})."
    if chosen is None:
        none = f"no setting is shown to be within {points(margin)} of the best"
        not_yet = f"No winner yet in retrieval, {say_cut(best.cell.cut)}"
        if choice.maybe:
            none = f"{are_worse(choice.n_settings - len(choice.maybe), choice.n_settings)}, but {none}"
        if len(choice.equal) == choice.n_settings:
            return f"{not_yet}: {named} are equal so far ({best_found}, over {n}); {none}."
        so_far = f"Best so far{', and equal' if len(choice.equal) > 1 else ''}: {named} ({best_found}, over {n})"
        return f"{not_yet}. {so_far}; {none}."
    found = f"{_found(choice.score, chosen.value)}, {count(chosen.n_tokens, 'token')} read, over {n}"
    leader = f" ({named}: {best_found})" if chosen.cell not in choice.equal else ""
    return f"Retrieve {spoken.the_cell(chosen.cell)}: {found}; {_retrieval_standing(choice, margin)}{leader}."


def _retrieval_standing(choice: Choice, margin: float) -> str:
    within, near, n = choice.n_within, f"within {points(margin)} of", choice.n_settings
    n_equal = len(choice.equal)
    if n_equal == n:
        return f"{all_of(n)} are equal, and it {reads_no_more(n)}"
    if n_equal > 1 and choice.chosen and choice.chosen.cell in choice.equal:
        return f"it is one of {n_equal} settings (of {n}) that lead and are equal, and {reads_no_more(n_equal)}"
    if within is None:
        stands = "leads, and is" if choice.chosen == choice.best else "reads the least of those"
        return f"of {n} settings, it {stands} shown to be {near} the best"
    if within == n:
        return f"all {n} settings are {near} each other, and it reads the least"
    if within == 1:
        return f"only this one of {n} settings is shown to be {near} the best"
    return f"it reads the least of the {within} settings (of {n}) {near} the best"


def say_left(maybe: Sequence[Cell], n_settings: int, spoken: Spoken) -> str:
    """The few settings that are left, and why."""
    settings = sorted((cell.setting for cell in maybe), key=lambda setting: (setting.size, setting))
    n_worse = n_settings - len(maybe)
    others = "the other one is" if n_worse == 1 else f"the {n_worse} others are"
    which = either([spoken.setting(setting) for setting in settings])
    return f"{which}, {say_cut(maybe[0].cut)}: {others} shown to be worse, and these cannot be told apart yet"


def are_worse(n: int, of: int) -> str:
    """That some settings are out: another one is shown to be better."""
    return f"{n} of {of} settings {'is' if n == 1 else 'are'} shown to be worse"


def reads_no_more(n_equal: int) -> str:
    """That of some equal settings the one that is named is the cheapest, or one of these."""
    return f"reads no more than the other{'' if n_equal == 2 else 's'}"


def found_nothing(score: str) -> str:
    """That every setting scores 0."""
    return f"no setting finds {'any of the evidence' if score == ON_SPANS else 'the right document for any question'}"


def _found(score: str, value: float) -> str:
    return f"{percent(value)} of the evidence" if score == ON_SPANS else f"nDCG {value:.3f}"
