"""BEIR's format: a corpus, queries, and the judgements of which documents are relevant to which query.

Thakur et al. 2021, https://arxiv.org/abs/2104.08663.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from corpora.defects import Defects
from corpora.errors import InputError, RowError, one_line
from corpora.reading.exports import PARQUET, Row, exported_rows, shards_in, split_of
from corpora.reading.strict_json import read_json_lines
from corpora.reading.text import read_lines
from corpora.schema import Corpus, Document, LabelSet, Question, Section, documents_frame, questions_frame
from corpora.sources.fields import REMEDY, id_of, text_of
from corpora.storage import sha256_file

CORPUS, QUERIES, QRELS, TEST = "corpus", "queries", "qrels", "test"
LINES = ".jsonl"
HEADER = ("query-id", "corpus-id", "score")
TITLE_BREAK = "\n"
# Python's own float() takes 1_0 for 10, and digits of other scripts.
_NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *", re.ASCII)


class Judgement(NamedTuple):
    """How relevant a document is to a query; 0 or less means that it is not relevant."""

    query_id: str
    document_id: str
    score: float


def read_beir(folder: Path, defects: Defects | None = None) -> Corpus:
    """Read a folder in BEIR's format.

    A document's text is its title, a line end and its body, with the title as a section; without a title it is the body
    alone. `corpus` and `queries` are .jsonl files, or Parquet as the hub exports it. The judgements come from
    `qrels/test.tsv`, or from the only split in `qrels`. A query's gold documents are those with a score above 0, in the
    order of that file. A query that the file does not name belongs to another split and is left out. There are no
    evidence spans and no reference labels.

    Where rows may be left out, these are: a document without any text, a judgement on a query or document that is not
    there, both of two judgements that contradict each other, and a query that has no gold document then. A document
    whose body is null is its title alone.

    Args:
        folder: holds `corpus`, `queries` and `qrels`.
        defects: what to do with a row that cannot be used; by default the first one is refused.

    Raises:
        InputError: a file is missing or does not parse, or there are several judgement files and none is of the split
            `test`.
        RowError: a field is missing or of the wrong kind, a judgement names an unknown query or document, or two
            judgements contradict each other, and nothing may be left out.
    """
    defects = defects or Defects()
    if not folder.is_dir():
        raise InputError(f"no folder {folder}", f"a folder with {CORPUS}{LINES}, {QUERIES}{LINES} and {QRELS}/",
                         "check the path")  # fmt: skip
    parts = {name: _find(folder, name) for name in (CORPUS, QUERIES)} | {QRELS: _find_qrels(folder)}
    documents = [one for file in parts[CORPUS] for one in _documents(file, defects)]
    queries = [one for file in parts[QUERIES] for one in _queries(file, defects)]
    gold = _gold(parts[QRELS], {query.id for query in queries}, {one.id for one in documents}, defects)
    questions = [
        Question(query.id, query.text, gold[query.id])
        for query in queries
        if query.id in gold and _has_gold(query, gold[query.id], parts[QUERIES][0], defects)
    ]
    inputs = {file.relative_to(folder).as_posix(): sha256_file(file) for files in parts.values() for file in files}
    name = folder.resolve().name
    return Corpus(name, documents_frame(documents), questions_frame(questions), LabelSet(), inputs)


class _Query(NamedTuple):
    id: str
    text: str


def _find(folder: Path, name: str) -> list[Path]:
    """The file `corpus.jsonl`, say, or the same in Parquet: `corpus.parquet`, or all files in the folder `corpus`."""
    lines, whole = folder / f"{name}{LINES}", folder / f"{name}{PARQUET}"
    found = [files for files in ([lines], [whole], shards_in(folder / name)) if files and files[0].is_file()]
    if len(found) > 1:
        raise InputError(
            f"{folder} holds both {found[0][0].name} and {found[1][0].relative_to(folder)}",
            f"the {name} in one format",
            "remove or move the file that is not to be read",
        )
    if not found:
        raise InputError(f"no file {lines}", f"{name}{LINES}, or Parquet files", "check the path")
    return found[0]


def _find_qrels(folder: Path) -> list[Path]:
    inside = folder / QRELS
    found = sorted(file for ending in ("*.tsv", f"*{PARQUET}") for file in inside.glob(ending))
    splits = {split: [file for file in found if split_of(file) == split] for split in map(split_of, found)}
    chosen = splits.get(TEST) or next(iter(splits.values()), [])
    if not chosen:
        raise InputError(f"no judgements in {inside}", f"a file {QRELS}/{TEST}.tsv", "fetch the corpus again")
    if TEST not in splits and len(splits) > 1:
        raise InputError(
            f"{inside} holds {', '.join(file.name for file in found)}",
            f"{TEST}.tsv among them, or a single file",
            f"keep only the file to use there, or rename it to {TEST}.tsv",
        )
    if len({file.suffix for file in chosen}) > 1:
        names = ", ".join(file.name for file in chosen)
        raise InputError(f"{inside} holds {names}", "judgements in one format", "keep only the file to use there")
    return chosen


def _rows(file: Path) -> Iterator[tuple[int, Row]]:
    keys = frozenset({"_id", "text"})
    # Programs that export from data frames write NaN, which is not JSON, for a missing text.
    for number, row in exported_rows(file, keys) if file.suffix == PARQUET else read_json_lines(file, nan_is_null=True):
        missing = sorted(keys - row.keys())
        if missing:
            has = ", ".join(map(repr, row)) or "none"
            found = f"{file}, row {number} has no column {missing[0]!r} (it has {has})"
            raise InputError(found, f"the columns {', '.join(map(repr, sorted(keys)))}", REMEDY)
        yield number, row


def _documents(file: Path, defects: Defects) -> Iterator[Document]:
    for number, row in _rows(file):
        yield from defects.made("document", row["_id"], partial(_document, file, number, row, defects))


def _document(file: Path, number: int, row: Row, defects: Defects) -> Document:
    document_id = id_of(file, number, "_id", row["_id"])
    defects.saw("text")
    title = "" if row.get("title") is None else text_of(file, number, "title", row["title"])
    section = (Section("title", 0, len(title)),) if title else ()
    if row["text"] is None and title.strip():
        error = RowError(str(file), number, "text", "null beside a title", "a text", REMEDY)
        defects.leave_out("text", document_id, error)
        return Document(document_id, title, section)
    text = text_of(file, number, "text", row["text"])
    if defects.skips and not (title + text).strip():  # otherwise `validate` lists them all
        raise RowError(str(file), number, "text", "an empty text without a title", "a text that is not empty", REMEDY)
    return Document(document_id, title + TITLE_BREAK + text if title else text, section)


def _queries(file: Path, defects: Defects) -> Iterator[_Query]:
    for number, row in _rows(file):
        yield from defects.made("question", row["_id"], partial(_query, file, number, row))


def _query(file: Path, number: int, row: Row) -> _Query:
    return _Query(id_of(file, number, "_id", row["_id"]), text_of(file, number, "text", row["text"]))


def _has_gold(query: _Query, gold: tuple[str, ...], file: Path, defects: Defects) -> bool:
    """Whether a query stays: without a gold document it is left out, or stays for `validate` to refuse."""
    if gold or not defects.skips:
        return True
    found, expected = "no gold document in the corpus", "at least one document with a score above 0"
    defects.leave_out("question", query.id, RowError(str(file), f"id {query.id!r}", "_id", found, expected, REMEDY))
    return False


def _gold(
    files: list[Path], query_ids: set[str], document_ids: set[str], defects: Defects
) -> Mapping[str, tuple[str, ...]]:
    """Gold documents of every query that the files name, in the order of the files."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    for file in files:
        for number, judgement in _judgements(file):
            defects.saw("judgement")
            try:
                _note(file, number, judgement, query_ids, document_ids, scores)
            except RowError as error:
                defects.leave_out("judgement", f"{judgement.query_id} {judgement.document_id}", error)
    return {
        query_id: tuple(document_id for document_id, score in of_query.items() if score > 0)
        for query_id, of_query in scores.items()
    }


