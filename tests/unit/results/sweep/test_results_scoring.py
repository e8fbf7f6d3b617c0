import math

import numpy as np
import polars as pl
import pytest

from results.config import ScoringConfig
from results.evidence.retrieval_metrics import SPAN_SCORES
from results.settings import CELL
from results.stats.answer_metrics import resample_macro
from results.stats.clustered import mcnemar_exact
from results.stats.resampling import fixed_law, one_hot, share_interval
from results.sweep.attribution import LADDER
from results.sweep.behaviour.temperatures import TEMPERATURES
from results.sweep.cells import BASELINES, CELLS, CLASSES
from results.sweep.interaction import INTERACTIONS
from results.sweep.pairwise import COMPARISONS
from results.sweep.retrieval_means import RETRIEVAL_MEANS

A, B, C = (f"tokens(size={size},overlap=0)" for size in (32, 64, 128))


def first(n_right, n):
    return [number < n_right for number in range(n)]


def pair(scored, a, b):
    found = scored.comparisons.filter((pl.col("a") == a) & (pl.col("b") == b))
    assert len(found) == 1
    return found.row(0, named=True)


def only(frame, **named):
    found = frame.filter(**named)
    assert len(found) == 1
    return found.row(0, named=True)


def cell(scored, **named):
    return only(scored.cells, **named)


def shuffled(frame, seed):
    return frame[np.random.default_rng(seed).permutation(len(frame)).tolist()]


