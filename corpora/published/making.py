"""Makes the files that a source reads from what a corpus is published as."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from corpora.errors import InputError
from corpora.published.registry import REGISTRY, PublishedCorpus
from corpora.reading.parquet import read_parquet_rows
from corpora.reading.strict_csv import read_csv
from corpora.reading.strict_json import read_json_lines
from corpora.storage import sha256_text

_BOOLQ = REGISTRY.with_name("boolq.txt")
_ID_LISTS = ("ev2_train_article_ids.txt", "ev2_validation_article_ids.txt")


def make_files(corpus: PublishedCorpus, downloads: Path, made: Path) -> None:
    """Put the downloads that are kept in their places, and make the other files.

    Args:
        corpus: a corpus of the registry.
        downloads: folder of its verified downloads.
        made: folder to make.

    Raises:
        InputError: a download does not hold what it should.
    """
    made.mkdir(parents=True)
    for one in corpus.all_downloads:
        if one.keep:
            (made / one.keep).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(downloads / one.path, made / one.keep)
    if corpus.make:
        _MAKERS[corpus.make](corpus, downloads, made)


def _unzip(corpus: PublishedCorpus, downloads: Path, made: Path) -> None:
    """The members of an archive that has one folder, by the names of the files; nothing else in it is opened."""
    (one,) = corpus.downloads
    with zipfile.ZipFile(downloads / one.path) as archive:
        for file in corpus.files:
            member = f"{corpus.folder}/{file.path}"
            if member not in archive.namelist() or archive.getinfo(member).file_size != file.bytes:
                raise InputError(f"{one.path} holds no {member} of {file.bytes} bytes", "the published archive")
            (made / file.path).parent.mkdir(parents=True, exist_ok=True)
            (made / file.path).write_bytes(archive.read(member))


def _make_boolq(corpus: PublishedCorpus, downloads: Path, made: Path) -> None:
    """Two tables of the questions that are listed, in that order, each passage once.

    A document's id is the beginning of the sha1 of its text. A question is recognised by its text and its passage.
    """
    rows = _boolq_rows(corpus, downloads)
    by_digest = {sha256_text(f"{row['question']}\n{row['passage']}")[:16]: row for row in rows}
    documents: dict[str, dict[str, str]] = {}
    questions = []
    for line in _BOOLQ.read_text(encoding="utf-8").splitlines():
        question_id, digest = line.split()
        row = by_digest.get(digest)
        if row is None:
            raise InputError(f"BoolQ as it came lacks question {question_id}", "all listed questions", "update Tercet")
        document_id = hashlib.sha1(row["passage"].encode("utf-8"), usedforsecurity=False).hexdigest()[:12]
        title = {"title": row["title"]} if "title" in row else {}
        documents.setdefault(document_id, {"id": document_id, **title, "text": row["passage"]})
        reference = "yes" if row["answer"] else "no"
        questions.append(
            {"id": question_id, "text": row["question"], "document_ids": [document_id], "reference": reference}
        )
    _write_lines(made / "documents.jsonl", documents.values())
    _write_lines(made / "questions.jsonl", questions)


def _boolq_rows(corpus: PublishedCorpus, downloads: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of the file that came: the authors' lines of JSON, or the hub's Parquet."""
    (one,) = corpus.downloads
    if (downloads / one.path).is_file() or one.otherwise is None:
        rows = read_json_lines(downloads / one.path)
    else:
        rows = read_parquet_rows(downloads / one.otherwise.path)
    for number, row in rows:
        kinds = {name: type(row.get(name)) for name in ("question", "passage", "answer")}
        if kinds != {"question": str, "passage": str, "answer": bool}:
            raise InputError(
                f"row {number} of BoolQ as it came has other columns ({', '.join(row)})",
                "a question, a passage and an answer that is true or false",
                "update Tercet",
            )
        yield row


def _write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text(lines, encoding="utf-8", newline="")


def _select_evidence(corpus: PublishedCorpus, downloads: Path, made: Path) -> None:
    """The annotations of the listed articles, the prompts that they are about, and these articles in the lists."""
    articles = {Path(one.keep).stem.removeprefix("PMC") for one in corpus.all_downloads if one.keep.endswith(".txt")}
    published = {Path(one.path).name: downloads / one.path for one in corpus.downloads}
    annotations = [row for _, row in read_csv(published["v2_annotations.csv"]) if row["PMCID"] in articles]
    annotated = {row["PromptID"] for row in annotations}
    prompts = [row for _, row in read_csv(published["prompts_merged.csv"]) if row["PromptID"] in annotated]
    _write_csv(made / "v2_annotations.csv", annotations)
    _write_csv(made / "prompts_merged.csv", prompts)
    for name in _ID_LISTS:
        lines = published[name].read_bytes().splitlines(keepends=True)  # the last one need not end with a line end
        (made / name).write_bytes(b"".join(line for line in lines if line.strip().decode() in articles))


def _write_csv(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)


_MAKERS: Mapping[str, Callable[[PublishedCorpus, Path, Path], None]] = {
    "zip": _unzip,
    "boolq": _make_boolq,
    "evidence_inference": _select_evidence,
}
