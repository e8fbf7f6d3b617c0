import math

import numpy as np
import polars as pl
import pytest

from labeling.votes import Vote, votes_frame
from results.answer_metrics import bootstrap_macro
from results.retrieval_metrics import DOCUMENT_SCORES, SPAN_SCORES
from results.scoring import CELL, CELLS, CLASSES, COMPARISONS, WHOLE_DOCUMENT, ScoringConfig, score_documents
from results.statistics import bootstrap_mean, mcnemar_exact

A, B, C = (f"tokens(size={size},overlap=0)" for size in (32, 64, 128))


def first(n_right, n):
    return [number < n_right for number in range(n)]


def pair(scored, a, b):
    found = scored.comparisons.filter((pl.col("a") == a) & (pl.col("b") == b))
    assert len(found) == 1
    return found.row(0, named=True)


def cell(scored, **named):
    found = scored.cells.filter(**named)
    assert len(found) == 1
    return found.row(0, named=True)


def shuffled(frame, seed):
    return frame[np.random.default_rng(seed).permutation(len(frame)).tolist()]


def test_every_cell_has_one_row_sorted_by_cell(sweep):
    built = sweep(
        {64: first(8, 10), 32: first(6, 10)}, cuts=[("k", 3), ("budget", 256), ("k", 1)], readers=["small", "large"]
    )
    cells = built.score().cells
    assert cells.select(CELL).rows() == [
        (reader, "tokens", size, 0, cut, amount)
        for reader in ("large", "small")
        for size in (32, 64)
        for cut, amount in (("budget", 256), ("k", 1), ("k", 3))
    ]


def test_gold_accuracy_is_over_kept_questions_and_the_other_over_all(sweep):
    # Ten questions, the first six kept; right are questions 0 to 6.
    row = cell(sweep({64: first(7, 10)}, kept=first(6, 10)).score(), size=64)
    assert (row["gold_n"], row["gold_accuracy"]) == (6, 1.0)
    assert (row["all_n"], row["all_accuracy"]) == (10, pytest.approx(0.7))
    assert row["all_accuracy_low"] < 0.7 < row["all_accuracy_high"]
    # Right are 4 yes and 3 no; the three wrong ones are no, yes, no, each answered with the other label.
    assert row["all_recall"] == pytest.approx((4 / 5 + 3 / 5) / 2)
    assert row["all_precision"] == pytest.approx((4 / 6 + 3 / 4) / 2)


def test_the_gold_label_counts_as_right_where_it_is_not_the_reference(sweep):
    built = sweep({64: first(10, 10)})
    turned = built.golds["reader"].with_columns(label=pl.lit("maybe"))
    row = cell(built._replace(golds={"reader": turned}).score(), size=64)
    assert (row["gold_accuracy"], row["all_accuracy"]) == (0.0, 1.0)


def test_a_failed_answer_is_wrong_and_counted(sweep):
    built = sweep({64: first(10, 10)})
    failed = built.answers["question_id"] == "q000"
    answers = built.answers.with_columns(
        label=pl.when(failed).then(None).otherwise("label"),
        failure=pl.when(failed).then(pl.lit("no_label_mass")),
        margin=pl.when(failed).then(None).otherwise("margin"),
    )
    row = cell(built._replace(answers=answers).score(), size=64)
    assert row["n_failed"] == 1
    assert (row["gold_n"], row["gold_accuracy"]) == (10, pytest.approx(0.9))


def test_answers_near_a_tie_are_reported_as_fragile(sweep):
    built = sweep({64: first(10, 10)})
    answers = built.answers.with_columns(margin=pl.Series([0.04] * 3 + [0.05] * 7))
    assert cell(built._replace(answers=answers).score(), size=64)["fragile"] == pytest.approx(0.3)


def test_retrieval_is_averaged_over_the_questions_that_the_reader_was_asked(sweep):
    built = sweep({64: first(10, 10)})
    asked = built.answers.filter(pl.col("question_id") < "q004")
    row = cell(built._replace(answers=asked).score(), size=64)
    assert row["hit"] == pytest.approx(np.mean([1 / (number + 3) for number in range(4)]))


def test_retrieval_of_another_cell_is_not_mixed_in(sweep):
    built = sweep({32: first(5, 10), 64: first(5, 10)}, cuts=[("k", 1), ("k", 3)])
    wanted = (pl.col("size") == 64) & (pl.col("amount") == 3)
    retrieval = built.retrieval.with_columns(hit=pl.when(wanted).then(0.25).otherwise(0.75))
    scored = built._replace(retrieval=retrieval).score()
    assert cell(scored, size=64, amount=3)["hit"] == 0.25
    assert cell(scored, size=64, amount=1)["hit"] == 0.75


