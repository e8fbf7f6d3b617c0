"""Which documents a reader can read whole: no other can give a question, because the votes are on whole documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError, counted, listed
from corpora.schema import LabelSet, Question
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from labeling.prompting.labeler import PromptWriter

QUESTION = "Is this a question of about the length that most of the drafted ones have?"
SPARE = 64  # tokens of a longer question
MOST_CONTEXT = 32_768  # tokens; more takes more memory than most machines have
ROOM = 512  # tokens of a prompt beside the document
LEAST_BYTES = 3  # of text in a token of a reader, in whatever script
MOST_NAMED = 3


class Fitting(NamedTuple):
    """The documents that a reader can read whole, and those that it cannot.

    Attributes:
        documents: frame of schema `DOCUMENTS`.
        too_long: the ids of the others.
        num_ctx: of the reader.
    """

    documents: pl.DataFrame
    too_long: Sequence[str]
    num_ctx: int

    @property
    def line(self) -> str:
        """That no question is drafted from some documents, and what to do; empty if all can be read."""
        if not self.too_long:
            return ""
        n, more = len(self.too_long), len(self.too_long) - MOST_NAMED
        named = listed([*self.too_long[:MOST_NAMED], *([f"{more:,} more"] if more > 0 else [])], "and")
        return (
            f"{counted(n, 'document')} {'does' if n == 1 else 'do'} not fit in the reader's num_ctx of {self.num_ctx} "
            f"tokens, so no question is drafted from {'it' if n == 1 else 'them'} ({named}): {_remedy(self.num_ctx)}."
        )


def fitting(documents: pl.DataFrame, reader: ReaderConfig, labels: LabelSet, session: Session) -> Fitting:
    """Tell the documents that a reader can read whole from the others.

    Args:
        documents: frame of schema `DOCUMENTS`.
        reader: the reader.
        labels: the answers that questions may have.
        session: opens the reader's tokenizer.

    Raises:
        InputError: it can read none of them.
    """
    too_long = list(_too_long(documents, reader, labels, session))
    fits = documents.filter(~pl.col("document_id").is_in(too_long)) if too_long else documents
    if too_long and fits.is_empty():
        raise InputError(
            f"no document fits in the num_ctx of reader {reader.label!r}, {reader.num_ctx} tokens",
            "documents that the reader can read whole, because three votes on the whole document check each question",
            _remedy(reader.num_ctx),
        )
    return Fitting(fits, too_long, reader.num_ctx)


def with_room(reader: ReaderConfig, documents: pl.DataFrame) -> ReaderConfig:
    """A reader whose num_ctx holds the longest of some documents, if that is not too much."""
    longest = int(documents["text"].str.len_bytes().max() or 0)  # type: ignore[arg-type]  # of a column of whole numbers
    return reader.model_copy(update={"num_ctx": context_for(longest // LEAST_BYTES)})


def context_for(longest: int) -> int:
    """The num_ctx in which a document of so many tokens of a reader fits, if that is not too much."""
    default = int(ReaderConfig.model_fields["num_ctx"].default)
    needed = longest + ROOM
    return default if needed <= default else min(MOST_CONTEXT, 1 << (needed - 1).bit_length())


def _remedy(num_ctx: int) -> str:
    """What to do about documents that are longer; hardly any reader reads more than `MOST_CONTEXT`."""
    split = "split what is longer into files of a chapter each"
    return split if num_ctx >= MOST_CONTEXT else f"raise num_ctx under [[readers]] in an experiment, or {split}"


def _too_long(
    documents: pl.DataFrame, reader: ReaderConfig, labels: LabelSet, session: Session
) -> Iterator[str]:  # fmt: skip
    room = reader.num_ctx - SPARE
    # No token is shorter than a byte, so most documents need not be counted.
    doubtful = documents.filter(pl.col("text").str.len_bytes() + ROOM > room)
    if doubtful.is_empty():
        return
    tokenize, asks = session.readers.tokenizer(reader), PromptWriter(reader, labels)
    for document_id, text in doubtful.select("document_id", "text").iter_rows():
        question = Question("", QUESTION, (document_id,))
        if len(tokenize(asks.single(question, "document", text))) > room:
            yield document_id
