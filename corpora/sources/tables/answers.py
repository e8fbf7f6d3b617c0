"""What may be answered to a question of a table, and which answer is right: labels, or choices of its own."""

from __future__ import annotations

from pathlib import Path

from corpora.choices import PLACES, check_choices, in_drawn_order, places
from corpora.errors import InputError, RowError, shown
from corpora.schema import LabelSet
from corpora.sources.fields import filled_text, json_of, spelling_of
from corpora.sources.rows import Row, read_rows
from corpora.sources.tables.columns import QuestionColumns


class Answers:
    """Reads the choices and the right answer of each row.

    Args:
        file: the table.
        columns: its column names.
        labels: the allowed answers.
        not_stated: the label that says that the answer is not stated; None if there is none.
    """

    def __init__(self, file: Path, columns: QuestionColumns, labels: LabelSet, not_stated: str | None) -> None:
        self._file, self._columns, self._labels, self._not_stated = file, columns, labels, not_stated

    def of(self, question_id: str, number: int, row: Row) -> tuple[tuple[str, ...], str | None]:
        """The choices of a question in the order in which they are shown, and the label that is right, if it is known.

        Raises:
            RowError: a field is of the wrong kind.
        """
        choices, reference = self._choices(number, row.get(self._columns.choices)), row.get(self._columns.reference)
        in_order = in_drawn_order(question_id, choices)
        right = self._place(number, reference, choices, in_order) if choices else self._reference(number, reference)
        return in_order, right

    def _choices(self, number: int, value: object) -> tuple[str, ...]:
        """The choices in the order of the file; none where questions have none."""
        file, column = str(self._file), self._columns.choices
        is_empty = value is None or value == ""
        if not self._labels.of_question or is_empty:
            if self._labels.of_question == is_empty:
                found = "no choices, and the first question has some" if is_empty else "choices, and the first has none"
                raise RowError(file, number, column, found, "choices for every question or for none", "fill them in")
            return ()
        listed = json_of(self._file, number, column, value) if isinstance(value, str) else value
        if not isinstance(listed, list):
            raise RowError(file, number, column, shown(value), "a list of texts", "write it as a (JSON) list")
        texts = tuple(filled_text(self._file, number, column, spelling_of(one)) for one in listed)
        try:
            check_choices(texts, self._not_stated)
        except InputError as error:
            raise RowError(file, number, column, error.found, error.expected, error.remedy) from error
        return texts

    def _place(self, number: int, value: object, choices: tuple[str, ...], in_order: tuple[str, ...]) -> str | None:
        """The place of the right choice, which is named by its text, or by the place that it has in the file."""
        name = spelling_of(value)
        if name is None or name == "":
            return self._reference(number, value)
        if name == self._not_stated:
            return name
        in_file = dict(zip(PLACES, choices, strict=False))
        meant = in_file.get(self._columns.reference_values.get(name, name))
        if name in choices and meant not in (None, name):
            found = f"{name!r} is a choice, and also the place of the choice {meant!r:.60}"
            raise RowError(str(self._file), number, self._columns.reference, found, "one meaning", "write its text")
        right = name if name in choices else meant
        if right is None:
            expected = f"the text of a choice, or its place: {', '.join(in_file)}"
            remedy = "correct it, or say in reference_values what it means, such as 0 = 'A'"
            raise RowError(str(self._file), number, self._columns.reference, shown(value), expected, remedy)
        return PLACES[in_order.index(right)]

    def _reference(self, number: int, value: object) -> str | None:
        if value is None or value == "":
            return None
        column, name = self._columns.reference, spelling_of(value)
        if name in self._columns.reference_values:
            return self._columns.reference_values[name]
        if isinstance(value, str):
            return filled_text(self._file, number, column, value)
        if name in self._labels.labels:
            return name
        # Which label it means is the user's to say: a label named here would be copied, right or wrong.
        first = f"reference_values = {{ {name} = ONE OF THE LABELS }}"
        remedy = f"say in question_columns what each value means, such as {first}" if name else ""
        raise RowError(str(self._file), number, column, shown(value), "a text that is one of the labels", remedy)


def labels_in(file: Path, columns: QuestionColumns, labels: LabelSet, not_stated: str | None) -> LabelSet:
    """The labels that a table may use: all places if its first question has choices, otherwise those given."""
    for _, row in read_rows(file, (), separator=columns.separator):
        if row.get(columns.choices) not in (None, ""):
            return places(len(PLACES) - (not_stated is not None), not_stated)
        break
    return labels


def check_meanings(columns: QuestionColumns, labels: LabelSet) -> None:
    """Refuse a value that is mapped to no label.

    Raises:
        InputError: as said.
    """
    for value, label in columns.reference_values.items():
        if label not in labels.labels:
            raise InputError(
                f"reference_values maps {value!r} to {label!r}",
                f"one of the labels {', '.join(labels)}",
                "correct the label, or add it to `labels`",
            )
