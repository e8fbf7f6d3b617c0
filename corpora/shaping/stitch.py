"""Long documents joined from short ones, so that chunk size matters even for documents as short as a chunk."""

from __future__ import annotations

import re
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
_STITCHED = re.compile(r"stitched-\d+")


class Place(NamedTuple):
    """Where a document lies in a joined one: characters from `start`, end-exclusive."""

    document_id: str
    start: int
    end: int


def stitch(corpus: Corpus, n: int, seed: int) -> Corpus:
    """Join every `n` documents into one, and map sections, gold documents and evidence.

    A draw on ids and seed decides which documents are joined, so that neighbours in a file, which may share a topic, do
    not stay together. If `n` does not divide the number of documents, the last joined one holds fewer. A question
    without evidence gets the places of its gold documents as evidence: the part of the long document that a chunk must
    hold to answer it.

    Args:
        corpus: a corpus that has passed `validate`; its questions, tune questions included, are mapped.
        n: how many documents to join into one; 1 changes nothing.
        seed: seed of the draw.
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
    """Several documents as one, each of them a section of it, and the place of each."""
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


def parts_of(document: Document) -> list[tuple[Place, list[Section]]]:
    """The documents that were joined into one: their places in it, and their own sections.

    A document that was not made by `stitch` is one part.
    """
    if not _STITCHED.fullmatch(document.id):
        return [(Place(document.id, 0, len(document.text)), list(document.sections))]
    parts: list[tuple[Place, list[Section]]] = []
    begins = 0
    for section in document.sections:  # each part is before its own sections
        if section.start == begins:
            parts.append((Place(document.id, section.start, section.end), []))
            begins = section.end + len(BREAK)
        elif parts:
            parts[-1][1].append(section)
    return parts


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
