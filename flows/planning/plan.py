"""The plan: what a run would ask, how long it would take and what it would cost, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from corpora.loading.load import load_corpus
from corpora.schema import Corpus, iter_questions
from flows.planning.languages import embedder_notes, prompt_notes
from flows.planning.retrieval_plan import describe_retrieval, n_cells, plan_rerankers
from flows.session.cross_checks import check_choice_readers
from flows.session.experiment import Experiment, Kind, ReaderConfig
from flows.session.session import Session
from flows.session.speeds import Speed
from flows.stages.asking import document_prompts
from flows.stages.indexing import check_sizes, measure_unread, needs_vectors
from flows.stages.measure import measure
from flows.stages.reading import DOCUMENTS_MEASURED, reading_lengths, whole_document_prompts
from flows.stages.reviewed import check_consensus
from labeling.engine.label_mode import tokenize_all, tokens_of_document
from labeling.engine.local_readers import Tokenize
from labeling.engine.trie import build_trie
from labeling.models.prices import PriceTable
from labeling.models.registry import is_specialist
from labeling.prompting.labeler import PromptWriter
from labeling.votes.vote import Prompt
from results.config import likely_questions
from retrieval.config import RetrievalConfig
from retrieval.embedding.unknown_tokens import unread_warnings

QUESTIONS_COUNTED = 50  # whose tokens are counted; those of the others are estimated by their length


class Ask(NamedTuple):
    """What one stage asks a reader.

    Attributes:
        stage: `label`, `calibrate` or `read`, with the corpus's name where it is not the first.
        prompts: how many, at most: two cells of a sweep may turn out to ask the same.
        known: how many of them the ledger already answers; for retrieved chunks, known only after retrieval.
        tokens: their tokens, each prompt in full; for whole documents counted with the model's tokenizer, if there are
            many on some of them; estimated for retrieved chunks, taking every chunk as full.
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
    """What one reader would be asked, and how fast it is.

    Attributes:
        reader: its name.
        questions: how many questions of the first corpus it is asked.
        asks: stage by stage.
        speed: as measured or last seen on this machine; None if it is not known.
        prices: the price table.
        looks: number of questions at each look of a sweep that reads until its advice is told; empty for others.
        is_measured: whether the speed was measured for this plan.
        likely: about how many questions simulated sweeps took until their advice was told; 0 for other runs.
        controls: tokens left that only the control arms take, which say where answers are lost.
        first_look: questions after which the same sweep might be told if it read until told; 0 where that is no choice.
    """

    reader: str
    questions: int
    asks: list[Ask]
    speed: Speed | None
    prices: PriceTable
    looks: Sequence[int] = ()
    is_measured: bool = False
    likely: int = 0
    controls: int = 0
    first_look: int = 0

    @property
    def seconds(self) -> float | None:
        """Time to ask what is left, with generated answers at full length; None if no speed is known."""
        left = sum(ask.left + ask.written for ask in self.asks)
        return left / self.speed.tokens_per_second if self.speed else 0.0 if not left else None

    @property
    def usd(self) -> float | None:
        """What that time costs on this machine."""
        return None if self.seconds is None else self.prices.machine_cost(self.seconds)


class Planned(NamedTuple):
    """The plan of a run.

    Attributes:
        readers: what each reader of this machine would be asked.
        notes: what was left out of the corpora, what the embedders cannot read, and languages that do not fit; one line
            each.
        retrieval: what is computed where no reader is asked, in one line; empty otherwise.
        device: what the readers of this machine run on, in one line; empty where llama.cpp runs none.
    """

    readers: list[Plan]
    notes: list[str]
    retrieval: str = ""
    device: str = ""


