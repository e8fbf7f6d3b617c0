from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from results.advice.advice import verdict_entry
from results.advice.verdict import reach_verdicts
from results.config import ScoringConfig
from results.settings import Setting
from results.stats.clustered import detectable_difference, missed

SPLITTERS = ("tokens", "sentences")
A, B, C = (f"tokens(size={size},overlap=0)" for size in (32, 64, 128))


def first(n_right, n=60):
    return [number < n_right for number in range(n)]


def mixed(n_right, seed, n=60):
    """Right answers scattered over the questions."""
    return np.random.default_rng(seed).permutation(first(n_right, n)).tolist()


def entries(verdicts):
    """The verdicts as a manifest holds them."""
    settings = [Setting(splitter, size, 0, "minilm", "dense") for splitter in SPLITTERS for size in (32, 64, 128)]
    names = {setting: setting.name() for setting in settings}
    return [SimpleNamespace(**verdict_entry(one, names)) for one in verdicts]


def only(verdicts):
    (verdict,) = entries(verdicts)
    return verdict


def test_a_planted_clear_winner_is_decided(sweep):
    verdict = only(sweep({32: first(20), 64: first(55), 128: first(25)}).verdicts())
    assert verdict.decided
    assert verdict.best == verdict.recommended == B
    assert verdict.not_worse == (B,)
    assert verdict.line.startswith("Use the best 3 chunks of 64 tokens, with reader: 92 % right (")
    assert verdict.line.endswith("; it is shown to be better than each of the 2 others.")


def test_equal_cells_cannot_be_told_apart(sweep):
    flags = mixed(40, 0)
    verdict = only(sweep({32: flags, 64: flags, 128: flags}).verdicts())
    assert not verdict.decided
    assert set(verdict.not_worse) == {A, B, C}
    assert verdict.line.startswith("No winner yet with reader, the best 3 chunks read: all 3 settings are equal so far")


def test_where_no_answer_is_right_nothing_is_recommended(sweep):
    verdict = only(sweep({32: first(0, 200), 64: first(0, 200)}).verdicts())
    assert (verdict.recommended, verdict.decided) == (None, False)
    assert verdict.line == (
        "Nothing can be told with reader, the best 3 chunks read: no setting gets any gold question right."
    )


def test_of_cells_that_are_shown_to_be_equal_the_cheapest_is_recommended(sweep):
    flags = mixed(140, 0, 200)
    verdict = only(sweep({32: flags, 64: flags}, tokens={32: 300, 64: 200}).verdicts())
    assert verdict.best == B  # of equal ones the one with the least context
    assert verdict.recommended == B
    assert verdict.line.endswith("within 5 points of the best, the least is read with the best 3 chunks of 64 tokens.")


def test_a_small_difference_on_few_questions_cannot_be_told(sweep):
    verdict = only(sweep({32: mixed(40, 0), 64: mixed(42, 1)}).verdicts())
    assert not verdict.decided
    assert verdict.best == B
    assert verdict.not_worse == (B, A)
    assert "No winner yet" in verdict.line
    # The interval of the difference reaches beyond the margin, so that nothing cheaper is recommended.
    assert verdict.recommended is None
    assert "the least" not in verdict.line


def test_the_worse_ones_are_told_apart_though_the_best_two_are_not(sweep):
    verdict = only(sweep({32: first(10), 64: first(55), 128: first(54)}).verdicts())
    assert not verdict.decided
    assert verdict.not_worse == (B, C)
    assert "1 of 3 settings is shown to be worse." in verdict.line


def test_a_cheaper_setting_within_the_margin_is_recommended_over_the_best(sweep):
    # One question of 200 differs: whatever the resample, the difference stays far below .05.
    verdict = only(sweep({32: first(149, 200), 64: first(150, 200)}).verdicts())
    assert verdict.best == B
    assert verdict.recommended == A


def test_a_margin_of_zero_recommends_nothing_that_is_worse(sweep):
    config = ScoringConfig(answers="drawn", n_resamples=400, margin=0)
    verdict = only(sweep({32: first(149, 200), 64: first(150, 200)}).verdicts(config=config))
    assert verdict.recommended in (B, None)


