"""The retrieval stages of the sweep flow: documents to chunks, to vectors, to rankings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import polars as pl

from corpora.schema import Corpus
from corpora.storage import sha256_text
from flows.session.session import Session
from flows.stages.runner import Runner
from results.settings import CHUNKING, SETTING_SCHEMA
from retrieval.chunking.chunks import CHUNKS, chunk_documents
from retrieval.chunking.heading_paths import add_heading_paths
from retrieval.chunking.splitters import BY_SENTENCES, Chunking, check_chunking
from retrieval.config import NO_RERANKER, RetrievalConfig
from retrieval.context import depth_for, shown_by_any
from retrieval.embedding.embedder import Place
from retrieval.embedding.embedder_config import EmbedderConfig, Role
from retrieval.embedding.unknown_tokens import Unread, What, count_unread, refuse_unread
from retrieval.oracle import rank_oracle
from retrieval.ranking.deepening import rank_for_cuts
from retrieval.ranking.hits import HITS
from retrieval.ranking.retrievers import Questions, Rankers, Retriever

TEXTS_A_SHARD = 1024
DOCUMENTS_A_SHARD = 64
QUESTIONS_A_BLOCK = 2048  # ranked at a time; a budget may hold many short chunks, which makes rankings deep
PLACE = ("document_id", "start", "end", "n_tokens")  # what a ranking knows of each chunk

INDEX_RECALL = pl.Schema({**SETTING_SCHEMA, "recall": pl.Float64()})


class Timing(NamedTuple):
    """How long one way to find chunks took.

    Attributes:
        retriever: its name, with the reranker's where there is one.
        questions: how many were ranked for.
        seconds: wall-clock time of all of them; None if it is not known.
        pairs: questions and chunks that a reranker reads together.
        pairs_per_second: how fast it does; None without a reranker, or if nothing was scored on this machine.
    """

    retriever: str
    questions: int
    seconds: float | None
    pairs: int = 0
    pairs_per_second: float | None = None


class Ranked(NamedTuple):
    """The rankings of one chunking under one embedder.

    Attributes:
        hits: schema `HITS` with `SETTING` and the columns `PLACE`.
        oracle: the same columns for the gold documents' chunks, in the oracle's order; retriever is null.
        recalls: columns `SETTING` and recall, of each approximate ranking against the exact one, one row a question.
        candidates: what rerankers read, by retriever: columns as `hits`, as deep as they need; none without rerankers.
        timings: how long each retriever took.
    """

    hits: pl.DataFrame
    oracle: pl.DataFrame
    recalls: pl.DataFrame
    candidates: Mapping[str, pl.DataFrame]
    timings: list[Timing]


def check_sizes(retrieval: RetrievalConfig, session: Session, *, embeds: bool) -> None:
    """Refuse sizes that an embedder would cut short, before anything is computed.

    Args:
        retrieval: sizes, splitters and embedders.
        session: opens the embedders.
        embeds: whether chunks are embedded at all, see `needs_vectors`.

    Raises:
        InputError: a size is larger than an embedder reads.
    """
    for config in retrieval.embedders:
        embedder = session.embedder(config)
        # The semantic splitter embeds each sentence by itself, so the limit of late chunking does not apply to it.
        plain = session.embedder(config.model_copy(update={"late": False}))
        for chunking in retrieval.chunkings():
            is_semantic = chunking.splitter == "semantic"
            limit = plain.limit if is_semantic else embedder.limit if embeds else None
            check_chunking(chunking, limit, embedder.tokenizer.n_special)


def check_questions(retrieval: RetrievalConfig, corpus: Corpus, session: Session) -> None:
    """Refuse questions that an embedder would cut short, before anything is asked or paid for.

    Raises:
        InputError: a question is longer than an embedder reads.
    """
    for config in retrieval.embedders:
        session.embedder(config).check(corpus.questions["text"].to_list(), "query")


def measure_unread(retrieval: RetrievalConfig, corpus: Corpus, session: Session) -> dict[str, list[Unread]]:
    """How much each embedder cannot read of the documents and the questions, by its name.

    Raises:
        InputError: an embedder cannot read most of them; said before anything is asked or paid for.
    """
    measured: dict[str, list[Unread]] = {}
    of_tokenizer: dict[str, list[Unread]] = {}  # embedders with one tokenizer are measured once
    for config in retrieval.embedders:
        tokenizer = session.embedder(config).tokenizer
        if tokenizer.digest not in of_tokenizer:
            texts: dict[What, list[str]] = {
                "documents": corpus.documents["text"].to_list(), "questions": corpus.questions["text"].to_list()
            }  # fmt: skip
            of_tokenizer[tokenizer.digest] = [count_unread(tokenizer, some, what) for what, some in texts.items()]
        measured[config.label] = of_tokenizer[tokenizer.digest]
        refuse_unread(config.label, measured[config.label])
    return measured


def in_words(chunking: Chunking) -> str:
    """A chunking as people say it, such as `64-token chunks`."""
    overlap = f" with {chunking.overlap} overlap" if chunking.overlap else ""
    splitter = "" if chunking.splitter == "tokens" else f", {chunking.splitter} splitter"
    return f"{chunking.size}-token chunks{overlap}{splitter}"


def split(corpus: Corpus, chunking: Chunking, config: EmbedderConfig, session: Session) -> pl.DataFrame:
    """The chunks of one chunking: schema `CHUNKS` with texts, the chunking's parameters and the embedder's name.

    Where headings are put before chunks for embedding, they have the columns `HEADED` too.
    """
    embedder = session.embedder(config)
    embed_sentences = partial(embedder.embed, role="passage")
    languages = corpus.languages if chunking.splitter in BY_SENTENCES else None
    chunks = chunk_documents(corpus.documents, chunking, embedder.tokenizer, embed_sentences, languages)
    named = dict(zip((*CHUNKING, "embedder"), (*chunking, config.label), strict=True))
    if config.headings:
        count = partial(embedder.count, role="passage")
        chunks = add_heading_paths(corpus.documents, chunks, count, embedder.window)
    return chunks.with_columns(pl.lit(value, SETTING_SCHEMA[name]).alias(name) for name, value in named.items())


def embed_all(
    corpus: Corpus, chunked: Sequence[pl.DataFrame], config: EmbedderConfig, session: Session, runner: Runner
) -> None:
    """Fill the embedding cache with every distinct text of all chunkings, longest first, and with the questions.

    With late chunking each document is read once, for the chunks of all chunkings.
    """
    config = session.settled(config)
    questions = corpus.questions["text"].unique().sort().to_list()
    runner.each("embed questions", len(questions), embed, session, [(len(questions), (config, questions, "query"))])
    if config.late:
        places = pl.concat([chunks.select("document_id", "start", "end") for chunks in chunked]).unique()
        documents = corpus.documents.select("document_id", "text")
        shards = [documents[at : at + DOCUMENTS_A_SHARD] for at in range(0, len(documents), DOCUMENTS_A_SHARD)]
        numbered = documents.select("document_id", shard=pl.int_range(pl.len()) // DOCUMENTS_A_SHARD)
        of_shard = places.join(numbered, on="document_id").partition_by("shard", as_dict=True, include_key=False)
        late = ((len(one), (config, one, of_shard[(at,)])) for at, one in enumerate(shards))
        runner.each(f"embed documents: {config.label}", len(documents), embed_late, session, late, "document")
        return
    embedded = "embedded" if config.headings else "text"
    texts = pl.concat([chunks.select(text=embedded) for chunks in chunked]).unique()
    ordered = texts.sort(pl.col("text").str.len_chars(), "text", descending=[True, False])["text"]
    parts = (ordered[at : at + TEXTS_A_SHARD].to_list() for at in range(0, len(ordered), TEXTS_A_SHARD))
    calls = ((len(part), (config, part, "passage")) for part in parts)
    runner.each(f"embed distinct texts: {config.label}", len(ordered), embed, session, calls, "text")


def rest(session: Session, config: EmbedderConfig) -> None:
    """Free an embedder's model, which nothing needs while chunks are ranked: all vectors are in the cache."""
    session.embedder(config).rest()


