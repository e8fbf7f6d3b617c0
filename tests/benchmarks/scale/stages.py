"""The stages of a sweep without readers over a generated corpus, each run by itself: `python -m ...scale.stages NAME`.

A stage finds what the one before it left as Parquet in a folder, does its work through the product's own functions, and
prints what that took. Reading its input and importing are not counted as its time, but its memory holds them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import numpy as np
import polars as pl

from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.schema import Corpus, LabelSet
from corpora.sources.generator import GeneratorConfig
from flows.stages.indexing import QUESTIONS_A_BLOCK, split
from results.config import ScoringConfig
from results.evidence.retrieval_metrics import score_retrieval
from results.sweep.retrieval_means import mean_retrieval
from retrieval.chunking.splitters import Chunking
from retrieval.context import Cut, depth_for
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.unknown_tokens import count_unread
from retrieval.ranking.deepening import rank_for_cuts
from retrieval.ranking.retrievers import Questions, Rankers

WORDS = 200  # PubMedQA's abstracts have 200 on average
CHUNKING = Chunking("tokens", 64, 0)
CUTS = [Cut("k", 1), Cut("k", 3), Cut("k", 5), Cut("budget", 256)]
DIMENSIONS = 384  # of all-MiniLM-L6-v2
SAMPLES = 5


class Given(NamedTuple):
    """What a stage works on."""

    folder: Path
    n_documents: int
    n_questions: int
    n_embedded: int


Figures = dict[str, Any]
Stage = Callable[[Given], Iterator[Figures]]  # yields nothing but an empty dict when it is ready, then its figures


def corpus_config(given: Given) -> CorpusConfig:
    """One question a document, as in PubMedQA; the questions asked are a sample by hash."""
    generator = GeneratorConfig(n_documents=given.n_documents, words=WORDS, questions_per_document=1)
    return CorpusConfig(source="generated", split="all", sample=given.n_questions, generator=generator)


def load(given: Given) -> Iterator[Figures]:
    """Generate, check, split and sample."""
    yield {}
    corpus = load_corpus(corpus_config(given))
    corpus.documents.write_parquet(given.folder / "documents.parquet")
    corpus.questions.write_parquet(given.folder / "questions.parquet")
    characters = int(corpus.documents["text"].str.len_chars().sum())
    yield {"documents": len(corpus.documents), "questions": len(corpus.questions), "characters": characters}


def read_tables(given: Given) -> Iterator[Figures]:
    """The same documents and questions as the user's own JSON lines."""
    documents, questions = given.folder / "documents.jsonl", given.folder / "questions.jsonl"
    pl.read_parquet(given.folder / "documents.parquet").select(id="document_id", text="text").write_ndjson(documents)
    asked = pl.read_parquet(given.folder / "questions.parquet")
    asked.select("text", "document_ids", id="question_id").write_ndjson(questions)
    yield {}
    found = load_corpus(CorpusConfig(source="tables", documents=documents, questions=questions, split="all"))
    yield {"documents": len(found.documents), "bytes": documents.stat().st_size}


def count_unknown(given: Given) -> Iterator[Figures]:
    """How much the embedder cannot read."""
    corpus, tokenizer = _corpus(given), _session_embedder(given).tokenizer
    yield {}
    found = count_unread(tokenizer, corpus.documents["text"].to_list(), "documents")
    yield {"tokens": found.n_tokens}


def chunk(given: Given) -> Iterator[Figures]:
    """Split all documents."""
    from flows.session.session import Session
    from flows.session.workspace import Workspace

    corpus = _corpus(given)
    with TemporaryDirectory() as store, Session(Workspace(Path(store))) as session:
        session.embedder(EmbedderConfig())
        yield {}
        chunks = split(corpus, CHUNKING, EmbedderConfig(), session)
    chunks.write_parquet(given.folder / "chunks.parquet")
    yield {"chunks": len(chunks), "tokens": int(chunks["n_tokens"].sum())}


def rank_bm25(given: Given) -> Iterator[Figures]:
    """Build BM25's index and rank for every question."""
    yield from _rank(given, "bm25", _chunks(given), None, None)


def rank_dense(given: Given) -> Iterator[Figures]:
    """Rank by exact FAISS, with seeded random unit vectors of the embedder's width in place of embeddings."""
    chunks = _chunks(given)
    yield from _rank(given, "dense", chunks, _vectors(len(chunks), 1), _vectors(given.n_questions, 2))


def _rank(
    given: Given, retriever: Any, chunks: pl.DataFrame, vectors: np.ndarray | None, asked: np.ndarray | None
) -> Iterator[Figures]:
    corpus = _corpus(given)
    questions = Questions(corpus.questions["question_id"].to_list(), corpus.questions["text"].to_list(), asked)
    facts = chunks.select(
        "chunk_id", "splitter", "size", "overlap", "embedder", "document_id", "start", "end", "n_tokens"
    )
    yield {}
    rankers = Rankers(chunks, vectors)
    one = Questions(questions.ids[:1], questions.texts[:1], None if asked is None else asked[:1])
    rankers.rank(retriever, one, 1)  # builds the index
    indexed = time.process_time()
    shown = rank_for_cuts(rankers, retriever, questions, facts, CUTS, QUESTIONS_A_BLOCK)
    hits = [some.hits.with_columns(retriever=pl.lit(retriever)) for some in shown]
    ranked = pl.concat(hits)
    ranked.write_parquet(given.folder / f"{retriever}.parquet")
    yield {
        "chunks": len(chunks),
        "depth": depth_for(CUTS, chunks),
        "hits": len(ranked),
        "ranking_cpu": time.process_time() - indexed,
    }


