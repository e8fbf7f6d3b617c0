"""What unanimity is worth: the exact vote law of a reader, whether agreement raises accuracy, and at what coverage.

All of it is computed from the recorded distributions: nothing is drawn, and another temperature or truncation needs no
further call of the model.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpora.schema import LabelSet
from labeling.votes.sampling import Probabilities, Sampling
from labeling.votes.vote_law import Distributions, VoteLaw, distributions, vote_law
from results.stats.clustered import gain_by_filter, holm, kept_accuracy, mean_of_shares, wilson

LAW = pl.Schema(
    {
        "reader": pl.String(),
        "question_id": pl.String(),
        "p_unanimous": pl.Float64(),
        "p_majority": pl.Float64(),
        "p_tie": pl.Float64(),
        "label": pl.String(),
        "p_right_single": pl.Float64(),
        "p_right_unanimous": pl.Float64(),
        "outside_mass": pl.Float64(),
    }
)
UNANIMITY = pl.Schema(
    {
        "reader": pl.String(),
        "n": pl.Int64(),
        "n_unknown": pl.Int64(),
        "p_unanimous": pl.Float64(),
        "p_majority": pl.Float64(),
        "p_tie": pl.Float64(),
        "sampled_unanimous": pl.Float64(),
        "single": pl.Float64(),
        "single_low": pl.Float64(),
        "single_high": pl.Float64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "gain": pl.Float64(),
        "gain_low": pl.Float64(),
        "gain_high": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "greedy": pl.Float64(),
        "greedy_gain": pl.Float64(),
        "greedy_gain_low": pl.Float64(),
        "greedy_gain_high": pl.Float64(),
        "greedy_p_value": pl.Float64(),
        "greedy_p_holm": pl.Float64(),
        "aurc": pl.Float64(),
        "finding": pl.String(),
    }
)
RISK_COVERAGE = pl.Schema(
    {
        "reader": pl.String(),
        "threshold": pl.Float64(),
        "n": pl.Int64(),
        "coverage": pl.Float64(),
        "accuracy": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)
VOTE_CURVES = pl.Schema(
    {
        "reader": pl.String(),
        "parameter": pl.String(),
        "value": pl.Float64(),
        "is_own": pl.Boolean(),
        "coverage": pl.Float64(),
        "coverage_low": pl.Float64(),
        "coverage_high": pl.Float64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "single": pl.Float64(),
    }
)
NEGLIGIBLE = 0.01  # the law has no sampling noise, so even useless gains become significant
GRID: dict[str, tuple[float, ...]] = {
    "temperature": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0),
    "top_p": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    "min_p": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
}


class Cast(NamedTuple):
    """One reader's recorded distributions, with what its questions are judged by.

    Attributes:
        reader: name in reports.
        sampling: how its votes were drawn.
        known: its distributions.
        references: shape (questions,): index of each reference label, -1 for none.
        clusters: document of each question.
        sampled_unanimous: share of all questions whose three drawn votes agree.
    """

    reader: str
    sampling: Sampling
    known: Distributions
    references: np.ndarray[Any, np.dtype[np.int64]]
    clusters: list[str]
    sampled_unanimous: float


def read_cast(reader: str, sampling: Sampling, votes: pl.DataFrame, facts: pl.DataFrame, labels: LabelSet) -> Cast:
    """Line up a reader's votes (schema `VOTES`) with facts (columns question_id, reference, cluster)."""
    known = distributions(votes, len(labels))
    by_id = {row["question_id"]: row for row in facts.iter_rows(named=True)}
    judged = [by_id[one] for one in known.question_ids]
    references = [labels.index(row["reference"]) if row["reference"] in labels.labels else -1 for row in judged]
    agree = votes.group_by("question_id").agg(
        (pl.col("label").n_unique() == 1) & (pl.col("failure").null_count() == pl.len())
    )
    share = float(agree["label"].mean() or 0.0)  # type: ignore[arg-type]  # the mean of a Boolean column is a float
    return Cast(reader, sampling, known, np.array(references, dtype=np.int64), [r["cluster"] for r in judged], share)


