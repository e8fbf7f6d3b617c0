"""Reading in looks until the advice is told, on scripted readers."""

import json

import polars as pl
import pytest

from corpora.schema import iter_questions
from corpora.sources.bundled import read_sample
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from labeling.remote.spending import LimitError
from results.config import ReadingConfig
from tests.benchmarks.until_told import read_again
from tests.doubles.scripted import open_word_embedder, scripted_session

QUESTIONS = {one.id: one for one in iter_questions(read_sample().questions)}
TEXTS = read_sample().texts
LABELS = ("yes", "no", "maybe")
FEW_WORDS = 90  # of a whole prompt: those with 16 tokens of context have fewer, those with 96 have more


def experiment_of(models=("clever",), sizes=(8, 128), margin=0.25, sample=None, **reading):
    return parse_experiment(
        {
            "name": "told",
            "corpus": {"source": "sample", "split": "all", "sample": sample},
            "calibration": {"per_label": 0},
            "retrieval": {"sizes": list(sizes), "k": [1], "budgets": [], "controls": ["closed_book"]},
            # Two settings that look alike need 11 questions for a margin of .25.
            "scoring": {"n_resamples": 100, "margin": margin},
            "reading": {"stop": "told", "first_look": 8, **reading},
            "readers": [{"model": model} for model in models],
        },
        "the test",
    )


def reads_evidence(model, prompt):
    """`clever` is sure where the prompt shows all evidence, `steady` always is, and `dull` says anything.

    `wordy` is wrong unless it sees many words, and then unsure of some questions.
    """
    question = QUESTIONS[prompt.question_id]
    shown = all(TEXTS[span.document_id][span.start : span.end] in prompt.message for span in question.evidence)
    if model == "dull":
        likely = int(prompt.hash[8:16], 16) % 2
        return (0.98, 0.01, 0.01) if likely and prompt.arm == "retrieved" else (0.01, 0.98, 0.01)
    if model == "wordy" and prompt.arm == "retrieved" and len(prompt.message.split()) < FEW_WORDS:
        return (0.33, 0.33, 0.34)
    if model == "wordy" and prompt.arm == "retrieved" and int(prompt.hash, 16) % 4 == 0:
        return (0.4, 0.3, 0.3)
    if model == "clever" and prompt.arm == "retrieved" and not (question.evidence and shown):
        return (0.33, 0.33, 0.34)
    return tuple(0.98 if one == question.reference else 0.01 for one in LABELS)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])

    def run_(experiment, store="runs", script=reads_evidence):
        opening = scripted_session(tmp_path / store, script)
        with opening.session as session:
            outcome = execute(experiment, "sweep", session, Runner())
        manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
        tables = {one.stem: pl.read_parquet(one) for one in outcome.folder.glob("*.parquet")}
        return outcome, manifest, tables, opening.readers.asked

    return run_


@pytest.mark.parametrize(
    ("config", "n", "sizes"),
    [
        ({}, 500, [64, 128, 256, 500]),
        ({}, 300, [64, 128, 300]),
        ({}, 64, [64]),
        ({}, 10, [10]),
        ({"max_questions": 200}, 500, [64, 128, 200]),
        ({"first_look": 100}, 1000, [100, 200, 400, 1000]),
    ],
)
def test_looks_double_up_to_all_questions(config, n, sizes):
    assert ReadingConfig(**config).looks(n) == sizes


def test_a_reader_that_does_not_mind_is_told_early(run):
    outcome, manifest, tables, asked = run(experiment_of(["steady"]))
    assert manifest["recommendations"][0]["setting"] == "tokens(size=8,overlap=0)"
    looks = tables["looks"]
    assert looks["is_told"].to_list() == [False] * (len(looks) - 1) + [True]
    n_read = looks["questions"][-1]
    assert n_read < 64
    assert looks["questions"].to_list() == [8 * 2**number for number in range(len(looks))]
    assert f"Told after {n_read} of {len(QUESTIONS)} questions" in outcome.line
    assert "## How far it read" in outcome.report
    assert {prompt.question_id for prompt in asked} == set(tables["gold"]["question_id"])
    assert len({prompt.key for prompt in asked}) == len(asked), "something was asked twice"


def test_on_the_votes_of_the_full_grid_the_advice_is_the_same_for_half_the_tokens(run, tmp_path):
    whole = experiment_of(["steady", "clever"], sample=80, stop="all")
    _, manifest, *_ = run(whole)
    advised = {one["reader"]: one["setting"] for one in manifest["recommendations"]}
    assert advised == {"steady": "tokens(size=8,overlap=0)", "clever": "tokens(size=128,overlap=0)"}
    told = whole.model_copy(update={"reading": whole.reading.model_copy(update={"stop": "told"})})
    with scripted_session(tmp_path / "runs", reads_evidence).session as source:
        played = read_again(told, source, tmp_path / "again", open_word_embedder)
    assert {name: one.setting for name, one in played.items()} == advised
    (session,) = manifest["sessions"]
    for name, one in played.items():
        all_of_it = sum(row["tokens"] for stage in session["asked"].values() for row in stage if row["reader"] == name)
        assert 0 < one.tokens < all_of_it / 2
        assert one.questions <= 40


