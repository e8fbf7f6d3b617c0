"""Long documents made of short ones: so that chunk size matters where a document is hardly longer than a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from corpora.schema import (
    Corpus,
    Document,
    Question,
    Section,
    Span,
    documents_frame,
    iter_documents,
    iter_questions,
    questions_frame,
)
from corpora.shaping.selection import id_hash

BREAK = "\n\n"  # between two documents that are joined


class Place(NamedTuple):
    """Where a document stands in a joined one: characters from `start`, end-exclusive."""

    document_id: str
    start: int
    end: int


def stitch(corpus: Corpus, n: int, seed: int) -> Corpus:
    """Join every `n` documents into one, and map sections, gold documents and evidence.

    Which documents are joined is drawn by their ids and the seed, so that neighbours in a file, which may be on one
    topic, are not joined for that. The last document holds fewer where `n` does not divide their number. A question
    without evidence gets the places of its gold documents as evidence: they are what a chunk must hold of the long
    document to answer it.

    Args:
        corpus: sound; its questions, tune questions included, are mapped.
        n: documents in a joined one; 1 changes nothing.
        seed: of the draw.
    """
    if n == 1:
        return corpus
    documents = sorted(iter_documents(corpus.documents), key=lambda one: (id_hash(seed, "stitch", one.id), one.id))
    groups = [documents[at : at + n] for at in range(0, len(documents), n)]
    width = len(str(len(groups)))
    joined: list[Document] = []
    places: dict[str, Place] = {}
    for number, group in enumerate(groups, 1):
        document, found = _join(f"stitched-{number:0{width}d}", group)
        joined.append(document)
        places |= found
    tune = corpus.tune
    return replace(
        corpus,
        documents=documents_frame(joined),
        questions=questions_frame(_map(question, places) for question in iter_questions(corpus.questions)),
        tune=None if tune is None else questions_frame(_map(question, places) for question in iter_questions(tune)),
    )


def _join(document_id: str, group: Sequence[Document]) -> tuple[Document, dict[str, Place]]:
    """One document of several, each of which is a section of it, and where each of them stands."""
    places: dict[str, Place] = {}
    sections: list[Section] = []
    start = 0
    for document in group:
        end = start + len(document.text)
        places[document.id] = Place(document_id, start, end)
        sections.append(Section(document.id, start, end))
        sections += (Section(one.name, one.start + start, one.end + start) for one in document.sections)
        start = end + len(BREAK)
    return Document(document_id, BREAK.join(document.text for document in group), tuple(sections)), places


def _map(question: Question, places: dict[str, Place]) -> Question:
    return replace(
        question,
        document_ids=tuple(dict.fromkeys(places[one].document_id for one in question.document_ids)),
        evidence=tuple(_spans(question, places)),
    )


def _spans(question: Question, places: dict[str, Place]) -> Iterator[Span]:
    if not question.evidence:
        yield from (Span(*places[one]) for one in question.document_ids)
        return
    for span in question.evidence:
        place = places[span.document_id]
        yield Span(place.document_id, span.start + place.start, span.end + place.start)
