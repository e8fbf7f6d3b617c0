"""BEIR's format: a corpus, queries, and the judgements of which documents are relevant to which query.

Thakur et al. 2021, https://arxiv.org/abs/2104.08663.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError, RowError
from corpora.schema import Corpus, Document, LabelSet, Question, Section, documents_frame, questions_frame
from corpora.sources.fields import REMEDY, id_of, text_of
from corpora.sources.rows import read_rows
from corpora.storage import sha256_file

CORPUS, QUERIES, QRELS, TEST = "corpus.jsonl", "queries.jsonl", "qrels", "test.tsv"
HEADER = ("query-id", "corpus-id", "score")
TITLE_BREAK = "\n"


class Judgement(NamedTuple):
    """How relevant a document is to a query; 0 or less means that it is not relevant."""

    query_id: str
    document_id: str
    score: float


def read_beir(folder: Path) -> Corpus:
    """Read a folder in BEIR's format.

    A document's text is its title, a line end and its body, with the title as a section; without a title it is the body
    alone. The judgements come from `qrels/test.tsv`, or from the only file in `qrels`. A query's gold documents are
    those with a score above 0, in the order of that file. A query that the file does not name belongs to another split
    and is left out; a query that it names without any score above 0 stays, has no gold document and is refused by
    `validate`. There are no evidence spans and no reference labels.

    Raises:
        InputError: a file is missing or does not parse, or there are several judgement files and none is `test.tsv`.
        RowError: a field is missing or of the wrong kind, a judgement names an unknown query or document, or two
            judgements contradict each other.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}", f"a folder with {CORPUS}, {QUERIES} and {QRELS}/", "check the path")
    qrels = _find_qrels(folder)
    documents = list(_documents(folder / CORPUS))
    queries = list(_queries(folder / QUERIES))
    gold = _gold(qrels, {query_id for query_id, _ in queries}, {document.id for document in documents})
    questions = [Question(query_id, text, gold[query_id]) for query_id, text in queries if query_id in gold]
    files = (folder / CORPUS, folder / QUERIES, qrels)
    inputs = {file.relative_to(folder).as_posix(): sha256_file(file) for file in files}
    name = folder.resolve().name
    return Corpus(name, documents_frame(documents), questions_frame(questions), LabelSet(), inputs)


def _find_qrels(folder: Path) -> Path:
    found = sorted((folder / QRELS).glob("*.tsv"))
    test = [file for file in found if file.name == TEST] or found
    if not test:
        raise InputError(f"no judgements in {folder / QRELS}", f"a file {QRELS}/{TEST}", "fetch the corpus again")
    if len(test) > 1:
        raise InputError(
            f"{folder / QRELS} holds {', '.join(file.name for file in found)}",
            f"{TEST} among them, or a single file",
            f"keep only the file to use there, or rename it to {TEST}",
        )
    return test[0]


def _documents(file: Path) -> Iterator[Document]:
    for number, row in read_rows(file, ("_id", "text"), REMEDY):
        document_id = id_of(file, number, "_id", row["_id"])
        text = text_of(file, number, "text", row["text"])
        title = row.get("title")
        if title is None or title == "":
            yield Document(document_id, text)
        else:
            title = text_of(file, number, "title", title)
            yield Document(document_id, title + TITLE_BREAK + text, (Section("title", 0, len(title)),))


def _queries(file: Path) -> Iterator[tuple[str, str]]:
    for number, row in read_rows(file, ("_id", "text"), REMEDY):
        yield id_of(file, number, "_id", row["_id"]), text_of(file, number, "text", row["text"])


def _gold(file: Path, query_ids: set[str], document_ids: set[str]) -> Mapping[str, tuple[str, ...]]:
    """Gold documents of every query that the file names, in the order of the file."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    for number, judgement in _judgements(file):
        query_id, document_id, score = judgement
        if query_id not in query_ids:
            raise RowError(str(file), number, HEADER[0], f"unknown query {query_id!r}", f"an id from {QUERIES}", REMEDY)
        if document_id not in document_ids:
            raise RowError(
                str(file), number, HEADER[1], f"unknown document {document_id!r}", f"an id from {CORPUS}", REMEDY
            )
        earlier = scores[query_id].setdefault(document_id, score)
        if earlier != score:
            raise RowError(
                str(file),
                number,
                HEADER[2],
                f"score {score:g} for query {query_id!r} and document {document_id!r}, after score {earlier:g}",
                "the same score for a pair that is repeated",
                "remove one of the two rows",
            )
    return {
        query_id: tuple(document_id for document_id, score in of_query.items() if score > 0)
        for query_id, of_query in scores.items()
    }


def _judgements(file: Path) -> Iterator[tuple[int, Judgement]]:
    """Judgements with their row numbers; the first row after the header is row 1."""
    try:
        # BEIR's own loader reads quotes as in CSV: an id may hold a quotation mark.
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, delimiter="\t", strict=True)
            header = next(rows, [])
            if tuple(header) != HEADER:
                raise InputError(
                    f"{file} starts with the columns {header}",
                    f"the header {list(HEADER)}",
                    "add or correct the header",
                )
            for number, row in enumerate(filter(None, rows), 1):
                yield number, _judgement(file, number, row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{file} does not parse ({error})", "tab-separated columns in UTF-8", "fetch the file again"
        ) from error


def _judgement(file: Path, number: int, row: list[str]) -> Judgement:
    if len(row) != len(HEADER):
        raise RowError(str(file), number, HEADER[-1], f"{len(row)} columns", f"{len(HEADER)} columns", REMEDY)
    try:
        score = float(row[2])
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise RowError(str(file), number, HEADER[2], f"{row[2]!r:.60}", "a number", REMEDY)
    return Judgement(row[0], row[1], score)