def plan(experiment: Experiment, kind: Kind, session: Session, *, measures: bool = False) -> Planned:
    """Plan every reader of an experiment that runs on this machine; `quote` covers the others.

    Args:
        experiment: what would be run.
        kind: how much of it.
        session: the store, and what is known of the readers' speed.
        measures: whether to load each model and ask it a few questions, whose answers are not kept, to measure its
            speed anew.

    Raises:
        InputError: something is wrong with the input, as when it is run.
    """
    sweeps = kind in ("sweep", "run")
    if sweeps:
        embeds = needs_vectors(experiment.retrieval.retrievers, wants_oracle=experiment.wants_oracle)
        check_sizes(experiment.retrieval, session, embeds=embeds)
    prices = session.prices  # read first: a wrong price table is refused before anything is measured
    corpora = [experiment.corpus, *(experiment.other_corpora if kind in ("compare", "run") else ())]
    space = session.workspace
    loaded = [load_corpus(space.corpus(config), space.samples, space.conversions) for config in corpora]
    for corpus in loaded:
        check_consensus(experiment.consensus, corpus, session)
        check_choice_readers(experiment.readers, corpus)
    notes = [line for corpus in loaded for line in (corpus.left_out_line, *corpus.note_lines) if line]
    notes += [note for corpus in loaded for note in prompt_notes(experiment.readers, corpus)]
    if sweeps:
        for embedder, measured in measure_unread(experiment.retrieval, loaded[0], session).items():
            notes += unread_warnings(embedder, measured)
        notes += embedder_notes(experiment.retrieval, loaded[0])
        notes += plan_rerankers(experiment, loaded[0], session, measures=measures)
    try:
        local = [reader for reader in experiment.readers if not reader.remote.is_remote]
        readers = [
            _plan(experiment, loaded, reader, session, prices, sweeps=sweeps, measures=measures) for reader in local
        ]
    finally:
        session.readers.close()
    alone = sweeps and not experiment.readers
    return Planned(
        readers, notes, describe_retrieval(experiment, loaded[0], session) if alone else "", _device(local, session)
    )


def _device(local: Sequence[ReaderConfig], session: Session) -> str:
    """What the readers of this machine run on; empty if none of them is a language model."""
    models = [reader for reader in local if not is_specialist(reader.model)]
    if models and all(reader.n_gpu_layers == 0 for reader in models):
        return "Readers run on the CPU, as `n_gpu_layers = 0` says."
    return session.readers.device() if models else ""


def _plan(
    experiment: Experiment, corpora: list[Corpus], reader: ReaderConfig, session: Session, prices: PriceTable,
    *, sweeps: bool, measures: bool,
) -> Plan:  # fmt: skip
    first = reader.corpus_of(corpora[0], experiment.corpus.seed)
    if measures:
        measure(reader, first.labels, document_prompts(first, reader), session)
    asks, tokenize = [], session.readers.tokenizer(reader)
    for number, corpus in enumerate(corpora):
        where = f" {corpus.name}" if number else ""
        mine = reader.corpus_of(corpus, experiment.corpus.seed)
        asks.append(_on_documents(f"label{where}", mine, reader, session, tokenize))
        tune, _ = experiment.tune_of(corpus)
        if tune is not None and reader.mode == "label":
            asks.append(_on_documents(f"calibrate{where}", tune, reader, session, tokenize))
    n_questions = len(first.questions)
    planned = Plan(reader.label, n_questions, asks, session.speed(reader), prices, is_measured=measures)
    if not sweeps:
        return planned
    read = _on_chunks(experiment.retrieval, first, reader, session, tokenize)
    asks.append(read)
    uncontrolled = experiment.retrieval.model_copy(update={"controls": ()})
    alone = _on_chunks(uncontrolled, first, reader, session, tokenize)
    planned = planned._replace(controls=read.left + read.written - alone.left - alone.written)
    looks, is_told = experiment.reading.looks(n_questions), experiment.reading.stop == "told"
    if is_told:
        return planned._replace(looks=looks, likely=likely_questions(n_cells(experiment.retrieval, session)))
    return planned._replace(first_look=looks[0] if len(looks) > 1 else 0)


def _on_documents(stage: str, corpus: Corpus, reader: ReaderConfig, session: Session, tokenize: Tokenize) -> Ask:
    """The three votes on whole documents."""
    ledger = session.ledger(reader, corpus.labels)
    tokens_of = _counter(corpus, reader, tokenize)
    prompts = known = 0
    tokens = shared = left = 0.0
    before = asked = None  # the question before, and the last one before that is still to be asked
    ledger.look()
    for group in document_prompts(corpus, reader):
        counted = tokens_of(group)
        missing = len(ledger.missing(group, looks=False))
        prompts, known = prompts + len(group), known + len(group) - missing
        tokens, shared = tokens + counted.full, shared + counted.behind(before)
        if missing:
            left, asked = left + counted.behind(asked), counted
        before = counted
    written = (prompts - known) * _written(reader)
    return Ask(stage, prompts, known, round(tokens), round(shared), round(left), written)