def test_an_empty_gold_set_cannot_tell(sweep):
    verdict = only(sweep({32: first(10), 64: first(50)}, kept=[False] * 60).verdicts())
    assert verdict.line == "Nothing can be told with reader, the best 3 chunks read: no question is in the gold set."
    assert verdict.n_gold == 0
    assert not verdict.decided
    assert verdict.recommended is None
    assert verdict.detectable is None


def test_one_setting_leaves_nothing_to_choose(sweep):
    verdict = only(sweep({64: first(50)}).verdicts())
    assert verdict.line.startswith("Nothing to choose with reader: the best 3 chunks of 64 tokens, the only setting")
    assert verdict.best == verdict.recommended == B
    assert not verdict.decided
    assert verdict.detectable is None


@pytest.mark.parametrize(
    ("sizes", "end"),
    [
        ([64], "it is the only one left; 3 of 4 settings were dropped on the way."),
        ([32, 64, 128], "than each of the 2 others; 1 of 4 settings was dropped on the way."),
    ],
)
def test_a_verdict_says_of_what_was_dropped_no_more_than_that(sweep, sizes, end):
    flags = {32: first(20), 64: first(55), 128: first(25), 256: first(30)}
    tried = sweep(flags, cuts=[("k", 1), ("k", 3)]).retrieval_means()
    scored = sweep({size: flags[size] for size in sizes}).score()
    labelers = pl.DataFrame({"reader": ["reader"], "qualified": [True]})
    config = ScoringConfig(answers="drawn", n_resamples=400)
    found = only(reach_verdicts(scored.cells, scored.comparisons, labelers, config, "unanimous", tried))
    assert found.line.startswith("Use the best 3 chunks of 64 tokens, with reader: 92 % right (")
    assert found.line.endswith(end)


def test_every_verdict_is_one_line(sweep):
    flags = {32: first(20), 64: first(55)}
    for verdict in sweep(flags, readers=["a", "b"], cuts=[("k", 1), ("k", 3)]).verdicts(qualified=False):
        assert "\n" not in verdict.line


def test_the_detectable_difference_is_that_of_the_median_pair_with_holm_in_mind(sweep):
    built = sweep({32: mixed(40, 0), 64: mixed(42, 1), 128: mixed(30, 2)})
    errors = built.score().comparisons["standard_error"].to_list()
    assert only(built.verdicts()).detectable == pytest.approx(detectable_difference(float(np.median(errors)), 3, 0.95))


def test_no_run_claims_to_detect_a_difference_of_zero(sweep):
    # The same answers everywhere say nothing about the spread of a difference.
    flags = first(8, 12)
    verdict = only(sweep({32: flags, 64: flags}).verdicts())
    assert "below about 0.000" not in verdict.line


def test_there_is_one_verdict_for_each_reader_and_cut_with_the_smallest_budget_first(sweep):
    flags = {32: first(20), 64: first(55)}
    cuts = [("k", 1), ("budget", 512), ("k", 5), ("budget", 256)]
    verdicts = entries(sweep(flags, cuts=cuts).verdicts())
    assert [verdict.cut for verdict in verdicts] == ["budget=256", "budget=512", "k=5", "k=1"]


def test_the_headline_is_the_reader_with_the_most_gold_questions(sweep):
    built = sweep({32: first(20), 64: first(55)}, readers=["a", "b"])
    few = built.golds["a"].with_columns(kept=np.array(first(30)))
    verdicts = built.with_golds(a=few).verdicts()
    assert [(verdict.reader, verdict.n_gold) for verdict in verdicts] == [("b", 60), ("a", 30)]


