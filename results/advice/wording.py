"""The sentences that advice on cells has in common: what it is based on, what it would take, where losses come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from results.config import ScoringConfig
from results.settings import CUT, SETTING, Cell, Spoken
from results.stats.worst_case import fewest_documents

NO_FIGURES = 10  # gold questions, or what their weights are worth; with fewer no sentence names an accuracy
MOST_PARTS = 3  # of a list in a sentence; more are counted
NO_WINNER = 30  # with fewer no sentence says which cell leads
DIGITS = 9  # scores that are equal to so many are equal; what differs beyond is rounding


def constant_answer(label: str | None) -> str:
    """What a reader is held against: always the same answer, or a choice at random where questions have their own."""
    return "a choice at random" if label is None else f"always answering {quoted(label)}"


def percent(share: float) -> str:
    """As in `76 %`; only what is exactly none or all is said to be 0 % or 100 %."""
    rounded = round(100 * share)
    if rounded in (0, 100) and not math.isclose(100 * share, rounded, abs_tol=1e-6):
        return "under 1 %" if rounded == 0 else "over 99 %"
    return f"{rounded} %"


def from_to(low: float, high: float) -> str:
    """An interval of shares, as in `70 to 82 %`."""
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def with_range(row: Mapping[str, Any], name: str) -> str:
    """A share and its interval from a table's row, as in `76 % (70 to 82 %)`."""
    ends = row[f"{name}_low"], row[f"{name}_high"]
    return percent(row[name]) if None in ends else f"{percent(row[name])} ({from_to(*ends)})"


def right(row: Mapping[str, Any], name: str) -> str:
    """An accuracy and its interval from a table's row, as in `76 % right (70 to 82 %)`."""
    return with_range(row, name).replace(" %", " % right", 1)


def points(margin: float) -> str:
    """A difference of shares, as in `5 points`."""
    said = f"{100 * margin:.3g}"
    return f"{said} point{'' if said == '1' else 's'}"


def count(n: float, what: str) -> str:
    """As in `1 question`, `3 questions` or `1,000 questions`."""
    return f"{n:,.0f} {what}{'' if round(n) == 1 else 's'}"


def count_gold(n: float) -> str:
    """As in `17 gold questions`; weights may be worth less than one."""
    return "less than 1 gold question" if 0 < n < 0.5 else count(n, "gold question")


def about(n: float) -> str:
    """A number of which only the size is known, to two digits: `about 1,300`."""
    size = 10 ** max(0, len(str(int(n))) - 2)
    return f"about {math.ceil(n / size) * size:,.0f}"


def needed(n: float, what: str) -> str:
    """What is missing, as in `about 1,400 more gold questions are needed`.

    Args:
        n: how many, of which only the size is known.
        what: one of them, as in `gold question`.
    """
    is_one = math.ceil(n) == 1
    return f"{about(n)} more {what}{'' if is_one else 's'} {'is' if is_one else 'are'} needed"


def too_few(n_gold: float, what_for: str) -> str:
    """As in `17 gold questions are too few to name a leader`."""
    said = count_gold(n_gold)
    return f"{said} {'are' if said.endswith('s') else 'is'} too few {what_for}"


