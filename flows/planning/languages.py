"""What the language of the documents means for a run: rules for sentences, embedders that know it, prompts in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from corpora.errors import listed
from corpora.languages import NAMES, tell_language
from corpora.schema import Corpus
from corpora.storage import sha256_text
from labeling.models.registry import is_specialist, registry
from labeling.prompting.labeler import PARAPHRASES, TRANSLATED, LabelerConfig, PromptWriter
from labeling.prompting.prompts import PromptTemplate
from retrieval.chunking.splitters import BY_SENTENCES
from retrieval.config import RetrievalConfig
from retrieval.embedding.unknown_tokens import MULTILINGUAL

MANY = 0.4  # of the documents in another language than most, which is said


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
    """One line for each embedding model that was trained on another language than that of many documents."""
    notes = []
    for model in dict.fromkeys(config.model for config in retrieval.embedders):
        known = registry().get(model)
        what = _untrained(known.language, corpus) if known and known.language else ""
        if known and what:
            notes.append(
                f"{model}: it was trained on {NAMES[known.language]} text, and {what}. Consider a multilingual "
                f"embedder, such as {MULTILINGUAL}."
            )
    return notes


def _untrained(language: str, corpus: Corpus) -> str:
    """What of a corpus is in another language than this one; empty where it is little."""
    if corpus.main_language != language:
        return f"most of {corpus.name} is in {NAMES[corpus.main_language]}"
    told = corpus.some_languages
    others = [one for one in told if one != language]
    if len(others) < MANY * len(told):
        return ""
    names = listed(sorted({NAMES[one] for one in others}), "and")
    return f"{100 * len(others) / len(told):.0f} % of the documents of {corpus.name} are in others ({names})"


def prompt_notes(readers: Sequence[LabelerConfig], corpus: Corpus) -> list[str]:
    """One line if readers are asked in another language than that of most of the documents, and how to ask in it."""
    language, asked = corpus.main_language, []
    for reader in readers:
        if is_specialist(reader.model):
            continue
        told = {prompt_language(one) for one in PromptWriter(reader, corpus.labels).templates} - {None}
        if told and language not in told:
            asked.append((reader, min(one for one in told if one)))
    if not asked:
        return []
    names = [f"{reader.label} in {NAMES[code]}" for reader, code in asked]
    shows_labels = not corpus.labels.of_question and all(reader.mode == "label" for reader, _ in asked)
    if language in TRANSLATED and shows_labels:
        bundled = [f"{name}_{language}" for name in PARAPHRASES["label"]]
        remedy = f"Prompts in {NAMES[language]} are bundled: {listed(bundled, 'and')}; name one, or all, in `prompts`."
    else:
        remedy = f"A prompt file in {NAMES[language]} can be named in `prompts`."
    return [
        f"{corpus.name}: most of the text is in {NAMES[language]}, and the prompts of the readers are not "
        f"({listed(names, 'and')}). {remedy}"
    ]


def prompt_language(template: PromptTemplate) -> str | None:
    """The language of a prompt; None if it cannot be told."""
    if template.name.endswith(".txt"):
        return tell_language(template.words)
    return next((code for code in TRANSLATED if template.name.endswith(f"_{code}")), "en")