def law_table(cast: Cast, labels: LabelSet) -> pl.DataFrame:
    """The law of every question under the reader's own sampling; frame of schema `LAW`."""
    law = vote_law(cast.known.probabilities, cast.sampling)
    best = law.unanimous.argmax(axis=-1)
    single, unanimous = _right(law, cast)
    has_reference = cast.references >= 0
    return pl.DataFrame(
        {
            "reader": [cast.reader] * len(best),
            "question_id": cast.known.question_ids,
            "p_unanimous": law.unanimous.sum(axis=-1),
            "p_majority": law.majority.sum(axis=-1),
            "p_tie": law.tie,
            "label": [labels.labels[index] for index in best],
            "p_right_single": [float(p) if known else None for p, known in zip(single, has_reference, strict=True)],
            "p_right_unanimous": [
                float(p) if known else None for p, known in zip(unanimous, has_reference, strict=True)
            ],
            "outside_mass": np.maximum(0.0, 1.0 - cast.known.probabilities.sum(axis=-1)).mean(axis=-1),
        },
        schema=LAW,
    )


def _right(law: VoteLaw, cast: Cast) -> tuple[Probabilities, Probabilities]:
    """P(a single vote is right) and P(unanimous and right) of each question; meaningless without a reference."""
    rows = np.arange(len(cast.references))
    return law.single[rows, cast.references], law.unanimous[rows, cast.references]


def summarise_unanimity(casts: list[Cast], confidence: float) -> pl.DataFrame:
    """Whether unanimity raises accuracy, for each reader, with an interval; frame of schema `UNANIMITY`.

    Accuracies are expectations under the exact law; intervals are clustered by document; p-values are corrected over
    the readers (Holm). The gain is over a single drawn vote. As three draws from a flat distribution agree mostly where
    it is least flat, the gain over the most probable label (greedy) is given too. Readers whose distributions are not
    known have a row with nulls.
    """
    rows = [_summary(cast, confidence) for cast in casts]
    tested = [row for row in rows if "p_value" in row]
    for name in ("p_value", "greedy_p_value"):
        for row, p_holm in zip(tested, holm([row[name] for row in tested]), strict=True):
            row[name.replace("p_value", "p_holm")] = p_holm
    for row in tested:
        row["finding"] = _finding(row, 1 - confidence)
    return pl.DataFrame(rows, schema=UNANIMITY)


def _summary(cast: Cast, confidence: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "reader": cast.reader,
        "n": len(cast.known.question_ids),
        "n_unknown": cast.known.n_unknown,
        "sampled_unanimous": cast.sampled_unanimous,
        "finding": "unknown: no recorded distributions",
    }
    if not cast.known.question_ids:
        return row
    law = vote_law(cast.known.probabilities, cast.sampling)
    kept = law.unanimous.sum(axis=-1)
    row |= {
        "p_unanimous": float(kept.mean()),
        "p_majority": float(law.majority.sum(axis=-1).mean()),
        "p_tie": float(law.tie.mean()),
        "finding": "unknown: no reference labels",
    }
    judged = cast.references >= 0
    if not judged.any():
        return row
    if kept[judged].sum() == 0:
        return row | {"finding": "unknown: its votes never agree"}
    single, right = (of_all[judged] for of_all in _right(law, cast))
    clusters = _where(cast.clusters, judged)
    alone = mean_of_shares(single, clusters, confidence)
    together = kept_accuracy(kept[judged], right, clusters, confidence)
    gain = gain_by_filter(kept[judged], right, single, clusters, confidence)
    greedy = (cast.known.probabilities[judged, 0].argmax(axis=-1) == cast.references[judged]).astype(np.float64)
    over_greedy = gain_by_filter(kept[judged], right, greedy, clusters, confidence)
    return row | {
        "single": alone.difference,
        "single_low": max(0.0, alone.low),
        "single_high": alone.high,
        "accuracy": together.difference,
        "accuracy_low": max(0.0, together.low),
        "accuracy_high": together.high,
        "gain": gain.difference,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "p_value": gain.p_value,
        "greedy": float(greedy.mean()),
        "greedy_gain": over_greedy.difference,
        "greedy_gain_low": over_greedy.low,
        "greedy_gain_high": over_greedy.high,
        "greedy_p_value": over_greedy.p_value,
        "aurc": _area(risk_coverage(cast, confidence)),
    }


