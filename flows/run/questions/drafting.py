"""Drafting questions: round by round, until as many are kept as are wanted or no more may be tried."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from corpora.errors import InputError, listed
from corpora.languages import tell_languages
from corpora.schema import Corpus, LabelSet
from flows.run.questions.asking import Asking
from flows.run.questions.documents import Source
from flows.run.questions.fitting import Fitting, fitting
from flows.run.questions.judging import BY_READER, DROPPED, KEPT, SURPLUS, Judged, Judging
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from flows.stages.runner import Runner
from labeling.drafting.drafts import Draft
from labeling.drafting.kinds import USUAL, Kind
from labeling.drafting.passages import ANSWERS, Answer, Attempt, Places
from retrieval.chunking.sentences import find_sentences

LABELS = LabelSet(ANSWERS)
TRIES = 5  # times as many drafts as questions are wanted, at most
ROUNDS = 8  # times through all documents without a new passage, after which there is none: two turns of the kinds
LEAST_YIELD = 0.1  # a round never has more than ten times as many drafts as questions are still wanted


class Wish(NamedTuple):
    """What is to be drafted.

    Attributes:
        n: how many questions, half of them with each answer.
        most: how many drafts at most; None for `TRIES` times as many.
        kinds: the kinds of questions, in turn.
        closed_book: the reader's probability of the drafted answer without any text, from which on a question counts
            as answerable closed book.
        seed: of the order of the documents.
        votes: whether the reader is asked, closed book and for three votes; without, the text of a draft alone decides.
    """

    n: int
    most: int | None = None
    kinds: Sequence[Kind] = USUAL
    closed_book: float = 0.95
    seed: int = 0
    votes: bool = True

    @property
    def limit(self) -> int:
        """How many drafts at most."""
        return TRIES * self.n if self.most is None else self.most

    @property
    def quotas(self) -> dict[Answer, int]:
        """How many questions of each answer are wanted."""
        return {"yes": self.n - self.n // 2, "no": self.n // 2}


class Drafted(NamedTuple):
    """What came of it.

    Attributes:
        source: the documents.
        reader: the reader.
        wish: what was wanted.
        judged: every draft and what became of it, in order.
        seconds: time by stage.
        fitting: the documents that the reader can read whole.
    """

    source: Source
    reader: ReaderConfig
    wish: Wish
    judged: Sequence[Judged]
    seconds: Mapping[str, float]
    fitting: Fitting

    @property
    def kept(self) -> list[Draft]:
        """The questions that passed every filter."""
        return [one.draft for one in self.judged if one.fate == KEPT]


def check_reader(reader: ReaderConfig) -> None:
    """Refuse a reader that cannot write on this machine.

    Raises:
        InputError: as said.
    """
    if reader.remote.is_remote:
        raise InputError(
            f"reader {reader.label!r} answers at {reader.remote.provider}",
            "a reader on this machine, because drafting reads the probabilities of every choice and costs nothing here",
            "name a model from `tercet models list`",
        )
    if not reader.gives_distributions:
        raise InputError(
            f"reader {reader.label!r} has mode = {reader.mode!r}",
            "a reader in label mode, whose closed-book probabilities are known",
            "name a model from `tercet models list`",
        )


def places_of(source: Source, wish: Wish) -> Places:
    """The places of the documents, in the order in which questions are drafted from them."""
    texts = dict(source.documents.select("document_id", "text").iter_rows())
    languages = tell_languages(list(texts.values()))
    sentences = {
        one: find_sentences(text, language) for (one, text), language in zip(texts.items(), languages, strict=True)
    }
    return Places(texts, sentences, wish.kinds, wish.seed, dict(zip(texts, languages, strict=True)))


def draft_questions(source: Source, reader: ReaderConfig, wish: Wish, session: Session, runner: Runner) -> Drafted:
    """Draft questions and keep those that pass every filter; what the ledger answers is not asked again.

    Raises:
        InputError: the reader cannot be asked or can read no document whole, or none has a sentence to ask about.
    """
    check_reader(reader)
    fits = fitting(source.documents, reader, LABELS, session)
    source = source._replace(documents=fits.documents)
    corpus = Corpus(source.name, source.documents, source.documents.clear(), LABELS)
    asking = Asking(corpus.texts, reader, LABELS, session, runner)
    judging = Judging(corpus, reader, wish.closed_book if wish.votes else None, session, runner)
    upcoming = {wanted: _attempts(places_of(source, wish), wanted, len(source.documents)) for wanted in ANSWERS}
    judged: list[Judged] = []
    while attempts := _next_round(upcoming, judged, wish):
        full = {answer for answer, quota in wish.quotas.items() if _kept(judged)[answer] >= quota}
        judged += _without_surplus(judging.judge(asking.write(attempts), full), judged, wish)
        runner.progress.say(f"{sum(_kept(judged).values())} of {wish.n} questions kept after {len(judged)} drafts")
    if not judged:
        raise nothing_to_ask(source, wish)
    return Drafted(source, reader, wish, judged, dict(runner.seconds), fits)


def nothing_to_ask(source: Source, wish: Wish) -> InputError:
    """That no document has a sentence that a question of the wanted kinds can be about."""
    some = "" if "fact" in wish.kinds else f" of kind {listed(wish.kinds, 'or')}"  # a fact needs only a sentence
    return InputError(
        f"{source.name} has no sentence that a question{some} can be about",
        "documents with whole sentences",
        f"check that the documents hold running text{', or name other kinds' if some else ''}",
    )


def first_round(source: Source, wish: Wish) -> list[Attempt]:
    """The attempts of the first round."""
    places = places_of(source, wish)
    upcoming = {wanted: _attempts(places, wanted, len(source.documents)) for wanted in ANSWERS}
    return _next_round(upcoming, [], wish)


def _attempts(places: Places, wanted: Answer, n_documents: int) -> Iterator[Attempt]:
    """The attempts with one answer; they end where no document has a usable sentence that was not shown yet.

    A short document has few passages, which come again. The most probable output is taken, so the same prompt would
    only give the same question again.
    """
    number, misses, seen = 0, 0, set()
    while misses < ROUNDS * n_documents:
        attempt = places.attempt(wanted, number)
        number, misses = number + 1, misses + 1
        if attempt is not None and (shown := (attempt.kind, attempt.passages)) not in seen:
            seen.add(shown)
            misses = 0
            yield attempt


def _next_round(
    upcoming: Mapping[Answer, Iterator[Attempt]], judged: Sequence[Judged], wish: Wish
) -> list[Attempt]:  # fmt: skip
    """As many attempts with each answer as the drafts so far say are needed; none once enough are kept or tried."""
    tried = Counter(one.draft.attempt.wanted for one in judged)
    kept = _kept(judged)
    attempts: list[Attempt] = []
    for wanted, quota in wish.quotas.items():
        lacking, passed = quota - kept[wanted], (kept[wanted] + 1) / (tried[wanted] + 1)
        # At most as many as were tried so far: the yield of a few drafts says little.
        needed = lacking if not tried[wanted] else min(math.ceil(lacking / max(passed, LEAST_YIELD)), tried[wanted])
        room = wish.limit - len(judged) - len(attempts)
        attempts += islice(upcoming[wanted], max(0, min(needed, room)))
    return attempts


def _without_surplus(new: Sequence[Judged], judged: Sequence[Judged], wish: Wish) -> Iterator[Judged]:
    """The same drafts; beyond as many as are wanted with one answer, none is kept."""
    kept = _kept(judged)
    for one in new:
        if one.fate == KEPT and one.draft.answer and kept[one.draft.answer] >= wish.quotas[one.draft.answer]:
            yield Judged(one.draft, SURPLUS, "")
            continue
        kept[one.draft.answer] += one.fate == KEPT
        yield one


def _kept(judged: Sequence[Judged]) -> Counter[str | None]:
    """How many questions are kept with each answer."""
    return Counter(one.draft.answer for one in judged if one.fate == KEPT)


def left_after(drafted: Drafted) -> list[tuple[str, str, int]]:
    """How many drafts are left after each filter that was applied, with its name and what it asks for."""
    judged = drafted.judged
    dropped, left, rows = Counter(one.fate for one in judged), len(judged), []
    for name, meaning in DROPPED.items():
        if name in BY_READER and not drafted.wish.votes:
            continue
        left -= dropped[name]
        rows.append((name, meaning, left))
    return rows
