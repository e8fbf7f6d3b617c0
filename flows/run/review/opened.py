"""A finished run opened for review: its questions with their texts, one reader's queue, and people's labels."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from corpora.errors import InputError, listed
from corpora.storage import StorePath
from flows.run.gold.exporting import Wanted, take_run
from flows.run.gold.finished_corpus import NO_READER_YET
from results.gold.export.items import Items, choose_readers
from results.gold.review.queue import Queue, Reason, audit_size, review_queue
from results.gold.review.reviews import Counted, counted_reviews
from results.gold.review.storage import ReviewFolder, reviews_folder
from results.store.finished import read_manifest, read_tables

CONFIDENCE = 0.95
LOG = logging.getLogger("tercet")


class Choice(NamedTuple):
    """Which of the questions are looked at.

    Attributes:
        reader: whose votes; None where the run has one reader.
        only: one kind of them; None for all.
        n: most questions; with `only` audit, the size of the sample.
        width: of the interval that the audit sample is for, where `n` does not say its size.
    """

    reader: str | None = None
    only: Reason | None = None
    n: int | None = None
    width: float = 0.1


class Opened(NamedTuple):
    """A run opened for review.

    Attributes:
        folder: of the run.
        manifest: of the run.
        tables: of the run.
        items: what the reader was asked, with texts.
        queue: all of its questions that there is something to look at in.
        chosen: those that are looked at, schema `QUEUE`.
        seed: of the draw of the audit sample.
        width: of the interval that the sample is for; None where its size was given.
        store: the labels of people.
    """

    folder: StorePath
    manifest: Mapping[str, Any]
    tables: Mapping[str, pl.DataFrame]
    items: Items
    queue: Queue
    chosen: pl.DataFrame
    seed: int
    width: float | None
    store: ReviewFolder

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each question and its documents, by its id."""
        return dict(self.items.rows.select("question_id", "text_digest").iter_rows())

    @property
    def clusters(self) -> dict[str, str]:
        """The first gold document of each question; questions on it may be right or wrong together."""
        first = pl.col("document_ids").list.first().fill_null(pl.col("question_id"))
        return dict(self.items.rows.select("question_id", first).iter_rows())

    def reviews(self) -> Counted:
        """The labels that people gave so far, as far as they count for this run."""
        return counted_reviews(self.store.read(), self.digests, self.items.labels)


def open_review(
    folder: StorePath, choice: Choice = Choice(), data: Path | None = None, base: Path | None = None  # noqa: B008
) -> Opened:  # fmt: skip
    """Open a finished run for review.

    Args:
        folder: of the run.
        choice: which of its questions.
        data: folder of the user's own copies of published corpora; by default `$TERCET_DATA`.
        base: folder that the paths of the corpus start from; by default the one that the run recorded.

    Raises:
        InputError: not a finished run with a gold set, it has several readers and none is named, or its corpus is not
            here or has changed.
    """
    manifest = read_manifest(folder)
    store = review_store(folder, manifest)
    reader = _one_reader(folder, manifest, choice.reader)
    made, (items,) = take_run(folder, Wanted((reader,), data=data, base=base))
    seed = int(manifest["config"]["corpus"].get("seed", 0))
    gold, votes = (made.tables[name].filter(reader=reader) for name in ("gold", "votes"))
    is_size = choice.only == "audit" and choice.n is not None
    n_kept = int(gold["kept"].sum())
    n_audit = min(choice.n or 0, n_kept) if is_size else audit_size(choice.width, n_kept, CONFIDENCE)
    queue = review_queue(gold, votes.filter(arm="document"), n_audit, seed)
    chosen = queue.only(choice.only, choice.n)
    width = None if is_size else choice.width
    return Opened(folder, manifest, made.tables, items, queue, chosen, seed, width, store)


def review_store(folder: StorePath, manifest: Mapping[str, Any]) -> ReviewFolder:
    """Where the labels on the questions of a run are kept: in the store that the run is in.

    Raises:
        InputError: the store is not on this machine.
    """
    here = folder.resolve() if isinstance(folder, Path) else folder
    return ReviewFolder(reviews_folder(here.parent, manifest["corpus"]["name"]))


def reviews_of_run(folder: StorePath, manifest: Mapping[str, Any]) -> pl.DataFrame:
    """The labels of people that count for a run, schema `REVIEWS`; what does not count is warned about.

    Args:
        folder: of the run.
        manifest: of the run.

    Raises:
        InputError: the run has no gold set, or is not on this machine; for a run of an older version also if its corpus
            is not here, as its texts are compared.
    """
    store, gold = review_store(folder, manifest), _gold(folder, manifest)
    if "text_digest" not in gold.columns:
        _, each = take_run(folder, Wanted())
        gold = pl.concat(items.rows.select("question_id", "text_digest") for items in each)
    digests = dict(gold.select("question_id", "text_digest").iter_rows())
    counted = counted_reviews(store.read(), digests, manifest["corpus"]["labels"])
    for note in counted.notes:
        LOG.warning("%s", note)
    return counted.reviews


def _gold(folder: StorePath, manifest: Mapping[str, Any]) -> pl.DataFrame:
    """The gold sets of all readers."""
    table = "gold.parquet"
    if table not in manifest["tables"]:
        raise InputError(f"{folder} has no gold set", "a run that asked a reader", NO_READER_YET)
    return read_tables(folder, {"tables": {table: manifest["tables"][table]}})["gold"]


def _one_reader(folder: StorePath, manifest: Mapping[str, Any], wanted: str | None) -> str:
    """The reader whose votes are looked at."""
    (first, *others) = choose_readers(_gold(folder, manifest), [wanted] if wanted else ())
    if others:
        raise InputError(
            f"{folder} has {len(others) + 1} readers, each with a queue of its own",
            f"one of {listed([first, *others])}",
            f"add --reader, as in --reader {first}",
        )
    return first
