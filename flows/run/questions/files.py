"""The files that come of drafting: the questions as a table, and for programs the yield and every draft's fate."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import InputError
from corpora.schema import CONFIRMED_BY, DRAFTED, DRAFTED_BY, iter_documents
from corpora.sources.rows import find_table
from corpora.storage import written_whole
from flows.run.questions.drafting import Drafted, left_after
from flows.run.questions.judging import DROPPED, KEPT, Judged
from labeling.drafting.drafts import Draft


class Places(NamedTuple):
    """Where the files go; all begin with the name of the first.

    Attributes:
        questions: the table of questions.
        report: the yield, and what became of every draft.
        documents: the documents as a table, where they are none yet.
        experiment: an experiment on the questions.
    """

    questions: Path
    report: Path
    documents: Path
    experiment: Path


def default_place(corpus: Path) -> Path:
    """Where the table of questions goes: where a folder's questions are looked for, or into the current folder."""
    if not corpus.is_dir():
        return Path(f"{corpus.stem}-questions.jsonl")
    return corpus / ("drafted.jsonl" if find_table(corpus, "questions") else "questions.jsonl")


def places_beside(questions: Path) -> Places:
    """The places of the files beside a table of questions.

    Raises:
        InputError: the table cannot be written there.
    """
    if questions.suffix != ".jsonl":
        raise InputError(f"--out {questions}", "a file that ends in .jsonl", "change its ending to .jsonl")
    if not questions.parent.is_dir():
        raise InputError(
            f"no folder {questions.parent} to write {questions.name} in", "an existing folder", "make it first"
        )
    endings = ("report.json", "documents.jsonl", "toml")
    return Places(questions, *(questions.with_suffix(f".{ending}") for ending in endings))


def refuse_to_overwrite(places: Places) -> None:
    """Refuse to replace what is there: somebody may have edited it.

    Raises:
        InputError: as said.
    """
    for path in places:
        if path.exists() or path.is_symlink():
            raise InputError(
                f"{path} is there already", "names that are free", "give another --out, or --force to replace the files"
            )


def refuse_strange_report(path: Path) -> None:
    """Refuse to replace a file that no drafting wrote; the report of an earlier drafting is replaced.

    Raises:
        InputError: as said.
    """
    if (path.exists() or path.is_symlink()) and drafting_report(path) is None:
        raise InputError(
            f"{path} is there already, and no drafting wrote it", "a name that is free for the report of the drafting",
            "move the file away",
        )  # fmt: skip


def drafting_report(path: Path) -> dict[str, Any] | None:
    """What a drafting reported in a file; None if no drafting wrote it."""
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_report = isinstance(there, dict) and {"wish", "drafted", "kept", "filters"} <= there.keys()
    return there if is_report and isinstance(there["wish"], dict) else None


def write_files(texts: Mapping[Path, str]) -> None:
    """Write each file whole, in the order given: what names another file comes after it."""
    for path, text in texts.items():
        with written_whole(path) as file:
            file.write(text.encode("utf-8"))


def questions_text(drafted: Drafted) -> str:
    """The questions that were kept, as a table that `source = "tables"` reads."""
    reader = drafted.reader.label
    about = {"origin": DRAFTED, DRAFTED_BY: reader} | ({CONFIRMED_BY: reader} if drafted.wish.votes else {})
    return _lines(
        {"id": one.id, "text": one.text, "document_ids": [one.attempt.document_id], "reference": one.answer,
         "evidence": _evidence(one), "kind": one.kind, **about}
        for one in drafted.kept
    )  # fmt: skip


def documents_text(drafted: Drafted) -> str:
    """The documents as a table."""
    return _lines({"id": one.id, "text": one.text} for one in iter_documents(drafted.source.documents))


def report_text(drafted: Drafted, reader: Mapping[str, Any]) -> str:
    """The yield, and what became of every draft, as JSON.

    Args:
        drafted: what came of it.
        reader: what to say of the reader.
    """
    wish, judged = drafted.wish, drafted.judged
    with_questions = Counter(one.attempt.document_id for one in drafted.kept)
    told = {
        "corpus": drafted.source.name, "reader": dict(reader),
        "wish": {**wish._asdict(), "most": wish.limit, "kinds": list(wish.kinds)},
        "drafted": len(judged), "kept": len(drafted.kept),
        "filters": [{"filter": name, "asks": asks, "left": left} for name, asks, left in left_after(drafted)],
        "kinds": {kind: _fates(one for one in judged if one.draft.kind == kind) for kind in wish.kinds},
        "answers": {answer: _fates(one for one in judged if one.draft.answer == answer) for answer in wish.quotas},
        "reasons": dict(Counter(f"{one.fate}: {one.reason}" for one in judged if one.fate == "three votes")),
        "documents": {"all": len(drafted.source.documents) + len(drafted.fitting.too_long),
                      "too_long": list(drafted.fitting.too_long), "tried": _n_documents(judged),
                      "with_questions": len(with_questions), "most_questions": max(with_questions.values(), default=0)},
        "drafts": [_fate(one) for one in judged],
    }  # fmt: skip
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _fate(one: Judged) -> dict[str, Any]:
    """A draft and what became of it; the raw answers are in the ledger."""
    draft = one.draft
    return {"id": draft.id, "text": draft.text, "document_id": draft.attempt.document_id,
            "language": draft.attempt.language, "wanted": draft.attempt.wanted, "answer": draft.answer,
            "evidence": _evidence(draft), "kind": draft.kind, "fate": one.fate, "reason": one.reason}  # fmt: skip


def _fates(judged: Iterable[Judged]) -> dict[str, int]:
    fates = Counter(one.fate for one in judged)
    return {"drafted": sum(fates.values()), **{name: fates[name] for name in DROPPED}, KEPT: fates[KEPT]}


def _n_documents(judged: Sequence[Judged]) -> int:
    return len({one.draft.attempt.document_id for one in judged})


def _evidence(draft: Draft) -> list[dict[str, Any]]:
    return [{**span._asdict(), "quote": quote} for span, quote in zip(draft.evidence, draft.quotes, strict=True)]


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
