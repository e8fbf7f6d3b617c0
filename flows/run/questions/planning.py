"""What drafting would ask and how long it would take, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from corpora.errors import counted
from corpora.schema import Question
from flows.planning.quote import duration
from flows.run.questions.documents import Source
from flows.run.questions.drafting import LABELS, Wish, check_reader, first_round, nothing_to_ask
from flows.run.questions.fitting import QUESTION, fitting
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from flows.stages.reading import NO_CONTEXT
from labeling.drafting.passages import Attempt
from labeling.drafting.templates import writing_prompt
from labeling.drafting.writer import WriterConfig, writer_of
from labeling.prompting.labeler import PromptWriter
from labeling.votes.vote import N_VOTES

COUNTED = 12  # drafts whose tokens are counted; those of the others are taken to be as many
WRITTEN = 30  # tokens of a question with its answer


class DraftPlan(NamedTuple):
    """What drafting would ask.

    Attributes:
        text: the plan, a line, and one more where a document is too long for the reader.
        seconds: time for the first round, if every draft comes as far as the votes; None if the speed is not known.
    """

    text: str
    seconds: float | None


class _Tokens(NamedTuple):
    """Tokens of one draft, shared ones counted once: of asking it, and of writing it."""

    read: float
    written: float


def plan_drafting(source: Source, reader: ReaderConfig, wish: Wish, session: Session) -> DraftPlan:
    """Plan a drafting; nothing is asked.

    Raises:
        InputError: as `draft_questions`, as far as that can be known before.
    """
    check_reader(reader)
    fits = fitting(source.documents, reader, LABELS, session)
    source = source._replace(documents=fits.documents)
    attempts = first_round(source, wish)
    if not attempts:
        raise nothing_to_ask(source, wish)
    step = max(1, len(attempts) // COUNTED)
    each = _count(source, reader, attempts[::step], session)
    label, write = session.speed(reader), session.speed(writer_of(reader))
    seconds = None
    if write and not wish.votes:
        seconds = len(attempts) * each.written / write.tokens_per_second
    elif label and write:
        one = each.read / label.tokens_per_second + each.written / write.tokens_per_second
        seconds = len(attempts) * one
    n_prompts = 1 + (1 + N_VOTES if wish.votes else 0)  # writing it, closed book, and the votes
    tokens = counted(round(len(attempts) * (each.read * wish.votes + each.written)), "token")
    first = (
        f"{len(attempts)} drafts to begin with, at most {wish.limit}, from {counted(len(source.documents), 'document')}"
    )
    each_takes = f" ({n_prompts} a draft)" if wish.votes else ""
    cost = f"at most {n_prompts * len(attempts):,} prompts{each_takes}, about {tokens}, {_time(seconds)}"
    text = f"{first}. {reader.label} on this machine, for the first {len(attempts)}: {cost}."
    return DraftPlan("\n".join(filter(None, [text, fits.line])), seconds)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "in a time that is not known, because it has not drafted with these settings on this machine yet"
    return duration(seconds)


def _count(source: Source, reader: ReaderConfig, attempts: Sequence[Attempt], session: Session) -> _Tokens:
    """Mean tokens of a draft."""
    texts = dict(source.documents.select("document_id", "text").iter_rows())
    tokenize, asks = session.readers.tokenizer(reader), PromptWriter(reader, LABELS)
    writer: WriterConfig = writer_of(reader)
    read = written = 0
    for one in attempts:
        quotes = [texts[span.document_id][span.start : span.end] for span in one.evidence]
        question = Question(one.id, QUESTION, (one.document_id,))
        shown = [asks.single(question, "closed_book", NO_CONTEXT),
                 asks.single(question, "document", texts[one.document_id])]  # fmt: skip
        read += sum(len(tokenize(prompt)) for prompt in shown)
        written += len(tokenize(writing_prompt(one, quotes))) + min(WRITTEN, writer.num_predict)
    n = max(1, len(attempts))
    return _Tokens(read / n, written / n)
