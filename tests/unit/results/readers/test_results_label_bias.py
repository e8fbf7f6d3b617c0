import math

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import balanced_accuracy_score

from corpora.schema import LabelSet
from labeling.votes.sampling import Sampling
from results.readers.label_bias import CALIBRATION, LABEL_BIAS, correct_calibration, score_calibration
from results.stats.clustered import compare_paired, holm, mcnemar_exact, wilson_clustered

LABELS = LabelSet()
BIAS = np.array([0.9, 0.07, 0.03])  # an almost sure taste for "yes", whatever is asked


def tilted(rng, label, bias=BIAS, n_labels=3, signal=4.0):
    """What a labeler that knows `label` says through its bias."""
    knows = rng.dirichlet(np.ones(n_labels) + signal * 3 * np.eye(n_labels)[label])
    p = knows * bias
    return tuple(0.95 * p / p.sum())


def biased(cast_of, n, seed, labels=LABELS, bias=BIAS, **options):
    rng = np.random.default_rng(seed)
    right = [n_ % len(labels) for n_ in range(n)]
    prefix = options.pop("prefix", "q")
    shown = {
        f"{prefix}{at:02d}": [tilted(rng, one, bias, len(labels)) for _ in range(3)] for at, one in enumerate(right)
    }
    references = {one: labels.labels[label] for one, label in zip(shown, right, strict=True)}
    return cast_of(shown, options.pop("references", references), labels=labels, **options)


def tables(cast, tune, shares=(1 / 3, 1 / 3, 1 / 3), labels=LABELS, note=""):
    found = score_calibration(cast, tune, shares, labels, 0.95, note)
    assert (found.calibration.schema, found.label_bias.schema) == (CALIBRATION, LABEL_BIAS)
    return found.calibration, found.label_bias


def scored(cast, tune, method="balanced", **options):
    """The row and the bias of one method."""
    calibration, bias = tables(cast, tune, **options)
    (row,) = calibration.filter(pl.col("method") == method).iter_rows(named=True)
    return row, bias.filter(pl.col("method") == method)


def by_hand(cast, tune, weights):
    """Raw and calibrated distributions in plain loops; `weights[label]` is that of a reference label in the prior."""
    raw = cast.known.probabilities / cast.known.probabilities.sum(axis=-1, keepdims=True)
    of_tune = tune.known.probabilities / tune.known.probabilities.sum(axis=-1, keepdims=True)
    calibrated = np.empty_like(raw)
    for vote in range(3):
        prior = sum(
            weight * of_tune[tune.references == label, vote].mean(axis=0) for label, weight in enumerate(weights)
        ) / sum(weights)
        for question in range(len(raw)):
            divided = raw[question, vote] / prior
            calibrated[question, vote] = divided / divided.sum()
    return raw, calibrated


def test_a_planted_bias_is_found_and_divided_out(cast_of):
    row, bias = scored(biased(cast_of, 90, 0), biased(cast_of, 45, 1, prefix="t"))
    assert row["raw"] < 0.65 < 0.75 < row["calibrated"]
    assert row["difference_low"] > 0
    assert row["p_value"] < 0.001
    by_label = {one["label"]: one for one in bias.iter_rows(named=True)}
    assert by_label["yes"]["prior"] > 0.5
    assert by_label["yes"]["raw"] > 0.5
    for one in by_label.values():
        assert one["reference"] == pytest.approx(1 / 3)
        assert abs(one["calibrated"] - 1 / 3) < abs(one["raw"] - 1 / 3)


@pytest.mark.parametrize(("method", "weights"), [("balanced", (1, 1, 1)), ("batch", (0.7, 0.2, 0.1))])
def test_raw_and_calibrated_scores_equal_a_computation_in_plain_loops(cast_of, method, weights):
    clusters = {f"q{n:02d}": f"d{n // 2}" for n in range(30)}
    cast, tune = biased(cast_of, 30, 2, clusters=clusters), biased(cast_of, 12, 3, prefix="t")
    row, bias = scored(cast, tune, method, shares=(0.7, 0.2, 0.1))
    raw, calibrated = by_hand(cast, tune, weights)
    hits = [(p[:, 0].argmax(axis=-1) == cast.references).astype(float) for p in (raw, calibrated)]
    for name, right in zip(("raw", "calibrated"), hits, strict=True):
        interval = (row[name], row[f"{name}_low"], row[f"{name}_high"])
        assert interval == pytest.approx(tuple(wilson_clustered(right, list(clusters.values()), 0.95)))
        answers = (raw if name == "raw" else calibrated)[:, 0].argmax(axis=-1)
        assert row[f"recall_{name}"] == pytest.approx(balanced_accuracy_score(cast.references, answers))
    compared = compare_paired(hits[1], hits[0], [f"d{n // 2}" for n in range(30)], 0.95)
    found = (row["difference"], row["difference_low"], row["difference_high"], row["p_value"])
    assert found == pytest.approx((compared.difference, compared.low, compared.high, compared.p_value))
    assert row["p_mcnemar"] == pytest.approx(mcnemar_exact(hits[1] > 0, hits[0] > 0))
    for name, p in (("raw", raw), ("calibrated", calibrated)):
        agree = p[:, 0] * p[:, 1] * p[:, 2]
        assert row[f"coverage_{name}"] == pytest.approx(agree.sum() / 30)
        right = agree[np.arange(30), cast.references].sum()
        assert row[f"unanimous_{name}"] == pytest.approx(right / agree.sum())
    for at, one in enumerate(bias.iter_rows(named=True)):
        assert one["raw"] == pytest.approx((raw[:, 0].argmax(axis=-1) == at).mean())
        assert one["calibrated"] == pytest.approx((calibrated[:, 0].argmax(axis=-1) == at).mean())


