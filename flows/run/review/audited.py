"""How often the gold sets of a finished run are right, by the labels that people have given to its audit sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from corpora.schema import LabelSet
from corpora.storage import StorePath
from flows.run.review.opened import CONFIDENCE, Choice, review_store
from results.gold.audit.accuracy import gold_accuracy
from results.gold.audit.sample import line_up_audit
from results.gold.audit.sentences import accuracy_sentence
from results.gold.audit.settling import settling
from results.gold.review.queue import audit_size, review_queue
from results.gold.review.reviews import counted_reviews
from results.gold.review.settled import reviewed_sample
from results.store.finished import read_manifest, read_tables


def audits_of_run(folder: StorePath) -> Iterator[str]:
    """A sentence for each reader whose audit sample people have begun to look at; the one that `tercet review` has.

    There is none for a run that goes by people's labels, for one that is not on this machine, where no labels are kept,
    and for one of an older version, which kept no digests of its texts.

    Args:
        folder: of the run.
    """
    manifest = read_manifest(folder)
    config, files = manifest["config"], manifest["tables"]
    by_people = config.get("consensus", {}).get("rule") == "reviewed"
    if not isinstance(folder, Path) or by_people or "gold.parquet" not in files:
        return
    given = review_store(folder, manifest).read()
    if given.is_empty():
        return
    tables = read_tables(folder, {"tables": {name: files[name] for name in ("gold.parquet", "votes.parquet")}})
    gold, votes = tables["gold"], tables["votes"].filter(arm="document")
    if "text_digest" not in gold.columns:
        return
    labels = LabelSet(tuple(manifest["corpus"]["labels"]))
    digests = dict(gold.select("question_id", "text_digest").iter_rows())
    reviews = counted_reviews(given, digests, labels.labels).reviews
    for (reader,), mine in gold.group_by("reader", maintain_order=True):
        found = _audit(mine, votes.filter(reader=reader), reviews, labels, int(config["corpus"].get("seed", 0)))
        if found:
            yield f"Audit of {reader}: {found}"


def _audit(gold: pl.DataFrame, votes: pl.DataFrame, reviews: pl.DataFrame, labels: LabelSet, seed: int) -> str:
    """The sentence on one reader; empty where nobody has looked at its sample."""
    n_kept = int(gold["kept"].sum())
    queue = review_queue(gold, votes, audit_size(Choice().width, n_kept, CONFIDENCE), seed)
    sample = reviewed_sample(queue.items, reviews)
    if sample.is_empty():
        return ""
    audited = line_up_audit(gold, votes, sample, labels)
    return accuracy_sentence(gold_accuracy(audited, CONFIDENCE), settling(sample, reviews))
