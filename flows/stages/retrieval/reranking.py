"""The rerankers of a sweep: the best chunks of each ranking are scored beside their question, and ordered anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from corpora.schema import Corpus
from flows.session.session import Session
from flows.stages.indexing import Ranked, Timing
from flows.stages.runner import Runner
from retrieval.config import NO_RERANKER, RetrievalConfig, reranker_label
from retrieval.context import shown_by_any
from retrieval.reranking.cross_encoder import Pair
from retrieval.reranking.reorder import reorder

PAIRS_A_SHARD = 1024


class Named(NamedTuple):
    """A chunking with the chunks that it made; the name is shown while they are worked on."""

    name: str
    chunks: pl.DataFrame


def check_pairs(retrieval: RetrievalConfig, corpus: Corpus, chunked: Sequence[pl.DataFrame], session: Session) -> None:
    """Refuse chunks that a reranker would cut short beside the longest question, before they are embedded.

    Raises:
        InputError: as said.
    """
    for model in retrieval.rerankers:
        if model != NO_RERANKER:
            texts = pl.concat([chunks["text"] for chunks in chunked]).unique()
            session.reranker(model).check(corpus.questions["text"], texts)


def rerank_all(
    retrieval: RetrievalConfig, corpus: Corpus, named: Named, ranked: Ranked, session: Session, runner: Runner
) -> Ranked:
    """The rankings of one chunking with those that each reranker makes of them.

    Args:
        retrieval: gives rerankers, depth and cuts.
        corpus: gives the questions.
        named: the chunks that were ranked.
        ranked: the rankings, with candidates for the rerankers.
        session: opens the rerankers.
        runner: scores the pairs, in shards.
    """
    hits, timings = [ranked.hits], [*ranked.timings]
    for model in retrieval.rerankers:
        if model == NO_RERANKER:
            continue
        for retriever, candidates in ranked.candidates.items():
            pairs = _pairs(corpus, named.chunks, candidates.filter(pl.col("rank") <= retrieval.rerank_depth))
            stage = f"rerank: {named.name}, {retriever} by {reranker_label(model)}"
            timings.append(_score(model, pairs, stage, retriever, len(corpus.questions), session, runner))
            ordered = reorder(candidates, session.reranker(model).scores(pairs), retrieval.rerank_depth)
            name = pl.lit(f"{retriever}+{reranker_label(model)}").alias("retriever")
            hits.append(shown_by_any(ordered.with_columns(name), retrieval.cuts()).select(ranked.hits.columns))
    return ranked._replace(hits=pl.concat(hits), timings=timings, candidates={})


def rest_rerankers(retrieval: RetrievalConfig, session: Session) -> None:
    """Free the models of all rerankers, once every chunking has its order."""
    for model in retrieval.rerankers:
        if model != NO_RERANKER:
            session.reranker(model).rest()


def _score(
    model: str, pairs: Sequence[Pair], stage: str, retriever: str, n_questions: int, session: Session, runner: Runner
) -> Timing:
    """Score the pairs that have no score yet; what was looked up counts with the speed of what was scored."""
    reranker = session.reranker(model)
    scored, took = reranker.n_scored, reranker.seconds
    shards = [pairs[at : at + PAIRS_A_SHARD] for at in range(0, len(pairs), PAIRS_A_SHARD)]
    runner.each(stage, len(pairs), score_pairs, session, ((len(one), (model, one)) for one in shards), "pair")
    session.note_pairs(model, reranker.n_scored - scored, reranker.seconds - took)
    speed = session.pair_speed(model)
    seconds = len(pairs) / speed if speed else None
    return Timing(f"{retriever}+{reranker.name}", n_questions, seconds, len(pairs), speed)


def score_pairs(session: Session, model: str, pairs: list[Pair]) -> None:
    """Score those pairs of a question and a chunk that the cache lacks."""
    session.reranker(model).fill(pairs)


def _pairs(corpus: Corpus, chunks: pl.DataFrame, candidates: pl.DataFrame) -> list[Pair]:
    texts = candidates.join(chunks.select("chunk_id", chunk="text"), on="chunk_id", how="left", maintain_order="left")
    asked = corpus.questions.select("question_id", question="text")
    return texts.join(asked, on="question_id", how="left", maintain_order="left").select("question", "chunk").rows()
