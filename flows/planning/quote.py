"""What remote readers would cost, before anything is sent: tokens and money."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import reduce
from typing import NamedTuple

from corpora.errors import InputError, counted
from corpora.schema import iter_questions
from flows.planning.first_asks import FirstAsk, first_asks
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.session import Session
from flows.stages.reading import DOCUMENTS_MEASURED, reading_lengths, whole_document_prompts
from labeling.models.prices import Price
from labeling.prompting.labeler import PromptWriter
from labeling.prompting.remote_config import Api
from labeling.remote.jobs.job import batch_folder
from labeling.remote.jobs.parts import load_parts
from labeling.remote.spending import BYTES_PER_TOKEN, Usage, estimate
from labeling.votes.ledger import Ledger
from labeling.votes.vote import Prompt


def authorise(
    experiment: Experiment, session: Session, confirm: Callable[[str], bool], *, all_corpora: bool, reads: bool
) -> float | None:
    """The run's spending limit in US dollars, after asking the user if none was given; None for no limit.

    Args:
        experiment: its `max_cost` is what may be spent without asking.
        session: as `quote`.
        confirm: asks the user; false if nobody can be asked.
        all_corpora: as `quote`.
        reads: as `quote`.

    Raises:
        InputError: it would cost more than allowed, or an unknown amount.
    """
    quotes = [one for one in quote(experiment, session, all_corpora=all_corpora, reads=reads) if not one.is_free]
    if not quotes:
        return None
    left = [one for one in quotes if one.worst.requests]
    unknown = {one.reader.label for one in left if one.price is None}
    limit = experiment.max_cost
    # What is under way was allowed before: should it expire unanswered and unbilled, it may be submitted again.
    held = {one.labeler: one.price.cost(*one.under_way[1:], batch=True) for one in quotes if one.price and one.labeler}
    allowed = sum(held.values())
    # What is read is known only after retrieval: a run that has all its labels is stopped then, if it costs anything.
    if not unknown and all(one.stage == "read" for one in left):
        return allowed if limit is None else limit
    asked = [(one, session.providers.find_api(one.reader.remote)) for one in left]
    expected, worst = (sum(one.usd(api, worst=is_worst) for one, api in asked) for is_worst in (False, True))
    if not unknown and limit is not None and expected <= limit:
        return limit
    found = f"a cost of about {money(expected)}, at most {money(worst)}"
    found += f", and an unknown cost for {', '.join(sorted(unknown))}" if unknown else ""
    if confirm(f"{render_quotes(quotes)}\nThat is {found}. Continue?"):
        # Confirming an unknown price sets no limit for it; a limit that was given still holds for the others.
        return limit if unknown else max(worst + allowed, limit or 0.0)
    raise InputError(
        found,
        "a price for every model" if unknown else f"a cost of at most {money(limit or 0)}",
        "add the price to a file and name that file in `prices`"
        if unknown
        else "allow more with --max-cost (max_cost in Python), or run `tercet plan` to see what costs what",
    )


LABEL_TOKENS = 4  # about as many as a model writes for a bare label
REASONING_SHARE = 0.25  # of the longest answer, if a model may reason unseen and has not been asked yet


class Quote(NamedTuple):
    """What one stage asks a remote reader.

    Attributes:
        reader: its config.
        stage: `label`, `calibrate` or `read`, with the corpus's name where it is not the first.
        prompts: how many, at most: two cells of a sweep may turn out to ask the same.
        known: how many of them the ledger answers already, or a batch under way will answer.
        expected: estimated tokens of what is left.
        worst: maximum tokens of what is left, each answer at full length.
        under_way: maximum tokens of the requests in batches under way, for the whole reader.
        price: the model's; None if the table has none.
        labeler: fingerprint of the reader that `under_way` belongs to; empty if that was not looked up.
    """

    reader: ReaderConfig
    stage: str
    prompts: int
    known: int
    expected: Usage
    worst: Usage
    under_way: Usage
    price: Price | None
    labeler: str = ""

    @property
    def is_free(self) -> bool:
        """Whether asking costs nothing: a server that is not in the price table is the user's own."""
        return self.price is None and self.reader.remote.provider == "server"

    def usd(self, api: Api, *, worst: bool) -> float:
        """Its cost in US dollars, 0 if the price is unknown."""
        usage = self.worst if worst else self.expected
        return 0.0 if self.price is None else usage.usd(self.price, batch=api == "batch")


def quote(experiment: Experiment, session: Session, *, all_corpora: bool, reads: bool) -> list[Quote]:
    """Quote every remote reader of an experiment; sends nothing.

    Args:
        experiment: with or without remote readers.
        session: opens the ledgers, and knows the prices.
        all_corpora: whether the other corpora are labeled too.
        reads: whether retrieved chunks are read.
    """
    prices = session.prices  # read first: a wrong price table is refused before anything else
    quotes = []
    for ask in first_asks(experiment, session, all_corpora=all_corpora):
        price = prices.find(ask.reader.remote.provider, ask.reader.model)
        quotes.append(_quote_votes(ask, price, session))
        if reads and ask.stage == "label":
            quotes.append(_quote_reading(experiment, ask, price, session))
    return quotes


