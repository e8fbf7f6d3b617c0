"""The same labelers on several corpora: who gains where, and who stays at chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl
from scipy.stats import norm

from results.statistics import Comparison, holm, mean_of_shares

CORPORA = pl.Schema(
    {
        "reader": pl.String(),
        "corpus": pl.String(),
        "n": pl.Int64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "majority_share": pl.Float64(),
        "above_majority": pl.Float64(),
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
    """One corpus with its labelers.

    Attributes:
        name: of the corpus.
        labelers: frame of schema `LABELERS`, corrected over its labelers.
        judged: by reader, columns question_id, label, reference, cluster; reference never null.
    """

    name: str
    labelers: pl.DataFrame
    judged: Mapping[str, pl.DataFrame]


def compare_corpora(corpora: list[OnCorpus], confidence: float) -> dict[str, pl.DataFrame]:
    """Compare each labeler's distance from the majority label between the first corpus and every other.

    Corpora differ in their share of labels, so that bare accuracies do not compare; what a labeler adds to always
    giving the majority label does. The corpora share no question: their variances add up.

    Returns:
        `corpora` (schema `CORPORA`, a row a labeler and corpus) and `shifts` (schema `SHIFTS`, a row a labeler and
        other corpus), both empty where no corpus has reference labels.
    """
    rows, above = [], {}
    for corpus in corpora:
        for row in corpus.labelers.iter_rows(named=True):
            if row["accuracy"] is None:
                continue
            gain = _above_majority(corpus.judged[row["reader"]], row["majority_label"], confidence)
            above[row["reader"], corpus.name] = (gain, row["standing"])
            kept = {name: row[name] for name in CORPORA if name in row}
            added = {"above_majority": gain.difference, "above_low": gain.low, "above_high": gain.high}
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


def _above_majority(judged: pl.DataFrame, majority_label: str, confidence: float) -> Comparison:
    right, always = judged["label"] == judged["reference"], judged["reference"] == majority_label
    gains = right.fill_null(value=False).cast(pl.Float64) - always.cast(pl.Float64)
    return mean_of_shares(gains.to_numpy(), judged["cluster"].to_list(), confidence)


def _shift(
    reader: str,
    first: str,
    other: str,
    of_first: tuple[Comparison, str],
    of_other: tuple[Comparison, str],
    confidence: float,
) -> dict[str, Any]:
    difference = of_other[0].difference - of_first[0].difference
    error = math.hypot(of_first[0].standard_error, of_other[0].standard_error)
    reach = float(norm.ppf((1 + confidence) / 2)) * error
    return {
        "reader": reader,
        "from": first,
        "to": other,
        "standing_from": of_first[1],
        "standing_to": of_other[1],
        "difference": difference,
        "low": difference - reach,
        "high": difference + reach,
        "p_value": 2 * float(norm.sf(abs(difference) / error)) if error > 0 else 1.0,
    }


def _finding(shift: dict[str, Any], alpha: float) -> str:
    if shift["standing_from"] == shift["standing_to"] == "at chance":
        return "stays at chance"
    if shift["p_holm"] >= alpha:
        return "cannot tell"
    return "gains" if shift["difference"] > 0 else "loses"
