"""The languages of a corpus in a run: who is told of them, and which runs they make another run."""

import polars as pl
import pytest

from corpora.loading.config import CorpusConfig
from corpora.schema import Corpus, Document, LabelSet, documents_frame, questions_frame
from flows.planning.languages import embedder_notes, language_inputs, sentence_languages
from labeling.models.registry import registry
from retrieval.config import RetrievalConfig
from tests.unit.corpora.test_corpora_languages import SENTENCES

SENTENCE = RetrievalConfig(splitters=("tokens", "semantic"))


def corpus(*codes, language="auto"):
    documents = [Document(f"d{n}", SENTENCES[code]) for n, code in enumerate(codes)]
    return Corpus("c", documents_frame(documents), questions_frame([]), LabelSet(), language=language)


def test_languages_are_counted_only_where_sentences_are_looked_for():
    assert sentence_languages(SENTENCE, corpus("de", "en", "de")) == {"de": 2, "en": 1}
    assert sentence_languages(SENTENCE, corpus("de", "en", language="fr")) == {"fr": 2}
    assert sentence_languages(RetrievalConfig(splitters=("tokens", "markdown")), corpus("de")) == {}


@pytest.mark.parametrize(
    ("codes", "language", "retrieval", "is_another_run"),
    [
        (("en", "en"), "auto", SENTENCE, False),
        (("en", "de"), "auto", SENTENCE, True),
        (("en", "de"), "auto", RetrievalConfig(), False),
        (("en", "de"), "de", SENTENCE, False),  # the config says it already
    ],
)
def test_only_runs_that_languages_may_change_are_other_runs(codes, language, retrieval, is_another_run):
    assert bool(language_inputs(retrieval, corpus(*codes, language=language))) == is_another_run


def test_the_digest_follows_the_languages():
    one, other = corpus("en", "de"), corpus("de", "en")
    assert language_inputs(SENTENCE, one) == language_inputs(SENTENCE, corpus("en", "de"))
    assert language_inputs(SENTENCE, one) != language_inputs(SENTENCE, other)


def test_a_config_without_the_key_is_the_config_of_old_runs():
    assert "language" not in CorpusConfig().model_dump(mode="json")
    assert CorpusConfig(language="de").model_dump(mode="json")["language"] == "de"
    with pytest.raises(ValueError, match="language"):
        CorpusConfig(language="german")


def test_an_embedder_for_english_is_named_where_most_documents_are_in_another_language():
    retrieval = RetrievalConfig(
        embedders=("all-minilm-l6-v2", "multilingual-e5-small", {"model": "all-minilm-l6-v2", "late": True})
    )
    (note,) = embedder_notes(retrieval, corpus("de", "de", "en"))
    assert note == (
        "all-minilm-l6-v2: it was trained on English text, and most of c is in German. Consider a multilingual "
        "embedder, such as multilingual-e5-small or paraphrase-multilingual-minilm-l12-v2 (`tercet models fetch` "
        "fetches them)."
    )
    assert embedder_notes(retrieval, corpus("de", "en", "en")) == []
    (note,) = embedder_notes(retrieval, corpus("en", "en", "de", "fr"))
    assert "on English text, and 50 % of the documents of c are in others (French and German). Consider" in note
    assert {"multilingual-e5-small", "paraphrase-multilingual-minilm-l12-v2"} <= set(registry())


def test_languages_belong_to_documents_by_id():
    given = corpus("th", "en")
    assert given.languages == {"d0": "th", "d1": "en"}
    assert given.with_questions(pl.DataFrame()).languages == given.languages