def score(given: Given) -> Iterator[Figures]:
    """Score every cut of BM25's rankings, on documents and on evidence."""
    corpus, hits = _corpus(given), pl.read_parquet(given.folder / "bm25.parquet")
    tokenizer = _session_embedder(given).tokenizer
    yield {}
    scores = score_retrieval(corpus, [hits], CUTS, tokenizer)
    scores.write_parquet(given.folder / "scores.parquet")
    yield {"rows": len(scores), "evidence_found": float(scores.filter(amount=256)["span_recall"].mean())}


def average(given: Given) -> Iterator[Figures]:
    """Means with intervals, resampled by document."""
    corpus, scores = _corpus(given), pl.read_parquet(given.folder / "scores.parquet")
    yield {}
    yield {"rows": len(mean_retrieval(corpus, scores, ScoringConfig()))}


def label(given: Given) -> Iterator[Figures]:
    """Three votes a question of a scripted reader, through the label flow's stages into the ledger."""
    from flows.session.experiment import ReaderConfig
    from flows.stages.asking import ask, collect, document_prompts
    from flows.stages.shards import cut_shards
    from tests.doubles.scripted import scripted_session

    corpus = _corpus(given)
    with TemporaryDirectory() as store:
        session, _ = scripted_session(Path(store), _unsure)
        reader = ReaderConfig(model="scripted")
        with session:
            yield {}
            for shard in cut_shards(document_prompts(corpus, reader), len(corpus.questions)):
                ask(session, reader, corpus.labels, shard)
            prompts = (prompt for group in document_prompts(corpus, reader) for prompt in group)
            votes = collect(session, reader, corpus.labels, prompts)
        taken = sum(file.stat().st_size for file in Path(store).rglob("ledger/**/*") if file.is_file())
    yield {"votes": len(votes), "bytes_a_vote": taken / len(votes)}


def embed(given: Given) -> Iterator[Figures]:
    """Embed several samples of chunks; the rest is extrapolated from their rates."""
    chunks = pl.read_parquet(given.folder / "chunks.parquet", columns=["text", "n_tokens"])
    with TemporaryDirectory() as store:
        embedder = _session_embedder(given, Path(store))
        embedder.embed_once(["to load the model"], "passage")
        some = max(1, min(given.n_embedded, len(chunks)) // SAMPLES)
        drawn = chunks.sample(min(len(chunks), some * SAMPLES), seed=0, shuffle=True)
        total = int(chunks["n_tokens"].sum())
        del chunks
        yield {}
        rates = []
        for sample in drawn.iter_slices(some):
            started = time.process_time()
            embedder.fill(sample["text"].to_list(), "passage")
            rates.append(int(sample["n_tokens"].sum()) / (time.process_time() - started))
    expected = total / np.array(rates)
    yield {
        "embedded": len(drawn), "samples": len(rates), "tokens": total, "tokens_a_cpu_second": float(np.mean(rates)),
        "expected_cpu": float(expected.mean()),
        "standard_error": float(expected.std(ddof=1) / np.sqrt(len(rates))) if len(rates) > 1 else None,
    }  # fmt: skip


STAGES: Mapping[str, Stage] = {
    "load": load,
    "read tables": read_tables,
    "count unknown tokens": count_unknown,
    "chunk": chunk,
    "bm25": rank_bm25,
    "exact FAISS": rank_dense,
    "score": score,
    "average": average,
    "labels": label,
    "embed a sample": embed,
}


def _unsure(model: str, prompt: Any) -> tuple[float, float, float]:
    """Probabilities that differ from question to question, or the ledger would squeeze them into nothing."""
    one, other = np.random.default_rng(int(prompt.hash[:8], 16)).random(2)
    return 0.5 * one + 0.5, 0.5 * (1 - one) * other, 0.5 * (1 - one) * (1 - other)


def _corpus(given: Given) -> Corpus:
    documents, questions = (pl.read_parquet(given.folder / f"{one}.parquet") for one in ("documents", "questions"))
    return Corpus("scale", documents, questions, LabelSet())


def _chunks(given: Given) -> pl.DataFrame:
    return pl.read_parquet(given.folder / "chunks.parquet")


def _session_embedder(given: Given, cache: Path | None = None) -> Any:
    from flows.session.session import open_embedder
    from flows.session.workspace import Workspace

    return open_embedder(EmbedderConfig(), Workspace(cache or given.folder))


def _vectors(n: int, seed: int) -> np.ndarray:
    """Unit vectors, drawn in blocks straight into what is returned."""
    vectors, random = np.empty((n, DIMENSIONS), np.float32), np.random.default_rng(seed)
    for at in range(0, n, 65536):
        block = vectors[at : at + 65536]
        random.standard_normal(out=block, dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def measure(stage: Stage, given: Given) -> Figures:
    """Run a stage; its CPU and wall-clock seconds count from when it is ready, its peak memory from the start."""
    steps = stage(given)
    next(steps)
    cpu, wall = time.process_time(), time.perf_counter()
    figures = next(steps)
    taken = {"cpu": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # KiB on Linux
    return {**taken, "peak": peak, **figures}


@click.command()
@click.argument("stage", type=click.Choice(list(STAGES)))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("documents", type=int)
@click.argument("questions", type=int)
@click.argument("embedded", type=int)
def main(stage: str, folder: Path, documents: int, questions: int, embedded: int) -> None:
    """Run one stage and print its figures as JSON."""
    click.echo(json.dumps(measure(STAGES[stage], Given(folder, documents, questions, embedded))))


if __name__ == "__main__":
    sys.exit(main())