@pytest.mark.slow
def test_a_second_run_asks_nothing_and_has_the_same_tables(run):
    _, _, first, asked = run(experiment_of())
    _, _, second, again = run(experiment_of())
    assert asked
    assert again == []
    assert all(first[name].equals(second[name]) for name in first)


@pytest.mark.slow
def test_an_interrupted_look_is_taken_up_again(run):
    n_asked = 0

    def breaks(model, prompt):
        nonlocal n_asked
        n_asked += 1
        if n_asked == 60:
            raise RuntimeError("llama_decode answered -3")
        return reads_evidence(model, prompt)

    with pytest.raises(RuntimeError, match="llama_decode"):
        run(experiment_of(), script=breaks)
    *_, resumed, rest = run(experiment_of())
    *_, whole, asked = run(experiment_of(), "whole")
    assert len(rest) < len(asked)
    assert all(whole[name].equals(resumed[name]) for name in ("answers", "cells", "looks", "gold"))


def test_the_other_arms_are_asked_only_at_the_end(run):
    *_, asked = run(experiment_of())
    arms = [prompt.arm for prompt in asked]
    assert "retrieved" not in arms[arms.index("closed_book") :]


def test_each_reader_stops_on_its_own(run):
    outcome, manifest, tables, _ = run(experiment_of(["steady", "dull"], max_questions=16))
    last = tables["looks"].group_by("reader", maintain_order=True).last()
    stopped = dict(last.select("reader", "stopped").iter_rows())
    assert stopped == {"steady": "told", "dull": "all questions that it may read are read"}
    questions = {name: one["questions"] for name, one in manifest["readers"].items()}
    assert questions["steady"] <= questions["dull"] == 16
    assert outcome.record.unread == len(QUESTIONS) - 16, "of the reader that is not told yet"


def test_of_a_told_reader_nothing_is_left_to_read(run):
    outcome, *_ = run(experiment_of(["steady"], max_questions=16))
    assert outcome.record.unread == 0


def test_a_limit_that_is_reached_on_the_way_ends_with_the_look_before(run):
    asked = set()

    def costs(model, prompt):
        asked.add(prompt.question_id)
        if len(asked) > 12 or prompt.arm == "closed_book":
            raise LimitError("up to 2 USD with the next requests", "at most 1 USD", "allow more")
        return reads_evidence(model, prompt)

    outcome, _, tables, _ = run(experiment_of(["dull"]), script=costs)
    assert tables["looks"]["stopped"].to_list() == ["the limit on spending is reached"]
    assert tables["looks"]["questions"].to_list() == [8]
    assert set(tables["answers"]["arm"]) == {"retrieved", "document"}, "the other arms cost too much as well"
    assert "after 8 of" in outcome.line


def test_a_limit_that_is_reached_in_the_first_look_ends_the_run(run):
    def costs(_, prompt):
        raise LimitError("up to 2 USD with the next requests", "at most 1 USD", "allow more")

    with pytest.raises(LimitError):
        run(experiment_of(["dull"]), script=costs)


@pytest.mark.parametrize("budget", [{"max_tokens": 3000}, {"max_minutes": 1e-9}])
def test_a_budget_stops_before_the_look_that_would_exceed_it(run, budget):
    outcome, _, tables, _ = run(experiment_of(["dull"], **budget))
    assert "above max_" in tables["looks"]["stopped"][-1]
    assert len(tables["looks"]) == 1
    assert "after 8 of" in outcome.line


def test_cells_that_cannot_become_the_advice_are_dropped_and_not_asked_again(run):
    # No advice can be told before 58 questions; by then the small sizes are shown to be worse.
    experiment = experiment_of(["wordy"], sizes=(4, 8, 12, 16, 96, 128), margin=0.05, first_look=40, max_questions=80)
    outcome, _, tables, asked = run(experiment)
    dropped, looks = tables["dropped"], tables["looks"]
    assert len(dropped)
    assert looks["cells"][-1] == 6 - len(dropped.filter(pl.col("questions") < looks["questions"][-1]))
    assert f"{6 - looks['cells'][-1]} of 6 cells dropped" in outcome.line
    saved = 1 - looks["context_tokens"][-1] / looks["of_context_tokens"][-1]
    assert f"{100 * saved:.0f} % of the context unread: all questions that it may read are read." in outcome.line
    kept = set(tables["cells"]["size"])
    assert kept.isdisjoint(dropped["size"])
    assert {prompt.question_id for prompt in asked} == set(tables["gold"]["question_id"])


def test_cells_that_show_the_same_are_one_cell(run):
    # Documents are shorter than both sizes, so both show them whole, whichever is read.
    _, _, tables, _ = run(experiment_of(["steady"], sizes=(200, 250)))
    assert tables["cells"]["p_within"].n_unique() == 1
