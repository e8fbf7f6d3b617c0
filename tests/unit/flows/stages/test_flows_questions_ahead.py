"""Questions are embedded while documents are split, and nothing else changes."""

import threading

import pytest

from corpora.errors import InputError
from corpora.loading.load import load_corpus
from flows.session.experiment import parse_experiment
from flows.stages.retrieval import retrieving
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

EXPERIMENT = {
    "name": "ahead",
    "readers": [],
    "corpus": {"source": "generated", "generator": {"n_documents": 3, "words": 60}},
    "retrieval": {"sizes": [16], "k": [1], "budgets": []},
}


@pytest.fixture
def opened(tmp_path):
    experiment = parse_experiment(EXPERIMENT, "the test")
    session = scripted_session(tmp_path, lambda *_: ()).session
    corpus = load_corpus(session.workspace.corpus(experiment.corpus), tmp_path)
    (config,) = experiment.retrieval.embedders
    return experiment.retrieval, corpus, config, session


def test_they_are_in_the_cache_after_the_block(opened):
    retrieval, corpus, config, session = opened
    embedder, threads = session.embedder(config), []
    fill = embedder.fill
    embedder.fill = lambda *given: (threads.append(threading.current_thread()), fill(*given))
    with retrieving.questions_ahead(retrieval, corpus, config, session, Runner()):
        pass
    assert threads
    assert threads[0] is not threading.main_thread()
    before = embedder.n_embedded
    embedder.embed(corpus.questions["text"].to_list(), "query")
    assert embedder.n_embedded == before == corpus.questions["text"].n_unique()


def test_what_goes_wrong_is_raised_unless_splitting_fails_first(opened):
    retrieval, corpus, config, session = opened

    def fails(*_):
        raise InputError("a model that cannot be read", "a model", "fetch it")

    session.embedder(config).fill = fails
    with (
        pytest.raises(InputError, match="cannot be read"),
        retrieving.questions_ahead(retrieval, corpus, config, session, Runner()),
    ):
        pass
    with (
        pytest.raises(InputError, match="no token"),
        retrieving.questions_ahead(retrieval, corpus, config, session, Runner()),
    ):
        raise InputError("a document has no token", "a text", "remove it")


def test_the_semantic_splitter_has_the_model_to_itself(opened, monkeypatch):
    retrieval, corpus, config, session = opened
    monkeypatch.setattr(retrieving, "ThreadPoolExecutor", lambda *_: pytest.fail("a thread was started"))
    semantic = retrieval.model_copy(update={"splitters": ("semantic",)})
    with retrieving.questions_ahead(semantic, corpus, config, session, Runner()):
        pass
