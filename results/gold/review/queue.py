"""What people should look at, in this order: split votes, labels that contradict a reference, and an audit sample.

Only the audit sample says how often the gold set is right, as the other two are chosen for being doubtful.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import polars as pl
import scipy

from labeling.votes.vote import N_VOTES

Reason = Literal["split", "contradicts", "audit"]
REASONS: tuple[Reason, ...] = get_args(Reason)

QUEUE = pl.Schema(
    {
        "question_id": pl.String(),
        "reason": pl.String(),  # one of REASONS; audit for whatever is in the sample
        "votes": pl.List(pl.String()),
        "label": pl.String(),  # the reader's: the one that is kept, or that most votes are for; null for a tie
        "reference": pl.String(),
        "margin": pl.Float64(),  # between the two most probable labels; without distributions, between their votes
        "is_kept": pl.Boolean(),  # in the gold set
        "is_split": pl.Boolean(),
        "contradicts": pl.Boolean(),
    }
)


class Queue(NamedTuple):
    """The questions to look at.

    Attributes:
        items: frame of schema `QUEUE`, in the order in which they should be looked at.
        n_kept: questions in the gold set, which the audit sample is drawn from.
        n_audit: of them in the sample.
        n_failed: questions with a failed or missing vote, none of which is in the queue.
        n_outside: questions whose votes agree and that are neither in the gold set nor in the queue.
    """

    items: pl.DataFrame
    n_kept: int
    n_audit: int
    n_failed: int
    n_outside: int

    def only(self, reason: Reason | None, n: int | None = None) -> pl.DataFrame:
        """The first `n` of the items that are of one kind; a question of the sample may be of another kind too."""
        chosen = {
            None: pl.lit(True), "split": pl.col("is_split"), "contradicts": pl.col("contradicts"),
            "audit": pl.col("reason") == "audit",
        }[reason]  # fmt: skip
        return self.items.filter(chosen).head(len(self.items) if n is None else n)


def review_queue(gold: pl.DataFrame, votes: pl.DataFrame, n_audit: int, seed: int) -> Queue:
    """Build the queue of one reader.

    Split votes come with the smallest margin first, contradictions with the largest. What is in the audit sample comes
    last, in the order of the draw, whatever else it is: whoever stops early has then seen a smaller random sample.

    Args:
        gold: its gold set: columns question_id, votes, label, kept and reference.
        votes: its votes on whole documents, schema `VOTES`.
        n_audit: size of the audit sample.
        seed: of the draw.
    """
    margins = dict(votes.group_by("question_id").agg(pl.col("margin").mean()).iter_rows())
    rows = [_row(one, margins.get(one["question_id"])) for one in gold.iter_rows(named=True)]
    kept = [one["question_id"] for one in rows if one["is_kept"]]
    drawn = {one: at for at, one in enumerate(audit_order(kept, seed)[:n_audit])}
    n_failed = n_outside = 0
    ranked = []
    for row in rows:
        if row["question_id"] in drawn:
            row["reason"], rank = "audit", (2, drawn[row["question_id"]])
        elif row["is_split"]:
            row["reason"], rank = "split", (0, row["margin"])
        elif row["contradicts"]:
            row["reason"], rank = "contradicts", (1, -row["margin"])
        else:
            n_failed += row["margin"] is None
            n_outside += row["margin"] is not None and not row["is_kept"]
            continue
        ranked.append(((*rank, row["question_id"]), row))
    items = pl.DataFrame([row for _, row in sorted(ranked, key=lambda one: one[0])], schema=QUEUE)
    return Queue(items, len(kept), len(drawn), n_failed, n_outside)


def _row(gold: Mapping[str, Any], margin: float | None) -> dict[str, Any]:
    given = Counter(one for one in gold["votes"] or () if one is not None)
    is_whole = given.total() == N_VOTES
    ranked = given.most_common()
    (top, n_top), (_, n_next) = (*ranked, (None, 0), (None, 0))[:2]
    said = gold["label"] if gold["kept"] else top if n_top > n_next else None
    by_votes = (n_top - n_next) / N_VOTES
    is_split = is_whole and len(given) > 1
    is_clear = is_whole and not is_split
    return {
        "question_id": gold["question_id"], "votes": gold["votes"], "label": said, "reference": gold["reference"],
        "margin": None if not is_whole else by_votes if margin is None else margin, "is_kept": gold["kept"],
        "is_split": is_split,
        "contradicts": is_clear and gold["reference"] is not None and said != gold["reference"],
    }  # fmt: skip


def audit_order(question_ids: Iterable[str], seed: int) -> list[str]:
    """The questions in a random order that no other question has a say in.

    Each has a random number of its own (permanent random numbers, Ohlsson 1995), so any beginning of the order is a
    simple random sample without replacement. A longer sample extends a shorter one, and samples from the gold sets of
    two readers share as many questions as they can.

    Args:
        question_ids: all questions that may be drawn.
        seed: of the draw.
    """
    return sorted(question_ids, key=lambda one: (hashlib.blake2b(f"{seed}\x1faudit\x1f{one}".encode()).digest(), one))


def audit_size(width: float, n_kept: int, confidence: float = 0.95) -> int:
    """How many of the gold set to look at, so that the Wilson interval of its accuracy is at most so wide.

    It is the size for an accuracy of one half, where the interval is widest, with the correction for a finite
    population (Cochran 1977, "Sampling Techniques", sections 4.4 and 4.7). At one half, n questions give a width of
    z / sqrt(n + z^2).

    Args:
        width: of the whole interval, between 0 and 1.
        n_kept: questions in the gold set.
        confidence: of the interval.
    """
    if not n_kept:
        return 0
    z = float(scipy.stats.norm.ppf((1 + confidence) / 2))
    endless = max(1.0, z**2 * (1 / max(width, 1e-6) ** 2 - 1))
    return min(n_kept, math.ceil(endless / (1 + (endless - 1) / n_kept) - 1e-9))