def test_the_priors_equal_a_hand_computation(cast_of):
    # Twice "yes" asked, once "no": balanced, the two "yes" weigh as much as the one "no"; of the whole tune split four
    # in five are "yes".
    tune = cast_of(
        {"a": (0.8, 0.2, 0.0), "b": (0.6, 0.4, 0.0), "c": (0.2, 0.4, 0.2)}, {"a": "yes", "b": "yes", "c": "no"}
    )
    cast = cast_of({"q": (0.5, 0.4, 0.1)}, {"q": "no"})
    row, balanced = scored(cast, tune, shares=(0.8, 0.2, 0.0))
    assert balanced["prior"].to_list() == pytest.approx([(0.7 + 0.25) / 2, (0.3 + 0.5) / 2, 0.25 / 2])
    _, batch = scored(cast, tune, "batch", shares=(0.8, 0.2, 0.0))
    assert batch["prior"].to_list() == pytest.approx([0.8 * 0.7 + 0.2 * 0.25, 0.8 * 0.3 + 0.2 * 0.5, 0.2 * 0.25])
    # .5/.475, .4/.4, .1/.125: still "yes", which is wrong.
    assert (row["n_tune"], row["n"], row["raw"], row["calibrated"]) == (3, 1, 0.0, 0.0)


def test_without_references_on_tune_there_is_one_prior_the_plain_mean(cast_of):
    tune = cast_of({"a": (0.8, 0.2, 0.0), "b": (0.6, 0.4, 0.0), "c": (0.1, 0.6, 0.3)}, {})
    calibration, bias = tables(cast_of({"q": (0.5, 0.4, 0.1)}, {"q": "no"}), tune, shares=None)
    assert calibration.select("method", "n_tune").rows() == [("batch", 3)]
    assert bias["prior"].to_list() == pytest.approx([0.5, 0.4, 0.1])


def test_tune_questions_without_a_reference_are_left_out_where_others_have_one(cast_of):
    tune = cast_of({"a": (0.8, 0.2, 0.0), "b": (0.0, 0.0, 1.0)}, {"a": "yes"})
    row, bias = scored(cast_of({"q": (0.5, 0.4, 0.1)}, {"q": "no"}), tune)
    assert row["n_tune"] == 1
    assert bias["prior"].to_list() == pytest.approx([0.8, 0.2, 0.0])


def test_a_labeler_that_was_asked_no_tune_question_with_a_reference_counts_those_that_it_was_asked(cast_of):
    tune = cast_of({"a": (0.8, 0.2, 0.0), "b": (0.6, 0.4, 0.0)}, {})
    calibration, bias = tables(cast_of({"q": (0.5, 0.4, 0.1)}, {"q": "no"}), tune)  # others have some: shares are known
    assert bias["prior"].to_list() == pytest.approx([0.7, 0.3, 0.0])
    assert calibration["n_tune"].to_list() == [2]


def test_a_label_that_no_tune_question_has_does_not_keep_the_others_from_weighing(cast_of):
    tune = cast_of({"a": (0.8, 0.1, 0.1), "b": (0.2, 0.7, 0.1)}, {"a": "yes", "b": "no"})
    _, bias = scored(cast_of({"q": (0.5, 0.4, 0.1)}, {"q": "no"}), tune, "batch", shares=(0.45, 0.15, 0.4))
    assert bias["prior"].to_list() == pytest.approx([0.75 * 0.8 + 0.25 * 0.2, 0.75 * 0.1 + 0.25 * 0.7, 0.1])


def test_nothing_of_the_questions_that_are_scored_goes_into_the_prior(cast_of):
    tune = biased(cast_of, 12, 3, prefix="t")
    priors = [scored(biased(cast_of, 30, seed), tune)[1]["prior"].to_list() for seed in (4, 5)]
    assert priors[0] == priors[1]


