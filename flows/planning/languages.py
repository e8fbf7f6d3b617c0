"""What the language of the documents means for a run: by which rules sentences are found."""

from __future__ import annotations

import json
from collections import Counter

from corpora.schema import Corpus
from corpora.storage import sha256_text
from retrieval.chunking.splitters import BY_SENTENCES
from retrieval.config import RetrievalConfig


def sentence_languages(retrieval: RetrievalConfig, corpus: Corpus) -> dict[str, int]:
    """How many documents are in each language, the most frequent first; empty where no splitter looks for sentences."""
    if not BY_SENTENCES.intersection(retrieval.splitters):
        return {}
    counts = Counter(corpus.languages.values())
    return {language: counts[language] for language in sorted(counts, key=lambda one: (-counts[one], one))}


def language_inputs(retrieval: RetrievalConfig, corpus: Corpus) -> dict[str, str]:
    """The digest of the languages by which sentences were found, where these were told and are not all English.

    English documents are cut as they were before languages were told, so their runs stay the same runs.
    """
    if corpus.language != "auto" or set(sentence_languages(retrieval, corpus)) <= {"en"}:
        return {}
    return {"languages": sha256_text(json.dumps(sorted(corpus.languages.items())))}
