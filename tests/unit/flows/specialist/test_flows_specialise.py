"""A specialist from a run's gold labels: trained, scored, kept, and then asked as any reader is."""

import json

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.load import CorpusConfig, load_corpus
from flows.run.pipeline import execute
from flows.run.specialist.learning import Order
from flows.run.specialist.selection import leaks, refuse_leaks
from flows.run.specialist.training import specialise
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from labeling.specialist.folder import find_specialist, list_specialists
from tests.doubles.permits import reads_outcome, write_permits
from tests.doubles.scripted import scripted_session

N = 90


def experiment_of(*models, split="all", **corpus):
    return parse_experiment(
        {
            "name": "permits",
            "corpus": {"source": "tables", "path": "permits", "split": split, **corpus},
            "calibration": {"per_label": 0},
            "retrieval": {"sizes": [16], "k": [1], "budgets": []},
            "scoring": {"n_resamples": 100, "margin": 0.1},
            "readers": [{"model": model} for model in models],
        },
        "the test",
    )


@pytest.fixture
def store(tmp_path):
    write_permits(tmp_path / "permits", N)
    return tmp_path / "runs"


def session_of(store):
    return scripted_session(store, reads_outcome, base=store.parent).session


def run(store, *models, kind="label", **corpus):
    with session_of(store) as session:
        return execute(experiment_of(*models, **corpus), kind, session, Runner())


def train(store, folder, **order):
    with session_of(store) as session:
        return specialise(folder, Order(**order), order.pop("reader", None), session, Runner())


@pytest.fixture
def trained(store):
    return train(store, run(store, "clerk").folder, name="permits")


def test_a_specialist_learns_what_its_teacher_knows(store, trained):
    scores = pl.read_parquet(trained.specialist.folder / "scores.parquet")
    accuracy = dict(scores.filter(questions="all").select("answers", "accuracy").iter_rows())
    assert accuracy["specialist"] > 0.95
    assert accuracy["majority label"] < 0.5
    assert any(line.startswith("Advice: use the specialist: shown to be within 10 points") for line in trained.lines)
    assert len(trained.lines) <= 10


def test_no_document_of_a_held_out_question_is_learnt(store, trained):
    learnt = pl.read_parquet(trained.specialist.folder / "trained_on.parquet")
    corpus = load_corpus(CorpusConfig(source="tables", path=store.parent / "permits", split="all"))
    held_out = corpus.questions.filter(split="held_out")
    assert set(learnt["question_id"]).isdisjoint(held_out["question_id"])
    assert set(learnt["document_ids"].explode()).isdisjoint(held_out["document_ids"].explode())


def test_it_is_a_reader_like_any_other(store, trained):
    digest = trained.specialist.manifest.digest
    done = run(store, "clerk", "specialist:permits", kind="run", split="held_out")
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["readers"]["specialist:permits"]["sha256"] == digest
    labelers = pl.read_parquet(done.folder / "labelers.parquet")
    assert labelers.filter(reader="specialist:permits")["accuracy"][0] > 0.95
    votes = pl.read_parquet(done.folder / "votes.parquet").filter(reader="specialist:permits")
    assert votes["probabilities"].list.sum().is_between(0.999999, 1.000001).all()
    answers = pl.read_parquet(done.folder / "answers.parquet").filter(reader="specialist:permits")
    assert set(answers["arm"]) >= {"retrieved", "document", "closed_book"}


def test_it_is_found_by_run_and_by_digest(store, trained):
    manifest = trained.specialist.manifest
    for name in (manifest.teaching.run, manifest.digest[:6], manifest.digest, "permits"):
        assert find_specialist(store, f"specialist:{name}").manifest == manifest


def test_training_again_gives_the_same_specialist(store, trained):
    again = train(store, store / trained.specialist.manifest.teaching.run, name="permits")
    assert again.specialist.manifest.digest == trained.specialist.manifest.digest
    assert len(list_specialists(store)) == 1


def test_two_of_one_name_are_refused_with_their_digests(store, trained):
    train(store, store / trained.specialist.manifest.teaching.run, name="permits", n_passages=1)
    with pytest.raises(InputError, match="is the name of 2 specialists"):
        find_specialist(store, "specialist:permits")


def test_an_unknown_specialist_is_refused_with_the_nearest_name(store, trained):
    with pytest.raises(InputError, match="no specialist 'permit' in .*did you mean 'permits'"):
        run(store, "specialist:permit")


