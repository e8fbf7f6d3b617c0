"""The same readers on several corpora: which gain where, and which stay at chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl
import scipy

from results.stats.answer_metrics import NO_ANSWER
from results.stats.chance_agreement import above_chance
from results.stats.clustered import Comparison, holm

CORPORA = pl.Schema(
    {
        "reader": pl.String(),
        "corpus": pl.String(),
        "n": pl.Int64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "majority_share": pl.Float64(),
        "above_chance": pl.Float64(),
        "above_low": pl.Float64(),
        "above_high": pl.Float64(),
        "standing": pl.String(),
    }
)
SHIFTS = pl.Schema(
    {
        "reader": pl.String(),
        "from": pl.String(),
        "to": pl.String(),
        "standing_from": pl.String(),
        "standing_to": pl.String(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "finding": pl.String(),
    }
)


class OnCorpus(NamedTuple):
    """One corpus with its readers.

    Attributes:
        name: of the corpus.
        labelers: frame of schema `LABELERS`, corrected over its readers.
        judged: by reader, columns question_id, label, reference, cluster; reference never null.
    """

    name: str
    labelers: pl.DataFrame
    judged: Mapping[str, pl.DataFrame]


class _Above(NamedTuple):
    """How far above chance a reader is on a corpus, on how many documents, and its standing there."""

    chance: Comparison
    n_clusters: int
    standing: str


def compare_corpora(corpora: list[OnCorpus], confidence: float) -> dict[str, pl.DataFrame]:
    """Compare each reader's distance from chance between the first corpus and every other.

    Corpora differ in their shares of labels, so bare accuracies cannot be compared. How much more often a reader is
    right than its own answers would be if shuffled can be. The corpora share no questions, so their variances add up
    (Welch 1947).

    Returns:
        `corpora` (schema `CORPORA`, one row per reader and corpus) and `shifts` (schema `SHIFTS`, one row per reader
        and other corpus), both empty where no corpus has reference labels.
    """
    rows, above = [], {}
    for corpus in corpora:
        for row in corpus.labelers.iter_rows(named=True):
            if row["accuracy"] is None:
                continue
            mine = _above_chance(corpus.judged[row["reader"]], row["standing"], confidence)
            above[row["reader"], corpus.name] = mine
            kept = {name: row[name] for name in CORPORA if name in row}
            added = dict(zip(("above_chance", "above_low", "above_high"), mine.chance[:3], strict=True))
            rows.append(kept | {"corpus": corpus.name} | added)
    first = corpora[0].name
    shifts = [
        _shift(reader, first, other, above[reader, first], of_other, confidence)
        for (reader, other), of_other in above.items()
        if other != first and (reader, first) in above
    ]
    for shift, p_holm in zip(shifts, holm([shift["p_value"] for shift in shifts]), strict=True):
        shift["p_holm"] = p_holm
        shift["finding"] = _finding(shift, 1 - confidence)
    return {"corpora": pl.DataFrame(rows, schema=CORPORA), "shifts": pl.DataFrame(shifts, schema=SHIFTS)}


def _above_chance(judged: pl.DataFrame, standing: str, confidence: float) -> _Above:
    given, known = judged["label"].fill_null(NO_ANSWER).to_list(), judged["reference"].to_list()
    clusters = judged["cluster"].to_list()
    return _Above(above_chance(given, known, clusters, confidence), len(set(clusters)), standing)


def _shift(
    reader: str, first: str, other: str, of_first: _Above, of_other: _Above, confidence: float
) -> dict[str, Any]:
    difference = of_other.chance.difference - of_first.chance.difference
    errors = of_first.chance.standard_error, of_other.chance.standard_error
    error = math.hypot(*errors)
    row = {
        "reader": reader,
        "from": first,
        "to": other,
        "standing_from": of_first.standing,
        "standing_to": of_other.standing,
        "difference": difference,
    }
    if not math.isfinite(error) or error == 0:  # one document, or one answer everywhere: nothing to judge by
        return row | {"low": -2.0, "high": 2.0, "p_value": 1.0}
    freedom = error**4 / sum(e**4 / (of.n_clusters - 1) for e, of in zip(errors, (of_first, of_other), strict=True))
    reach = float(scipy.stats.t.ppf((1 + confidence) / 2, freedom)) * error
    p_value = 2 * float(scipy.stats.t.sf(abs(difference) / error, freedom))
    return row | {"low": difference - reach, "high": difference + reach, "p_value": p_value}


def _finding(shift: dict[str, Any], alpha: float) -> str:
    if shift["standing_from"] == shift["standing_to"] == "at chance":
        return "stays at chance"
    if shift["p_holm"] >= alpha:
        return "cannot tell"
    return "gains" if shift["difference"] > 0 else "loses"
