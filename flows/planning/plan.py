"""The plan: what a run would ask, how long it would take and what it would cost, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from corpora.load import load_corpus
from corpora.schema import Corpus, iter_questions
from flows.label import document_prompts, tune_corpus
from flows.session.experiment import Experiment, Kind, ReaderConfig
from flows.session.session import Session
from flows.stages.indexing import check_sizes, measure_unread, needs_vectors
from flows.stages.measure import Speed, measure
from flows.stages.reading import DOCUMENTS_MEASURED, reading_lengths, whole_document_prompts
from labeling.engine.trie import build_trie
from labeling.models.prices import PriceTable
from labeling.prompting.labeler import PromptWriter
from labeling.votes.consensus import check_rule
from labeling.votes.vote import Labeler
from results.advice.guards import left_out_warnings
from retrieval.embedding.unknown_tokens import Unread, unread_warnings

ANSWER_TOKENS = 2  # about as many as a remote model writes for a bare label


class Ask(NamedTuple):
    """What one stage asks a reader.

    Attributes:
        stage: `label`, `calibrate` or `read`, with the corpus's name where it is not the first.
        prompts: how many, at most: two cells of a sweep may turn out to ask the same.
        known: how many of them the ledger already answers; for retrieved chunks, known only after retrieval.
        tokens: their tokens, each prompt in full; counted with the model's tokenizer for whole documents, estimated for
            retrieved chunks, taking every chunk as full.
        shared: the same after prefix sharing.
        left: of these, the ones for questions that the ledger does not answer yet.
        written: maximum tokens that the reader may write in generate mode, for what is left.
    """

    stage: str
    prompts: int
    known: int
    tokens: int
    shared: int
    left: int
    written: int


class Plan(NamedTuple):
    """What one reader would be asked, and its speed in a short probe.

    Attributes:
        reader: its name.
        questions: how many questions of the first corpus it is asked.
        asks: stage by stage.
        speed: as measured by the probe.
        prices: the price table.
        looks: number of questions at each look of a sweep that reads until its advice is told; empty for others.
    """

    reader: str
    questions: int
    asks: list[Ask]
    speed: Speed
    prices: PriceTable
    looks: Sequence[int] = ()

    @property
    def seconds(self) -> float | None:
        """Time to ask what is left, with generated answers at full length; None if no question fits."""
        rate = self.speed.tokens_per_second
        return sum(ask.left + ask.written for ask in self.asks) / rate if rate else None

    @property
    def usd(self) -> float | None:
        """What that time costs on this machine."""
        return None if self.seconds is None else self.prices.machine_cost(self.seconds)


class Planned(NamedTuple):
    """The plan of a run.

    Attributes:
        readers: what each reader of this machine would be asked.
        notes: what was left out of the corpora, and what the embedders cannot read; one line each.
    """

    readers: list[Plan]
    notes: list[str]


def plan(experiment: Experiment, kind: Kind, session: Session) -> Planned:
    """Plan every reader of an experiment that runs on this machine; `quote` covers the others.

    Loads each model and asks it a few questions, whose answers are not kept, to measure its speed.

    Raises:
        InputError: something is wrong with the input, as when it is run.
    """
    sweeps = kind in ("sweep", "run")
    if sweeps:
        embeds = needs_vectors(experiment.retrieval.retrievers, wants_oracle=experiment.wants_oracle)
        check_sizes(experiment.retrieval, session, embeds=embeds)
    prices = session.prices  # read first: a wrong price table is refused before anything is measured
    corpora = [experiment.corpus, *(experiment.other_corpora if kind in ("compare", "run") else ())]
    loaded = [load_corpus(session.workspace.corpus(config), session.workspace.samples) for config in corpora]
    for corpus in loaded:
        check_rule(experiment.consensus, corpus.questions)
    notes = left_out_warnings(loaded)
    if sweeps:
        notes += _unread_notes(measure_unread(experiment.retrieval, loaded[0], session))
    try:
        local = [reader for reader in experiment.readers if not reader.remote.is_remote]
        readers = [_plan(experiment, loaded, reader, session, prices, sweeps=sweeps) for reader in local]
    finally:
        session.readers.close()
    return Planned(readers, notes)


def _unread_notes(measured: Mapping[str, list[Unread]]) -> list[str]:
    """What each embedder cannot read, and a warning where it is much."""
    notes = []
    for embedder, of_embedder in measured.items():
        notes.append(f"{embedder}: does not know {' and '.join(one.line for one in of_embedder)}.")
        notes += unread_warnings(embedder, of_embedder)
    return notes


def _plan(
    experiment: Experiment, corpora: list[Corpus], reader: ReaderConfig, session: Session, prices: PriceTable,
    *, sweeps: bool,
) -> Plan:  # fmt: skip
    first = reader.corpus_of(corpora[0], experiment.corpus.seed)
    speed = measure(reader, first.labels, document_prompts(first, reader), session)
    asks = []
    for number, corpus in enumerate(corpora):
        where = f" {corpus.name}" if number else ""
        mine = reader.corpus_of(corpus, experiment.corpus.seed)
        asks.append(_on_documents(f"label{where}", mine, reader, session))
        tune, _ = tune_corpus(experiment, corpus)
        if tune is not None and reader.mode == "label":
            asks.append(_on_documents(f"calibrate{where}", tune, reader, session))
    if sweeps:
        asks.append(_on_chunks(experiment, first, reader, session))
    looks = experiment.reading.looks(len(first.questions)) if sweeps and experiment.reading.stop == "told" else []
    return Plan(reader.label, len(first.questions), asks, speed, prices, looks)


def _on_documents(stage: str, corpus: Corpus, reader: ReaderConfig, session: Session) -> Ask:
    """The three votes on whole documents: tokens are counted prompt by prompt."""
    labeler = session.labeler(reader, corpus.labels)
    ledger = session.ledger(reader, corpus.labels)
    prompts = known = tokens = shared = left = 0
    ledger.look()
    for group in document_prompts(corpus, reader):
        sequences = [labeler.tokenize(prompt) for prompt in group]
        evaluated = build_trie(sequences).count_tokens()
        missing = len(ledger.missing(group, looks=False))
        prompts, known = prompts + len(group), known + len(group) - missing
        tokens, shared = tokens + sum(map(len, sequences)), shared + evaluated
        left += evaluated if missing else 0
    written = (prompts - known) * _written(reader)
    return Ask(stage, prompts, known, tokens, shared, left, written)


def _written(reader: ReaderConfig) -> int:
    return reader.num_predict if reader.mode == "generate" else 0


def _on_chunks(experiment: Experiment, corpus: Corpus, reader: ReaderConfig, session: Session) -> Ask:
    """Estimated model tokens of a sweep's arms: full chunks, every distinct prompt with its own tail."""
    labeler = session.labeler(reader, corpus.labels)
    texts = corpus.documents["text"].head(DOCUMENTS_MEASURED).to_list()
    counter = session.embedder(experiment.retrieval.embedders[0]).tokenizer
    ratio, empty = _model_tokens(corpus, reader, labeler, texts, sum(counter.count_all(texts)))
    sets = reading_lengths(experiment.retrieval)
    n_questions, n_prompts = len(corpus.questions), sum(map(len, sets))
    # The prompts of a set are prefixes of each other: the longest is evaluated, and the tail of each.
    full = n_questions * sum(length * ratio + empty for lengths in sets for length in lengths)
    shared = n_questions * sum(max(lengths) * ratio + empty * len(lengths) for lengths in sets)
    whole = [len(labeler.tokenize(prompt)) for prompt in whole_document_prompts(corpus, reader)]
    prompts, full = n_questions * n_prompts + len(whole), full + sum(whole)
    evaluated = math.ceil(shared) + sum(whole)
    return Ask("read", prompts, 0, math.ceil(full), evaluated, evaluated, prompts * _written(reader))