def test_classes_count_the_gold_questions_of_each_label(sweep):
    classes = sweep({64: first(10, 10)}, kept=first(6, 10)).score().classes
    assert classes.columns[: len(CELL)] == list(CELL)
    assert classes.select("label", "n", "recall").rows() == [("yes", 3, 1.0), ("no", 3, 1.0), ("maybe", 0, 0.0)]


def test_comparisons_are_all_pairs_of_chunkings_under_the_same_cut(sweep):
    flags = {32: first(5, 10), 64: first(6, 10), 128: first(7, 10)}
    scored = sweep(flags, cuts=[("k", 1), ("k", 3)], readers=["small", "large"]).score()
    assert scored.comparisons.schema == COMPARISONS
    assert len(scored.comparisons) == 3 * 2 * 2
    one_cut = scored.comparisons.filter(reader="small", amount=1)
    assert set(one_cut.select("a", "b").rows()) == {(C, A), (C, B), (A, B)}  # by name: 128 before 32


def test_a_comparison_pairs_the_answers_to_the_same_question(sweep):
    # Both right on half of the questions: of a, the even ones; of b, the odd ones; of c, as of a.
    even = [number % 2 == 0 for number in range(20)]
    odd = [not flag for flag in even]
    scored = sweep({32: even, 64: odd, 128: even}).score()
    opposite, same = pair(scored, A, B), pair(scored, C, A)
    assert opposite["difference"] == same["difference"] == 0.0
    assert opposite["standard_error"] > 0.1
    # Columns that never disagree are told from opposite ones, but not taken for certain.
    assert 0 < same["standard_error"] < opposite["standard_error"] / 3


def test_a_difference_is_a_minus_b_over_gold_questions_only(sweep):
    kept = first(20, 40)
    a, b = first(20, 40), [number < 10 or number >= 20 for number in range(40)]
    row = pair(sweep({32: a, 64: b}, kept=kept).score(), A, B)
    assert row["n"] == 20
    assert row["difference"] == pytest.approx(0.5)
    assert row["low"] > 0
    assert row["p_mcnemar"] == pytest.approx(mcnemar_exact(a[:20], b[:20]))
    assert row["p_value"] == pytest.approx(row["p_mcnemar"])  # one question a document: the same test


def test_questions_on_one_document_are_one_observation(sweep):
    flags = {32: first(24, 24), 64: first(12, 24)}
    alone = pair(sweep(flags).score(), A, B)
    clustered = pair(sweep(flags, questions_per_document=6).score(), A, B)
    assert clustered["difference"] == alone["difference"]
    assert alone["p_value"] == pytest.approx(2 / 2**12)
    assert clustered["p_value"] == pytest.approx(2 / 2**2)  # two documents moved
    assert clustered["standard_error"] > alone["standard_error"]


def test_holm_runs_over_the_pairs_of_one_cut_and_not_over_all_cuts(sweep):
    flags = {32: first(20, 20), 64: first(12, 20)}
    one = pair(sweep(flags).score(), A, B)
    assert one["p_holm"] == one["p_value"]
    more = sweep(flags, cuts=[("k", 1), ("k", 3)]).score().comparisons
    assert more["p_holm"].to_list() == [one["p_value"]] * 2
    three = sweep(flags | {128: first(12, 20)}).score()
    assert pair(three, A, B)["p_holm"] == pytest.approx(3 * one["p_value"])


def test_the_frames_are_identical_whatever_the_order_of_the_input_rows(sweep):
    rng = np.random.default_rng(0)
    flags = {size: (rng.random(37) < 0.6).tolist() for size in (32, 64, 128)}
    built = sweep(flags, kept=(rng.random(37) < 0.8).tolist(), cuts=[("k", 3), ("budget", 256)], readers=["b", "a"])
    expected = built.score()
    for seed in range(4):
        mixed = built._replace(
            answers=shuffled(built.answers, seed),
            retrieval=shuffled(built.retrieval, seed),
            golds={reader: shuffled(gold, seed) for reader, gold in reversed(built.golds.items())},
            corpus=built.corpus.with_questions(shuffled(built.corpus.questions, seed)),
        )
        for name, frame in mixed.score()._asdict().items():
            assert frame.equals(getattr(expected, name)), f"{name} depends on the order of the rows"


def test_the_seed_moves_the_interval_and_nothing_else(sweep):
    built = sweep({32: first(30, 50), 64: first(20, 50)})
    one, other = (built.score(ScoringConfig(n_resamples=400, seed=seed)) for seed in (0, 1))
    assert built.score(ScoringConfig(n_resamples=400, seed=0)).comparisons.equals(one.comparisons)
    assert other.comparisons.equals(one.comparisons)  # exact, without chance
    assert not other.cells["gold_accuracy_low"].equals(one.cells["gold_accuracy_low"])
    assert other.cells["gold_accuracy"].equals(one.cells["gold_accuracy"])


