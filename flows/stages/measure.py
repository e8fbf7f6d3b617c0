"""How fast a reader is on this machine, how much memory it takes, and what that costs: as last seen, or by a probe."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from corpora.schema import LabelSet
from flows.session.session import Session
from flows.session.speeds import Speed
from labeling.engine.trie import build_trie
from labeling.models.prices import PriceTable
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.vote import Prompt

QUESTIONS_MEASURED = 3  # after one to warm up
LONG_QUESTION = 10.0  # seconds; compared with that, warming up takes no time, so the first question is timed


class Timed(NamedTuple):
    """How long a reader takes for a few questions.

    Attributes:
        reader: its name.
        questions: how many, three votes each; 0 if none fits in num_ctx.
        seconds: wall-clock time of these questions.
        evaluated: model tokens evaluated for them, after prefix sharing, generated ones included.
        memory: resident bytes that the model added, for weights, KV cache and buffers.
        is_remembered: whether the time is worked out from the speed at which the reader last answered.
    """

    reader: str
    questions: int
    seconds: float
    evaluated: int
    memory: int
    is_remembered: bool = False

    @property
    def tokens_per_second(self) -> float | None:
        """Evaluated tokens a second; None if nothing was timed."""
        return self.evaluated / self.seconds if self.questions else None

    def per_thousand(self, prices: PriceTable) -> dict[str, float | None]:
        """Seconds and US dollars for 1,000 questions like these."""
        if not self.questions:
            return {"seconds_per_1000": None, "usd_per_1000": None}
        seconds = 1000 * self.seconds / self.questions
        return {"seconds_per_1000": seconds, "usd_per_1000": prices.machine_cost(seconds)}

    def described(self, prices: PriceTable) -> dict[str, Any]:
        """All of it, as JSON types."""
        return {**self._asdict(), "tokens_per_second": self.tokens_per_second, **self.per_thousand(prices)}


def measure(config: LabelerConfig, labels: LabelSet, groups: Iterable[list[Prompt]], session: Session) -> Timed:
    """Ask a reader the prompts of a few questions and keep none of its answers, only how fast it was.

    The model is loaded again, so that its memory can be measured; opening another reader closes it.

    Args:
        config: the reader.
        labels: the allowed answers.
        groups: prompts by question; read until enough have been timed or 50 did not fit in the context.
        session: opens the reader.
    """
    session.readers.close()
    labeler = session.labeler(config, labels)
    warm, questions, seconds, evaluated = False, 0, 0.0, 0
    for group in itertools.islice(_apart(groups), 50):
        tokens, started = labeler.n_evaluated, time.perf_counter()
        labeler.ask(group)
        took, done = time.perf_counter() - started, labeler.n_evaluated - tokens
        if not done:
            continue  # the prompt did not fit
        if not warm and took < LONG_QUESTION:
            warm = True
            continue
        questions, seconds, evaluated = questions + 1, seconds + took, evaluated + done
        if questions == QUESTIONS_MEASURED or took >= LONG_QUESTION:
            break
    session.note_speed(config, evaluated, seconds, afresh=True)
    return Timed(config.label, questions, seconds, evaluated, session.readers.memory())


def time_questions(
    config: LabelerConfig, labels: LabelSet, groups: Iterable[list[Prompt]], session: Session
) -> Timed:  # fmt: skip
    """How long a reader takes for a few questions: at the speed at which it last answered, else measured.

    Arguments are those of `measure`. How much a reader writes in generate mode is known only by asking.
    """
    seen = session.speed(config)
    if seen is None or config.mode == "generate":
        return measure(config, labels, groups, session)
    return _at(seen, config, groups, session)


def _apart(groups: Iterable[list[Prompt]]) -> Iterator[list[Prompt]]:
    """One question of each document: a further one is cheap, because the document is evaluated once."""
    before = None
    for group in groups:
        document = group[0].message[: group[0].n_before]
        if not document or document != before:
            yield group
        before = document


def _at(seen: Speed, config: LabelerConfig, groups: Iterable[list[Prompt]], session: Session) -> Timed:
    tokenize = session.readers.tokenizer(config)
    asked = ([tokenize(prompt) for prompt in group] for group in itertools.islice(_apart(groups), 50))
    fitting = (one for one in asked if max(map(len, one)) <= config.num_ctx)
    tokens = [build_trie(one).count_tokens() for one in itertools.islice(fitting, QUESTIONS_MEASURED)]
    seconds = sum(tokens) / seen.tokens_per_second
    return Timed(config.label, len(tokens), seconds, sum(tokens), seen.memory, is_remembered=True)
