"""A later run against an earlier one, on answers and votes that a test chooses."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.votes.vote import votes_frame
from results.advice.advice import manifest_entries
from results.advice.drops.drop import Drop, drop_lines
from results.advice.drops.find import corrected, find_drops
from results.config import ScoringConfig
from results.settings import CUT, SETTING, names_in
from results.stats.worst_case import worst_case_p
from tests.doubles.judged_by_hand import first

DRAWN = ScoringConfig(answers="drawn", n_resamples=100)
N = 200
NO_VOTES = votes_frame([]).select(pl.lit("").alias("reader"), pl.all())


def run_of(built, advised=None, retrieves=None):
    """Manifest and tables of a run; `advised` is the size that is recommended to each reader, `retrieves` by itself."""
    scored = built.score(DRAWN)
    names = {setting.size: name for setting, name in names_in(scored.cells).items()}
    cut = "=".join(map(str, scored.cells.select("cut", "amount").row(0)))
    readers = list(built.golds)
    sizes = advised if isinstance(advised, dict) else dict.fromkeys(readers, advised)
    entries = [{"reader": one, "setting": names.get(sizes[one]), "cut": cut, "n_gold": N} for one in readers]
    own = {"name": None, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    config = {"readers": [own | {"model": one} for one in readers], "consensus": {}}
    config |= {"scoring": DRAWN.model_dump(mode="json")}
    manifest = {"name": "by hand", "kind": "sweep", "config": config, "corpus": {"name": "c", "labels": ["yes", "no"]}}
    manifest |= manifest_entries((), (), (), {}) | {"recommendations": entries}
    manifest["retrieval"] = [{"cut": cut, "recommended": names.get(retrieves)}]
    gold = pl.concat(one.select(pl.lit(name).alias("reader"), pl.all()) for name, one in built.golds.items())
    tables = {"cells": scored.cells, "retrieval_means": built.retrieval_means(DRAWN), "retrieval": built.retrieval}
    tables |= {"answers": built.answers, "gold": gold, "votes": NO_VOTES, "questions": built.corpus.questions}
    return manifest, tables


def test_the_advised_cell_is_compared_with_itself(sweep):
    before = run_of(sweep({32: first(150, N), 64: first(160, N)}), advised=64)
    after = run_of(sweep({32: first(20, N), 64: first(100, N)}), advised=32)
    (drop,) = find_drops(before, after)
    assert (drop.before, drop.after, drop.n, drop.is_shown) == (0.8, 0.5, N, True)
    assert drop.line.startswith(
        "reader with the best 3 chunks of 64 tokens: accuracy 80 % before and 50 % now, on 200 gold questions of both "
        "runs. It is shown to be worse by more than 5 points (p = "
    )
    assert not find_drops(after, before)[0].is_shown


@pytest.mark.parametrize(("n_after", "margin", "is_shown"), [(150, 0.05, False), (150, 0.0, True), (160, 0.0, False)])
def test_a_drop_is_shown_beyond_the_margin_only(sweep, n_after, margin, is_shown):
    before, after = (run_of(sweep({64: first(n, N)}), advised=64) for n in (160, n_after))
    (drop,) = find_drops(before, after, margin)
    assert drop.is_shown is is_shown


def test_a_cell_that_is_gone_is_compared_with_what_is_advised_now(sweep):
    before = run_of(sweep({32: first(160, N)}), advised=32)
    after = run_of(sweep({64: first(40, N)}, retriever="bm25"), advised=64)
    (drop,) = find_drops(before, after)
    assert drop.is_shown
    assert drop.what == (
        "reader with the best 3 chunks of 32 tokens, dense retriever, now the best 3 chunks of 64 tokens, "
        "bm25 retriever"
    )
    with pytest.raises(InputError, match="without a cell in common"):
        find_drops(before, run_of(sweep({64: first(40, N)}, retriever="bm25")))


def test_without_advice_all_common_cells_are_compared_and_corrected_for(sweep):
    before = run_of(sweep({32: first(160, N), 64: first(160, N)}))
    after = run_of(sweep({32: first(149, N), 64: first(160, N), 128: first(9, N)}))
    found = find_drops(before, after, 0.0)
    single = find_drops(run_of(sweep({32: first(160, N)})), run_of(sweep({32: first(149, N)})), 0.0)
    assert [one.before - one.after for one in found] == pytest.approx([0.055, 0.0])
    assert found[0].p_value == pytest.approx(2 * single[0].p_value)
    same = find_drops(before, before)
    assert drop_lines(same) == ["None of the 2 cells that were compared scores lower than before."]


def test_only_questions_that_both_asked_and_both_keep_count(sweep):
    before = run_of(sweep({64: first(N, N)}, kept=first(100, N)), advised=64)
    after = run_of(sweep({64: first(50, N)}, kept=first(150, N)), advised=64)
    (drop,) = find_drops(before, after)
    assert (drop.before, drop.after, drop.n) == (1.0, 0.5, 100)
    half = after[1] | {"answers": after[1]["answers"].filter(pl.col("question_id") < "q060")}
    (drop,) = find_drops(before, (after[0], half))
    assert (drop.after, drop.n) == (pytest.approx(50 / 60), 60)
    none = after[1] | {"answers": after[1]["answers"].filter(pl.col("question_id") > "q100")}
    with pytest.raises(InputError, match="share no question with the same label"):
        find_drops(before, (after[0], none))


def read_by(sweep, ballots, made_by, votes, answers, *, references=True, temperature=None):
    """A run with expected scores: how probable each question's votes and answers make `yes`, and what voted."""
    manifest, tables = run_of(sweep({64: first(N, N)}), advised=64)
    ids = tables["questions"]["question_id"].to_list()
    shown = {one: (chance, 1 - chance) for one, chance in zip(ids, votes, strict=True)}
    cast = ballots(shown, LabelSet(("yes", "no"))).with_columns(labeler=pl.lit(made_by))
    given = {one: [float(chance), float(1 - chance)] for one, chance in zip(ids, answers, strict=True)}
    probabilities = [given[one] for one in tables["answers"]["question_id"]]
    tables["votes"] = cast.select(pl.lit("reader").alias("reader"), pl.all())
    tables["answers"] = tables["answers"].with_columns(
        probabilities=pl.Series(probabilities, dtype=pl.List(pl.Float64)),
        label=pl.Series(["yes" if one[0] > 0.5 else "no" for one in probabilities]),
    )
    if not references:
        tables["questions"] = tables["questions"].with_columns(reference=pl.lit(None, dtype=pl.String))
    scoring = ScoringConfig(answer_temperature=temperature).model_dump(mode="json")
    return manifest | {"config": manifest["config"] | {"scoring": scoring}}, tables


