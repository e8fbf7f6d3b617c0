"""Label bias and its calibration: fitted on tune questions, scored on held-out ones, next to the raw figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import scipy

from corpora.schema import LabelSet
from labeling.votes.calibration import calibrate, fit_prior
from labeling.votes.sampling import Probabilities
from labeling.votes.vote_law import vote_law
from results.readers.qualification import holm_of_known
from results.readers.unanimity import Cast
from results.stats.clustered import compare_paired, kept_accuracy, mcnemar_exact, wilson_clustered

Method = Literal["batch", "balanced"]

CALIBRATION = pl.Schema(
    {
        "reader": pl.String(),
        "method": pl.String(),
        "n_tune": pl.Int64(),
        "n": pl.Int64(),
        "raw": pl.Float64(),
        "raw_low": pl.Float64(),
        "raw_high": pl.Float64(),
        "calibrated": pl.Float64(),
        "calibrated_low": pl.Float64(),
        "calibrated_high": pl.Float64(),
        "difference": pl.Float64(),
        "difference_low": pl.Float64(),
        "difference_high": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "p_mcnemar": pl.Float64(),
        "recall_raw": pl.Float64(),
        "recall_calibrated": pl.Float64(),
        "coverage_raw": pl.Float64(),
        "coverage_calibrated": pl.Float64(),
        "unanimous_raw": pl.Float64(),
        "unanimous_calibrated": pl.Float64(),
        "note": pl.String(),
    }
)
LABEL_BIAS = pl.Schema(
    {
        "reader": pl.String(),
        "method": pl.String(),
        "label": pl.String(),
        "prior": pl.Float64(),
        "reference": pl.Float64(),
        "raw": pl.Float64(),
        "calibrated": pl.Float64(),
    }
)


class Calibrated(NamedTuple):
    """The tables of one reader's calibration: a row per method, and in `LABEL_BIAS` a row per method and label."""

    calibration: pl.DataFrame
    label_bias: pl.DataFrame


def score_calibration(
    cast: Cast, tune: Cast | None, shares: Sequence[float] | None, labels: LabelSet, confidence: float, note: str
) -> Calibrated:
    """Fit a reader's label prior on tune questions and score its calibrated answers on held-out ones.

    Args:
        cast: its distributions on held-out questions.
        tune: its distributions on tune questions; None, or without a question, where there is nothing to fit on.
        shares: share of each reference label in the whole tune split; None where references are not known.
        labels: the label set.
        confidence: of the intervals.
        note: why nothing was fitted, in such a case.
    """
    if tune is None or not tune.known.question_ids or not cast.known.question_ids:
        reason = note or "no recorded distributions"
        empty = pl.DataFrame([{"reader": cast.reader, "note": reason}], schema=CALIBRATION)
        return Calibrated(empty, pl.DataFrame(schema=LABEL_BIAS))
    raw, judged = cast.known.probabilities, cast.references >= 0
    n_known = int((tune.references >= 0).sum())
    n_tune = n_known if shares is not None and n_known else len(tune.references)
    rows, biases = [], []
    for method, prior in _priors(tune, shares).items():
        calibrated = calibrate(raw, prior)
        row: dict[str, Any] = {"reader": cast.reader, "method": method, "n_tune": n_tune}
        if judged.any():
            row |= _scores(cast, raw, calibrated, judged, confidence)
            # The interval takes the fitted prior as given: a change counts only where the bias itself is not due to
            # chance.
            row["p_value"] = max(row["p_value"], p_of_bias(tune))
        rows.append(row | {"note": ""})
        biases.append(_bias(cast, method, prior, calibrated, judged, labels))
    return Calibrated(pl.DataFrame(rows, schema=CALIBRATION), pl.concat(biases))