def test_every_cell_has_one_row_sorted_by_cell(sweep):
    built = sweep(
        {64: first(8, 10), 32: first(6, 10)}, cuts=[("k", 3), ("budget", 256), ("k", 1)], readers=["small", "large"]
    )
    cells = built.score().cells
    assert cells.select(CELL).rows() == [
        (reader, "tokens", size, 0, "minilm", "dense", cut, amount)
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
    row = cell(built.with_golds(reader=turned).score(), size=64)
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


def test_retrieval_is_averaged_over_all_questions_whoever_was_asked(sweep):
    built = sweep({64: first(10, 10)})
    means = built._replace(answers=built.answers.filter(pl.col("question_id") < "q004")).retrieval_means()
    row = only(means, size=64)
    assert means.schema == RETRIEVAL_MEANS
    assert (row["n"], row["n_spans"], row["n_context_tokens"]) == (10, 10, 64.0)
    assert row["hit"] == pytest.approx(np.mean([1 / (number + 3) for number in range(10)]))


def test_retrieval_of_another_cell_is_not_mixed_in(sweep):
    built = sweep({32: first(5, 10), 64: first(5, 10)}, cuts=[("k", 1), ("k", 3)])
    wanted = (pl.col("size") == 64) & (pl.col("amount") == 3)
    retrieval = built.retrieval.with_columns(hit=pl.when(wanted).then(0.25).otherwise(0.75))
    means = built._replace(retrieval=retrieval).retrieval_means()
    assert means.select("size", "amount", "hit").rows() == [(32, 1, 0.75), (32, 3, 0.75), (64, 1, 0.75), (64, 3, 0.25)]


def test_settings_are_named_by_what_varies(sweep):
    dense, sparse = (sweep({64: first(5, 10)}, retriever=name) for name in ("dense", "bm25"))
    both = dense._replace(
        answers=dense.answers.vstack(sparse.answers), retrieval=dense.retrieval.vstack(sparse.retrieval)
    )
    assert dense.score().cells["setting"].to_list() == [B]
    for frame in (both.score().cells, both.retrieval_means()):
        assert frame.select("retriever", "setting").rows() == [("bm25", f"{B} bm25"), ("dense", f"{B} dense")]
    assert both.score().comparisons.select("a", "b").rows() == [(f"{B} bm25", f"{B} dense")]


def test_classes_count_the_gold_questions_of_each_label(sweep):
    classes = sweep({64: first(10, 10)}, kept=first(6, 10)).score().classes
    assert classes.columns[: len(CELL)] == list(CELL)
    assert classes.select("label", "n", "recall").rows() == [("yes", 3, 1.0), ("no", 3, 1.0), ("maybe", 0, 0.0)]


def test_comparisons_are_all_pairs_of_settings_under_the_same_cut(sweep):
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
    expected = built.score()._asdict() | {"retrieval_means": built.retrieval_means()}
    for seed in range(4):
        mixed = built._replace(
            answers=shuffled(built.answers, seed),
            retrieval=shuffled(built.retrieval, seed),
            readers=tuple(one._replace(gold=shuffled(one.gold, seed)) for one in built.readers),
            corpus=built.corpus.with_questions(shuffled(built.corpus.questions, seed)),
        )
        found = mixed.score()._asdict() | {"retrieval_means": mixed.retrieval_means()}
        for name, frame in found.items():
            assert frame.equals(expected[name]), f"{name} depends on the order of the rows"


def test_the_frames_of_cells_are_identical_whatever_the_order_of_the_readers(sweep):
    built = sweep({32: first(5, 12), 64: first(9, 12)}, readers=["b", "a"])
    one, other = built.score(), built._replace(readers=built.readers[::-1]).score()
    for name in ("cells", "classes", "ladder"):
        assert getattr(one, name).equals(getattr(other, name))
    # The smallest reader comes first: whose slope is subtracted from whose is a matter of order.
    assert only(one.interactions, questions="all")["small"] == only(other.interactions, questions="all")["large"] == "b"


def test_the_seed_moves_the_interval_and_nothing_else(sweep):
    built = sweep({32: first(30, 50), 64: first(20, 50)})
    one, other = (built.score(ScoringConfig(answers="drawn", n_resamples=400, seed=seed)) for seed in (0, 1))
    assert built.score(ScoringConfig(answers="drawn", n_resamples=400, seed=0)).comparisons.equals(one.comparisons)
    resampled = ["low", "high", "standard_error"]
    assert other.comparisons.drop(resampled).equals(one.comparisons.drop(resampled))  # exact, without chance
    for name in resampled:
        assert not other.comparisons[name].equals(one.comparisons[name])
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
    assert scored.ladder["questions"].unique().to_list() == ["all"]


def test_cells_have_the_same_column_types_with_and_without_a_gold_set(sweep):
    flags = {32: first(5, 10)}
    full, empty = sweep(flags).score().cells, sweep(flags, kept=[False] * 10).score().cells
    assert empty.schema == full.schema == CELLS


@pytest.mark.parametrize("kept", [True, False])
def test_every_frame_has_its_declared_schema(sweep, kept):
    scored = sweep({32: first(5, 10), 64: first(6, 10)}, kept=[kept] * 10).score()
    assert [frame.schema for frame in scored] == [
        CELLS,
        BASELINES,
        CLASSES,
        COMPARISONS,
        LADDER,
        INTERACTIONS,
        TEMPERATURES,
    ]


def test_without_a_reader_the_frames_are_empty(sweep):
    built = sweep({32: first(5, 10)})
    scored = built._replace(readers=(), answers=built.answers.clear()).score()
    assert [(frame.schema, len(frame)) for frame in scored] == [
        (schema, 0) for schema in (CELLS, BASELINES, CLASSES, COMPARISONS, LADDER, INTERACTIONS, TEMPERATURES)
    ]


def test_the_accuracy_of_a_cell_has_the_interval_of_its_documents(sweep):
    # Six documents of four questions each: 3, 3, 3, 2, 4, 3 of them right.
    flags = [number % 4 < 2 or number % 3 == 0 for number in range(24)]
    row = cell(
        sweep({64: flags}, questions_per_document=4).score(ScoringConfig(answers="drawn", n_resamples=20_000)), size=64
    )
    by_document = np.array(flags).reshape(6, 4).mean(axis=1)
    share, error = by_document.mean(), by_document.std(ddof=1) / math.sqrt(6)  # of the mean of six documents
    expected = share_interval(share, min(24, share * (1 - share) / error**2), 6, 0.95)[1:]
    for questions in ("gold", "all"):  # every question is kept, and its gold label is its reference
        found = tuple(row[f"{questions}_accuracy{end}"] for end in ("", "_low", "_high"))
        assert found[0] == pytest.approx(sum(flags) / 24)
        assert found[1:] == pytest.approx(expected, abs=0.003)


def test_the_macro_scores_of_a_cell_are_resampled_by_document(sweep):
    flags = [number % 4 < 2 or number % 3 == 0 for number in range(24)]
    built = sweep({64: flags}, questions_per_document=4)
    row = cell(built.score(), size=64)
    right = np.array([0, 1] * 12)  # yes, no
    given = np.where(flags, right, 1 - right)[:, None]
    clusters = [f"d{number // 4}" for number in range(24)]
    (macro,) = resample_macro(
        np.stack([one_hot(column, 3) for column in given.T], axis=2), fixed_law(right, 3, clusters), 400, 0.95, 0
    )
    for name, expected in macro._asdict().items():
        for questions in ("gold", "all"):
            found = tuple(row[f"{questions}_{name}{end}"] for end in ("", "_low", "_high"))
            assert found == pytest.approx(tuple(expected)), name
            assert found[1] < found[0] < found[2]


def test_all_right_is_not_taken_for_certain(sweep):
    # Rule of three: the exact 95 % lower bound (Clopper and Pearson) of 40 of 40 is .912, Wilson's .912.
    row = cell(sweep({64: first(40, 40)}).score(), size=64)
    assert row["gold_accuracy"] == row["gold_accuracy_high"] == 1.0
    assert 0.8 < row["gold_accuracy_low"] < 0.95


def test_span_scores_of_questions_without_evidence_are_unknown_with_their_interval(sweep):
    built = sweep({64: first(5, 10)})
    unknown = built.retrieval.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in SPAN_SCORES)
    row = only(built._replace(retrieval=unknown).retrieval_means(), size=64)
    assert (row["n"], row["n_spans"]) == (10, 0)
    assert all(row[name + end] is None for name in SPAN_SCORES for end in ("", "_low", "_high"))
    assert row["hit_low"] < row["hit"] < row["hit_high"]