def _note(
    file: Path, number: int, judgement: Judgement, query_ids: set[str], document_ids: set[str],
    scores: dict[str, dict[str, float]],
) -> None:  # fmt: skip
    """Add a judgement to the scores, if it is on a query and a document that are there."""
    query_id, document_id, score = judgement
    if query_id not in query_ids:
        found, expected = f"unknown query {query_id!r}", f"an id from {QUERIES}{LINES}"
        raise RowError(str(file), number, HEADER[0], found, expected, REMEDY)
    of_query = scores[query_id]  # made here: a query whose judgements are all left out is still one of this split
    if document_id not in document_ids:
        found, expected = f"unknown document {document_id!r}", f"an id from {CORPUS}{LINES}"
        raise RowError(str(file), number, HEADER[1], found, expected, REMEDY)
    earlier = of_query.setdefault(document_id, score)
    if earlier != score:
        of_query[document_id] = math.nan  # neither counts, nor does a third: NaN equals nothing and is not above 0
        found = f"score {score:g} for query {query_id!r} and document {document_id!r}, after score {earlier:g}"
        expected = "the same score for a pair that is repeated"
        raise RowError(str(file), number, HEADER[2], found, expected, "remove one of the two rows")


def _judgements(file: Path) -> Iterator[tuple[int, Judgement]]:
    """Judgements with their row numbers; the first row after the header is row 1."""
    if file.suffix == PARQUET:
        for number, exported in exported_rows(file, frozenset(HEADER)):
            yield number, _judgement(file, number, [exported[name] for name in HEADER])
        return
    # BEIR's own loader reads quotes as in CSV: an id may hold a quotation mark.
    rows = _split(file, csv.reader(read_lines(file), delimiter="\t", strict=True))
    header = next(rows, [])
    if tuple(header) != HEADER:
        found = f"{file} starts with the columns {header!r:.100}"
        raise InputError(found, f"the header {list(HEADER)}", "add or correct the header")
    for number, row in enumerate(filter(None, rows), 1):
        yield number, _judgement(file, number, list[object](row))


def _split(file: Path, reader: csv._reader) -> Iterator[list[str]]:  # type: ignore[name-defined]  # only in the stubs
    while True:
        with one_line(f"{file} does not parse", "tab-separated columns in UTF-8"):
            row = next(reader, None)
        if row is None:
            return
        yield row


def _judgement(file: Path, number: int, row: list[object]) -> Judgement:
    if len(row) != len(HEADER):
        raise RowError(str(file), number, HEADER[-1], f"{len(row)} columns", f"{len(HEADER)} columns", REMEDY)
    query_id, document_id = (id_of(file, number, name, value) for name, value in zip(HEADER, row[:2], strict=False))
    return Judgement(query_id, document_id, _score(file, number, row[2]))


def _score(file: Path, number: int, value: object) -> float:
    """A judgement's score; Parquet has it as a number, a text file as the digits of a number and nothing else."""
    score = math.nan
    if isinstance(value, str):
        score = float(value) if _NUMBER.fullmatch(value) else score
    elif isinstance(value, int | float) and not isinstance(value, bool):
        score = float(value)
    if not math.isfinite(score):
        raise RowError(str(file), number, HEADER[2], f"{value!r:.60}", "a number", REMEDY)
    return score
