"""Everything of a sweep up to the rankings: chunk, embed, index, rank and score, one embedder after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import polars as pl

from corpora.schema import Corpus
from flows.session.session import Session
from flows.stages.indexing import (
    Ranked,
    Timing,
    embed,
    embed_all,
    in_words,
    kept_chunks,
    needs_vectors,
    rank,
    rest,
    retrievers_by_embedder,
    split,
)
from flows.stages.retrieval.reranking import Named, check_pairs, rerank_all, rest_rerankers
from flows.stages.runner import Runner
from results.config import ScoringConfig
from results.evidence.retrieval_metrics import score_retrieval
from results.sweep.retrieval_means import agree_on_settings, mean_retrieval, retrieval_by_passages
from retrieval.chunking.heading_paths import recorded_paths
from retrieval.config import RetrievalConfig
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.ranking.retrievers import Retriever


class Retrieved(NamedTuple):
    """What retrieval leaves behind.

    Attributes:
        tables: the frames chunks, hits, retrieval, retrieval_means and index_recall; also by_passages, where a question
            needs several passages, and heading_paths, where headings are put before chunks.
        hits: the rankings of every setting, see `Ranked`.
        oracle: the same of the oracle.
        counting: digest of each embedder's tokenizer, by its name.
        left_out: what would have been ranked twice, a line each.
        timings: how long each embedder's retrievers took over all chunkings, as JSON types.
    """

    tables: Mapping[str, pl.DataFrame]
    hits: pl.DataFrame
    oracle: pl.DataFrame
    counting: Mapping[str, str]
    left_out: list[str]
    timings: list[dict[str, Any]]


def added_up(timings: Sequence[tuple[str, Timing]]) -> list[dict[str, Any]]:
    """The timings of all chunkings together, by embedder and retriever, as JSON types; in the order given."""
    found: dict[tuple[str, str], Timing] = {}
    for embedder, one in timings:
        key = embedder, one.retriever
        before = found.get(key, Timing(one.retriever, 0, 0.0))
        unknown = before.seconds is None or one.seconds is None
        seconds = None if unknown else round((before.seconds or 0.0) + (one.seconds or 0.0), 4)
        found[key] = one._replace(
            questions=before.questions + one.questions, seconds=seconds, pairs=before.pairs + one.pairs
        )
    return [{"embedder": embedder, **one._asdict()} for (embedder, _), one in found.items()]


@contextmanager
def questions_ahead(
    retrieval: RetrievalConfig, corpus: Corpus, config: EmbedderConfig, session: Session, runner: Runner
) -> Iterator[None]:
    """Load the model and embed the questions in a thread, while documents are split in this one.

    The stage that embeds the questions then finds them in the cache. Whatever goes wrong is raised at the end of the
    block, unless something else has. Not where splitting needs the same model, or where workers embed.

    Raises:
        InputError: as `Embedder.fill`.
    """
    if "semantic" in retrieval.splitters or runner.n_workers > 1:
        yield
        return
    settled = session.settled(config)
    session.embedder(settled)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(embed, session, settled, corpus.questions["text"].unique().sort().to_list(), "query")
        yield
        done.result()


def retrieve(
    retrieval: RetrievalConfig, corpus: Corpus, scoring: ScoringConfig, session: Session, runner: Runner,
    *, wants_oracle: bool,
) -> Retrieved:  # fmt: skip
    """Rank every setting once for each question, and score every cut.

    Args:
        retrieval: the settings and cuts.
        corpus: documents and questions.
        scoring: how the means are resampled.
        session: opens the embedders.
        runner: runs the stages.
        wants_oracle: whether the chunks of the gold documents are ranked too.
    """
    each = retrievers_by_embedder(retrieval, session)
    of_embedders = [
        _of_embedder(retrieval, corpus, config, retrievers, session, runner,
                     said=f", {config.label}" if len(each) > 1 else "", wants_oracle=wants_oracle)
        for config, retrievers in each.items()
    ]  # fmt: skip
    rest_rerankers(retrieval, session)
    ranked = [found for one in of_embedders for found in one.found]
    hits, scored = pl.concat([one.hits for one in ranked]), pl.concat([one.scored for one in of_embedders])
    tables = {
        "chunks": pl.concat([chunks for one in of_embedders for chunks in one.chunks]),
        "hits": hits.select("embedder", "retriever", "chunking", "question_id", "rank", "chunk_id", "score"),
        "retrieval": scored,
        "retrieval_means": runner.run("average retrieval", mean_retrieval, corpus, scored, scoring),
        "index_recall": pl.concat([one.recalls for one in ranked]),
    }
    by_passages = retrieval_by_passages(corpus, scored, scoring)
    tables |= {"by_passages": by_passages} if len(by_passages) else {}
    headed = [paths for one in of_embedders for paths in one.headed]
    if headed:
        tables["heading_paths"] = pl.concat(headed)
    if len(retrieval.embedders) > 1:
        tables["same_order"] = agree_on_settings(tables["retrieval_means"])
    counting = {config.label: session.embedder(config).tokenizer.digest for config in retrieval.embedders}
    timings = [(one.label, timing) for one in of_embedders for found in one.found for timing in found.timings]
    return Retrieved(
        tables, hits, pl.concat([one.oracle for one in ranked]), counting, _left_out(retrieval, each), added_up(timings)
    )


class _OfEmbedder(NamedTuple):
    """What came of all chunkings of one embedder.

    Attributes:
        label: the embedder's name.
        chunks: by chunking, as they are kept.
        headed: by chunking, the headings that were put before chunks; empty if none were.
        found: by chunking, the rankings.
        scored: each question's scores.
    """

    label: str
    chunks: list[pl.DataFrame]
    headed: list[pl.DataFrame]
    found: list[Ranked]
    scored: pl.DataFrame


def _of_embedder(
    retrieval: RetrievalConfig, corpus: Corpus, config: EmbedderConfig, retrievers: list[Retriever], session: Session,
    runner: Runner, *, said: str, wants_oracle: bool,
) -> _OfEmbedder:  # fmt: skip
    """Split, embed, rank and score with one embedder; `said` names it after the names of its stages."""
    names = [in_words(chunking) + said for chunking in retrieval.chunkings()]
    embeds = needs_vectors(retrievers, wants_oracle=wants_oracle)
    with questions_ahead(retrieval, corpus, config, session, runner) if embeds else nullcontext():
        chunks = [
            runner.run(f"chunk: {name}", split, corpus, chunking, config, session)
            for name, chunking in zip(names, retrieval.chunkings(), strict=True)
        ]
    if retrieval.reranks:
        check_pairs(retrieval, corpus, chunks, session)
    if embeds:
        embed_all(corpus, chunks, config, session, runner)
        rest(session, config)
    found = []
    for name, one in zip(names, chunks, strict=True):  # one after the other: candidates for rerankers take room
        ranked = runner.run(
            f"rank: {name}", rank, retrieval, corpus, one, config, retrievers, session, wants_oracle
        )  # fmt: skip
        if retrieval.reranks:
            ranked = rerank_all(retrieval, corpus, Named(name, one), ranked, session, runner)
        found.append(ranked)
    rankings, tokenizer = [one.hits for one in found], session.embedder(config).tokenizer
    scored = runner.run(f"score retrieval{said}", score_retrieval, corpus, rankings, retrieval.cuts(), tokenizer)
    headed = [recorded_paths(one) for one in chunks if config.headings]
    return _OfEmbedder(config.label, [kept_chunks(one) for one in chunks], headed, found, scored)


def _left_out(retrieval: RetrievalConfig, each: Mapping[EmbedderConfig, list[Retriever]]) -> list[str]:
    if "bm25" not in retrieval.retrievers:
        return []
    return [
        f"{config.label}: BM25 ranks the same chunks as under an embedder named before it, and is listed there only."
        for config in retrieval.embedders
        if "bm25" not in each.get(config, [])
    ]