def p_of_bias(tune: Cast) -> float:
    """P-value of a flat class-balanced prior: Hotelling's T-squared on the first prompt's tune distributions.

    Stratified by reference label where there are any; 1 where too few questions leave no degrees of freedom.
    """
    n_free = tune.known.probabilities.shape[-1] - 1
    p = tune.known.probabilities[:, 0, :-1] / tune.known.probabilities[:, 0].sum(axis=-1, keepdims=True)
    of_class = [p[tune.references == label] for label in np.unique(tune.references)]
    freedom = len(p) - len(of_class)
    if min(map(len, of_class)) < 2 or freedom < n_free:
        return 1.0
    away = np.mean([one.mean(axis=0) for one in of_class], axis=0) - 1 / (n_free + 1)
    covariance = np.sum([np.atleast_2d(np.cov(one.T)) / len(one) for one in of_class], axis=0) / len(of_class) ** 2
    statistic = float(away @ np.linalg.pinv(covariance) @ away)
    scale = (freedom - n_free + 1) / (n_free * freedom)
    return float(scipy.stats.f.sf(statistic * scale, n_free, freedom - n_free + 1))


def correct_calibration(calibration: pl.DataFrame) -> pl.DataFrame:
    """Fill in p_holm: Holm's correction over all readers and methods of a run."""
    adjusted = holm_of_known(calibration["p_value"].to_list())
    return calibration.with_columns(p_holm=pl.Series(adjusted, dtype=pl.Float64))


def _priors(tune: Cast, shares: Sequence[float] | None) -> dict[Method, Probabilities]:
    """The prior of a batch like the tune split, and of a class-balanced one where reference labels are known."""
    known = tune.references >= 0
    if shares is None or not known.any():
        return {"batch": fit_prior(tune.known.probabilities)}
    fitted = tune.known.probabilities[known], tune.references[known]
    return {"batch": fit_prior(*fitted, np.array(shares)), "balanced": fit_prior(*fitted)}


def _scores(
    cast: Cast, raw: Probabilities, calibrated: Probabilities, judged: np.ndarray[Any, Any], confidence: float
) -> dict[str, Any]:
    clusters = [cluster for cluster, one in zip(cast.clusters, judged, strict=True) if one]
    references = cast.references[judged]
    right = [(p[judged, 0].argmax(axis=-1) == references).astype(np.float64) for p in (raw, calibrated)]
    compared = compare_paired(right[1], right[0], clusters, confidence)
    row: dict[str, Any] = {"n": len(references)}
    for name, hits in zip(("raw", "calibrated"), right, strict=True):
        accuracy = wilson_clustered(hits, clusters, confidence)
        row |= {name: accuracy.estimate, f"{name}_low": accuracy.low, f"{name}_high": accuracy.high}
    of_class = [references == label for label in np.unique(references)]
    for name, p, hits in zip(("raw", "calibrated"), (raw, calibrated), right, strict=True):
        law = vote_law(p, cast.sampling)
        kept = law.unanimous.sum(axis=-1)
        of_reference = law.unanimous[judged][np.arange(len(references)), references]
        row[f"recall_{name}"] = float(np.mean([hits[chosen].mean() for chosen in of_class]))
        row[f"coverage_{name}"] = float(kept.mean())
        if kept[judged].sum() > 0:
            row[f"unanimous_{name}"] = kept_accuracy(kept[judged], of_reference, clusters, confidence).difference
    return row | {
        "difference": compared.difference,
        "difference_low": compared.low,
        "difference_high": compared.high,
        "p_value": compared.p_value,
        "p_mcnemar": mcnemar_exact((right[1] > 0).tolist(), (right[0] > 0).tolist()),
    }


def _bias(
    cast: Cast,
    method: Method,
    prior: Probabilities,
    calibrated: Probabilities,
    judged: np.ndarray[Any, Any],
    labels: LabelSet,
) -> pl.DataFrame:
    """How often each label is the most probable one, raw and calibrated, and how often it is the reference."""
    rows = []
    for index, label in enumerate(labels):
        answered = [float((p[:, 0].argmax(axis=-1) == index).mean()) for p in (cast.known.probabilities, calibrated)]
        reference = float((cast.references[judged] == index).mean()) if judged.any() else None
        rows.append((cast.reader, method, label, float(prior[0, index]), reference, *answered))
    return pl.DataFrame(rows, schema=LABEL_BIAS, orient="row")