def _finding(row: dict[str, Any], alpha: float) -> str:
    over_greedy = _direction(row, "greedy_gain", row["greedy_p_holm"], alpha)
    over_vote = _direction(row, "gain", row["p_holm"], alpha)
    return f"over its most probable label: {over_greedy}; over a single vote: {over_vote}"


def _direction(row: dict[str, Any], name: str, p_holm: float, alpha: float) -> str:
    if max(abs(row[f"{name}_low"]), abs(row[f"{name}_high"])) < NEGLIGIBLE:
        return f"changes accuracy by less than {NEGLIGIBLE:g}"
    if p_holm >= alpha:
        return "cannot tell"
    return "raises accuracy" if row[name] > 0 else "lowers accuracy"


def risk_coverage(cast: Cast, confidence: float) -> pl.DataFrame:
    """Accuracy of the questions whose P(unanimous) reaches a threshold, for every threshold; schema `RISK_COVERAGE`.

    The label that a question is judged by is the one that the three votes most probably agree on. Intervals are
    Wilson's, for one threshold chosen beforehand, not for the best-looking one, with questions taken as independent.
    """
    judged = cast.references >= 0
    law = vote_law(cast.known.probabilities[judged], cast.sampling)
    # Equal but for rounding is equal.
    sure, best = law.unanimous.sum(axis=-1).round(12), law.unanimous.argmax(axis=-1)
    right = best == cast.references[judged]
    order = np.argsort(-sure, kind="stable")
    n_right = right[order].cumsum()
    rows = []
    for n in range(1, len(order) + 1):
        # Questions that are equally sure come in together.
        if n < len(order) and sure[order[n]] == sure[order[n - 1]]:
            continue
        accuracy = wilson(int(n_right[n - 1]), n, confidence)
        rows.append((cast.reader, float(sure[order[n - 1]]), n, n / len(order), *accuracy))
    return pl.DataFrame(rows, schema=RISK_COVERAGE, orient="row")


def _area(curve: pl.DataFrame) -> float:
    """Area under the risk-coverage curve: mean risk over the coverages reached (Geifman and El-Yaniv 2017)."""
    steps = np.diff(np.concatenate(([0.0], curve["coverage"].to_numpy())))
    return float(((1 - curve["accuracy"].to_numpy()) * steps).sum())


def vote_curves(cast: Cast, confidence: float) -> pl.DataFrame:
    """Coverage and accuracy of the unanimous set over temperature, top_p and min_p; frame of schema `VOTE_CURVES`.

    One parameter moves at a time; the others stay as the reader has them. Accuracy is null without references.
    """
    if not cast.known.question_ids:
        return pl.DataFrame(schema=VOTE_CURVES)
    rows = []
    for parameter, grid in GRID.items():
        own = float(getattr(cast.sampling, parameter))
        for value in sorted({*grid, own}):
            moved = Sampling(**{**cast.sampling._asdict(), parameter: value})
            law = vote_law(cast.known.probabilities, moved)
            rows.append((cast.reader, parameter, value, value == own, *_point(law, cast, confidence)))
    return pl.DataFrame(rows, schema=VOTE_CURVES, orient="row")


def _point(law: VoteLaw, cast: Cast, confidence: float) -> tuple[float | None, ...]:
    kept = law.unanimous.sum(axis=-1)
    coverage = mean_of_shares(kept, cast.clusters, confidence)
    covered = (coverage.difference, max(0.0, coverage.low), coverage.high)
    judged = cast.references >= 0
    if not judged.any() or kept[judged].sum() == 0:
        return (*covered, None, None, None, None)
    single, right = (of_all[judged] for of_all in _right(law, cast))
    accuracy = kept_accuracy(kept[judged], right, _where(cast.clusters, judged), confidence)
    return (*covered, accuracy.difference, max(0.0, accuracy.low), accuracy.high, float(single.mean()))


def _where(clusters: list[str], chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> list[str]:
    return [cluster for cluster, is_chosen in zip(clusters, chosen, strict=True) if is_chosen]
