"""The rule `reviewed`, end to end on scripted readers: gold from what people settled on, refused without."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from corpora.errors import InputError
from corpora.sources.bundled import read_sample
from flows.label import label, load
from flows.planning.plan import plan
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.reviewed import check_consensus, reviewed_corpus
from flows.stages.runner import Runner
from flows.sweep import sweep
from labeling.votes.consensus import ConsensusConfig
from results.gold.review.reviews import REVIEWS
from results.gold.review.storage import ReviewFolder, reviews_folder
from results.gold.shown import text_digest
from tests.doubles.scripted import scripted_session

SAMPLE = read_sample()
LABELS = ("yes", "no", "maybe")
ASKED = 8
RULE = ConsensusConfig(rule="reviewed")


def experiment_of(rule):
    return parse_experiment(
        {
            "name": "reviewed",
            "corpus": {"source": "sample", "split": "held_out", "sample": ASKED},
            "calibration": {"per_label": 0},
            "consensus": {"rule": rule},
            "retrieval": {"sizes": [64], "k": [1]},
            "scoring": {"n_resamples": 100},
            "readers": [{"model": "sure"}],
        },
        "the test",
    )


def says_yes(model, prompt):
    return (0.98, 0.01, 0.01)


@pytest.fixture
def opened(tmp_path):
    return lambda: scripted_session(tmp_path / "runs", says_yes).session


@pytest.fixture
def corpus(opened):
    with opened() as session:
        return load(experiment_of("unanimous"), session, Runner())


@pytest.fixture
def say(tmp_path, corpus):
    """Give a label, as a reviewer does, on a question of the sample by its number."""
    folder = ReviewFolder(reviews_folder(tmp_path / "runs", corpus.name))
    rows = corpus.questions.select("question_id", "text", "document_ids").rows()

    def say_(reviewer, number, label, text=None):
        question_id, question, documents = rows[number]
        digest = text_digest(text or question, [corpus.texts[one] for one in documents])
        row = (question_id, reviewer, label, None, "page", "audit", digest, datetime.now(UTC))
        folder.append(pl.DataFrame([row], schema=REVIEWS, orient="row"))
        return question_id

    return say_


def run(opened):
    with pytest.MonkeyPatch.context() as patch, opened() as session:
        patch.setattr(pipeline, "draw_plots", lambda _: [])  # they take seconds
        return execute(experiment_of("reviewed"), "label", session, Runner()).folder


def test_without_reviews_it_is_refused_before_anything_is_asked(opened):
    with pytest.raises(InputError) as refused:
        run(opened)
    assert refused.value.found.startswith("rule 'reviewed' on the corpus 'orrin-handbook'")
    assert "tercet review RUN" in refused.value.remedy
    with opened() as session, pytest.raises(InputError, match="nobody has settled"):
        plan(experiment_of("reviewed"), "label", session)


def test_so_it_is_where_nobody_settled_on_a_label(opened, say, corpus):
    say("Ann", 0, None)
    say("Ann", 1, "yes")
    say("Bo", 1, "no")
    say("Ann", 2, "yes", text="Another question?")
    with opened() as session, pytest.raises(InputError, match="nobody has settled"):
        check_consensus(RULE, corpus, session)


def test_gold_is_where_three_votes_agree_with_people(opened, say):
    right, wrong, open_ = say("Ann", 0, "yes"), say("Ann", 1, "no"), say("Ann", 2, "yes")
    say("Bo", 2, "no")
    stale = say("Ann", 3, "yes", text="Another question?")
    folder = run(opened)
    gold = {row["question_id"]: row for row in pl.read_parquet(folder / "gold.parquet").iter_rows(named=True)}
    assert [one for one, row in gold.items() if row["kept"]] == [right]
    assert gold[wrong]["reason"] == "unanimous, but reviewed as wrong"
    assert gold[open_]["reason"] == "unanimous, but not settled in review"
    assert gold[stale]["reason"] == "unanimous, but not reviewed"
    reviewed = dict(pl.read_parquet(folder / "reviewed.parquet").iter_rows())
    assert reviewed == {right: "yes", wrong: "no", open_: None}
    assert "reviewed" in pl.read_parquet(folder / "consensus.parquet")["rule"].to_list()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "1 label does not count, as it is given for another text of the question." in manifest["warnings"]
    assert "those on which its three votes agree with what people say" in (folder / "report.md").read_text()
    say("Bo", 2, "yes")
    after = run(opened)
    assert after != folder  # other reviews make another run
    assert pl.read_parquet(after / "gold.parquet")["kept"].sum() == 2


def test_a_sweep_counts_a_question_with_the_chance_that_three_votes_agree_with_people(opened, say):
    say("Ann", 0, "yes")
    say("Ann", 1, "no")
    experiment = experiment_of("reviewed")
    with opened() as session:
        runner = Runner()
        labeled = label(experiment, load(experiment, session, runner), session, runner)
        cells = sweep(experiment, labeled, session, runner).tables["cells"]
    weights = np.array([0.98**3, 0.01**3])  # of yes on the one, of no on the other
    assert cells["gold_n"].to_list() == pytest.approx([weights.sum() ** 2 / (weights**2).sum()] * len(cells))


def test_other_rules_do_not_look_at_reviews(opened, say, corpus):
    say("Ann", 0, "no")
    with opened() as session:
        assert reviewed_corpus(ConsensusConfig(), corpus, session).labels == {}