def test_each_cut_is_judged_by_its_own_comparisons(sweep):
    built = sweep({32: first(20), 64: first(55)}, cuts=[("k", 1), ("k", 3)])
    scored = built.score()
    only_first = scored.comparisons.filter(amount=1)
    labelers = pl.DataFrame({"reader": ["reader"], "qualified": [True]})
    config = ScoringConfig(answers="drawn", n_resamples=400)
    by_cut = {
        verdict.cut: verdict
        for verdict in entries(reach_verdicts(scored.cells, only_first, labelers, config, "unanimous", scored.cells))
    }
    assert by_cut["k=3"].detectable is None
    assert by_cut["k=1"].detectable > 0


def test_settings_that_tie_in_everything_give_the_same_verdict_in_any_order(sweep):
    # Same accuracy, same context, same size; only the splitter differs.
    flags = mixed(40, 0)
    tokens, sentences = (sweep({64: flags}, splitter=name) for name in ("tokens", "sentences"))
    built = tokens._replace(
        answers=tokens.answers.vstack(sentences.answers), retrieval=tokens.retrieval.vstack(sentences.retrieval)
    )
    scored = built.score()
    labelers = pl.DataFrame({"reader": ["reader"], "qualified": [True]})
    config = ScoringConfig(answers="drawn", n_resamples=400)
    one = reach_verdicts(scored.cells, scored.comparisons, labelers, config, "unanimous", scored.cells)
    cells, pairs = scored.cells.reverse(), scored.comparisons.reverse()
    other = reach_verdicts(cells, pairs, labelers, config, "unanimous", cells)
    assert one == other


def test_never_having_differed_on_few_questions_shows_nothing_to_be_near(sweep):
    # Two chunkings that agree on all of 12 questions may still differ on a quarter of all others.
    flags = first(8, 12)
    verdict = only(sweep({32: flags, 64: flags}).verdicts())
    assert verdict.recommended is None
    assert "the least" not in verdict.line


def test_the_cheapest_within_the_margin_is_what_to_use_even_where_the_best_is_told_apart(sweep):
    verdict = only(sweep({32: first(984, 1000), 64: first(1000, 1000)}).verdicts())
    assert verdict.decided
    assert (verdict.best, verdict.recommended) == (B, A)
    assert verdict.line.startswith("Any size of 32 or 64 tokens will do with reader: all are within 5 points of ")


def test_a_qualified_reader_leads_before_one_with_more_gold_questions(sweep):
    built = sweep({32: first(20), 64: first(55)}, readers=["a", "b"])
    few = built.golds["a"].with_columns(kept=np.array(first(30)))
    verdicts = built.with_golds(a=few).verdicts(qualified={"a": True, "b": False})
    assert [verdict.reader for verdict in verdicts] == ["a", "b"]


def test_failed_answers_are_no_effect_of_size(sweep):
    built = sweep({32: first(55), 64: first(55)})
    too_long = (pl.col("size") == 64) & pl.col("question_id").is_in(["q001", "q002"])
    answers = built.answers.with_columns(
        label=pl.when(~too_long).then("label"), failure=pl.when(too_long).then(pl.lit("prompt_too_long"))
    )
    verdict = only(built._replace(answers=answers).verdicts())
    assert verdict.line.endswith("the best 3 chunks read: 2 prompts did not fit in num_ctx; raise it.")
    assert not verdict.decided
    assert (verdict.recommended, verdict.detectable, verdict.n_gold) == (None, None, 60)


def test_an_answer_that_failed_otherwise_is_a_wrong_one(sweep):
    built = sweep({32: first(20), 64: first(55)})
    refused = (pl.col("size") == 64) & (pl.col("question_id") == "q001")
    answers = built.answers.with_columns(
        label=pl.when(~refused).then("label"), failure=pl.when(refused).then(pl.lit("off_label"))
    )
    verdict = only(built._replace(answers=answers).verdicts())
    assert verdict.decided
    assert "90 % right" in verdict.line  # 54 of 60