class _Counted(NamedTuple):
    """The tokens of a question's prompts.

    Attributes:
        document: what the prompts begin with, where they show a whole document.
        full: their tokens, each prompt in full.
        shared: the same, what they have in common counted once.
        repeated: tokens that are in the cache already where the question before was on the same document.
    """

    document: str
    full: float
    shared: float
    repeated: float

    def behind(self, before: _Counted | None) -> float:
        """The tokens to evaluate right after another question."""
        same = before is not None and before.document == self.document != ""
        return self.shared - self.repeated if same else self.shared


def _counter(
    corpus: Corpus, reader: ReaderConfig, tokenize: Tokenize
) -> Callable[[list[Prompt]], _Counted]:  # fmt: skip
    """Gives the tokens of a question's prompts.

    They are counted where there are few questions, otherwise worked out from the length of the prompts.
    """

    def count(group: list[Prompt]) -> _Counted:
        of_each = tokenize_all(group, tokenize)
        sequences, repeated = list(of_each.values()), tokens_of_document(of_each, tokenize)
        if reader.mode == "generate":  # there, whole batches are
            repeated = repeated // reader.n_batch * reader.n_batch
        shared = build_trie(sequences).count_tokens()
        return _Counted(group[0].message[: group[0].n_before], sum(map(len, sequences)), shared, repeated)

    if len(corpus.questions) <= QUESTIONS_COUNTED:
        return count
    some = corpus.with_questions(corpus.questions.gather_every(len(corpus.questions) // QUESTIONS_COUNTED))
    groups = list(islice(document_prompts(some, reader), QUESTIONS_COUNTED))
    measured, length = [count(group) for group in groups], sum(map(_length, groups))

    def estimate(group: list[Prompt]) -> _Counted:
        share = _length(group) / length
        full, shared, repeated = (
            share * sum(each) for each in zip(*((one.full, one.shared, one.repeated) for one in measured), strict=True)
        )
        return _Counted(group[0].message[: group[0].n_before], full, shared, repeated)

    return estimate


def _length(group: list[Prompt]) -> int:
    return sum(len(prompt.message) for prompt in group)


def _written(reader: ReaderConfig) -> int:
    return reader.num_predict if reader.mode == "generate" else 0


def _on_chunks(
    retrieval: RetrievalConfig, corpus: Corpus, reader: ReaderConfig, session: Session, tokenize: Tokenize
) -> Ask:  # fmt: skip
    """Estimated model tokens of a sweep's arms: full chunks, every distinct prompt with its own tail."""
    texts = corpus.documents["text"].head(DOCUMENTS_MEASURED).to_list()
    counter = session.embedder(retrieval.embedders[0]).tokenizer
    ratio, empty = _model_tokens(corpus, reader, tokenize, texts, sum(counter.count_all(texts)))
    sets = reading_lengths(retrieval)
    n_questions, n_prompts = len(corpus.questions), sum(map(len, sets))
    # The prompts of a set are prefixes of each other: the longest is evaluated, and the tail of each.
    full = n_questions * sum(length * ratio + empty for lengths in sets for length in lengths)
    shared = n_questions * sum(max(lengths) * ratio + empty * len(lengths) for lengths in sets)
    whole = [len(tokenize(prompt)) for prompt in whole_document_prompts(corpus, reader)]
    prompts, full = n_questions * n_prompts + len(whole), full + sum(whole)
    evaluated = math.ceil(shared) + sum(whole)
    return Ask("read", prompts, 0, math.ceil(full), evaluated, evaluated, prompts * _written(reader))


def _model_tokens(
    corpus: Corpus, reader: ReaderConfig, tokenize: Tokenize, texts: list[str], n_embedder_tokens: int
) -> tuple[float, int]:
    """Reader tokens per embedder token, and tokens of a prompt without any context."""
    question = next(iter_questions(corpus.questions))
    writer = PromptWriter(reader, corpus.labels)
    empty = len(tokenize(writer.single(question, "retrieved", "")))
    full = sum(len(tokenize(writer.single(question, "retrieved", text))) - empty for text in texts)
    return full / n_embedder_tokens, empty
