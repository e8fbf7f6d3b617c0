"""Which of a folder's tables holds documents and which questions, and which columns say what, by what is in them.

Nothing is decided by a name alone: a column of document ids is one whose values are ids of the other table. Where ids
are whole numbers, several columns may pass for it: the likeliest one is taken, and a note names the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from corpora.choices import PLACES
from corpora.errors import InputError, counted, listed
from corpora.reading.strict_csv import SEPARATORS
from corpora.reading.strict_json import parse_json
from corpora.reading.text import read_lines
from corpora.schema import MOST_LABELS, LabelSet
from corpora.sources.fields import spelling_of
from corpora.sources.rows import read_rows
from corpora.sources.tables.columns import DocumentColumns, QuestionColumns

# The names that such columns usually have; the first is Tercet's own.
IDS = ("id", "_id", "doc_id", "document_id", "docid", "doc_no", "docno", "qid", "question_id", "query_id", "pmid")
TEXTS = ("text", "body", "content", "contents", "document", "passage", "abstract", "article", "context")
ASKING = ("question", "query", "claim", "prompt")  # names that no column of a document has
QUESTIONS = (*ASKING, "text", "title")  # a table with a question and a text has the passage in the text
REFERENCES = ("reference", "label", "answer", "gold", "gold_label", "final_decision", "target", "verdict", "class")
CHOICES = ("choices", "options")
OWN = ("id", "_id", "qid", "question_id", "query_id")  # of questions, the ids of their own
LINKS = ("document_ids", "document_id", "doc_ids", "doc_id", "docid", "doc_no", "docno", "document", "documents", "doc")
# How much of a column must be ids, and different ones; the rest are mistakes, which `tercet check` lists. A column with
# a usual name may have more of them.
MOSTLY, LARGELY = 0.9, 0.5
LONGEST_ID, MOST_VALUES = 200, 200_000


@dataclass
class Column:
    """What the rows of a table hold under one name.

    Attributes:
        n: rows in which it is not empty.
        n_characters: of all its texts.
        values: its different short values, as they are spelt; of a list, those in it. Of very many, a share.
        is_text: whether all values are texts.
        n_lists: values that are a list, as such or written as JSON.
        halvings: how many times `values` was full and half of it was dropped. Its digest decides whether a value stays,
            so two columns keep the same ones, wherever in their tables these are.
    """

    n: int = 0
    n_characters: int = 0
    values: set[str] = field(default_factory=set)
    is_text: bool = True
    n_lists: int = 0
    halvings: int = 0

    @property
    def n_values(self) -> int:
        """How many different short values it has; an estimate where only a share of them is kept."""
        return len(self.values) << self.halvings

    def add(self, value: object) -> None:
        """Take in the value of one more row."""
        if value is None or value == "":
            return
        self.n += 1
        self.is_text = self.is_text and isinstance(value, str)
        self.n_characters += len(value) if isinstance(value, str) else 0
        items = _list_of(value)
        self.n_lists += items is not None
        for item in [value] if items is None else items:
            text = spelling_of(item)
            if text is not None and len(text) <= LONGEST_ID and _stays(text, self.halvings):
                self._keep(text)

    def among(self, halvings: int) -> set[str]:
        """The values that stay after so many halvings."""
        return self.values if halvings == self.halvings else {one for one in self.values if _stays(one, halvings)}

    def _keep(self, text: str) -> None:
        self.values.add(text)
        if len(self.values) > MOST_VALUES:
            self.halvings += 1
            self.values = {one for one in self.values if _stays(one, self.halvings)}


class Table(NamedTuple):
    """A table of the folder.

    Attributes:
        file: where it is.
        n_rows: its rows.
        columns: what they hold.
        separator: what stands between two fields, for CSV.
    """

    file: Path
    n_rows: int
    columns: Mapping[str, Column]
    separator: str = ","

    def unique(self) -> list[str]:
        """The columns that have another short value in nearly every row: ids may be there."""
        return [
            name
            for name, one in self.columns.items()
            if one.values and not one.n_lists and one.n_values >= self.n_rows * (LARGELY if name in IDS else MOSTLY)
        ]

    def mean_length(self) -> float:
        """The mean length of the texts in the column with the longest ones."""
        return max((one.n_characters / one.n for one in self.columns.values() if one.n), default=0.0)


class Tables(NamedTuple):
    """Two tables that belong together, and what their columns are.

    Attributes:
        documents: the table of documents.
        questions: the table of questions.
        document_columns: the column names of the documents.
        question_columns: the column names of the questions.
        labels: the values of the reference column; empty if there is none that could be labels.
        notes: what a person should know about the choice.
    """

    documents: Path
    questions: Path
    document_columns: DocumentColumns
    question_columns: QuestionColumns
    labels: tuple[str, ...]
    notes: tuple[str, ...]


class Link(NamedTuple):
    """A column of questions that names documents.

    Attributes:
        share: how much of the column are ids of documents.
        n_named: how many documents it names.
        documents: the table of documents.
        id: the column of their ids.
        questions: the table of questions.
        column: the column that names documents.
    """

    share: float
    n_named: int
    documents: Table
    id: str
    questions: Table
    column: str

    @property
    def pair(self) -> tuple[Path, Path]:
        """The two tables."""
        return self.documents.file, self.questions.file


def read_table(file: Path) -> Table:
    """Look through a table.

    Raises:
        InputError: it does not parse.
    """
    columns: dict[str, Column] = {}
    n_rows, separator = 0, _separator(file)
    for _, row in read_rows(file, (), separator=separator):
        n_rows += 1
        for name, value in row.items():
            columns.setdefault(name, Column()).add(value)
    return Table(file, n_rows, columns, separator)


def _separator(file: Path) -> str:
    """What stands between the fields of a CSV file: the comma, unless its header has none and has another one."""
    header = next(read_lines(file), "") if file.suffix.lower() == ".csv" else ""
    return next((one for one in SEPARATORS if one in header), ",")


def match(tables: Sequence[Table]) -> Tables | None:
    """The documents and the questions among some tables; None if no column of one names rows of another."""
    links = sorted(_links(tables), key=_likeliness)
    first = next((link for link in links if _columns(link) is not None), None)
    if first is None:
        return None
    of_pair = [link for link in links if link.pair == first.pair]
    ours = [(link, found) for link in of_pair if (found := _columns(link)) is not None]
    # One column is both the id of a question and that of its document only where no other one is either.
    apart = [one for one in ours if one[1].question_columns.id != one[0].column]
    link, found = (apart or ours)[0]
    return found._replace(notes=(*found.notes, *_rivals(link, [one for one, _ in ours])))


def _likeliness(link: Link) -> tuple[object, ...]:
    """The likeliest link comes first: where each question has its own document, names and lengths tell them apart."""
    is_longer = link.documents.mean_length() > link.questions.mean_length()
    asks = [any(name in ASKING for name in table.columns) for table in (link.documents, link.questions)]
    is_named = link.column in LINKS and link.id in IDS
    names = (not is_named, not is_longer, link.column in (*OWN, *REFERENCES), link.column not in LINKS)
    # Numbers that are ids by chance are often few; and a table's own number stands before what it points to.
    order = (-link.share, -link.n_named, _rank(link.id, IDS), -list(link.questions.columns).index(link.column))
    return asks[0] - asks[1], *names, *order


def _links(tables: Sequence[Table]) -> Iterator[Link]:
    for documents in tables:
        for name in documents.unique():
            for questions in tables:
                for column in questions.columns:
                    link = None if questions is documents else _link(documents, name, questions, column)
                    if link and link.share >= (LARGELY if column in LINKS else MOSTLY):
                        yield link


def _link(documents: Table, name: str, questions: Table, column: str) -> Link:
    ids, one = documents.columns[name], questions.columns[column]
    halvings = max(ids.halvings, one.halvings)
    values = one.among(halvings)
    n_named = len(values & ids.among(halvings))
    return Link(n_named / max(1, len(values)), n_named << halvings, documents, name, questions, column)


def _rivals(taken: Link, links: Sequence[Link]) -> Iterator[str]:
    """The other columns that hold ids of the documents too, where no name told which one is meant."""
    columns = [one.column for one in links if one.id == taken.id]
    ids = [one.id for one in links if one.column == taken.column]
    for table, key, name, others, usual in (
        (taken.questions, "document_ids", taken.column, columns, LINKS),
        (taken.documents, "id", taken.id, ids, IDS),
    ):
        fitting = [one for one in dict.fromkeys(others) if one != name and (name not in usual or one in usual)]
        if fitting:
            yield f"column {name} of {table.file.name} is taken for {key}; {listed(fitting, 'and')} would fit too"


def _columns(link: Link) -> Tables | None:
    """What the columns of two linked tables are; None if one of them has no text or the questions have no id."""
    text = _longest(link.documents, TEXTS, but=(link.id,))
    question = _longest(link.questions, QUESTIONS, but=(link.column,))
    own = [name for name in link.questions.unique() if name != question]
    if text is None or question is None or not own:
        return None
    identifier = min(own, key=lambda name: (name == link.column, _rank(name, IDS)))
    choices = _choices(link.questions)
    if choices is None:
        reference, labels, notes = _labels(link.questions, {question, link.column, identifier})
        meanings: dict[str, str] = {}
    else:
        reference, meanings, notes = _right_choice(link.questions, choices, {question, link.column, identifier})
        labels = ()
    is_list = link.questions.file.suffix.lower() == ".csv" and link.questions.columns[link.column].n_lists > 0
    return Tables(
        link.documents.file,
        link.questions.file,
        DocumentColumns(id=link.id, text=text, separator=link.documents.separator),
        QuestionColumns(
            id=identifier, text=question, document_ids=link.column, document_ids_as="list" if is_list else "id",
            reference=reference or "reference", reference_values=meanings, choices=choices or "choices",
            separator=link.questions.separator,
        ),
        labels,
        (*notes, *_some_choices(link.questions)),
    )  # fmt: skip


def _longest(table: Table, names: Sequence[str], but: Sequence[str]) -> str | None:
    """The column of texts with a usual name, or else the one with the longest texts."""
    texts = {name: one for name, one in table.columns.items() if one.is_text and one.n and name not in but}
    usual = [name for name in names if name in texts and texts[name].n == table.n_rows]
    longest = max(texts, key=lambda name: texts[name].n_characters / texts[name].n, default=None)
    return usual[0] if usual else longest


def _labels(table: Table, taken: set[str]) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """The reference column with its labels, and why a column that has the name of one is not it."""
    notes = []
    for name in REFERENCES:
        column = table.columns.get(name)
        if column is None or name in taken or not column.n:
            continue
        if not 2 <= column.n_values <= MOST_LABELS:
            own = "; rename it, because a column of this name is read as labels" * (name == REFERENCES[0])
            n_values = f"{'about ' * bool(column.halvings)}{column.n_values}"
            notes.append(f"column {name} has {n_values} different values, and labels are 2 to {MOST_LABELS}{own}")
            continue
        usual = [one for one in ("yes", "no", "maybe") if one in column.values]
        labels = tuple(usual + sorted(column.values - set(usual)))
        try:
            LabelSet(labels)
        except InputError as error:
            notes.append(f"column {name} cannot be used: {error.found}")
            continue
        return name, labels, tuple(notes)
    return None, (), tuple(notes)


def _choices(table: Table) -> str | None:
    """The column with the choices of each question, if there is one."""
    for name in CHOICES:
        column = table.columns.get(name)
        if column is not None and column.n and column.n_lists == column.n >= MOSTLY * table.n_rows:
            return name
    return None


def _some_choices(table: Table) -> Iterator[str]:
    """That some questions have choices and others have none, which no run accepts."""
    for name in CHOICES:
        column = table.columns.get(name)
        if column is not None and 0 < column.n_lists == column.n < table.n_rows:
            some = f"column {name} has choices for {column.n} of {counted(table.n_rows, 'question')}"
            yield f"{some}, and a corpus needs them for every question or for none"


def _right_choice(
    table: Table, choices: str, taken: set[str]
) -> tuple[str | None, dict[str, str], tuple[str, ...]]:  # fmt: skip
    """The column that says which choice is right, what its values mean, and why one that has the name of one is not it.

    It holds the texts of choices, the letters of their places, or their numbers, counted from 0.
    """
    known, notes = table.columns[choices].values, list[str]()
    for name in REFERENCES:
        column = table.columns.get(name)
        if column is None or name in taken or not column.n:
            continue
        numbers = {str(at): place for at, place in enumerate(PLACES)}
        if "0" in column.values and column.values <= set(numbers):
            return name, {value: numbers[value] for value in sorted(column.values)}, tuple(notes)
        if column.values <= {*known, *PLACES} or len(column.values & known) >= MOSTLY * len(column.values):
            return name, {}, tuple(notes)
        notes.append(f"column {name} holds neither choices of column {choices} nor their places, and is not used")
    return None, {}, tuple(notes)


def _rank(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else len(names)


def _list_of(value: object) -> list[Any] | None:
    """The items of a list, also of one that is written as JSON."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            value = parse_json(value, "a field")
        except InputError:
            return None
    return value if isinstance(value, list) else None


def _stays(value: str, halvings: int) -> bool:
    """Whether a value is kept after so many halvings."""
    if not halvings:
        return True
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return not int.from_bytes(digest, "big") % (1 << halvings)