def listed(names: Sequence[str]) -> str:
    """As in `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def either(names: Sequence[str]) -> str:
    """As in `a, b or c`; names that have details after a comma are set apart by semicolons."""
    *first, last = names
    return " or ".join(filter(None, [("; " if any("," in name for name in first) else ", ").join(first), last]))


def all_of(n: int) -> str:
    """As in `both settings` or `all 3 settings`."""
    return "both settings" if n == 2 else f"all {n} settings"


def capital(text: str) -> str:
    """The same at the start of a sentence."""
    return text[:1].upper() + text[1:]


def quoted(label: str) -> str:
    """A label inside a sentence, in quotation marks where it has several words."""
    return f'"{label}"' if " " in label else label


def leaders(rows: pl.DataFrame, score: str) -> pl.DataFrame:
    """The rows that score highest: several where they are exactly equal."""
    rounded = pl.col(score).round(DIGITS)
    return rows.filter(rounded == rounded.max())


def is_nothing(score: float) -> bool:
    """Whether a score is 0: if it is the highest, there is no leader, as nothing was found or right at all."""
    return round(score, DIGITS) == 0


def say_equal(cells: Sequence[Cell], n_all: int, spoken: Spoken) -> str:
    """Cells that are equal, as in `all 4 settings`, `5 of 8 settings` or `64-token chunks and 128-token chunks`.

    Args:
        cells: the cells that are equal; where their cuts differ, each is named with its own.
        n_all: how many cells they were compared with, themselves included.
        spoken: how settings are said.
    """
    if len(cells) == n_all > 1:
        return all_of(n_all)
    if len(cells) > MOST_PARTS:
        return f"{len(cells)} of {n_all} settings"
    if len({cell.cut for cell in cells}) > 1:
        return _with_details([spoken.the_cell(cell) for cell in cells])
    settings = sorted((cell.setting for cell in cells), key=lambda setting: (setting.size, setting))
    return _with_details([spoken.setting(setting) for setting in settings])


def _with_details(names: Sequence[str]) -> str:
    """As `listed`, of names that may have details after a comma, so that none seems to belong to the name before."""
    *first, last = in_order = sorted(names, key=lambda name: "," in name)
    if not any("," in name for name in first):
        return f"{', '.join(first)}, and {last}" if first and "," in last else listed(in_order)
    return f"{'; '.join(first)}{',' if len(first) == 1 else ';'} and {last}"


def shortened(parts: Sequence[str]) -> str:
    """The first of some parts, and how many more there are."""
    more = len(parts) - MOST_PARTS
    return "; ".join([*parts[:MOST_PARTS], *([f"{more} more"] if more > 0 else [])])


class Basis(NamedTuple):
    """What advice on some cells of a reader is based on.

    Attributes:
        n_gold: gold questions, or as many as their weights are worth.
        why_unscored: why nothing can be told from these cells, as the end of a sentence; empty if something can.
    """

    n_gold: float
    why_unscored: str

    @property
    def is_unscored(self) -> bool:
        """Whether nothing can be told from these cells."""
        return bool(self.why_unscored)


def basis_of(rows: pl.DataFrame, n_compared: int, config: ScoringConfig, rule: str = "") -> Basis:
    """What advice on some cells of one reader is based on.

    Args:
        rows: of a frame of schema `CELLS`.
        n_compared: how many cells are compared with each other.
        config: confidence and margin.
        rule: the consensus rule.
    """
    n_gold = rows["gold_n"][0]
    too_long = int(rows["n_too_long"].sum())
    why = ""
    if n_gold == 0:
        why = "no question is in the gold set."
        if rule == "confident":
            why += " Lower min_unanimous, or set coverage, in [consensus]."
    elif too_long:
        # A prompt that did not fit is not a wrong answer; scored as one, it would look like an effect of size.
        why = f"{count(too_long, 'prompt')} did not fit in num_ctx; raise it."
    elif config.answers == "expected" and n_gold < NO_FIGURES and n_compared > 1 and config.margin > 0:
        fewest = fewest_documents(n_compared, config.margin, 1 - config.confidence)
        why = (
            f"{count_gold(n_gold)} cannot tell {n_compared} settings apart; it takes at least "
            f"{fewest:.0f}, on as many documents."
        )
    return Basis(n_gold, why)


def how_far(look: Mapping[str, Any]) -> str:
    """How much was read until the last look, as a sentence; of a row of schema `LOOKS`."""
    dropped = look["of_cells"] - look["cells"]
    unread = 1 - look["context_tokens"] / look["of_context_tokens"] if look["of_context_tokens"] else 0.0
    parts = [f"{dropped} of {count(look['of_cells'], 'cell')} dropped"] if dropped else []
    parts += [f"{percent(unread)} of the context unread"] if unread else []
    after = f"after {look['questions']:,} of {count(look['of_questions'], 'question')}"
    after += f", with {listed(parts)}" if parts else ""
    return f"Told {after}." if look["is_told"] else f"Still open {after}: {look['stopped'] or 'reading broke off'}."


def losses_line(cell: Mapping[str, Any], ladder: pl.DataFrame) -> str:
    """Where the losses of a cell come from, as a sentence; empty if arms were not asked, or of too few questions."""
    same = [pl.col(name) == cell[name] for name in ("reader", *SETTING, *CUT)]
    rung = ladder.filter(*same, pl.col("questions") == "gold")
    if rung.is_empty() or rung["n_chunking"][0] is None or rung["n_reader"][0] is None or not rung["n"][0]:
        return ""
    if cell["gold_n"] < NO_FIGURES:
        return ""
    row = rung.row(0, named=True)
    wrong, *parts = (100 * row[name] / row["n"] for name in ("n_wrong", "n_reader", "n_chunking", "n_retrieval"))
    reader, chunking, retrieval = (f"{round(part)}".replace("-", "\N{MINUS SIGN}") for part in parts)
    causes = f"{reader} are due to the reader, {chunking} to chunking, {retrieval} to retrieval"
    return f" Of the {wrong:.0f} % that are wrong, {causes}."
