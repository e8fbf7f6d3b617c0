"""The precision of an embedder that leaves it open, on the scripted embedder: nothing is loaded."""

import numpy as np
import pytest

from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.retrieval import precision as stage
from flows.stages.runner import Runner
from results.store.finished import read_manifest
from tests.doubles.scripted import WordEncoder, scripted_session

pytestmark = pytest.mark.usefixtures("no_plots")

OPEN = {"model": "all-minilm-l6-v2", "precision": "auto"}


def experiment_of(**retrieval):
    return parse_experiment(
        {
            "name": "open",
            "readers": [],
            "corpus": {"source": "generated", "generator": {"n_documents": 6, "words": 60}, "sample": 8},
            "retrieval": {"sizes": [16, 32], "k": [1], "budgets": [], "embedders": [OPEN], **retrieval},
            "scoring": {"n_resamples": 100},
        },
        "the test",
    )


class Coarse(WordEncoder):
    """Vectors that are off by so much."""

    def __init__(self, by):
        self.by = by

    def encode(self, texts, prompt):
        vectors = super().encode(texts, prompt)
        noise = np.random.default_rng(len(texts)).standard_normal(vectors.shape).astype(np.float32)
        off = vectors + self.by * noise / np.sqrt(vectors.shape[1])
        return off / np.linalg.norm(off, axis=1, keepdims=True)


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """Runs a sweep on a processor that can do so much, with embedders that are off by so much in each precision."""

    def run(able, off):
        session = scripted_session(tmp_path, lambda *_: ()).session
        opened, given = [], session._embedders._open_one

        def open_one(config):
            embedder = given(config)
            embedder.__dict__["_encoder"] = Coarse(off.get(config.precision, 0.0))
            embedder.rest = lambda: None
            opened.append(config.precision)
            return embedder

        session._embedders._open_one = open_one
        monkeypatch.setattr(stage, "faster_precisions", lambda: able)
        outcome = execute(experiment_of(), "sweep", session, Runner())
        return outcome, read_manifest(outcome.folder), session

    return run


def test_the_first_precision_that_ranks_alike_is_used(swept):
    outcome, manifest, session = swept(["bfloat16", "int8"], {"bfloat16": 0.6, "int8": 0.001})
    said = manifest["precision"]["all-minilm-l6-v2-auto"]
    assert said["used"] == "int8"
    assert said["tried"]["bfloat16"]["largest_change"] > stage.MOST_CHANGE >= said["tried"]["int8"]["largest_change"]
    assert said["tried"]["int8"]["overlap"] >= stage.LEAST_OVERLAP
    assert said["questions"] == 8
    (config,) = experiment_of().retrieval.embedders
    used = session.embedder(config)
    assert used.config.precision == "int8"
    assert manifest["embedders"]["all-minilm-l6-v2-auto"]["with_all_that_changes_vectors"] == used.digest
    assert "The precision of the embedders" in outcome.report


def test_float32_stays_where_nothing_faster_ranks_alike(swept):
    _, manifest, session = swept(["int8"], {"int8": 0.6})
    assert manifest["precision"]["all-minilm-l6-v2-auto"]["used"] == "float32"
    (config,) = experiment_of().retrieval.embedders
    assert session.embedder(config).config.precision == "float32"


def test_a_processor_without_anything_faster_is_not_tried(swept):
    outcome, manifest, _ = swept([], {})
    assert manifest["precision"]["all-minilm-l6-v2-auto"] | {"chunks": 0} == {
        "used": "float32", "tried": {}, "questions": 8, "chunks": 0, "least_overlap": 0.95, "most_change": 0.02,
    }  # fmt: skip
    assert "this processor has no faster one" in outcome.report


def test_the_sample_is_always_the_same(tmp_path):
    session = scripted_session(tmp_path, lambda *_: ()).session
    from corpora.loading.load import load_corpus

    experiment = experiment_of()
    corpus = load_corpus(session.workspace.corpus(experiment.corpus), tmp_path)
    (config,) = experiment.retrieval.embedders
    turned = corpus.with_questions(corpus.questions.reverse())
    first = stage.draw_sample(corpus, [16, 32], session.embedder(config))
    assert stage.draw_sample(turned, [16, 32], session.embedder(config)) == first
    assert first.questions
    assert first.places
