"""A specialist from a run's gold labels: trained, scored, kept, and then asked as any reader is."""

import fcntl
import json
import shutil
from dataclasses import replace

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from flows.run import pipeline
from flows.run.gold.specialist import training
from flows.run.gold.specialist.learning import Order
from flows.run.gold.specialist.naming import check_digest
from flows.run.gold.specialist.selection import leaks, refuse_leaks
from flows.run.gold.specialist.training import specialise
from flows.session.experiment import check_experiment, parse_experiment
from flows.stages.runner import Runner
from labeling.specialist.fine_tuning import Recipe
from labeling.specialist.folder import find_specialist, list_specialists
from tests.doubles.permits import reads_outcome, write_permits
from tests.doubles.scripted import scripted_session

N = 60


def experiment_of(*models, split="all", **corpus):
    return parse_experiment(
        {
            "name": "permits",
            "corpus": {"source": "tables", "path": "permits", "split": split, **corpus},
            "calibration": {"per_label": 0},
            "retrieval": {"sizes": [16], "k": [1], "budgets": []},
            "scoring": {"n_resamples": 100, "margin": 0.2},
            "readers": [{"model": model} for model in models],
        },
        "the test",
    )


def session_of(store):
    return scripted_session(store, reads_outcome, base=store.parent).session


def run(store, *models, kind="label", **corpus):
    """A finished run; its reports, which no test here reads, are not written."""
    with session_of(store) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "report_files", lambda *_: {pipeline.REPORT: ""})
        patch.setattr(pipeline, "draw_plots", lambda _: [])
        return pipeline.execute(experiment_of(*models, **corpus), kind, session, Runner())


def train(store, folder, **order):
    with session_of(store) as session:
        return specialise(folder, Order(**{"draws_curve": False, **order}), None, session, Runner())


