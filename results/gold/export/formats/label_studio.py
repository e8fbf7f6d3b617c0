"""Label Studio: tasks with the votes as a prediction and the labeling config; its JSON and JSON-MIN exports back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from corpora.errors import InputError, shown
from results.gold.export.formats.given import OTHER, Given, moment, read_given, text_or_none
from results.gold.export.items import Items

CONFIG = "label-studio.xml"
_LABEL, _NOTE = "human_label", "human_note"  # names of the controls, which become columns in JSON-MIN
_QUESTION, _DOCUMENT = "question", "document"
_EXPECTED = "a JSON export of Label Studio (JSON or JSON-MIN)"


def write_label_studio(
    items: Items, name: str, folder: Path, reasons: Mapping[str, str] | None = None
) -> dict[str, str]:  # fmt: skip
    """Write the tasks of a reader, and the labeling config.

    Args:
        items: of the reader, with texts.
        name: what the files' names begin with.
        folder: where to write.
        reasons: why a question is reviewed, by its id; otherwise it is `OTHER`.

    Returns:
        What each file holds, by its name.
    """
    file = f"{name}.tasks.json"
    with (folder / file).open("w", encoding="utf-8", newline="") as out:
        between = "[\n"
        for row, seen in items.shown():
            reason = (reasons or {}).get(str(row["question_id"]), OTHER)
            out.write(between + json.dumps(_task(items.reader, row, seen.document, reason), ensure_ascii=False))
            between = ",\n"
        out.write("\n]\n" if between == ",\n" else "[]\n")
    (folder / CONFIG).write_text(labeling_config(items.labels), encoding="utf-8", newline="")
    return {
        file: f"all questions of {items.reader} as tasks, with the votes as a prediction: import it into a project",
        CONFIG: "the labeling config of such a project: paste it under Settings, Labeling Interface, Code",
    }


def labeling_config(labels: Sequence[str]) -> str:
    """The labeling config: the question, a choice for each label with a key of its own, a note, and the document."""
    choices = "\n".join(
        f"    <Choice value={quoteattr(label)} hotkey={quoteattr(str(number))}/>"
        for number, label in enumerate(labels, 1)
    )
    return f"""<View>
  <Text name="{_QUESTION}" value="${_QUESTION}"/>
  <Choices name="{_LABEL}" toName="{_QUESTION}" choice="single" required="true" showInline="true">
{choices}
  </Choices>
  <TextArea name="{_NOTE}" toName="{_QUESTION}" placeholder="Note" rows="2" maxSubmissions="1"/>
  <Text name="{_DOCUMENT}" value="${_DOCUMENT}"/>
</View>
"""


def _task(reader: str, row: Mapping[str, Any], document: str | None, review_reason: str) -> dict[str, Any]:
    brought = {name: value for name, value in row.items() if name not in (_QUESTION, "tags")}
    data = {
        _QUESTION: row["question"],
        _DOCUMENT: document,
        "reader": reader,
        "review_reason": review_reason,
        **brought,
    }
    return {"data": data, "predictions": list(_predictions(reader, row["votes"]))}


def _predictions(reader: str, votes: Sequence[str | None]) -> Iterator[dict[str, Any]]:
    """What most votes say, with their share; nothing if no two agree."""
    label, n_votes = Counter(votes).most_common(1)[0] if votes else (None, 0)
    if label is not None and n_votes > 1:
        value = {"choices": [label]}
        result = {"from_name": _LABEL, "to_name": _QUESTION, "type": "choices", "value": value}
        yield {"model_version": reader, "score": n_votes / len(votes), "result": [result]}


def read_label_studio(file: Path) -> Iterator[Given]:
    """The labels in a JSON or JSON-MIN export; tasks that nobody annotated are passed over.

    Raises:
        InputError: it is not such an export.
    """
    tasks = read_given(file)
    if not isinstance(tasks, list):
        raise InputError(f"{file} is not a list of tasks", _EXPECTED, "export the project again as JSON")
    for number, task in enumerate(tasks, 1):
        place = f"{file}, task {number}"
        if not isinstance(task, dict):
            raise InputError(f"{place} is not an object", _EXPECTED, "export the project again as JSON")
        if isinstance(task.get("data"), dict):
            yield from _of_task(place, task)
        elif "annotation_id" in task:
            yield from _of_row(place, task)
        else:
            raise InputError(f"{place} has neither `data` nor `annotation_id`", _EXPECTED, "export the project again")


def _objects(place: str, holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of objects under a name; no name is an empty list."""
    found = holder.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{place}: `{name}` is not a list of objects", _EXPECTED, "export the project again as JSON")
    return found


