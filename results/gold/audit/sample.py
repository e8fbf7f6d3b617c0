"""What an audit knows: the gold set, what the reader says of each of its questions, and what people say of a sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from corpora.schema import LabelSet
from labeling.votes.vote_law import distributions
from results.stats.resampling import Array

Rows = npt.NDArray[np.int64]


class Audited(NamedTuple):
    """A gold set, and a simple random sample of it that people have looked at.

    Attributes:
        rows: shape (sample,): which question of the gold set each question of the sample is.
        right: shape (sample,): 1 where people give the gold label, 0 where they give another one, NaN where they have
            not settled on one: skipped, or no label has more reviewers than every other.
        said: shape (gold, columns): what the reader says of each question of the gold set, such as its probability of
            the gold label; no columns where it says nothing.
        p_unanimous: shape (gold,): the probability that three votes agree; NaN where it is not known.
    """

    rows: Rows
    right: Array
    said: Array
    p_unanimous: Array

    @property
    def n(self) -> int:
        """Questions in the sample."""
        return len(self.rows)

    @property
    def total(self) -> int:
        """Questions in the gold set."""
        return len(self.p_unanimous)

    @property
    def n_right(self) -> int:
        """Questions of the sample on which people give the gold label."""
        return int(np.nansum(self.right))

    @property
    def n_unsettled(self) -> int:
        """Questions of the sample on which people have not settled."""
        return int(np.isnan(self.right).sum())


def line_up_audit(gold: pl.DataFrame, votes: pl.DataFrame, sample: pl.DataFrame, labels: LabelSet) -> Audited:
    """Line up a reader's gold set with what people say of a sample of it.

    Args:
        gold: its gold set, schema `GOLD`; only what is kept counts. `p_unanimous` may be missing.
        votes: its votes on whole documents, schema `VOTES`.
        sample: columns question_id and given (the label that people settled on, null for none), one row for each
            question of a simple random sample of the kept questions, such as `review.settled.reviewed_sample` makes it.
        labels: the label set.

    Raises:
        ValueError: the sample has a question twice, or one that is not kept: then it is no sample of the gold set.
    """
    kept = gold.filter("kept")
    places = {question_id: row for row, question_id in enumerate(kept["question_id"])}
    ids = sample["question_id"].to_list()
    if len(set(ids)) < len(ids) or not places.keys() >= set(ids):
        raise ValueError("an audit sample has each of its questions once, and all of them are in the gold set")
    agrees = sample.join(kept.select("question_id", gold="label"), on="question_id", maintain_order="left").select(
        (pl.col("given") == pl.col("gold")).cast(pl.Float64)
    )
    known = kept["p_unanimous"] if "p_unanimous" in kept.columns else pl.Series([None] * len(kept), dtype=pl.Float64)
    return Audited(
        np.array([places[one] for one in ids], dtype=np.int64),
        np.asarray(agrees.to_series().fill_null(float("nan")).to_numpy(), dtype=np.float64),
        _own_probability(kept, votes, labels),
        np.asarray(known.fill_null(float("nan")).to_numpy(), dtype=np.float64),
    )


def _own_probability(kept: pl.DataFrame, votes: pl.DataFrame, labels: LabelSet) -> Array:
    """The reader's mean probability of the gold label, shape (gold, 1); the mean of the others where it is not known.

    Any number may stand there, as long as people's labels have no say in it. No column where none is known.
    """
    known = distributions(votes.join(kept.select("question_id"), on="question_id", how="semi"), len(labels))
    if not known.question_ids:
        return np.zeros((len(kept), 0))
    each = (known.probabilities / known.probabilities.sum(axis=-1, keepdims=True)).mean(axis=1)
    of_question = dict(zip(known.question_ids, each, strict=True))
    nothing = np.full(len(labels), np.nan)
    pairs = zip(kept["question_id"], kept["label"], strict=True)
    said = np.array([of_question.get(one, nothing)[labels.index(label)] for one, label in pairs])
    return np.where(np.isnan(said), np.nanmean(said), said)[:, None]