@pytest.fixture
def store(tmp_path):
    write_permits(tmp_path / "permits", N)
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with a specialist that was trained on all tune questions: the store, and what training said."""
    folder = tmp_path_factory.mktemp("made")
    write_permits(folder / "permits", N)
    store = folder / "runs"
    return store, train(store, run(store, "clerk").folder, name="permits", draws_curve=True)


@pytest.fixture
def copied(made, tmp_path):
    """A copy of `made`, to be changed."""
    shutil.copytree(made[0].parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs", find_specialist(tmp_path / "runs", "specialist:permits")


def corpus_of(store, **settings):
    return load_corpus(CorpusConfig(source="tables", path=store.parent / "permits", split="all", **settings))


def assert_nothing_leaks(specialist, corpus):
    learnt = pl.read_parquet(specialist.folder / "trained_on.parquet")
    held_out = corpus.questions.filter(split="held_out")
    assert set(learnt["question_id"]).isdisjoint(held_out["question_id"])
    assert set(learnt["document_ids"].explode()).isdisjoint(held_out["document_ids"].explode())


def test_a_specialist_learns_what_its_teacher_knows(made):
    _, trained = made
    scores = pl.read_parquet(trained.specialist.folder / "scores.parquet")
    accuracy = dict(scores.filter(questions="all").select("answers", "accuracy").iter_rows())
    assert accuracy["specialist"] == accuracy["teacher"] == 1
    assert accuracy["majority label"] < 0.5
    curve = pl.read_parquet(trained.specialist.folder / "curve.parquet")
    assert curve["n_labels"].is_sorted()
    assert curve["accuracy"][-1] == 1
    assert any(line.startswith("Advice: use the specialist: shown to be within 20 points") for line in trained.lines)
    assert len(trained.lines) <= 10


def test_no_document_of_a_held_out_question_is_learnt(made):
    assert_nothing_leaks(made[1].specialist, corpus_of(made[0]))


def test_it_is_a_reader_like_any_other(copied):
    store, specialist = copied
    done = run(store, "clerk", "specialist:permits", kind="run", split="held_out")
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["readers"]["specialist:permits"]["sha256"] == specialist.manifest.digest
    assert not any("flatter" in line for line in manifest["warnings"])
    labelers = pl.read_parquet(done.folder / "labelers.parquet")
    assert labelers.filter(reader="specialist:permits")["accuracy"][0] == 1
    votes = pl.read_parquet(done.folder / "votes.parquet").filter(reader="specialist:permits")
    assert votes["probabilities"].list.sum().is_between(0.999999, 1.000001).all()
    answers = pl.read_parquet(done.folder / "answers.parquet").filter(reader="specialist:permits")
    assert set(answers["arm"]) >= {"retrieved", "document", "closed_book"}


def test_a_run_on_what_it_was_trained_on_says_so(copied):
    store, specialist = copied
    done = run(store, "specialist:permits", split="tune")
    warnings = json.loads((done.folder / "manifest.json").read_text())["warnings"]
    n = specialist.manifest.teaching.n_questions
    assert any(f"was trained on the documents of {n} of these" in line for line in warnings)


def test_it_is_found_by_run_and_by_digest(made):
    manifest = made[1].specialist.manifest
    for name in (manifest.teaching.run, manifest.digest[:6], manifest.digest, "permits"):
        assert find_specialist(made[0], f"specialist:{name}").manifest == manifest


@pytest.mark.slow
def test_training_again_gives_the_same_specialist(copied):
    store, specialist = copied
    again = train(store, store / specialist.manifest.teaching.run, name="permits")
    assert ", in place of the same training, with new scores; use it with" in again.lines[-1]
    assert again.specialist.manifest.digest == specialist.manifest.digest
    assert len(list_specialists(store)) == 1
    assert not list((store / "specialists" / ".training").iterdir())


@pytest.mark.slow
def test_two_of_one_name_are_refused_with_their_digests(copied):
    store, specialist = copied
    other = train(store, store / specialist.manifest.teaching.run, name="other", n_passages=1).specialist
    manifest = other.folder / "manifest.json"  # as an older version let it be named
    manifest.write_text(manifest.read_text("utf-8").replace('"name": "other"', '"name": "permits"'), encoding="utf-8")
    with pytest.raises(InputError, match="is the name of 2 specialists"):
        find_specialist(store, "specialist:permits")


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"n_passages": 1}, "trained with --passages 3, not 1"),
        ({"recipe": Recipe(seed=7)}, "trained with --seed 0, not 7"),
        ({"kind": "encoder"}, "trained with --kind linear, not encoder"),
    ],
)
def test_the_name_of_another_specialist_is_refused_before_anything_is_trained(made, order, told):
    store, trained = made
    digest, run = trained.specialist.manifest.digest[:12], trained.specialist.manifest.teaching.run
    with session_of(store) as session, pytest.raises(InputError) as refused:
        specialise(store / run, Order(name="permits", **order), None, session, Runner(), plans_only=True)
    assert f"the name 'permits' is that of the specialist {digest}, which was {told}: expected" in str(refused.value)
    assert refused.value.remedy.endswith(f'or use that one with model = "specialist:{digest}" under [[readers]]')


def test_a_specialist_has_one_name(made):
    store, trained = made
    with pytest.raises(InputError, match=r"has this very specialist as 'permits': .* --name permits to score it again"):
        train(store, store / trained.specialist.manifest.teaching.run, name="other")
    assert list_specialists(store) == [trained.specialist]


def test_a_name_is_kept_for_its_labels_whatever_was_checked_before(made, monkeypatch):
    store, trained = made
    manifest = trained.specialist.manifest
    for name, digest, told in (("permits", "0" * 64, "trained differently"), ("b", manifest.digest, "this very spec")):
        with pytest.raises(InputError, match=told):
            check_digest(store, name, digest)
    check_digest(store, "permits", manifest.digest)
    monkeypatch.setattr(training, "key_of", lambda *_: "another")
    with pytest.raises(InputError, match="which was trained with other labels or settings"):
        train(store, store / manifest.teaching.run, name="permits")


def test_an_unknown_specialist_is_refused_with_the_nearest_name(made):
    with pytest.raises(InputError, match=r"no specialist 'permit' in .*did you mean 'permits'"):
        run(made[0], "specialist:permit")


@pytest.mark.parametrize("name", ["model/linear.npz", "trained_on.parquet"])
def test_a_changed_file_is_refused(copied, name):
    store, specialist = copied
    file = specialist.folder / name
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(InputError, match="is not the file that was trained"):
        run(store, "specialist:permits")


def test_other_labels_are_refused(copied):
    with pytest.raises(InputError, match="the labels of the corpus"):
        run(copied[0], "specialist:permits", labels=["no", "yes", "maybe"])


def test_a_run_on_held_out_questions_is_refused(store):
    folder = run(store, "clerk", split="held_out").folder
    with pytest.raises(InputError, match=r'labeled held-out questions only .*set split = "tune"'):
        train(store, folder)


def test_neighbours_in_a_joined_document_are_not_learnt(store):
    trained = train(store, run(store, "clerk", stitch=2).folder)
    assert "that share a document with a held-out question" in trained.lines[0]
    assert_nothing_leaks(trained.specialist, corpus_of(store, stitch=2))


def test_a_corpus_that_is_all_neighbours_is_refused(store):
    folder = run(store, "clerk", stitch=N).folder
    with pytest.raises(InputError, match="share a document with a held-out question"):
        train(store, folder)


@pytest.mark.parametrize("planted", ["question", "document", "copy"])
def test_a_planted_leak_is_refused(store, planted):
    corpus = corpus_of(store)
    tune, held_out = (corpus.questions.filter(split=split) for split in ("tune", "held_out"))
    assert not leaks(tune, corpus)
    leaking = held_out.head(1)
    if planted != "question":
        leaking = tune.head(1).with_columns(document_ids=pl.Series([held_out["document_ids"][0]]))
    if planted == "copy":  # the same text under another id
        leaking, copy = tune.head(1), {tune["document_ids"][0][0]: corpus.texts[held_out["document_ids"][0][0]]}
        text = pl.col("document_id").replace_strict(copy, default=pl.col("text"))
        corpus = replace(corpus, documents=corpus.documents.with_columns(text=text))
    with pytest.raises(InputError, match="held out or about the document of a held-out question"):
        refuse_leaks(pl.concat([tune.tail(5), leaking]), corpus)


def test_the_teacher_must_be_named_among_several(store):
    folder = run(store, "clerk", "timid").folder
    with pytest.raises(InputError, match="name the teacher with --reader"):
        train(store, folder)


def test_labels_that_are_all_the_same_teach_nothing(store):
    folder = run(store, "parrot").folder
    with pytest.raises(InputError, match="gold labels of 'parrot' are the same"):
        train(store, folder)


@pytest.mark.slow
def test_votes_on_held_out_questions_come_from_the_ledger(store):
    run(store, "clerk", split="held_out")
    trained = train(store, run(store, "clerk", split="tune").folder)
    scores = pl.read_parquet(trained.specialist.folder / "scores.parquet")
    assert scores.filter(answers="teacher", questions="all")["accuracy"][0] == 1


def test_without_the_teachers_votes_nothing_is_advised(store):
    trained = train(store, run(store, "clerk", split="tune").folder)
    assert any(line.startswith("Advice: cannot tell") for line in trained.lines)


def test_a_corpus_that_has_changed_is_refused(copied):
    store, specialist = copied
    write_permits(store.parent / "permits", N, {0: "Another text. The permit was granted."})
    with pytest.raises(InputError, match=r"has changed since .* was made: documents\.jsonl has"):
        train(store, store / specialist.manifest.teaching.run)


def test_a_plan_trains_nothing(store):
    folder = run(store, "clerk").folder
    with session_of(store) as session:
        planned = specialise(folder, Order(), None, session, Runner(), plans_only=True)
    assert planned.specialist is None
    assert "Then fit a linear model" in planned.lines[-1]
    assert not list_specialists(store)


@pytest.mark.parametrize("setting", [{"diversity": "permute"}, {"system": "x"}, {"mode": "generate"}])
def test_settings_of_prompts_are_refused(setting):
    experiment = parse_experiment({"readers": [{"model": "specialist:x", **setting}]}, "the test")
    with pytest.raises(InputError, match=f"`{next(iter(setting))}` is set for a specialist"):
        check_experiment(experiment)


def test_the_command_needs_a_finished_run(tercet):
    said = tercet("specialise", "nowhere")
    assert said.exit_code == 2
    assert "nowhere does not exist" in said.output


def test_a_check_looks_for_a_specialist_in_the_store(made, tercet, tmp_path):
    experiment = tmp_path / "one.toml"
    experiment.write_text('[[readers]]\nmodel = "specialist:permits"\n', encoding="utf-8")
    assert tercet("models", "check", experiment, "--store", made[0]).exit_code == 0
    missing = tercet("models", "check", experiment, "--store", tmp_path / "other")
    assert missing.exit_code == 2
    assert "no specialist 'permits'" in missing.output
    assert not (tmp_path / "other").exists()


def test_a_training_that_another_process_is_at_is_said(store, monkeypatch):
    monkeypatch.setattr("results.gold.held.SECONDS", 0.05)
    monkeypatch.setattr(training, "key_of", lambda *_: "key")
    folder = run(store, "clerk").folder
    lock = store / "specialists" / ".training" / "key.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=r"another process is training this specialist \(it holds the lock"):
            train(store, folder)
    assert not list_specialists(store)