def embed(session: Session, config: EmbedderConfig, texts: list[str], role: Role) -> None:
    """Embed those texts that the cache lacks."""
    session.embedder(config).fill(texts, role)


def embed_late(session: Session, config: EmbedderConfig, documents: pl.DataFrame, places: pl.DataFrame) -> None:
    """Pool those chunks of some documents that the cache lacks."""
    texts = dict(documents.select("document_id", "text").iter_rows())
    session.embedder(config).fill_chunks(texts, _places(places))


def needs_vectors(retrievers: Sequence[Retriever], *, wants_oracle: bool) -> bool:
    """Whether chunks and questions must be embedded: BM25 alone only counts words."""
    return set(retrievers) != {"bm25"} or wants_oracle


def retrievers_by_embedder(
    retrieval: RetrievalConfig, session: Session
) -> dict[EmbedderConfig, list[Retriever]]:  # fmt: skip
    """Each embedder's retrievers; BM25, which needs no vector, once for embedders that make the same chunks."""
    found, counted = {}, set()
    for config in retrieval.embedders:
        # The semantic splitter's chunks depend on the vectors of sentences too, which are never pooled late.
        embedder = session.embedder(config.model_copy(update={"late": False}))
        counting = embedder.tokenizer.digest + (embedder.digest if "semantic" in retrieval.splitters else "")
        twice = counting in counted
        counted.add(counting)
        mine = [one for one in dict.fromkeys(retrieval.retrievers) if not (twice and one == "bm25")]
        if mine:
            found[config] = mine
    return found