def test_span_scores_are_over_the_questions_with_evidence(sweep):
    built = sweep({32: first(5, 10), 64: first(5, 10)})
    without = pl.col("question_id") < "q006"
    some = built.retrieval.with_columns(pl.when(~without).then(name).alias(name) for name in SPAN_SCORES)
    for row in built._replace(retrieval=some).retrieval_means().iter_rows(named=True):
        assert (row["n"], row["n_spans"]) == (10, 4)
        assert row["span_recall"] == pytest.approx(np.mean([1 / (number + 3) for number in range(6, 10)]))
        assert row["hit"] == pytest.approx(np.mean([1 / (number + 3) for number in range(10)]))


def test_questions_without_references_are_scored_on_the_gold_set_only(sweep):
    built = sweep({32: first(5, 10)})
    questions = built.corpus.questions.with_columns(reference=pl.lit(None, dtype=pl.String))
    row = cell(built._replace(corpus=built.corpus.with_questions(questions)).score(), size=32)
    assert row["all_n"] == 0
    assert row["all_accuracy"] is None
    assert row["gold_accuracy"] == pytest.approx(0.5)


def test_whole_documents_and_closed_book_are_scored_on_gold_and_on_all_questions(sweep):
    # Of ten questions four are gold; the document shows the first six, and the first is known without it.
    arms = {"closed_book": first(1, 10), "document": first(6, 10)}
    scored = sweep({32: first(5, 10), 64: first(10, 10)}, kept=first(4, 10), arms=arms).score()
    assert scored.baselines.schema == BASELINES
    assert scored.baselines.select("reader", "arm", "gold_n", "gold_accuracy", "all_n", "all_accuracy").rows() == [
        ("reader", "closed_book", 4, 0.25, 10, 0.1), ("reader", "document", 4, 1.0, 10, 0.6)
    ]  # fmt: skip
    row = only(scored.baselines, arm="document")
    assert row["all_accuracy_low"] < row["all_accuracy"] < row["all_accuracy_high"]
    # Right are three of five yes and three of five no; a wrong one is answered with the other label.
    assert row["all_precision"] == row["all_recall"] == row["all_f1"] == pytest.approx(3 / 5)