YES, NO = np.full(N, 0.95), np.full(N, 0.05)
HALF = np.where(np.arange(N) < N // 2, YES, NO)


@pytest.mark.parametrize("references", [True, False])
def test_of_two_readers_that_are_mirror_images_neither_is_worse(sweep, ballots, references):
    # They agree on half of the questions, so that there is something to compare.
    mirrored = [
        read_by(sweep, ballots, name, votes, votes, references=references)
        for name, votes in (("one", YES), ("other", HALF))
    ]
    for before, after in (mirrored, mirrored[::-1]):
        (drop,) = find_drops(before, after, 0.0)
        assert not drop.is_shown
        assert drop.p_value > 0.4


def test_two_readers_that_agree_on_nothing_need_references(sweep, ballots):
    before, after = (
        read_by(sweep, ballots, name, votes, votes, references=False) for name, votes in (("one", YES), ("other", NO))
    )
    with pytest.raises(InputError, match="give every question a reference label, which then decides"):
        find_drops(before, after)


def test_another_reader_is_judged_by_the_references(sweep, ballots):
    right = np.where(np.arange(N) % 2 == 0, 0.9, 0.1)
    good, guesses = read_by(sweep, ballots, "one", right, right), read_by(sweep, ballots, "other", YES, YES)
    (drop,) = find_drops(good, guesses)
    assert (drop.before, drop.after) == (pytest.approx(0.9), pytest.approx(0.5))
    assert drop.line.startswith(
        "reader with the best 3 chunks of 64 tokens: accuracy by the reference labels 90 % before and 50 % now, on 200 "
        "questions of both runs. It is shown to be worse by more than 5 points (p = "
    )
    assert not find_drops(guesses, good)[0].is_shown
    # By the labels that both keep, nobody would see it: where it agrees with the good one it is right.
    readers = (("one", right, right), ("other", YES, YES))
    (drop,) = find_drops(*(read_by(sweep, ballots, *one, references=False) for one in readers))
    assert not drop.is_shown


def test_a_reader_whose_prompt_has_changed_is_another(sweep, ballots):
    manifest, tables = before = read_by(sweep, ballots, "one", YES, YES)
    votes = tables["votes"].with_columns(prompt_hash=pl.lit("changed"))
    assert find_drops(before, before)[0].score == "accuracy"
    assert find_drops(before, (manifest, tables | {"votes": votes}))[0].score == "accuracy by the reference labels"


def test_one_reader_is_judged_by_what_both_gold_sets_keep(sweep, ballots):
    before = read_by(sweep, ballots, "one", YES, YES)
    after = read_by(sweep, ballots, "one", np.where(np.arange(N) < 120, 0.8, 0.2), np.full(N, 0.6))
    (drop,) = find_drops(before, after)
    # The root of .95^3 * .8^3 on 120 questions, nothing on the others, whose most probable label is another one.
    assert (drop.before, drop.after) == (pytest.approx(0.95), pytest.approx(0.6))
    assert drop.n == pytest.approx(120)
    assert drop.is_shown
    assert "on 120 effective gold questions of both runs. It is shown to be worse" in drop.line


def test_both_are_scored_at_the_temperature_of_the_later_run(sweep, ballots):
    chances = np.full(N, 0.7)
    greedy, sampled = (read_by(sweep, ballots, "one", YES, chances, temperature=at) for at in (0.0, None))
    for before, after, accuracy in ((greedy, sampled, 0.7), (sampled, greedy, 1.0)):
        (drop,) = find_drops(before, after)
        assert (drop.before, drop.after) == (pytest.approx(accuracy), pytest.approx(accuracy))
        assert drop.line.endswith("That is no drop.")


def test_a_manifest_of_a_version_before_is_scored_as_drawn(sweep):
    manifest, tables = run_of(sweep({64: first(150, N)}), advised=64)
    scoring = {name: value for name, value in manifest["config"]["scoring"].items() if name != "answers"}
    old = manifest | {"config": manifest["config"] | {"scoring": scoring}}
    assert find_drops((old, tables), (old, tables))[0].before == 0.75


def test_every_cell_that_the_advised_one_was_chosen_from_counts(sweep):
    alone = find_drops(run_of(sweep({64: first(160, N)}), advised=64), run_of(sweep({64: first(149, N)})), 0.0)
    many = {32: first(10, N), 64: first(160, N), 128: first(20, N)}
    before, after = run_of(sweep(many), advised=64), run_of(sweep({64: first(149, N)}))
    (drop,) = find_drops(before, after, 0.0)
    assert drop.p_value == pytest.approx(3 * alone[0].p_value)
    cell = before[1]["cells"].head(2).select("reader", *SETTING, *CUT).with_columns(size=pl.Series([256, 512]))
    (drop,) = find_drops((before[0], before[1] | {"dropped": cell}), after, 0.0)
    assert drop.p_value == pytest.approx(5 * alone[0].p_value)


def test_a_cell_that_was_chosen_anew_is_corrected_for_that_choice_too(sweep):
    before = run_of(sweep({16: first(9, N), 32: first(160, N)}), advised=32)
    single = find_drops(before, run_of(sweep({32: first(149, N)})), 0.0)
    now = run_of(sweep({size: first(149 if size == 64 else 2, N) for size in (64, 128, 256)}), advised=64)
    assert find_drops(before, now, 0.0)[0].p_value == pytest.approx(3 * single[0].p_value)


def test_readers_are_told_apart_and_counted_as_what_was_compared(sweep):
    flags = {32: first(160, N), 64: first(150, N)}
    before = run_of(sweep(flags, readers=("one", "two")), advised={"one": 32, "two": 64})
    same = find_drops(before, before)
    assert [one.what for one in same] == [
        "one with the best 3 chunks of 32 tokens", "two with the best 3 chunks of 64 tokens",
    ]  # fmt: skip
    assert drop_lines(same) == ["None of the 2 cells that were compared scores lower than before."]
    after = run_of(sweep(flags | {64: first(149, N)}, readers=("one", "two")))
    (line,) = drop_lines(find_drops(before, after))
    assert line.startswith("two with the best 3 chunks of 64 tokens: accuracy 75 % before and 74 % now")
    assert line.endswith("It is the largest drop of the 2 cells that were compared.")


def test_shown_drops_beyond_the_most_are_counted():
    shown = [Drop(str(at), "accuracy", 0.9, 0.1, "9 questions", 9, 0.05, 0.001, True) for at in range(7)]
    assert drop_lines(shown)[5:] == ["2 more cells are shown to be worse."]
    assert drop_lines(shown[:6])[5:] == ["1 more cell is shown to be worse."]
    assert len(drop_lines(shown[:5])) == 5


def test_chance_alone_makes_no_drop_of_the_best_of_16_equal_cells():
    # Answers are drawn anew for the later run. Without the correction for the choice, a quarter of these runs fail.
    rng = np.random.default_rng(7)
    n_runs, n_cells, n_documents = 300, 16, 100
    before, after = rng.random((2, n_documents, n_runs, n_cells)) < 0.7
    best = before.sum(axis=0).argmax(axis=1)
    gaps = after[:, range(n_runs), best].astype(float) - before[:, range(n_runs), best]
    p_values = worst_case_p(gaps, 1.0)
    assert (p_values < 0.05).sum() > 0.15 * n_runs
    n_worse = sum(corrected([p_value], [1], n_cells)[0] < 0.05 for p_value in p_values)
    assert n_worse <= binom.ppf(0.999, n_runs, 0.05)


def retrieval_of(sweep, by_size, retrieves=None, score="span_recall", embedder="minilm"):
    """A run that only retrieves, with one score for all questions at each size."""
    manifest, tables = run_of(sweep({size: first(50, N) for size in by_size}), retrieves=retrieves)
    found = pl.col("size").replace_strict(by_size, return_dtype=pl.Float64)
    nothing = {} if score == "span_recall" else {"span_recall": pl.lit(None, dtype=pl.Float64)}
    there = {"embedder": pl.lit(embedder)}
    return manifest, {
        "retrieval": tables["retrieval"].with_columns(**there, **nothing, **{score: found}),
        "retrieval_means": tables["retrieval_means"].with_columns(**there),
        "questions": tables["questions"],
    }


def test_runs_without_readers_are_compared_by_what_they_retrieve(sweep):
    (drop,) = find_drops(retrieval_of(sweep, {64: 0.9}), retrieval_of(sweep, {64: 0.6}))
    assert (drop.before, drop.after, drop.is_shown) == (pytest.approx(0.9), pytest.approx(0.6), True)
    assert drop.line.startswith(
        "retrieval with the best 3 chunks of 64 tokens: share of the evidence that is found 90 % before and 60 % "
        "now, on 200 questions of both runs. It is shown to be worse"
    )
    (drop,) = find_drops(*(retrieval_of(sweep, {64: found}, score="ndcg") for found in (0.9, 0.95)))
    assert drop.line.startswith("retrieval with the best 3 chunks of 64 tokens: nDCG 90 % before and 95 % now")


def test_the_cell_that_retrieves_best_is_compared(sweep):
    before = retrieval_of(sweep, {32: 0.5, 64: 0.9}, retrieves=64)
    (drop,) = find_drops(before, retrieval_of(sweep, {32: 0.9, 64: 0.8}, retrieves=32))
    assert (drop.before, drop.after) == (pytest.approx(0.9), pytest.approx(0.8))
    assert drop.what == "retrieval with the best 3 chunks of 64 tokens"
    every = find_drops(retrieval_of(sweep, {32: 0.5, 64: 0.9}), retrieval_of(sweep, {32: 0.9, 64: 0.8}))
    assert [one.before for one in every] == pytest.approx([0.5, 0.9])


def test_with_another_embedder_what_retrieves_best_now_is_compared(sweep):
    before = retrieval_of(sweep, {32: 0.5, 64: 0.9}, retrieves=64)
    now = retrieval_of(sweep, {32: 0.7, 128: 0.6}, retrieves=32, embedder="another")
    (drop,) = find_drops(before, now)
    assert (drop.before, drop.after, drop.is_shown) == (pytest.approx(0.9), pytest.approx(0.7), True)
    assert drop.what == (
        "retrieval with the best 3 chunks of 64 tokens, minilm embedder, now the best 3 chunks of 32 tokens, "
        "another embedder"
    )
    # The questions are those of both, in whatever order, and only those.
    some = now[1]["retrieval"].filter(pl.col("question_id") < "q150").reverse()
    assert find_drops(before, (now[0], now[1] | {"retrieval": some}))[0].n == 150
    with pytest.raises(InputError, match="without a scored question in common"):
        find_drops(before, (now[0], now[1] | {"retrieval": some.with_columns(question_id=pl.lit("another"))}))
    with pytest.raises(InputError, match="without a cell in common"):
        find_drops(before, retrieval_of(sweep, {32: 0.7}, embedder="another"))