def _quote_votes(ask: FirstAsk, price: Price | None, session: Session) -> Quote:
    ledger = session.ledger(ask.reader, ask.corpus.labels)
    # A server has no batches, and its store need not be a folder on this machine.
    job = [] if ask.reader.remote.provider == "server" else load_parts(batch_folder(ledger.folder))
    parts = [part for part in job if part.may_have_a_batch]
    under_way = {name for part in parts for name in part.vote_keys()}
    held = reduce(Usage.plus, (part.worst_usage for part in parts), Usage())
    prompts, left, n_written = 0, 0, _mean_written(ledger)
    expected = worst = Usage()
    ledger.look()
    for group in ask.groups():
        prompts += len(group)
        for prompt in ledger.missing(group, looks=False):
            if prompt.key.id in under_way:
                continue
            left += 1
            expected = expected.plus(_expected(ask.reader, prompt, n_written))
            worst = worst.plus(estimate(ask.reader, prompt))
    return Quote(ask.reader, ask.stage, prompts, prompts - left, expected, worst, held, price, ledger.fingerprint)


def _expected(reader: ReaderConfig, prompt: Prompt, n_written: float | None) -> Usage:
    """Estimated tokens of one request.

    Args:
        reader: its config.
        prompt: what is asked.
        n_written: mean length of the answers in the ledger; None if it has none.
    """
    usage = estimate(reader, prompt, BYTES_PER_TOKEN)
    if n_written is not None:
        return usage._replace(output=min(math.ceil(n_written), usage.output))
    if reader.mode == "generate":
        return usage
    says_it_at_once = reader.gives_distributions or reader.remote.reasoning_effort == "none"
    share = 0 if says_it_at_once else math.ceil(REASONING_SHARE * usage.output)
    return usage._replace(output=min(max(LABEL_TOKENS, share), usage.output))


def _mean_written(ledger: Ledger) -> float | None:
    mean = ledger.votes()["n_generated"].mean()
    return float(mean) if isinstance(mean, int | float) else None


def _quote_reading(experiment: Experiment, ask: FirstAsk, price: Price | None, session: Session) -> Quote:
    """Estimated tokens of the retrieved prompts: every chunk full, its bytes estimated from the first documents."""
    corpus = ask.corpus
    texts = corpus.documents["text"].head(DOCUMENTS_MEASURED).to_list()
    counter = session.embedder(experiment.retrieval.embedders[0]).tokenizer
    bytes_a_token = sum(len(text.encode()) for text in texts) / max(1, sum(counter.count_all(texts)))
    writer = PromptWriter(ask.reader, corpus.labels)
    question = max(iter_questions(corpus.questions), key=lambda one: len(one.text.encode()))
    ledger = session.ledger(ask.reader, corpus.labels)
    prompts, expected, worst, n_written = 0, Usage(), Usage(), _mean_written(ledger)
    each = len(corpus.questions)
    for length in (length for lengths in reading_lengths(experiment.retrieval) for length in lengths):
        prompt = writer.single(question, "retrieved", "x" * int(length * bytes_a_token))
        prompts += each
        expected = expected.plus(_times(_expected(ask.reader, prompt, n_written), each))
        worst = worst.plus(_times(estimate(ask.reader, prompt), each))
    for prompt in whole_document_prompts(corpus, ask.reader):
        prompts += 1
        expected = expected.plus(_expected(ask.reader, prompt, n_written))
        worst = worst.plus(estimate(ask.reader, prompt))
    return Quote(ask.reader, "read", prompts, 0, expected, worst, Usage(), price)


def _times(usage: Usage, n: int) -> Usage:
    return Usage(*(value * n for value in usage))


def render_quotes(quotes: list[Quote]) -> str:
    """The quotes as text, with both ways of asking side by side if there are two."""
    return "\n".join(line for quote in quotes for line in _lines(quote))


def _lines(one: Quote) -> Iterator[str]:
    remote = one.reader.remote
    requests = f"{'at most ' if one.stage == 'read' else ''}{counted(one.prompts, 'request')}"
    yield (
        f"{one.reader.label} at {remote.base_url or remote.provider}, {one.stage}: {requests} "
        f"({one.known} answered or under way), about {one.expected.input} tokens sent, at most "
        f"{one.worst.output} written"
    )
    if one.is_free:
        return
    if one.price is not None and one.price.retired is not None and one.price.retired <= f"{datetime.now(UTC):%Y-%m}":
        yield f"  retired: {remote.provider} was to stop serving it in {one.price.retired}; see `tercet models check`"
    if one.price is None:
        yield f"  money: unknown ({remote.provider} {one.reader.model} is not in the price table: set `prices`)"
        return
    apis: list[Api] = ["batch", "direct"] if remote.provider in ("groq", "openai") else ["direct"]
    costs = [
        f"about {money(one.usd(api, worst=False))} (at most {money(one.usd(api, worst=True))}) "
        + ("in batches" if api == "batch" else "call by call")
        for api in apis
    ]
    yield f"  money: {' or '.join(costs)}, prices of {one.price.as_of}"


def money(usd: float) -> str:
    """An amount in US dollars, with more digits if it is small, to tell it from zero."""
    return f"{usd:.2f} USD" if usd >= 1 or usd == 0 else f"{usd:.4f} USD"


def duration(seconds: float) -> str:
    """About how long, in the unit that fits."""
    minutes = round(seconds / 60)
    if seconds < 1:
        return "no time"
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return f"about {counted(minutes, 'minute')}"
    return f"about {minutes // 60} h {minutes % 60} min"
