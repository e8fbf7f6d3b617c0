"""A folder of documents: every file with a known ending is one, and its path from the folder is its id."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from corpora.defects import Defects
from corpora.errors import FileError, InputError, RowError, counted
from corpora.reading.folders import files_below, some_of
from corpora.schema import Document, documents_frame, iter_questions, questions_frame
from corpora.sources.folder.conversions import Conversions, StoreError
from corpora.sources.folder.converted import UTF_8, Converted
from corpora.sources.folder.converters import ENDINGS, require_converters
from corpora.sources.folder.seen import say_changes
from corpora.storage import sha256_bytes, sha256_text

MOST_BYTES = 200_000_000  # of one file, which is read as a whole
EXPERIMENT = ("tercet.toml", "tercet.schema.json")  # as `tercet init` writes them
AS_TEXT = " (text)"  # of a digest: of what a file became


class FolderDocuments(NamedTuple):
    """The documents of a folder.

    Attributes:
        frame: of schema `DOCUMENTS`, in the order of their ids.
        inputs: sha256 of every file and, where that is another one, of its text, by its id.
        notes: what a person should know about them, a sentence each.
    """

    frame: pl.DataFrame
    inputs: Mapping[str, str]
    notes: tuple[str, ...]


def read_folder(
    folder: Path, defects: Defects, conversions: Conversions, questions: Path | None = None
) -> FolderDocuments:  # fmt: skip
    """The documents of a folder and of all folders in it.

    Args:
        folder: the folder.
        defects: what to do with a file that cannot be read.
        conversions: converts files, and remembers what it converted.
        questions: the table of questions, which may lie in the folder too.

    Raises:
        InputError: there is no such folder, or no document in it, or a converter is not installed.
        FileError: a file cannot be read, and nothing may be left out.
    """
    beside = questions.parent.glob(f"{questions.stem}.*") if questions else ()  # what was drafted with them
    files = files_below(folder, ENDINGS, [*beside, *(folder / name for name in EXPERIMENT)])
    for name, reason in files.closed.items():
        error = FileError(name, f"cannot be listed ({reason})", "a folder that can be read", "check its permissions")
        defects.leave_out("document", name, error)
    require_converters({file.suffix.lower() for file in files.found.values()})
    read = _Reading(conversions)
    documents = [one for name, file in files.found.items() for one in read.document(name, file, defects)]
    if not files.found:
        raise InputError(f"{folder} holds no document", f"files ending in {', '.join(ENDINGS)}", "check the path")
    if conversions.store is not None:
        say_changes(conversions.store, folder, read.inputs)
    notes = (*files.notes(), *read.notes(), *conversions.notes())
    return FolderDocuments(documents_frame(documents), read.inputs, notes)


class _Reading:
    """Reads files one by one, and remembers what there is to say of them."""

    def __init__(self, conversions: Conversions) -> None:
        self._conversions = conversions
        self.inputs: dict[str, str] = {}
        self._encodings: dict[str, list[str]] = {}
        self._by_text: dict[str, list[str]] = {}
        self._blank: list[str] = []

    def document(self, name: str, file: Path, defects: Defects) -> Iterator[Document]:
        """The document in a file; nothing where it cannot be read."""
        defects.saw("document")
        try:
            content = _content(name, file)
            converted = _converted(name, content, self._conversions)
        except FileError as error:
            defects.leave_out("document", name, error)
            return
        self._remember(name, sha256_bytes(content), converted)
        yield Document(name, converted.text, converted.sections)

    def _remember(self, name: str, digest: str, converted: Converted) -> None:
        of_text = sha256_text(converted.text)
        self.inputs[name] = digest
        if of_text != digest:
            self.inputs[name + AS_TEXT] = of_text
        self._by_text.setdefault(of_text, []).append(name)
        if converted.encoding not in ("", UTF_8):
            self._encodings.setdefault(converted.encoding, []).append(name)
        if converted.n_blank_pages:
            pages = f"{converted.n_blank_pages} of {counted(converted.n_pages, 'page')}"
            self._blank.append(f"{name} has no text on {pages}")

    def notes(self) -> Iterator[str]:
        """What was unusual."""
        for encoding, names in sorted(self._encodings.items()):
            yield f"read as {_called(encoding)}: {some_of(names)}"
        copies = [names for names in self._by_text.values() if len(names) > 1]
        if copies:
            shown = [" = ".join(names) for names in copies]
            n = sum(map(len, copies))
            yield f"{counted(n, 'document')} with the same text as another: {some_of(shown)}"
        if self._blank:
            yield f"pages without text, perhaps scanned: {some_of(self._blank)}"


def _content(name: str, file: Path) -> bytes:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise FileError(shown, "has a name that is not UTF-8", "a name in UTF-8", "rename the file") from error
    try:
        if not file.is_file():
            raise FileError(name, "is not a file, or a link that leads nowhere", "a file", "remove it")
        n_bytes = file.stat().st_size
        if n_bytes > MOST_BYTES:
            raise FileError(name, f"has {n_bytes:,} bytes", f"at most {MOST_BYTES:,}", "split the file")
        return file.read_bytes()
    except OSError as error:
        found = f"cannot be read ({error.strerror or error})"
        raise FileError(name, found, "a file that can be read", "check its permissions") from error


def _converted(name: str, content: bytes, conversions: Conversions) -> Converted:
    try:
        return conversions.convert(Path(name).suffix.lower(), content)
    except StoreError:
        raise
    except InputError as error:
        raise FileError(name, error.found, error.expected, error.remedy) from error


def _called(encoding: str) -> str:
    return "UTF-8 with a byte order mark" if encoding == "utf-8-sig" else codecs.lookup(encoding).name.upper()


def without_left_out(frame: pl.DataFrame, files: Defects, where: str) -> pl.DataFrame:
    """The questions without gold documents whose files were left out, and without those that have no other.

    Args:
        frame: of schema `QUESTIONS`.
        files: what was left out of the folder; it is told what else is left out with it.
        where: the table of the questions, for messages.
    """
    gone = files.identifiers("document")
    if not gone:
        return frame
    kept = []
    for question in iter_questions(frame):
        lost = [one for one in question.document_ids if one in gone]
        files.saw("gold document", len(question.document_ids))
        for one in lost:
            files.leave_out("gold document", f"{question.id} {one}", _lost(where, question.id, one))
        rest = tuple(one for one in question.document_ids if one not in gone)
        if lost and not rest:
            files.leave_out("question", question.id, _lost(where, question.id, lost[0]))
            continue
        evidence = tuple(span for span in question.evidence if span.document_id not in gone)
        kept.append(replace(question, document_ids=rest, evidence=evidence))
    return questions_frame(kept)


def _lost(where: str, question: str, document: str) -> RowError:
    found = f"document {document!r} was left out"
    return RowError(where, f"id {question!r}", "document_ids", found, "a document that can be read", "mend its file")
