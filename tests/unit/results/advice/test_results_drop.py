"""A later run against an earlier one, on answers that a test chooses."""

import polars as pl
import pytest

from corpora.errors import InputError
from labeling.votes.vote import votes_frame
from results.advice.advice import manifest_entries
from results.advice.drop import drop_lines, find_drops
from results.config import ScoringConfig
from results.settings import names_in
from tests.doubles.judged_by_hand import first

DRAWN = ScoringConfig(answers="drawn", n_resamples=100)
N = 200


def run_of(built, advised=None, reader="reader"):
    """Manifest and tables of a run; `advised` is a size, or None where nothing is recommended."""
    scored = built.score(DRAWN)
    names = {setting.size: name for setting, name in names_in(scored.cells).items()}
    cut = scored.cells.select("cut", "amount").row(0)
    recommended = [] if advised is None else [names[advised]]
    entry = {"reader": reader, "setting": next(iter(recommended), None), "cut": f"{cut[0]}={cut[1]}", "n_gold": N}
    own = {"name": None, "model": reader, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    config = {"readers": [own], "consensus": {}, "scoring": DRAWN.model_dump(mode="json")}
    manifest = {"name": "by hand", "kind": "sweep", "config": config, "corpus": {"name": "c", "labels": ["yes", "no"]}}
    manifest |= manifest_entries((), (), (), {}) | {"recommendations": [entry]}
    gold = pl.concat(one.select(pl.lit(name).alias("reader"), pl.all()) for name, one in built.golds.items())
    votes = votes_frame([]).select(pl.lit("").alias("reader"), pl.all())
    tables = {"cells": scored.cells, "retrieval_means": built.retrieval_means(DRAWN), "retrieval": built.retrieval}
    tables |= {"answers": built.answers, "gold": gold, "votes": votes, "questions": built.corpus.questions}
    return manifest, tables


def test_the_advised_cell_is_compared_with_itself(sweep):
    before = run_of(sweep({32: first(150, N), 64: first(160, N)}), advised=64)
    after = run_of(sweep({32: first(20, N), 64: first(100, N)}), advised=32)
    (drop,) = find_drops(before, after)
    assert (drop.before, drop.after, drop.n, drop.is_shown) == (0.8, 0.5, N, True)
    assert drop.line.startswith(
        "reader with the best 3 chunks of 64 tokens: accuracy 80 % before and 50 % now, on 200 questions of both runs. "
        "It is shown to be worse by more than 5 points (p = "
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
    assert drop.what == "reader with the best 3 chunks of 32 tokens, now the best 3 chunks of 64 tokens"
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
    assert drop_lines(same) == ["None of the 2 cells that both runs have scores lower than before."]


def test_only_questions_of_both_runs_count_and_the_earlier_gold_set_decides(sweep):
    before = run_of(sweep({64: first(N, N)}, kept=first(100, N)), advised=64)
    after = run_of(sweep({64: first(50, N)}, kept=first(10, N)), advised=64)
    (drop,) = find_drops(before, after)
    assert (drop.before, drop.after, drop.n) == (1.0, 0.5, 100)
    half = after[1] | {"answers": after[1]["answers"].filter(pl.col("question_id") < "q060")}
    (drop,) = find_drops(before, (after[0], half))
    assert (drop.after, drop.n) == (pytest.approx(50 / 60), 60)
    none = after[1] | {"answers": after[1]["answers"].filter(pl.col("question_id") > "q100")}
    with pytest.raises(InputError, match="not in the gold set"):
        find_drops(before, (after[0], none))


def test_runs_without_readers_are_compared_by_what_they_retrieve(sweep):
    def retrieval(**scores):
        manifest, tables = run_of(sweep({64: first(50, N)}))
        frame = tables["retrieval"].with_columns(**{name: pl.lit(value) for name, value in scores.items()})
        return manifest, {name: tables[name] for name in ("retrieval_means", "questions")} | {"retrieval": frame}

    (drop,) = find_drops(retrieval(span_recall=0.9), retrieval(span_recall=0.6))
    assert (drop.before, drop.after, drop.is_shown) == (pytest.approx(0.9), pytest.approx(0.6), True)
    assert "retrieval with the best 3 chunks of 64 tokens: share of the evidence that is found 90 % before" in drop.line
    spans = {"span_recall": None}
    (drop,) = find_drops(retrieval(ndcg=0.9, **spans), retrieval(ndcg=0.95, **spans))
    assert not drop.is_shown