def test_a_changed_file_is_refused(store, trained):
    file = next((trained.specialist.folder / "model").iterdir())
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(InputError, match="is not the file that was trained"):
        run(store, "specialist:permits")


def test_other_labels_are_refused(store, trained):
    write_permits(store.parent / "two", 12)
    two = {"path": "two", "labels": ["no", "yes", "maybe"]}
    with pytest.raises(InputError, match="the labels of the corpus"):
        run(store, "specialist:permits", **two)


def test_a_run_on_held_out_questions_is_refused(store):
    folder = run(store, "clerk", split="held_out").folder
    with pytest.raises(InputError, match=r'labeled held-out questions only .*set split = "tune"'):
        train(store, folder)


def test_neighbours_in_a_joined_document_are_not_learnt(store):
    folder = run(store, "clerk", stitch=2).folder
    trained = train(store, folder)
    line = trained.lines[0]
    assert "that share a document with a held-out question" in line
    corpus = load_corpus(CorpusConfig(source="tables", path=store.parent / "permits", split="all", stitch=2))
    learnt = pl.read_parquet(trained.specialist.folder / "trained_on.parquet")
    held_out = corpus.questions.filter(split="held_out")
    assert set(learnt["document_ids"].explode()).isdisjoint(held_out["document_ids"].explode())


def test_a_corpus_that_is_all_neighbours_is_refused(store):
    folder = run(store, "clerk", stitch=N).folder
    with pytest.raises(InputError, match="share a document with a held-out question"):
        train(store, folder)


@pytest.mark.parametrize("planted", ["question", "document", "copy"])
def test_a_planted_leak_is_refused(store, planted):
    corpus = load_corpus(CorpusConfig(source="tables", path=store.parent / "permits", split="all"))
    tune, held_out = (corpus.questions.filter(split=split) for split in ("tune", "held_out"))
    assert not leaks(tune, corpus)
    leaking = held_out.head(1)
    if planted != "question":
        leaking = tune.head(1).with_columns(document_ids=pl.Series([held_out["document_ids"][0]]))
    if planted == "copy":  # the same text under another id
        text, copied = corpus.texts[held_out["document_ids"][0][0]], tune["document_ids"][0][0]
        texts = {**corpus.texts, copied: text}
        corpus.__dict__["texts"] = texts
        leaking = tune.head(1)
    with pytest.raises(InputError, match="held out or about the document of a held-out question"):
        refuse_leaks(pl.concat([tune.tail(5), leaking]), corpus)


def test_the_teacher_must_be_named_among_several(store):
    folder = run(store, "clerk", "timid", kind="label").folder
    with pytest.raises(InputError, match="name the teacher with --reader"):
        train(store, folder)


def test_votes_on_held_out_questions_come_from_the_ledger(store):
    run(store, "clerk", split="held_out")
    trained = train(store, run(store, "clerk", split="tune").folder)
    scores = pl.read_parquet(trained.specialist.folder / "scores.parquet")
    assert scores.filter(answers="teacher", questions="all")["accuracy"][0] > 0.95


def test_without_the_teachers_votes_nothing_is_advised(store):
    trained = train(store, run(store, "clerk", split="tune").folder)
    assert any(line.startswith("Advice: cannot tell") for line in trained.lines)


def test_a_corpus_that_has_changed_is_refused(store):
    folder = run(store, "clerk").folder
    write_permits(store.parent / "permits", N, {0: "Another text. The permit was granted."})
    with pytest.raises(InputError, match=r"documents\.jsonl of the corpus .* is not the file that .* read"):
        train(store, folder)


def test_a_plan_trains_nothing(store):
    folder = run(store, "clerk").folder
    with session_of(store) as session:
        planned = specialise(folder, Order(), None, session, Runner(), plans_only=True)
    assert planned.specialist is None
    assert "Then fit a linear model" in planned.lines[-1]
    assert not list_specialists(store)


@pytest.mark.parametrize("setting", [{"diversity": "permute"}, {"system": "x"}, {"mode": "generate"}])
def test_settings_of_prompts_are_refused(setting):
    with pytest.raises(InputError, match=f"`{next(iter(setting))}` is set for a specialist"):
        from flows.session.experiment import check_experiment

        check_experiment(parse_experiment({"readers": [{"model": "specialist:x", **setting}]}, "the test"))