def test_a_flat_prior_changes_nothing(cast_of):
    flat = (1 / 3, 1 / 3, 1 / 3)
    cast = biased(cast_of, 30, 6)
    row, bias = scored(cast, cast_of({"a": flat, "b": flat, "c": flat}, {"a": "yes", "b": "no", "c": "maybe"}))
    assert row["raw"] == row["calibrated"]
    assert (row["difference"], row["p_value"], row["p_mcnemar"]) == (0.0, 1.0, 1.0)
    assert row["coverage_raw"] == pytest.approx(row["coverage_calibrated"])
    assert bias["raw"].to_list() == bias["calibrated"].to_list()


@pytest.mark.parametrize("n_labels", [2, 8])
def test_shares_and_priors_of_two_and_of_eight_labels_add_up(cast_of, n_labels):
    labels = LabelSet(tuple("abcdefgh"[:n_labels]))
    strong = np.array([0.8] + [0.2 / (n_labels - 1)] * (n_labels - 1))
    cast = biased(cast_of, 40, 7, labels, strong)
    tune = biased(cast_of, 40, 8, labels, strong, prefix="t")
    row, bias = scored(cast, tune, shares=[1 / n_labels] * n_labels, labels=labels)
    assert bias["label"].to_list() == list(labels)
    for name in ("prior", "reference", "raw", "calibrated"):
        assert bias[name].sum() == pytest.approx(1)
    assert row["calibrated"] >= row["raw"]


def test_always_one_label_whatever_is_asked_cannot_be_calibrated_away(cast_of):
    always = (1.0, 0.0, 0.0)
    shown = {f"q{n}": always for n in range(6)}
    cast = cast_of(shown, {one: ("yes", "no")[n % 2] for n, one in enumerate(shown)})
    row, bias = scored(cast, cast_of({"a": always, "b": always}, {"a": "yes", "b": "no"}))
    assert row["raw"] == row["calibrated"] == 0.5
    assert bias["calibrated"].to_list() == [1.0, 0.0, 0.0]
    assert not any(isinstance(value, float) and math.isnan(value) for value in row.values())


def test_the_labelers_own_sampling_decides_what_is_unanimous(cast_of):
    cool, warm = (
        scored(biased(cast_of, 30, 2, sampling=sampling), biased(cast_of, 12, 3, prefix="t"))[0]
        for sampling in (Sampling(0.3), Sampling(1.0))
    )
    assert cool["coverage_raw"] > warm["coverage_raw"] + 0.02
    assert cool["raw"] == warm["raw"]


def test_where_nothing_was_fitted_the_reason_stands_in_its_place(cast_of):
    cast = biased(cast_of, 6, 9)
    calibration, bias = tables(cast, None, None, note="no tune questions")
    assert calibration.select("reader", "method", "note", "raw").rows() == [("reader", None, "no tune questions", None)]
    assert bias.is_empty()


@pytest.mark.parametrize("silent", ["tune", "held_out"])
def test_votes_without_distributions_are_named_as_the_reason(cast_of, silent):
    written, read = cast_of({"q": ["yes"] * 3}, {"q": "yes"}), biased(cast_of, 6, 9)
    calibration, bias = tables(*((read, written) if silent == "tune" else (written, read)))
    assert calibration["note"].to_list() == ["no recorded distributions"]
    assert bias.is_empty()


def test_without_references_on_held_out_questions_only_the_bias_is_known(cast_of):
    cast = biased(cast_of, 30, 2, references={})
    row, bias = scored(cast, biased(cast_of, 12, 3, prefix="t"))
    assert (row["n_tune"], row["raw"], row["calibrated"], row["p_value"], row["note"]) == (12, None, None, None, "")
    assert bias["reference"].to_list() == [None] * 3
    assert bias["raw"].sum() == pytest.approx(1)


def test_failed_votes_take_their_question_out_of_both_sides(cast_of):
    p = (0.5, 0.4, 0.1)
    cast = cast_of({"a": p, "b": [p, None, p]}, {"a": "yes", "b": "yes"})
    tune = cast_of({"t": p, "u": [None] * 3}, {"t": "yes", "u": "no"})
    row, bias = scored(cast, tune)
    assert (row["n"], row["n_tune"]) == (1, 1)
    assert bias.select(pl.col("prior").sum()).item() == pytest.approx(1)


def test_p_values_are_corrected_over_all_labelers_and_methods(cast_of):
    tune = biased(cast_of, 12, 3, prefix="t")
    frames = [tables(biased(cast_of, 40, seed, reader=f"r{seed}"), tune, (0.6, 0.3, 0.1))[0] for seed in (10, 11)]
    silent = tables(cast_of({"q": ["yes"] * 3}, {"q": "yes"}), None, None, note="off")[0]
    table = correct_calibration(pl.concat([frames[0], silent, frames[1]]))
    known = table.filter(pl.col("p_value").is_not_null())
    assert known.select("reader", "method").rows() == [
        ("r10", "batch"), ("r10", "balanced"), ("r11", "batch"), ("r11", "balanced"),
    ]  # fmt: skip
    assert known["p_holm"].to_list() == pytest.approx(holm(known["p_value"].to_list()))
    assert table.filter(pl.col("note") == "off")["p_holm"].to_list() == [None]