def _model_tokens(
    corpus: Corpus, reader: ReaderConfig, labeler: Labeler, texts: list[str], n_embedder_tokens: int
) -> tuple[float, int]:
    """Reader tokens per embedder token, and tokens of a prompt without any context."""
    question = next(iter_questions(corpus.questions))
    writer = PromptWriter(reader, corpus.labels)
    empty = len(labeler.tokenize(writer.single(question, "retrieved", "")))
    full = sum(len(labeler.tokenize(writer.single(question, "retrieved", text))) - empty for text in texts)
    return full / n_embedder_tokens, empty


def render_plan(plans: list[Plan]) -> str:
    """The plan as text."""
    return "\n".join(line for one in plans for line in _lines(one))


def _lines(one: Plan) -> Iterator[str]:
    yield f"{one.reader}: {one.questions} questions, local"
    for ask in one.asks:
        about = "at most " if ask.stage == "read" else ""
        line = f"  {ask.stage}: {about}{ask.prompts} prompts"
        line += "" if ask.stage == "read" else f" ({ask.known} answered in the ledger)"
        line += f", {'about ' if about else ''}{ask.tokens} tokens, {ask.shared} after prefix sharing"
        yield line + (f", at most {ask.written} written" if ask.written else "")
    yield _time(one)
    yield from _looks(one)
    yield _money(one)
    yield from _elsewhere(one)


def _time(one: Plan) -> str:
    if one.seconds is None or one.speed.tokens_per_second is None:
        return "  time:  unknown: no question fits in num_ctx"
    return (
        f"  time:  about {one.seconds / 60:.1f} minutes of asking at a measured {one.speed.tokens_per_second:.0f} "
        f"tokens/s ({one.speed.memory / 1e6:.0f} MB), plus chunking and embedding"
    )


def _looks(one: Plan) -> Iterator[str]:
    """How much less it takes if the advice is told at an earlier look; cells that are dropped make it less still."""
    if not one.looks or one.seconds is None:
        return
    each = ", ".join(f"{n} questions {one.seconds / 60 * n / one.questions:.1f}" for n in one.looks)
    yield f"  until told: looks at {', '.join(map(str, one.looks))} questions; minutes if told there, at most: {each}"


def _money(one: Plan) -> str:
    if one.usd is None:
        return "  money: unknown"
    hourly = one.prices.machine_usd_per_hour
    if hourly == 0:
        return "  money: none, on a machine that you own (otherwise set [machine] usd_per_hour in a price table)"
    return f"  money: about {one.usd:.2f} USD at {hourly:g} USD an hour"


def _elsewhere(one: Plan) -> Iterator[str]:
    """The same prompts on remote models that are still served, for comparison."""
    today = datetime.now(UTC).strftime("%Y-%m")
    served = [price for price in one.prices.models if price.retired is None or price.retired > today]
    n_input = sum(ask.tokens for ask in one.asks)
    n_output = sum(ask.written or ask.prompts * ANSWER_TOKENS for ask in one.asks)
    for price in served:
        direct, batch = (price.cost(n_input, n_output, batch=is_batch) for is_batch in (False, True))
        yield (
            f"  elsewhere: about {direct:.2f} USD ({batch:.2f} in a batch) on {price.provider} {price.model}, "
            f"prices of {price.as_of}"
        )