def test_an_arm_that_was_not_asked_has_no_row(sweep):
    scored = sweep({64: first(5, 10)}, arms={"document": first(10, 10)}).score()
    assert scored.baselines["arm"].to_list() == ["document"]
    assert sweep({64: first(5, 10)}).score().baselines.is_empty()


def test_failed_and_fragile_answers_of_an_arm_are_counted_there(sweep):
    built = sweep({64: first(10, 10)}, arms={"closed_book": first(5, 10)})
    closed = pl.col("arm") == "closed_book"
    failed = closed & (pl.col("question_id") == "q000")
    answers = built.answers.with_columns(
        label=pl.when(~failed).then("label"),
        failure=pl.when(failed).then(pl.lit("no_label_mass")),
        margin=pl.when(failed)
        .then(None)
        .when(closed & (pl.col("question_id") < "q004"))
        .then(0.01)
        .otherwise("margin"),
    )
    scored = built._replace(answers=answers).score()
    row = only(scored.baselines, arm="closed_book")
    assert (row["n_failed"], row["gold_accuracy"]) == (1, pytest.approx(0.4))
    assert row["fragile"] == pytest.approx(3 / 9)  # a failed answer has no margin
    assert (cell(scored, size=64)["n_failed"], cell(scored, size=64)["fragile"]) == (0, 0.0)


def test_the_ladder_of_a_cell_adds_up_by_hand(sweep):
    # Of twenty gold questions 18 are right with the document, 15 with its best chunks, 12 with what was retrieved.
    arms = {"document": first(18, 20), "oracle_chunk": first(15, 20), "closed_book": first(2, 20)}
    retrieved = [0 < number < 13 for number in range(20)]
    row = only(sweep({64: retrieved}, arms=arms).score().ladder, questions="gold")
    assert (row["n"], row["n_wrong"], row["n_reader"], row["n_chunking"], row["n_retrieval"]) == (20, 8, 2, 3, 3)
    assert [row[f"{part}_loss"] for part in ("reader", "chunking", "retrieval")] == pytest.approx([0.1, 0.15, 0.15])
    assert row["recovered"] == pytest.approx((12 - 2) / (18 - 2))
    assert (row["n_harmed"], row["harm"]) == (1, pytest.approx(0.05))  # q000: right without context only
    assert row["random"] is None


def test_a_cell_is_on_the_front_if_no_cheaper_one_is_as_good(sweep):
    flags = {32: first(5, 10), 64: first(8, 10), 128: first(8, 10), 256: first(9, 10)}
    cells = sweep(flags, tokens={32: 100, 64: 200, 128: 300, 256: 400}).score().cells
    assert cells.select("size", "is_pareto").rows() == [(32, True), (64, True), (128, False), (256, True)]


@pytest.mark.parametrize("wrong", [{"confidence": 95}, {"n_resamples": 10}, {"margin": -0.1}, {"alpha": 0.05}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScoringConfig.model_validate(wrong)


def test_no_number_in_the_frames_is_nan(sweep):
    arms = dict.fromkeys(("closed_book", "document", "oracle_chunk", "random"), first(5, 10))
    built = sweep({32: first(5, 10), 64: first(6, 10)}, kept=[False] * 10, readers=["a", "b"], arms=arms)
    for frame in (*built.score(), built.retrieval_means()):
        assert not any(isinstance(value, float) and math.isnan(value) for row in frame.iter_rows() for value in row)
