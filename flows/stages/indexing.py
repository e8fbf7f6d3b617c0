"""The retrieval stages of the sweep flow: documents to chunks, to vectors, to rankings, and their scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from corpora.schema import Corpus, Question, iter_questions
from flows.session.experiment import Experiment
from flows.session.workspace import Workspace, open_embedder
from flows.stages.runner import Runner
from results.evidence.retrieval_metrics import DocumentScorer, SpanScorer
from results.settings import CHUNKING, CUT, SETTING, SETTING_SCHEMA
from retrieval.chunking.chunks import CHUNKS, chunk_documents
from retrieval.chunking.splitters import Chunking, check_chunking
from retrieval.context import cut_ranking, depth_for
from retrieval.embedding.embedder import Place, Vectors
from retrieval.embedding.embedder_config import EmbedderConfig, Role
from retrieval.oracle import GoldChunk, order_chunks
from retrieval.ranking.hits import HITS
from retrieval.ranking.retrievers import Questions, Rankers, Retriever

TEXTS_A_SHARD = 1024
DOCUMENTS_A_SHARD = 64
QUESTIONS_A_BLOCK = 2048  # ranked at a time: rankings are as deep as short chunks may be many in a budget
PLACE = ("document_id", "start", "end", "n_tokens")  # what a ranking knows of each chunk


INDEX_RECALL = pl.Schema({**SETTING_SCHEMA, "recall": pl.Float64()})


class Ranked(NamedTuple):
    """The rankings of one chunking under one embedder.

    Attributes:
        hits: schema `HITS` with `SETTING` and the columns `PLACE`.
        oracle: the gold documents' chunks in the oracle's order, the same columns; retriever is null.
        recalls: columns `SETTING` and recall: of each approximate ranking against the exact one, by question.
    """

    hits: pl.DataFrame
    oracle: pl.DataFrame
    recalls: pl.DataFrame


def check_sizes(experiment: Experiment, workspace: Workspace) -> None:
    """Refuse sizes that an embedder would cut short, before anything is computed."""
    embeds_chunks = needs_vectors(experiment, experiment.retrieval.retrievers)
    for config in experiment.retrieval.embedders:
        embedder = open_embedder(config, workspace.embeddings)
        # The semantic splitter embeds sentences by themselves, which late chunking's own limit does not hold for.
        plain = open_embedder(config.model_copy(update={"late": False}), workspace.embeddings)
        for chunking in experiment.retrieval.chunkings():
            is_semantic = chunking.splitter == "semantic"
            limit = plain.limit if is_semantic else embedder.limit if embeds_chunks else None
            check_chunking(chunking, limit, embedder.tokenizer.n_special)


def check_questions(experiment: Experiment, corpus: Corpus, workspace: Workspace) -> None:
    """Refuse questions that an embedder would cut short, before anything is asked or paid."""
    for config in experiment.retrieval.embedders:
        open_embedder(config, workspace.embeddings).check(corpus.questions["text"].to_list(), "query")


def split(corpus: Corpus, chunking: Chunking, config: EmbedderConfig, workspace: Workspace) -> pl.DataFrame:
    """The chunks of one chunking: schema `CHUNKS` with texts, the chunking's parameters and the embedder's name."""
    embedder = open_embedder(config, workspace.embeddings)
    embed_sentences = partial(embedder.embed, role="passage")
    chunks = chunk_documents(corpus.documents, chunking, embedder.tokenizer, embed_sentences)
    named = dict(zip((*CHUNKING, "embedder"), (*chunking, config.label), strict=True))
    return chunks.with_columns(pl.lit(value, SETTING_SCHEMA[name]).alias(name) for name, value in named.items())


def embed_all(
    corpus: Corpus, chunked: Sequence[pl.DataFrame], config: EmbedderConfig, workspace: Workspace, runner: Runner
) -> None:
    """Fill the embedding cache with every distinct text of all chunkings, longest first, and with the questions.

    With late chunking each document is read once, for the chunks of all chunkings.
    """
    questions = corpus.questions["text"].unique().sort().to_list()
    runner.each("embed questions", len(questions), embed, [(len(questions), (config, questions, "query", workspace))])
    if config.late:
        places = pl.concat([chunks.select("document_id", "start", "end") for chunks in chunked]).unique()
        documents = corpus.documents.select("document_id", "text")
        shards = [documents[at : at + DOCUMENTS_A_SHARD] for at in range(0, len(documents), DOCUMENTS_A_SHARD)]
        numbered = documents.select("document_id", shard=pl.int_range(pl.len()) // DOCUMENTS_A_SHARD)
        of_shard = places.join(numbered, on="document_id").partition_by("shard", as_dict=True, include_key=False)
        late = ((len(one), (config, one, of_shard[(at,)], workspace)) for at, one in enumerate(shards))
        runner.each(f"embed documents: {config.label}", len(documents), embed_late, late)
        return
    texts = pl.concat([chunks["text"] for chunks in chunked]).unique()
    ordered = sorted(texts.to_list(), key=lambda text: (-len(text), text))
    parts = [ordered[at : at + TEXTS_A_SHARD] for at in range(0, len(ordered), TEXTS_A_SHARD)]
    calls = ((len(part), (config, part, "passage", workspace)) for part in parts)
    runner.each(f"embed distinct texts: {config.label}", len(ordered), embed, calls)


def embed(config: EmbedderConfig, texts: list[str], role: Role, workspace: Workspace) -> None:
    """Embed those texts that the cache lacks."""
    open_embedder(config, workspace.embeddings).fill(texts, role)


def embed_late(config: EmbedderConfig, documents: pl.DataFrame, places: pl.DataFrame, workspace: Workspace) -> None:
    """Pool those chunks of some documents that the cache lacks."""
    texts = dict(documents.select("document_id", "text").iter_rows())
    open_embedder(config, workspace.embeddings).fill_chunks(texts, [Place(*place) for place in places.iter_rows()])


def rank(
    experiment: Experiment,
    corpus: Corpus,
    chunks: pl.DataFrame,
    config: EmbedderConfig,
    retrievers: Sequence[Retriever],
    workspace: Workspace,
) -> Ranked:
    """Index one chunking and rank it once for each question and retriever, as deep as the deepest cut needs."""
    embedder = open_embedder(config, workspace.embeddings)
    places = [Place(*place) for place in chunks.select("document_id", "start", "end").iter_rows()]
    asked, vectors, of_questions = corpus.questions["text"].to_list(), None, None
    if needs_vectors(experiment, retrievers):
        vectors, of_questions = embedder.embed_chunks(corpus.texts, places), embedder.embed(asked, "query")
    keyed = chunks.with_columns(embedding_key=pl.Series(embedder.chunk_keys(corpus.texts, places)))
    questions = Questions(corpus.questions["question_id"].to_list(), asked, of_questions)
    depth = depth_for(experiment.retrieval.cuts(), chunks)
    rankers = Rankers(keyed, vectors)
    facts = chunks.select("chunk_id", *CHUNKING, "embedder", *PLACE)
    hits, recalls = [], []
    for retriever in retrievers:
        for block in _blocks(questions):
            found = rankers.rank(retriever, block, depth)
            named = found.hits.with_columns(retriever=pl.lit(retriever))
            hits.append(_needed(named.join(facts, on="chunk_id", how="left", maintain_order="left"), experiment))
            if found.recall_against_exact is not None:
                one = chunks.select(*CHUNKING, "embedder").head(1).with_columns(retriever=pl.lit(retriever))
                recalls.append(one.join(pl.DataFrame({"recall": found.recall_against_exact}), how="cross"))
    oracle = pl.DataFrame(schema=HITS)
    if vectors is not None and _wants_oracle(experiment):
        oracle = rank_oracle(corpus, chunks, vectors, questions, depth)
    oracle = _needed(oracle.join(facts, on="chunk_id", how="left"), experiment)
    return Ranked(pl.concat(hits), oracle, pl.concat([pl.DataFrame(schema=INDEX_RECALL), *recalls]))


def needs_vectors(experiment: Experiment, retrievers: Sequence[Retriever]) -> bool:
    """Whether chunks and questions must be embedded: BM25 by itself counts words."""
    return set(retrievers) != {"bm25"} or _wants_oracle(experiment)


def _wants_oracle(experiment: Experiment) -> bool:
    return bool(experiment.readers) and "oracle_chunk" in experiment.retrieval.controls


def _blocks(questions: Questions) -> Iterator[Questions]:
    """The questions in blocks of about the same size: FAISS adds up otherwise, in the last digit, for very few."""
    n_blocks = max(1, math.ceil(len(questions.ids) / QUESTIONS_A_BLOCK))
    ends = [len(questions.ids) * at // n_blocks for at in range(n_blocks + 1)]
    for start, end in pairwise(ends):
        vectors = None if questions.vectors is None else questions.vectors[start:end]
        yield Questions(questions.ids[start:end], questions.texts[start:end], vectors)


def _needed(ranked: pl.DataFrame, experiment: Experiment) -> pl.DataFrame:
    """Of rankings deep enough for any cut, what some cut shows: short chunks that budgets hold many of are rare."""
    retrieval = experiment.retrieval
    shown = pl.col("n_tokens").cum_sum().over("question_id") <= max(retrieval.budgets, default=0)
    return ranked.filter((pl.col("rank") <= max(retrieval.k, default=0)) | shown)


def rank_oracle(
    corpus: Corpus, chunks: pl.DataFrame, vectors: Vectors, questions: Questions, depth: int
) -> pl.DataFrame:
    """The chunks of each question's gold documents, best first; schema `HITS`, the score is the similarity."""
    gold_ids = corpus.questions["document_ids"].explode().unique()
    rows = chunks.with_row_index("row").select("document_id", "row", "chunk_id", "start", "end")
    rows = rows.filter(pl.col("document_id").is_in(gold_ids.implode()))
    by_document = rows.partition_by("document_id", as_dict=True)
    name, found = chunks["chunking"][0], []
    for at, question in enumerate(iter_questions(corpus.questions)):
        gold = _gold_chunks(question, by_document, vectors, _vector(questions, at))
        evidence = [(span.document_id, span.start, span.end) for span in question.evidence]
        for rank, chunk in enumerate(order_chunks(gold, evidence, depth), 1):
            found.append((name, question.id, rank, chunk.chunk_id, chunk.score))
    return pl.DataFrame(found, schema=HITS, orient="row")


