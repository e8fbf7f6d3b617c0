"""What the language of the documents means for a run: rules for sentences, and embedders that know it."""

from __future__ import annotations

import json
from collections import Counter

from corpora.languages import NAMES
from corpora.schema import Corpus
from corpora.storage import sha256_text
from labeling.models.registry import registry
from retrieval.chunking.splitters import BY_SENTENCES
from retrieval.config import RetrievalConfig
from retrieval.embedding.unknown_tokens import MULTILINGUAL


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


def embedder_notes(retrieval: RetrievalConfig, corpus: Corpus) -> list[str]:
    """One line for each embedder that was trained on another language than that of most of the documents."""
    language, notes = corpus.main_language, []
    for config in retrieval.embedders:
        known = registry().get(config.model)
        if known and known.language and known.language != language:
            notes.append(
                f"{config.label}: it was trained on {NAMES[known.language]} text, and most of {corpus.name} is in "
                f"{NAMES[language]}. Consider a multilingual embedder, such as {MULTILINGUAL}."
            )
    return notes
