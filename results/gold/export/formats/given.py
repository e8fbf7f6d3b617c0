"""A label that a person gave somewhere else, as a file brings it back, before anything is checked."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import InputError, shown
from corpora.reading.strict_json import read_json

OTHER = "other"  # why a question was reviewed that no queue asked for


class Given(NamedTuple):
    """One person's word on one question.

    Attributes:
        place: where it is in the file, with which an error begins.
        question_id: our own id.
        reviewer: who; empty if the file does not say.
        label: as it is written there; None if the question was skipped.
        note: what the reviewer wrote beside it.
        reason: why the question was reviewed.
        text_digest: of the question and its documents when they were exported; None if the file lost it.
        question: its text as the file has it; None where it has none.
        document: its documents as the file has them; None where it has none.
        reviewed_at: when; None if the file does not say.
    """

    place: str
    question_id: str | None
    reviewer: str
    label: str | None
    note: str | None = None
    reason: str = OTHER
    text_digest: str | None = None
    question: str | None = None
    document: str | None = None
    reviewed_at: datetime | None = None


def read_given(file: Path) -> Any:
    """The JSON of a file.

    Raises:
        InputError: it does not parse, or holds half a character, which no text can be kept with.
    """
    found = read_json(file)
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise InputError(f"{file} holds {half}, half a character", "whole characters", "correct it there") from error
    return found


def text_or_none(place: str, name: str, value: Any) -> str | None:
    """A text that says something; None for an empty one, and where nothing is given.

    Args:
        place: where it is in the file, with which an error begins.
        name: of the field that holds it.
        value: what the field holds.

    Raises:
        InputError: it is something else, which would be lost.
    """
    if value is not None and not isinstance(value, str):
        raise InputError(
            f"{place}: `{name}` is {shown(value)}", "a text, or nothing", "correct that field, or export again"
        )
    return value if value and value.strip() else None


def moment(value: Any) -> datetime | None:
    """A time in ISO format, in UTC; None if it is none. A time without a zone is taken to be in UTC."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return None