def _vector(questions: Questions, at: int) -> Vectors:
    if questions.vectors is None:
        raise AssertionError("the oracle needs the questions' vectors")
    vector: Vectors = questions.vectors[at]
    return vector


def _gold_chunks(
    question: Question, by_document: dict[tuple[object, ...], pl.DataFrame], vectors: Vectors, vector: Vectors
) -> list[GoldChunk]:
    gold = []
    for document_id in question.document_ids:
        of_document = by_document.get((document_id,))
        if of_document is not None:
            scores = np.round(vectors[of_document["row"].to_numpy()].astype(np.float64) @ vector.astype(np.float64), 6)
            places = of_document.select("chunk_id", "document_id", "start", "end").with_columns(score=pl.Series(scores))
            gold += [GoldChunk(*place) for place in places.iter_rows()]
    return gold


def score_retrieval(
    experiment: Experiment,
    corpus: Corpus,
    rankings: Sequence[pl.DataFrame],
    config: EmbedderConfig,
    workspace: Workspace,
) -> pl.DataFrame:
    """Retrieval scores by setting, cut and question; span scores are null where a question has no evidence."""
    documents = DocumentScorer(corpus)
    spans = SpanScorer(corpus, open_embedder(config, workspace.embeddings).tokenizer)
    parts = []
    for hits in rankings:
        for key, of_setting in hits.group_by(SETTING, maintain_order=True):
            for cut in experiment.retrieval.cuts():
                shown = cut_ranking(of_setting, cut)
                tokens = shown.group_by("question_id").agg(n_context_tokens=pl.sum("n_tokens").cast(pl.Int64))
                scores = documents.scores(shown).join(spans.scores(shown), on="question_id", how="left")
                scores = scores.join(tokens, on="question_id", how="left").with_columns(
                    pl.col("n_context_tokens").fill_null(0)
                )
                places = dict(zip((*SETTING, *CUT), (*key, *cut), strict=True))
                parts.append(scores.select(*(pl.lit(v).alias(k) for k, v in places.items()), pl.all()))
    return pl.concat(parts).sort(*SETTING, *CUT, "question_id")


def kept_chunks(chunks: pl.DataFrame) -> pl.DataFrame:
    """The columns of a chunk table that a run keeps; texts are in the corpus."""
    return chunks.select("embedder", *CHUNKS.names())
