"""Which cells are shown to be within the margin of a reader's best, and how many more questions would show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from results.config import ScoringConfig
from results.settings import CUT, SETTING
from results.stats.looks import look_shares
from results.stats.worst_case import Weighted, documents_needed
from results.sweep.arms import ArmMeans, Arms
from results.sweep.judged import Judged
from results.sweep.pairwise import shown_within, shown_within_drawn

POWER = 0.8
FEWEST = 6  # cells from which dropping some saves more than it costs; it never paid at four
DROP_SHARE = 0.2  # of the error rate, for dropping cells at all looks together; the rest is for the advice
WITHIN = {
    "p_within_cut": pl.Float64(),
    "p_within": pl.Float64(),
    "n_more_cut": pl.Float64(),
    "n_more": pl.Float64(),
}


class Race(NamedTuple):
    """What scoring has to know of a sweep that is read in looks.

    Attributes:
        sizes: by reader, number of questions at each look that may take place.
        n_tried: by reader, how many different cells were in the race at the start.
        alike: columns `SETTING`, `CUT` and `same`: cells with the same number show the very same contexts, on questions
            that were never read too.
    """

    sizes: Mapping[str, Sequence[int]]
    n_tried: Mapping[str, int]
    alike: pl.DataFrame


def cells_alike(contexts: pl.DataFrame) -> pl.DataFrame:
    """Which cells show the very same text for every question.

    Args:
        contexts: columns `SETTING`, `CUT`, question_id and place, the chunks that are shown in their order.

    Returns:
        Columns `SETTING`, `CUT` and `same`, sorted; cells with the same number are alike.
    """
    key = [*SETTING, *CUT]
    shown = contexts.sort(*key, "question_id").group_by(key, maintain_order=True)
    digests = shown.agg(pl.struct("question_id", "place").hash(seed=0).alias("shown"))
    return digests.with_columns(same=pl.col("shown").rank("dense").cast(pl.Int64)).select(*key, "same").sort(key)


class Within(NamedTuple):
    """What some cells show about the best of them.

    Attributes:
        p_values: for each, of being more than the margin worse than the best.
        n_more: how many more questions would show, with 80 % power, that a cell equal to the best is within the margin;
            None where no number is known.
    """

    p_values: list[float]
    n_more: float | None


def within_columns(judged: Judged, gold: ArmMeans, config: ScoringConfig, race: Race | None = None) -> list[pl.Series]:
    """The columns `WITHIN` of each cell: under its own cut, and over all cuts.

    Args:
        judged: one reader's answers.
        gold: its accuracies on the gold set.
        config: margin, and how scores are formed.
        race: the looks of a sweep that is read until the advice is told; None for a single one.
    """
    n = len(judged.cells)
    of_cut = judged.cells.with_row_index("number").group_by(CUT, maintain_order=True).agg("number")
    values: dict[str, list[float | None]] = {name: [None] * n for name in WITHIN}
    for suffix, families in (("_cut", of_cut["number"].to_list()), ("", [list(range(n))])):
        for numbers in families:
            found = compare_within(judged, gold, numbers, config, race)
            for number, p_value in zip(numbers, found.p_values, strict=True):
                values["p_within" + suffix][number] = p_value
                values["n_more" + suffix][number] = found.n_more
    return [pl.Series(name, column, dtype=WITHIN[name]) for name, column in values.items()]


def compare_within(
    judged: Judged, gold: Arms, numbers: Sequence[int], config: ScoringConfig,
    race: Race | None = None,
) -> Within:  # fmt: skip
    """Test each of some cells against the best of them; cells that ask exactly the same prompts are tested as one.

    Args:
        judged: one reader's answers.
        gold: how it answers the gold set.
        numbers: of the cells.
        config: as in `within_columns`.
        race: as in `within_columns`.
    """
    columns, same = gold.columns("retrieved"), same_cells(judged, race.alike if race else None)
    distinct = sorted({same[number] for number in numbers})
    places = [columns[number] for number in distinct]
    if config.answers == "drawn":
        if not isinstance(gold, ArmMeans):
            raise TypeError("drawn scores are tested on their resamples")
        p_values, n_more = shown_within_drawn(gold.means, places, config.margin), None
    else:
        n_tried, shares = _shares(judged, numbers, len(places), config, race)
        p_values = shown_within(
            gold.documents, places, config.margin, strict=config.strict, shares=shares, n_tried=n_tried
        )
        n_more = _more_questions(gold.documents, places, len(judged.facts), config, n_tried, shares)
    return Within([p_values[distinct.index(same[number])] for number in numbers], n_more)


def _shares(
    judged: Judged, numbers: Sequence[int], n_places: int, config: ScoringConfig, race: Race | None
) -> tuple[int, list[float]]:
    """How many different cells were tried, and the share of the error rate that a look may use for each multiplier."""
    if race is None:
        return n_places, []
    over_all = len(numbers) == len(judged.cells)
    n_tried = max(n_places, race.n_tried[judged.reader]) if over_all else n_places
    alpha = 1 - config.confidence
    kept = 1 - DROP_SHARE if race.n_tried[judged.reader] >= FEWEST else 1.0
    return n_tried, [share * kept for share in look_shares(race.sizes[judged.reader], n_tried, alpha * kept)]


def same_cells(judged: Judged, alike: pl.DataFrame | None) -> list[int]:
    """For each cell the number of the first one that is the same to the reader: they are tested as one cell.

    Args:
        judged: one reader's answers.
        alike: columns `SETTING`, `CUT` and `same`, over all questions that might be read; None to go by the prompts
            that were asked.
    """
    if alike is not None:
        same = judged.cells.join(alike, on=[*SETTING, *CUT], how="left", maintain_order="left")["same"].to_list()
        return [same.index(one) for one in same]
    asked = judged.answers.filter(pl.col("arm") == "retrieved").sort(*SETTING, *CUT, "question_id")
    prompts = asked.group_by([*SETTING, *CUT], maintain_order=True).agg("prompt_hash")["prompt_hash"].to_list()
    return [number if None in one else prompts.index(one) for number, one in enumerate(prompts)]


def _more_questions(
    documents: Weighted, places: Sequence[int], n_questions: int, config: ScoringConfig, n_tried: int,
    shares: Sequence[float],
) -> float | None:  # fmt: skip
    """How many more questions would show that the leader, if equal to the others, is within the margin of them."""
    if len(places) < 2 or config.margin == 0 or not documents.weights.sum():
        return None
    n_others = n_tried - 1
    level = (1 - config.confidence) / n_others * (shares[n_others - 1] if shares else 1.0)
    scores = documents.sums[:, list(places)]
    leader = int(scores.sum(axis=0).argmax())
    # A document's difference from what its weight makes one expect, so that the two are equal on the whole.
    accuracies = scores.sum(axis=0) / documents.weights.sum()
    around = scores - documents.weights[:, None] * accuracies
    weight = float(documents.weights.max()) if config.strict else documents.typical
    subtracted = config.margin * float(documents.weights.mean())
    gaps = np.delete(around - around[:, [leader]], leader, axis=1)
    widest = gaps[:, gaps.std(axis=0).argmax()]  # what differs most from document to document needs most of them
    needed = documents_needed(widest, (1 - config.margin) * weight, subtracted, level, POWER)
    if needed is None:
        return None
    return max(0.0, float(np.ceil((needed - 1) * n_questions)))
