"""Argilla: a dataset as its `Dataset.to_disk` writes it and `Dataset.from_disk` reads it, in both directions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpora.errors import InputError, shown
from results.gold.export.formats.given import OTHER, Given, read_given, text_or_none
from results.gold.export.items import Items
from results.gold.export.reviewed import REVIEWS, SETTLED

RECORDS, SETTINGS, DATASET = "records.json", ".argilla/settings.json", ".argilla/dataset.json"
_LABEL, _NOTE = "label", "note"  # names of the questions to the annotator
_GUIDELINES = "Answer the question from the document alone. Press the number of a label, then submit."
_EXPECTED = f"a folder that Argilla's `to_disk` wrote, or its {RECORDS}"


def write_argilla(items: Items, name: str, folder: Path, reasons: Mapping[str, str] | None = None) -> dict[str, str]:
    """Write the dataset of a reader, a folder of its name.

    Args:
        items: of the reader, with texts.
        name: of the folder and of the dataset.
        folder: where to write.
        reasons: why a question is reviewed, by its id; otherwise it is `OTHER`.

    Returns:
        What each file holds, by its name.
    """
    place = folder / name
    (place / ".argilla").mkdir(parents=True)
    dataset = {"name": dataset_name(name), "status": "draft", "guidelines": _GUIDELINES, "allow_extra_metadata": True}
    for file, content in ((SETTINGS, settings(items.labels)), (DATASET, dataset)):
        (place / file).write_text(json.dumps(content, ensure_ascii=True), encoding="utf-8", newline="")
    # The library opens its files in the encoding of the machine, so nothing here is beyond ASCII.
    with (place / RECORDS).open("w", encoding="ascii", newline="") as out:
        between = "[\n"
        for row, seen in items.shown():
            reason = (reasons or {}).get(str(row["question_id"]), OTHER)
            out.write(between + json.dumps(_record(items.reader, row, seen.document or "", reason)))
            between = ",\n"
        out.write("\n]\n" if between == ",\n" else "[]\n")
    return {f"{name}/": f"all questions of {items.reader}, with the votes as suggestions, for `rg.Dataset.from_disk`"}


def dataset_name(name: str) -> str:
    """The name in the letters that an Argilla server takes."""
    return re.sub(r"[^A-Za-z0-9_ -]", "-", name).lstrip("-_ ") or "tercet"


def settings(labels: Sequence[str]) -> dict[str, Any]:
    """The settings of the dataset: two fields, a label and a note, and what travels with each record."""
    options = [{"value": label, "text": label} for label in labels]
    label = {"type": "label_selection", "options": options, "visible_options": None}
    plain = {"type": "text", "use_markdown": False}
    return {
        "guidelines": _GUIDELINES,
        "questions": [
            {"name": _LABEL, "title": "Label", "required": True, "type": "label_selection", "settings": label},
            {"name": _NOTE, "title": "Note", "required": False, "type": "text", "settings": plain},
        ],
        "fields": [
            {"name": "question", "title": "Question", "required": True, "type": "text", "settings": plain},
            {"name": "document", "title": "Document", "required": True, "type": "text", "settings": plain},
        ],
        "vectors": [],
        "metadata": [_metadata(name) for name in ("reader", "review_reason", "split", "origin")],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def _metadata(name: str) -> dict[str, Any]:
    kind = {"type": "terms", "values": None, "visible_for_annotators": False}
    return {"name": name, "title": name, "visible_for_annotators": False, "settings": kind}


def _record(reader: str, row: Mapping[str, Any], document: str, review_reason: str) -> dict[str, Any]:
    told = {
        "reader": reader, "review_reason": review_reason, "split": row["split"], "origin": row["origin"],
        "text_digest": row["text_digest"],
        "document_ids": row["document_ids"], "votes": [vote or "" for vote in row["votes"]],
        "p_unanimous": row["p_unanimous"], "kept": str(row["kept"]).lower(), "reason": row["reason"],
        "reference": row["reference"], "evidence": json.dumps(row["evidence"]) if row["evidence"] else None,
        **_reviews(row),
    }  # fmt: skip
    return {
        "id": row["question_id"],
        "fields": {"question": row["question"], "document": document},
        "metadata": {name: value for name, value in told.items() if value is not None},
        "suggestions": _suggestions(reader, row["votes"]),
        "responses": {},
        "vectors": {},
        "status": "pending",
        "_server_id": None,
    }


def _reviews(row: Mapping[str, Any]) -> dict[str, Any]:
    """What people said, as lists of one length: metadata is plain, and responses are for users of that server."""
    if not row.get(REVIEWS):
        return {}
    lists = (("reviewers", "reviewer"), ("reviewer_labels", "label"), ("reviewer_notes", "note"))
    told = {name: [one[of] or "" for one in row[REVIEWS]] for name, of in (*lists, ("reviewed_at", "reviewed_at"))}
    return {**told, SETTLED: row[SETTLED]}


def _suggestions(reader: str, votes: Sequence[str | None]) -> dict[str, Any]:
    """What most votes say, with their share; nothing if no two agree."""
    label, n_votes = Counter(votes).most_common(1)[0] if votes else (None, 0)
    if label is None or n_votes < 2:
        return {}
    return {_LABEL: {"value": label, "score": n_votes / len(votes), "agent": reader}}


def read_argilla(path: Path) -> Iterator[Given]:
    """The labels in a dataset on disk; records that nobody answered are passed over.

    Argilla's format names annotators by their user id, and does not say which answers were submitted. A record that
    is still pending has no submitted answer: whoever answered it has discarded it, or not decided yet, and skipped it.

    Raises:
        InputError: it is not such a dataset.
    """
    file = path / RECORDS if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"there is no {file}", _EXPECTED, "name the folder that `to_disk` wrote, with its records")
    records = read_given(file)
    if not isinstance(records, list) or not all(isinstance(one, dict) and "responses" in one for one in records):
        raise InputError(f"{file} is not a list of Argilla's records", _EXPECTED, "write it with `dataset.to_disk`")
    for number, record in enumerate(records, 1):
        yield from _of_record(f"{file}, record {number}", record)


def _of_record(place: str, record: Mapping[str, Any]) -> Iterator[Given]:
    fields, told, responses = (_object(place, record, name) for name in ("fields", "metadata", "responses"))
    labels, notes = (_by_user(place, name, responses.get(name)) for name in (_LABEL, _NOTE))
    is_pending = record.get("status") == "pending"

    def text(name: str, holder: Mapping[str, Any]) -> str | None:
        return text_or_none(place, name, holder.get(name))

    for user in {**labels, **notes}:
        label = None if is_pending else str(labels.get(user) or "")
        yield Given(
            place, text("id", record), user, label, text_or_none(place, _NOTE, notes.get(user)),
            text("review_reason", told) or OTHER, text("text_digest", told), text("question", fields),
            text("document", fields),
        )  # fmt: skip


def _object(place: str, record: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    if found is not None and not isinstance(found, dict):
        raise InputError(f"{place}: `{name}` is not an object", _EXPECTED, "write it with `dataset.to_disk`")
    return found or {}


def _by_user(place: str, name: str, responses: Any) -> dict[str, Any]:
    """The answers to one question by the id of the user who gave them."""
    given = [] if responses is None else responses
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise InputError(
            f"{place}: the responses to `{name}` are {shown(responses)}", "a list of objects",
            "write it with `dataset.to_disk`",
        )  # fmt: skip
    return {str(one.get("user_id") or ""): one.get("value") for one in given}
