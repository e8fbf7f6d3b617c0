"""What a corpus cannot use: refused at the first such row, or left out, counted and listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

import polars as pl

from corpora.errors import InputError, RowError, counted

OnDefect = Literal["refuse", "skip"]
Kind = Literal[
    "document",
    "question",
    "short-answer question",
    "unanswerable question",
    "judgement",
    "gold document",
    "answer",
    "evidence span",
    "text",
    "annotation",
    "annotator",
    "tag",
]
MOST_LEFT_OUT = 0.5  # a corpus that has lost more of its documents, say, is another corpus
_FILES_NAMED = 5
# Losing these changes what is measured; the other kinds are only more that is known of a document or question.
ESSENTIAL: tuple[Kind, ...] = ("document", "question", "judgement", "evidence span", "annotation")
LEFT_OUT = pl.Schema(
    {"file": pl.String(), "row": pl.String(), "kind": pl.String(), "id": pl.String(), "reason": pl.String()}
)
_Made = TypeVar("_Made")


class Defect(NamedTuple):
    """Something that was left out of a corpus.

    Attributes:
        file: the file that it is in, or a name for the frame where its file is no longer known.
        row: its row or line, or the id by which it is found there; empty for the file as a whole.
        kind: what was left out.
        id: the id of the document or question, or both ids of a judgement; empty where it cannot be read.
        reason: the field with what was found and expected.
    """

    file: str
    row: str
    kind: Kind
    id: str
    reason: str

    @property
    def line(self) -> str:
        """The defect in one line."""
        if not self.row:  # the file is what is left out
            return " ".join(f"{self.file} {self.reason}".split())
        return " ".join(f"{self.file}, row {self.row}: {self.kind} {self.id!r}: {self.reason}".split())


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Everything that was left out of a corpus, and how much was read.

    Attributes:
        defects: in the order in which they were found.
        n_read: how many of each kind were read, those that were left out included.
    """

    defects: tuple[Defect, ...] = ()
    n_read: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind were left out."""
        return dict(Counter(defect.kind for defect in self.defects))

    def frame(self) -> pl.DataFrame:
        """Frame of schema `LEFT_OUT`, one row for each defect."""
        return pl.DataFrame(self.defects, schema=LEFT_OUT, orient="row")

    def line(self) -> str:
        """The counts in words: "1 of 4 judgements and 2 of 36 documents"."""
        parts = [_share(kind, n, self.n_read.get(kind, n)) for kind, n in self.counts.items()]
        return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))

    def files_line(self) -> str:
        """The first files that were left out, each with its reason, after a colon; empty where no file was."""
        files = [one.line.partition(" (expected ")[0] for one in self.defects if not one.row]
        more = len(files) - _FILES_NAMED
        return f": {'; '.join([*files[:_FILES_NAMED], *([f'and {more:,} more'] if more > 0 else [])])}" if files else ""

    def too_much(self, corpus: str) -> InputError | None:
        """The error for a corpus that has lost too much to stand for its source; None if it has not."""
        for kind, n in self.counts.items():
            n_read = self.n_read.get(kind, n)
            if kind in ESSENTIAL and n > MOST_LEFT_OUT * n_read:
                first = next(defect for defect in self.defects if defect.kind == kind)
                said = f"{first.file}, row {first.row}, {first.reason}" if first.row else first.line
                rows = "check that the files belong together, and correct the rows"
                do = rows if first.row else "correct these files, or take them out of the folder"
                return InputError(
                    f"{corpus}: {_share(kind, n, n_read)} cannot be used (the first: {said})",
                    f"at most {MOST_LEFT_OUT:.0%} to leave out",
                    f"{do} (`tercet corpora check` lists them)",
                )
        return None

    def with_more(self, more: LeftOut) -> LeftOut:
        """Both together."""
        n_read = Counter(self.n_read)
        n_read.update(more.n_read)
        return LeftOut((*self.defects, *more.defects), dict(n_read))


def _share(kind: str, n: int, n_read: int) -> str:
    return f"{n} of {counted(n_read, kind)}"


class Defects:
    """What a reader does with a row that it cannot use: raises its error, or notes it and goes on.

    Args:
        on_defect: "refuse" raises the first error; "skip" notes each of them.

    Attributes:
        errors: the errors of what was left out.
    """

    def __init__(self, on_defect: OnDefect = "refuse") -> None:
        self.skips = on_defect == "skip"
        self.errors: list[RowError] = []
        self._found: list[Defect] = []
        self._n_read: Counter[str] = Counter()

    def saw(self, kind: Kind, n: int = 1) -> None:
        """Count what is read, whether it is kept or left out."""
        self._n_read[kind] += n

    def leave_out(self, kind: Kind, identifier: object, error: RowError) -> None:
        """Note what is left out.

        Raises:
            RowError: the error itself, where nothing may be left out.
        """
        if not self.skips:
            raise error
        self.errors.append(error)
        name = identifier if isinstance(identifier, str | int) else ""
        # A table holds no lone surrogates, which JSON may have in an id.
        texts = [str(one).encode("utf-8", "backslashreplace").decode() for one in (error.row, name, error.reason)]
        self._found.append(Defect(error.where, texts[0], kind, *texts[1:]))

    def identifiers(self, kind: Kind) -> set[str]:
        """The ids of what was left out of one kind."""
        return {defect.id for defect in self._found if defect.kind == kind}

    def made(self, kind: Kind, identifier: object, make: Callable[[], _Made]) -> Iterator[_Made]:
        """What `make` makes of a row; nothing where the row cannot be used.

        Raises:
            RowError: as in `leave_out`.
        """
        self.saw(kind)
        try:
            made = make()
        except RowError as error:
            self.leave_out(kind, identifier, error)
        else:
            yield made

    def left_out(self, n_documents: int, n_questions: int) -> LeftOut:
        """What was left out so far, of a corpus that has kept so many documents and questions."""
        lost = Counter(defect.kind for defect in self._found)
        kept: dict[Kind, int] = {"document": n_documents, "question": n_questions}
        # A reader may pass over rows of its own accord, such as queries of another split; those are not counted.
        return LeftOut(tuple(self._found), {**self._n_read, **{kind: n + lost[kind] for kind, n in kept.items()}})
