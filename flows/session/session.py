"""What one process keeps open while it works on a store: readers, ledgers, embedders, providers, and what it spends."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import polars as pl

from corpora.errors import InputError
from corpora.published.pinned import cache_folder
from corpora.schema import LabelSet
from corpora.storage import files_in
from flows.session.embedders import Embedders, find_embedder, find_reranker, verify_weights, with_prompts
from flows.session.kernel_choices import KernelChoices, Repack
from flows.session.providers import Providers
from flows.session.speeds import Kernels, Speed, Speeds
from flows.session.workspace import Workspace
from labeling.engine.local_readers import LocalReaders, Readers
from labeling.models.prices import PriceTable, load_prices
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.prompting.remote_config import Api
from labeling.remote.jobs.desk import BatchDesk
from labeling.remote.requests import labeler_identity
from labeling.remote.spending import Meter, Spending
from labeling.specialist.readers import ReadersAndSpecialists
from labeling.votes.ledger import FLUSH_SECONDS, Ledger
from labeling.votes.vote import Labeler
from results.gold.review.storage import ReviewFolder, reviews_folder
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import Arithmetic, EmbedderConfig
from retrieval.reranking.reranker import Reranker

Reader = TypeVar("Reader", bound=LabelerConfig)
OpenEmbedder = Callable[[EmbedderConfig, Workspace], Embedder]
OpenReranker = Callable[[str, Workspace], Reranker]


def open_embedder(config: EmbedderConfig, workspace: Workspace) -> Embedder:
    """An embedder with the embedding cache of a store.

    Raises:
        InputError: as `find_embedder`, or the model cannot embed as the config says.
    """
    # Conversions lie with the fetched models: one serves every store of this machine.
    folder, sha256 = find_embedder(config)
    verify = partial(verify_weights, folder, sha256)
    return Embedder(with_prompts(config), folder, sha256, workspace.embeddings, cache_folder() / "converted", verify)


class Session:
    """Everything that a process keeps open. It is passed to whoever needs it, and closed by whoever opened it.

    Args:
        workspace: the store, and the files that the experiment names.
        readers: opens the readers of this machine; llama.cpp by default. Specialists of the store need none.
        open_embedder: opens an embedder with the store's cache.
        speeds: what is known of the readers' speed; what this machine's cache folder remembers by default.
        open_reranker: opens a reranker with the store's cache.
    """

    def __init__(
        self, workspace: Workspace, readers: Readers | None = None, open_embedder: OpenEmbedder = open_embedder,
        speeds: Speeds | None = None, open_reranker: OpenReranker = find_reranker,
    ) -> None:  # fmt: skip
        self.workspace = workspace
        self._embedders = Embedders(lambda config: open_embedder(config, workspace))
        self._open_reranker = open_reranker
        self._rerankers: dict[str, Reranker] = {}
        self.readers: Readers = ReadersAndSpecialists(readers or LocalReaders(), workspace.root, self._embedders.look)
        self._kernels = KernelChoices(workspace.votes)
        self._speeds = speeds or Speeds()
        self.providers = Providers()
        self._ledgers: dict[str, Ledger] = {}
        self._prices: PriceTable | None = None
        self._spending = Spending(None)
        self._desks: dict[str, BatchDesk] = {}
        self._reviews: dict[str, pl.DataFrame] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self.close()
        except InputError:
            if kind is None:  # an error under way is not hidden by another one
                raise

    def reviews(self, corpus: str) -> pl.DataFrame:
        """People's labels on a corpus, frame of schema `REVIEWS`, as they were when this session first asked for them.

        Raises:
            InputError: the store is not on this machine.
        """
        if corpus not in self._reviews:
            self._reviews[corpus] = ReviewFolder(reviews_folder(self.workspace.root, corpus)).read()
        return self._reviews[corpus]

    @property
    def prices(self) -> PriceTable:
        """The price table: the user's entries over the bundled ones.

        Raises:
            InputError: the user's table is missing or wrong.
        """
        if self._prices is None:
            self._prices = load_prices(self.workspace.prices)
        return self._prices

    def check_prices(self) -> None:
        """Refuse a wrong price table before any work starts.

        Raises:
            InputError: the user's table is missing or wrong.
        """
        self._prices = load_prices(self.workspace.prices)

    def labeler(self, config: LabelerConfig, labels: LabelSet, *, for_votes: bool = False) -> Labeler:
        """A reader of this machine, ready to be asked.

        Args:
            config: the reader.
            labels: the allowed answers.
            for_votes: whether its votes go into the store: then the way its model is run becomes the store's.

        Raises:
            InputError: its model is missing or broken, or the store's votes were read in another way than it asks for.
        """
        sha256 = self.readers.sha256(config.model)
        settled = self._settled_kernels(config, labels, sha256)
        if settled and config.repack not in ("auto", settled):
            raise InputError(
                f"reader {config.label!r} has repack = {config.repack!r}, and votes of its model that were read with "
                f"repack = {settled!r} are in the store",
                "one way for all votes of a model in a store, because the two round differently",
                "leave `repack` out, or use another store",
            )
        labeler = self.readers.open(config.model_copy(update={"repack": settled or config.repack}), labels)
        chosen = self.readers.kernels(config.model)
        if for_votes and chosen and not self._kernels.get(sha256):
            self._kernels.put(sha256, "on" if chosen.repack else "off")
        return labeler

    def _settled_kernels(self, config: LabelerConfig, labels: LabelSet, sha256: str) -> Repack | None:
        """How the store's votes of a model were read; before there was a choice, its weights were always rearranged."""
        if settled := self._kernels.get(sha256):
            return settled
        has_votes = files_in(self.workspace.ledger / self.fingerprint(config, labels), "*.parquet")
        return "on" if has_votes else None

    def kernels(self, config: LabelerConfig) -> Kernels | None:
        """How the store's votes of a model of this machine are read: 'repacked', 'plain', or None if not known yet."""
        settled = self._kernels.get(self.readers.sha256(config.model))
        return None if settled is None else "repacked" if settled == "on" else "plain"

    def speed(self, config: LabelerConfig) -> Speed | None:
        """How fast a reader of this machine was when it last answered; None if nobody knows."""
        return self._speeds.find(self.readers.sha256(config.model), config, self.kernels(config))

    def note_speed(self, config: LabelerConfig, evaluated: int, seconds: float, *, afresh: bool = False) -> None:
        """Remember how fast the reader that has just answered is; arguments as in `Speeds.note`."""
        chosen = self.readers.kernels(config.model)
        kernels: Kernels = "plain" if chosen and not chosen.repack else "repacked"
        sha256, memory = self.readers.sha256(config.model), self.readers.memory()
        self._speeds.note(sha256, config, kernels, evaluated, seconds, memory, afresh=afresh)

    def fingerprint(self, config: LabelerConfig, labels: LabelSet) -> str:
        """Digest of a reader: with this machine's model file, or as a provider is asked.

        Raises:
            InputError: its model is missing or broken.
        """
        if config.remote.is_remote:
            return fingerprint(config, labels, labeler_identity(config))
        scoring = self.readers.scoring(config, labels) if config.mode == "label" else "label/1"
        return fingerprint(config, labels, self.readers.sha256(config.model), scoring)

    def by_size(self, readers: Sequence[Reader]) -> list[Reader]:
        """Readers with the smallest model first; those that another machine answers for come last, as given."""
        return sorted(readers, key=lambda one: math.inf if one.remote.is_remote else self.readers.n_bytes(one.model))

    def ledger(self, config: LabelerConfig, labels: LabelSet) -> Ledger:
        """A reader's ledger in the store; it stays open, and `release_ledgers` writes what it holds."""
        return self.ledger_of(self.fingerprint(config, labels), labels)

    def ledger_of(self, labeler: str, labels: LabelSet | None = None) -> Ledger:
        """The ledger of the reader with this fingerprint, whose label set is checked if it is given."""
        if labeler not in self._ledgers:
            seconds = float(os.environ.get("TERCET_FLUSH_SECONDS", FLUSH_SECONDS))
            self._ledgers[labeler] = Ledger(self.workspace.ledger, labeler, seconds, labels, self.workspace.spool)
        return self._ledgers[labeler]

    def release_ledgers(self) -> None:
        """Write every open shard, and let other runs ask what this one does not ask any more.

        Raises:
            InputError: a shard cannot be written.
        """
        errors = []
        for ledger in self._ledgers.values():
            try:
                ledger.release()
            except InputError as error:  # what the others hold is written all the same
                errors.append(error)
        if errors:
            raise errors[0]

    def abandon_ledgers(self) -> None:
        """Close every ledger as it is: what could not be made a shard stays in its journal, for whoever looks next."""
        while self._ledgers:
            self._ledgers.popitem()[1].abandon()

    def embedder(self, config: EmbedderConfig) -> Embedder:
        """An embedder, opened once.

        Raises:
            InputError: as `open_embedder`.
        """
        return self._embedders.open(config)

    def reranker(self, model: str) -> Reranker:
        """A reranker, opened once.

        Raises:
            InputError: as `find_reranker`.
        """
        if model not in self._rerankers:
            self._rerankers[model] = self._open_reranker(model, self.workspace)
        return self._rerankers[model]

    def pair_speed(self, model: str) -> float | None:
        """How many pairs a second a reranker scored on this machine when it was last used; None if nobody knows."""
        return self._speeds.find_pairs(self.reranker(model).digest)

    def note_pairs(self, model: str, n_pairs: int, seconds: float, *, afresh: bool = False) -> None:
        """Remember how fast a reranker is; arguments as in `Speeds.note_pairs`."""
        self._speeds.note_pairs(self.reranker(model).digest, n_pairs, seconds, afresh=afresh)

    def settle(self, config: EmbedderConfig, precision: Arithmetic) -> None:
        """Say in which precision an embedder runs that leaves it open (`auto`)."""
        self._embedders.settle(config, precision)

    def settled(self, config: EmbedderConfig) -> EmbedderConfig:
        """An embedder's config as other processes need it, with the precision in which it runs here."""
        return self._embedders.settled(config)

    def begin_spending(self, limit: float | None) -> None:
        """Count what is spent from nothing, with a limit in US dollars; None for no limit."""
        self._spending = Spending(limit)
        self._desks.clear()

    def meter(self, config: LabelerConfig, api: Api) -> Meter:
        """Spending at the price of a reader; nothing where its price is unknown, which the user was asked about."""
        price = self.prices.find(config.remote.provider, config.model)
        return Meter(self._spending, price, config.label, batch=api == "batch")

    def desk(self, config: LabelerConfig, labels: LabelSet, say: Callable[[str], None] | None = None) -> BatchDesk:
        """The batch job of a reader, open as long as the run.

        Args:
            config: the reader.
            labels: the allowed answers.
            say: told what is out of the ordinary from now on.
        """
        labeler = self.fingerprint(config, labels)
        if labeler not in self._desks:
            provider, meter = self.providers.client(config.remote), self.meter(config, "batch")
            self._desks[labeler] = BatchDesk(config, labels, self.ledger_of(labeler, labels), provider, meter)
        self._desks[labeler].say = say or self._desks[labeler].say
        return self._desks[labeler]

    def close(self) -> None:
        """Free the loaded model, and write and close the ledgers.

        Raises:
            InputError: a shard cannot be written; its votes will be asked again.
        """
        try:
            self.release_ledgers()
        finally:
            self.abandon_ledgers()
            self.readers.close()
