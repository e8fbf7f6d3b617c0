"""Chroma's chunking-evaluation format: long texts, and questions with the passages that answer them.

Smith and Troynikov 2024, "Evaluating Chunking Strategies for Retrieval",
https://research.trychroma.com/evaluating-chunking.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from corpora.defects import Defects
from corpora.errors import InputError, RowError, shown
from corpora.reading.text import is_file, read_exactly
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.sources.fields import json_of, of_kind, span_of, text_of
from corpora.sources.rows import read_rows
from corpora.storage import sha256_file

QUESTIONS, TEXTS = "questions_df.csv", "corpora"
ENDINGS = (".md", ".txt")
COLUMNS = ("question", "references", "corpus_id")


def read_chroma(folder: Path, defects: Defects | None = None) -> Corpus:
    """Read a folder in the format of Chroma's chunking evaluation.

    Each file `corpora/*.md` or `corpora/*.txt` is a document, in the order of their names; its id, which `corpus_id`
    refers to, is its name without the ending. The id of a question is its document's id and its row in
    `questions_df.csv`, counted from 1. Its evidence is its distinct `references`, in the order of the file; offsets are
    Python string indices into the text as it is, line ends included. There are no reference labels: the questions are
    open.

    Args:
        folder: see above.
        defects: what to do with a question that cannot be used; by default the first one is refused.

    Raises:
        InputError: a file is missing or does not parse, or two files have the same document id.
        RowError: a field is missing or of the wrong kind, `corpus_id` names no document, or a reference's content is
            not at its offsets, and nothing may be left out.
    """
    defects = defects or Defects()
    files = _find_texts(folder)
    documents = [Document(document_id, read_exactly(file)) for document_id, file in files.items()]
    texts = {document.id: document.text for document in documents}
    asked = folder / QUESTIONS
    questions: list[Question] = []
    for number, row in read_rows(asked, COLUMNS, "rename the column"):
        questions += defects.made("question", f"row {number}", partial(_question, asked, number, row, texts))
    inputs = {file.relative_to(folder).as_posix(): sha256_file(file) for file in (asked, *files.values())}
    name = folder.resolve().name
    return Corpus(name, documents_frame(documents), questions_frame(questions), LabelSet(), inputs)


def _find_texts(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted((folder / TEXTS).glob("*")):
        if file.suffix.lower() not in ENDINGS or not is_file(file):
            continue
        if file.stem in found:
            raise InputError(
                f"{found[file.stem]} and {file.name} are both document {file.stem!r}",
                "a different name for each file",
                "rename one of the two",
            )
        found[file.stem] = file
    if not found:
        raise InputError(
            f"no texts in {folder / TEXTS}",
            f"a folder with {QUESTIONS} and {TEXTS}/*.md or *.txt",
            "give that folder as `path`",
        )
    return found


def _question(file: Path, number: int, row: Mapping[str, Any], texts: Mapping[str, str]) -> Question:
    question, references, corpus_id = (text_of(file, number, column, row[column]) for column in COLUMNS)
    if corpus_id not in texts:
        raise RowError(
            str(file),
            number,
            "corpus_id",
            f"unknown document {corpus_id!r}",
            f"one of {', '.join(texts)}",
            f"add the file to {TEXTS}/ or correct the id",
        )
    items = of_kind(file, number, "references", json_of(file, number, "references", references), list)
    spans = [_span(file, number, corpus_id, texts[corpus_id], item) for item in items]
    return Question(f"{corpus_id}-{number}", question, (corpus_id,), evidence=tuple(dict.fromkeys(spans)))


def _span(file: Path, number: int, document_id: str, text: str, item: object) -> Span:
    fields = of_kind(file, number, "references", item, dict)
    content = of_kind(file, number, "content", fields.get("content"), str)
    given_start = of_kind(file, number, "start_index", fields.get("start_index"), int)
    given_end = of_kind(file, number, "end_index", fields.get("end_index"), int)
    start, end = span_of(file, number, "references", text, given_start, content)
    if end != given_end:
        raise RowError(
            str(file),
            number,
            "end_index",
            f"{shown(given_end)} for a content of {len(content)} characters from {start}",
            f"{end}",
            "correct the offset (characters, end-exclusive)",
        )
    return Span(document_id, start, end)
