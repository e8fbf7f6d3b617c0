"""The tables of a run, by their names in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from flows.compare import Compared
from flows.label import Labeled
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.sweep import Swept
from results.advice.examples import pick_examples
from results.comparing.remote_readers import RemoteReader, describe_remote
from results.gold.shown import with_texts

REVIEWED = pl.Schema({"question_id": pl.String(), "label": pl.String()})  # null: people did not settle on one


class Made(NamedTuple):
    """The results of a run's flows; None for a flow that it did not have."""

    labeled: Labeled
    swept: Swept | None
    compared: Compared | None


def run_tables(experiment: Experiment, made: Made, session: Session) -> dict[str, pl.DataFrame]:
    """All frames of a run."""
    labeled, swept, compared = made
    tables = {**label_tables(labeled), **labeled.tables, **(swept.tables if swept else {})}
    tables |= remote_tables(experiment, labeled, session)
    tables |= compare_tables(compared) if compared else {}
    if swept and experiment.readers:
        recommended = {one.recommended for one in swept.recommendations if one.recommended}
        tables["examples"] = pick_examples(labeled.corpus, tables, recommended)
    return tables


def label_tables(labeled: Labeled) -> dict[str, pl.DataFrame]:
    """The frames votes, gold and questions of a run, left_out where anything was, and reviewed under that rule."""
    about = {"questions": labeled.corpus.questions}
    if reviewed := labeled.reviewed:
        about["reviewed"] = pl.DataFrame(list(reviewed.items()), schema=REVIEWED, orient="row")
    if labeled.corpus.left_out.defects:
        about["left_out"] = labeled.corpus.left_out.frame()

    def stacked(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(frame.select(pl.lit(name).alias("reader"), pl.all()) for name, frame in frames.items())

    if not labeled.readers:
        return about
    # A gold set always says whether the reader that made it is qualified.
    qualified = labeled.tables["labelers"].select("reader", labeler_qualified="qualified")
    gold = stacked(labeled.golds).join(qualified, on="reader", how="left", maintain_order="left")
    gold = with_texts(gold, labeled.corpus.questions, labeled.corpus.texts)
    return {"votes": stacked(labeled.votes), "gold": gold, **about}


def compare_tables(compared: Compared) -> dict[str, pl.DataFrame]:
    """The frames of a comparison; those of another corpus are named after it, as in `gold@handbook`."""
    tables = dict(compared.tables)
    for name, there in compared.others.items():
        tables |= {f"{table}@{name}": frame for table, frame in label_tables(there).items()}
        tables |= {f"{table}@{name}": there.tables[table] for table in ("labelers", "consensus", "unanimity")}
    return tables


def remote_tables(experiment: Experiment, labeled: Labeled, session: Session) -> dict[str, pl.DataFrame]:
    """The frame remote, where there are remote readers."""
    readers = [
        RemoteReader(one.label, one.remote.provider, one.model, session.prices.find(one.remote.provider, one.model))
        for one in experiment.remote_readers
    ]
    return {"remote": describe_remote(readers, labeled.votes)} if readers else {}
