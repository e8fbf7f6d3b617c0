"""Rankings as deep as their cuts need: most questions fill a budget long before the shortest chunks would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from retrieval.context import Cut, depth_for, shown_by_any, usual_depth
from retrieval.ranking.hits import Scores
from retrieval.ranking.retrievers import Questions, Rankers, Retriever


class Shown(NamedTuple):
    """What a retriever found for some questions.

    Attributes:
        hits: schema `HITS` joined with the facts; what any cut shows, sorted by question (in the given order) and rank.
        recall_against_exact: as in `Ranked`.
    """

    hits: pl.DataFrame
    recall_against_exact: Scores | None


def rank_for_cuts(
    rankers: Rankers, retriever: Retriever, questions: Questions, facts: pl.DataFrame, cuts: Sequence[Cut],
    most_questions: int,
) -> Iterator[Shown]:  # fmt: skip
    """Rank the chunks for each question, and keep what any cut shows, block by block.

    A ranking that is deep enough whichever chunks come first is the same as far as it is looked at. So questions are
    ranked as deep as chunks of usual length need, and only those whose budget is not full by then once more. The recall
    of an approximate ranking is that of its full depth, so such rankings are made at once.

    Args:
        rankers: over the chunks of one chunking.
        retriever: its name.
        questions: as `Rankers.rank` takes them.
        facts: of the chunks, by chunk_id; n_tokens among them.
        cuts: how much is read.
        most_questions: how many are ranked at a time: a budget may hold many short chunks, which makes rankings deep.
    """
    depth = depth_for(cuts, facts)
    first = depth if retriever == "approximate" else min(depth, usual_depth(cuts, facts))
    most_tokens = max((cut.amount for cut in cuts if cut.kind == "budget"), default=0)

    def ranked(some: Questions, deep: int) -> tuple[pl.DataFrame, Scores | None]:
        found = rankers.rank(retriever, some, deep)
        return found.hits.join(facts, on="chunk_id", how="left", maintain_order="left"), found.recall_against_exact

    for block in questions.blocks(most_questions):
        hits, recall = ranked(block, first)
        if first < depth:
            n_tokens = hits.group_by("question_id").agg(pl.col("n_tokens").sum())
            unfilled = set(n_tokens.filter(pl.col("n_tokens") <= most_tokens)["question_id"])
            if unfilled:
                full = hits.filter(~pl.col("question_id").is_in(unfilled))
                order = pl.DataFrame({"question_id": block.ids, "at": range(len(block.ids))})
                deeper, _ = ranked(block.only(unfilled), depth)
                both = pl.concat([full, deeper]).join(order, on="question_id", how="left")
                hits = both.sort("at", "rank").drop("at")
        yield Shown(shown_by_any(hits, cuts), recall)