def _of_task(place: str, task: Mapping[str, Any]) -> Iterator[Given]:
    """The annotations of a task, as JSON has them."""
    for one in _objects(place, task, "annotations"):
        results = _objects(place, one, "result")
        is_skipped = bool(one.get("was_cancelled") or one.get("skipped"))
        chosen = _values(place, results, _LABEL, "choices")
        notes = [_written(place, value) for value in _values(place, results, _NOTE, "text")]
        yield _given(
            place, task["data"], _reviewer(one.get("completed_by")), None if is_skipped else _chosen(chosen),
            " ".join(filter(None, notes)), one.get("updated_at") or one.get("created_at"),
        )  # fmt: skip


def _of_row(place: str, row: Mapping[str, Any]) -> Iterator[Given]:
    """An annotation, as JSON-MIN has it; a task without one has no annotation_id."""
    if row["annotation_id"] is None:
        return
    label, note = row.get(_LABEL), row.get(_NOTE)
    chosen = label.get("choices", []) if isinstance(label, dict) else label
    listed = chosen if isinstance(chosen, list) else [chosen] if chosen is not None else []
    at = row.get("updated_at") or row.get("created_at")
    yield _given(place, row, _reviewer(row.get("annotator")), _chosen(listed), _written(place, note), at)


def _given(place: str, data: Mapping[str, Any], who: str, label: str | None, note: Any, at: Any) -> Given:
    def text(name: str) -> str | None:
        return text_or_none(place, name, data.get(name))

    return Given(
        place, text("question_id"), who, label, text_or_none(place, _NOTE, note), text("review_reason") or OTHER,
        text("text_digest"), text(_QUESTION), text(_DOCUMENT), moment(at),
    )  # fmt: skip


def _values(place: str, results: Sequence[Mapping[str, Any]], control: str, kind: str) -> list[Any]:
    """What was entered into a control."""
    found: list[Any] = []
    for one in results:
        if one.get("from_name") == control:
            value = one.get("value")
            if not isinstance(value, dict):
                raise InputError(
                    f"{place}: the value of `{control}` is {shown(value)}", f"an object with `{kind}`",
                    "export the project again as JSON",
                )  # fmt: skip
            entered = value.get(kind)
            found += entered if isinstance(entered, list) else [entered]
    return [one for one in found if one is not None]


def _written(place: str, note: Any, levels: int = 3) -> str | None:
    """A note: a text, a list of texts, or an object with them, as Label Studio writes a field of several lines."""
    if levels and isinstance(note, dict) and "text" in note:
        return _written(place, note["text"], levels - 1)
    if levels and isinstance(note, list):
        return " ".join(filter(None, (_written(place, one, levels - 1) for one in note)))
    return text_or_none(place, _NOTE, note)


def _chosen(labels: Sequence[Any]) -> str:
    """The label that was chosen; if none or several were, a text that is no label, and is refused as such."""
    return ", ".join(map(str, labels))


def _reviewer(by: Any) -> str:
    """Who annotated: an email address, or else the number that Label Studio gave them; empty if it does not say."""
    if isinstance(by, dict):
        by = by.get("email") or by.get("username") or by.get("id")
    return "" if by is None else by if isinstance(by, str) else f"user {by}"