def rank(
    retrieval: RetrievalConfig, corpus: Corpus, chunks: pl.DataFrame, config: EmbedderConfig,
    retrievers: Sequence[Retriever], session: Session, wants_oracle: bool,
) -> Ranked:  # fmt: skip
    """Index one chunking and rank it once for each question and retriever, as deep as the deepest cut needs.

    Args:
        retrieval: gives the cuts.
        corpus: its questions are ranked for.
        chunks: of one chunking, as `split` makes them.
        config: the embedder.
        retrievers: which of them rank.
        session: opens the embedder.
        wants_oracle: whether the gold documents' chunks are ranked too.
    """
    embedder = session.embedder(config)
    # Only pooling looks at places. What else is embedded stays a column: as Python's texts it would be there twice.
    places = _places(chunks) if config.late else []
    texts, vectors, of_questions = corpus.questions["text"].to_list(), None, None
    if needs_vectors(retrievers, wants_oracle=wants_oracle):
        of_questions = embedder.embed(texts, "query")
        if config.late:
            vectors = embedder.embed_chunks(corpus.texts, places)
        else:
            vectors = embedder.embed(chunks["embedded" if config.headings else "text"], "passage")
    headed = [sha256_text(text) for text in chunks["embedded"]] if config.headings else None
    late = embedder.chunk_keys(corpus.texts, places) if config.late else None
    keyed = chunks.with_columns(embedding_key=pl.Series(headed or late or chunks["text_sha256"]))
    questions = Questions(corpus.questions["question_id"].to_list(), texts, of_questions)
    cuts = retrieval.cuts()
    depth = depth_for(cuts, chunks)
    facts = chunks.select("chunk_id", *CHUNKING, "embedder", *PLACE)
    rankers, hits, recalls = Rankers(keyed, vectors), [], [pl.DataFrame(schema=INDEX_RECALL)]
    candidates: dict[str, pl.DataFrame] = {}
    timings = []
    for retriever in retrievers:
        started = time.perf_counter()
        for found in rank_for_cuts(rankers, retriever, questions, facts, cuts, QUESTIONS_A_BLOCK):
            hits.append(found.hits.with_columns(retriever=pl.lit(retriever)))
            if found.recall_against_exact is not None:
                one = chunks.select(*CHUNKING, "embedder").head(1).with_columns(retriever=pl.lit(retriever))
                recalls.append(one.join(pl.DataFrame({"recall": found.recall_against_exact}), how="cross"))
        timings.append(Timing(retriever, len(texts), time.perf_counter() - started))
        if retrieval.reranks:
            # Ranked once more where a reranker reads deeper: how deep one looks can change what is approximate.
            deep = [rankers.rank(retriever, one, max(depth, retrieval.rerank_depth)).hits
                    for one in questions.blocks(QUESTIONS_A_BLOCK)]  # fmt: skip
            named = pl.concat(deep).with_columns(retriever=pl.lit(retriever))
            candidates[retriever] = named.join(facts, on="chunk_id", how="left", maintain_order="left")
    oracle = pl.DataFrame(schema=HITS)
    if wants_oracle and vectors is not None and of_questions is not None:
        oracle = rank_oracle(corpus.questions, chunks, vectors, of_questions, depth)
    oracle = shown_by_any(oracle.join(facts, on="chunk_id", how="left"), cuts)
    kept = pl.concat(hits)
    if NO_RERANKER not in retrieval.rerankers:
        kept, timings = kept.clear(), []
    return Ranked(kept, oracle, pl.concat(recalls), candidates, timings)


def _places(chunks: pl.DataFrame) -> list[Place]:
    return [Place(*place) for place in chunks.select("document_id", "start", "end").iter_rows()]


def kept_chunks(chunks: pl.DataFrame) -> pl.DataFrame:
    """The columns of a chunk table that a run keeps; texts are in the corpus."""
    return chunks.select("embedder", *CHUNKS.names())