def test_failed_answers_leave_the_other_cuts_alone(sweep):
    built = sweep({32: first(20), 64: first(55)}, cuts=[("k", 1), ("k", 3)])
    failed = (pl.col("amount") == 3) & (pl.col("question_id") == "q001")
    answers = built.answers.with_columns(
        label=pl.when(~failed).then("label"), failure=pl.when(failed).then(pl.lit("prompt_too_long"))
    )
    by_cut = {verdict.cut: verdict for verdict in entries(built._replace(answers=answers).verdicts())}
    assert by_cut["k=1"].decided
    assert "2 prompts did not fit" in by_cut["k=3"].line  # one in each of the two chunkings


def test_one_document_cannot_show_any_difference(sweep):
    verdict = only(sweep({32: first(10), 64: first(55)}, questions_per_document=60).verdicts())
    assert not verdict.decided
    assert verdict.detectable is None
    assert "a run this small could not have shown any difference" in verdict.line


def test_readers_without_references_to_judge_by_are_not_put_behind(sweep):
    built = sweep({32: first(20), 64: first(55)}, readers=["a", "b"])
    few = built.golds["a"].with_columns(kept=np.array(first(30)))
    verdicts = built.with_golds(a=few).verdicts(qualified=None)
    assert [verdict.reader for verdict in verdicts] == ["b", "a"]


def test_a_disqualified_reader_is_behind_under_every_cut(sweep):
    built = sweep({32: first(20), 64: first(55)}, readers=["a", "b"], cuts=[("k", 3), ("budget", 256)])
    verdicts = entries(built.verdicts(qualified={"a": False, "b": True}))
    assert [(verdict.reader, verdict.cut) for verdict in verdicts] == [
        ("b", "budget=256"), ("b", "k=3"), ("a", "budget=256"), ("a", "k=3")
    ]  # fmt: skip


@pytest.mark.parametrize("detectable", [None, 1.0, 1.7])
def test_what_no_accuracy_can_reach_is_not_called_a_detectable_difference(detectable):
    assert missed(detectable) == "a run this small could not have shown any difference"


def test_a_detectable_difference_is_named():
    assert missed(0.1234) == "a true difference under 12 points would probably have been missed"


def test_the_costlier_of_two_that_are_shown_to_be_near_is_not_recommended(sweep):
    # 128 leads by one question of 300; 64 is as near, but reads more than 32.
    flags = {32: first(249, 300), 64: first(249, 300), 128: first(250, 300)}
    verdict = only(sweep(flags, tokens={32: 100, 64: 200, 128: 300}).verdicts())
    assert (verdict.best, verdict.recommended, verdict.decided) == (C, A, False)
    assert verdict.line.endswith("within 5 points of the best, the least is read with the best 3 chunks of 32 tokens.")


def verdict_with(scored, **p_values):
    """The verdict where these are the p-values of being more than the margin worse than the best, cell by cell."""
    cells = scored.cells.with_columns(pl.Series(name, values) for name, values in p_values.items())
    labelers = pl.DataFrame({"reader": ["reader"], "qualified": [True]})
    config = ScoringConfig(answers="drawn")
    return only(reach_verdicts(cells, scored.comparisons, labelers, config, "unanimous", cells))


def test_what_is_recommended_must_be_shown_within_the_margin_under_that_cut(sweep):
    scored = sweep({32: mixed(40, 0), 64: mixed(42, 1), 128: mixed(41, 2)}).score()
    assert verdict_with(scored, p_within_cut=[0.06, 0.049, 0.01]).recommended == B  # cheaper than C
    assert verdict_with(scored, p_within_cut=[0.06, 0.06, 0.01]).recommended == C  # not the leader, but shown
    assert verdict_with(scored, p_within_cut=[0.06, 0.06, 0.07]).recommended is None
    # Over all cells another correction holds, which is not this cut's business.
    assert verdict_with(scored, p_within_cut=[0.04, 0.06, 0.07], p_within=[0.5, 0.5, 0.5]).recommended == A


def test_a_best_that_is_told_from_all_others_needs_no_margin(sweep):
    scored = sweep({32: first(20), 64: first(55), 128: first(25)}).score()
    verdict = verdict_with(scored, p_within_cut=[1.0, 1.0, 1.0])
    assert (verdict.best, verdict.recommended, verdict.decided) == (B, B, True)