def test_an_empty_gold_set_is_unknown_and_not_zero(sweep):
    scored = sweep({32: first(5, 10), 64: first(6, 10)}, kept=[False] * 10).score()
    row = cell(scored, size=32)
    assert row["gold_n"] == 0
    assert row["gold_accuracy"] is None
    assert row["gold_accuracy_low"] is None
    assert row["all_accuracy"] == pytest.approx(0.5)
    assert len(scored.comparisons) == 0
    assert scored.comparisons.schema == COMPARISONS


def test_cells_have_the_same_column_types_with_and_without_a_gold_set(sweep):
    flags = {32: first(5, 10)}
    full, empty = sweep(flags).score().cells, sweep(flags, kept=[False] * 10).score().cells
    assert empty.schema == full.schema == CELLS


@pytest.mark.parametrize("kept", [True, False])
def test_every_frame_has_its_declared_schema(sweep, kept):
    scored = sweep({32: first(5, 10), 64: first(6, 10)}, kept=[kept] * 10).score()
    assert [frame.schema for frame in scored] == [CELLS, CLASSES, COMPARISONS]


def test_the_intervals_of_a_cell_are_bootstrapped_by_document(sweep):
    flags = [number % 4 < 2 or number % 3 == 0 for number in range(24)]
    built = sweep({64: flags}, questions_per_document=4)
    row = cell(built.score(), size=64)
    right = ["yes", "no"] * 12
    given = [one if flag else {"yes": "no", "no": "yes"}[one] for one, flag in zip(right, flags, strict=True)]
    clusters = [f"d{number // 4}" for number in range(24)]
    accuracy = bootstrap_mean(np.array(flags, dtype=float), clusters, 400, 0.95, 0)
    macro = bootstrap_macro(right, given, built.corpus.labels, clusters, 400, 0.95, 0)
    for name, expected in zip(("accuracy", "precision", "recall", "f1"), (accuracy, *macro), strict=True):
        for questions in ("gold", "all"):  # every question is kept, and its gold label is its reference
            found = tuple(row[f"{questions}_{name}{end}"] for end in ("", "_low", "_high"))
            assert found == pytest.approx(tuple(expected)), name
            assert found[1] < found[0] < found[2]


def test_retrieval_scores_have_intervals_by_document(sweep):
    built = sweep({64: first(10, 20)}, questions_per_document=2)
    row = cell(built.score(), size=64)
    values = np.array([1 / (number + 3) for number in range(20)])
    expected = bootstrap_mean(values, [f"d{number // 2}" for number in range(20)], 400, 0.95, 0)
    for name in (*DOCUMENT_SCORES, *SPAN_SCORES):
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(tuple(expected))


def test_span_scores_of_questions_without_evidence_are_unknown_with_their_interval(sweep):
    built = sweep({64: first(5, 10)})
    unknown = built.retrieval.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in SPAN_SCORES)
    row = cell(built._replace(retrieval=unknown).score(), size=64)
    assert all(row[name + end] is None for name in SPAN_SCORES for end in ("", "_low", "_high"))
    assert row["hit_low"] < row["hit"] < row["hit_high"]


def test_questions_without_references_are_scored_on_the_gold_set_only(sweep):
    built = sweep({32: first(5, 10)})
    questions = built.corpus.questions.with_columns(reference=pl.lit(None, dtype=pl.String))
    row = cell(built._replace(corpus=built.corpus.with_questions(questions)).score(), size=32)
    assert row["all_n"] == 0
    assert row["all_accuracy"] is None
    assert row["gold_accuracy"] == pytest.approx(0.5)


def test_whole_documents_are_scored_as_a_ceiling_on_gold_and_on_all_questions(sweep):
    built = sweep({64: first(10, 10)}, kept=first(4, 10))
    # Always "yes", which is right for the even questions.
    votes = votes_frame(
        Vote("l", "p", "document", vote, 0, one, "yes", None, (0.8, 0.1, 0.0), 0.1, 0.7, 10)
        for one in built.corpus.questions["question_id"]
        for vote in range(3)
    )
    frame = score_documents(built.corpus, {"reader": votes}, built.golds, ScoringConfig(n_resamples=100))
    assert frame.select("reader", "gold_n", "gold_accuracy", "all_n", "all_accuracy").rows() == [
        ("reader", 4, 0.5, 10, 0.5)
    ]
    assert frame.schema == WHOLE_DOCUMENT
    row = frame.row(0, named=True)
    assert row["all_accuracy_low"] < row["all_accuracy"] < row["all_accuracy_high"]


@pytest.mark.parametrize("wrong", [{"confidence": 95}, {"n_resamples": 10}, {"margin": -0.1}, {"alpha": 0.05}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScoringConfig.model_validate(wrong)


def test_no_number_in_the_frames_is_nan(sweep):
    scored = sweep({32: first(5, 10), 64: first(6, 10)}, kept=[False] * 10, readers=["a", "b"]).score()
    for frame in scored:
        assert not any(isinstance(value, float) and math.isnan(value) for row in frame.iter_rows() for value in row)
