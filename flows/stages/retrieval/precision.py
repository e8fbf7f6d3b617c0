"""The precision of embedders that leave it open (`precision = "auto"`): tried on a sample of the corpus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import polars as pl

from corpora.schema import Corpus
from corpora.storage import sha256_text
from flows.session.session import Session
from retrieval.chunking.chunks import chunk_documents
from retrieval.chunking.splitters import Chunking
from retrieval.config import RetrievalConfig
from retrieval.embedding.embedder import Embedder, Place
from retrieval.embedding.embedder_config import Arithmetic, EmbedderConfig
from retrieval.embedding.running.graph import faster_precisions
from retrieval.ranking.agreement import Agreement, Embedded, agreement

QUESTIONS = 64  # looked at; few enough to embed twice, enough to see a ranking change
DOCUMENTS = 64
CHUNKS = 256
K = 5
# Rankings that agree this far differ among near ties only: what no chunk size is chosen by.
LEAST_OVERLAP = 0.95
MOST_CHANGE = 0.02  # of a cosine


class Settled(NamedTuple):
    """The precision of one embedder.

    Attributes:
        used: in which it runs.
        tried: the precisions that were compared with float32, in turn; none if the processor has no faster one.
        questions: how many were looked at.
        chunks: how many they were ranked among.
    """

    used: Arithmetic
    tried: dict[Arithmetic, Agreement]
    questions: int
    chunks: int

    def described(self) -> dict[str, Any]:
        """All of it, as JSON types."""
        tried = {name: one._asdict() for name, one in self.tried.items()}
        return {"used": self.used, "tried": tried, "questions": self.questions, "chunks": self.chunks,
                "least_overlap": LEAST_OVERLAP, "most_change": MOST_CHANGE}  # fmt: skip


class Sample(NamedTuple):
    """Questions and chunks of a corpus that are always the same ones."""

    questions: list[str]
    documents: dict[str, str]
    places: list[Place]


def settle_precision(retrieval: RetrievalConfig, corpus: Corpus, session: Session) -> dict[str, Settled]:
    """Choose the precision of each embedder with `precision = "auto"`, and tell the session.

    Args:
        retrieval: gives the embedders and the sizes.
        corpus: gives the sample.
        session: opens the embedders.

    Returns:
        What was chosen, by the embedder's name.
    """
    settled = {}
    for config in retrieval.embedders:
        if config.precision == "auto":
            settled[config.label] = _settle(config, retrieval.sizes, corpus, session)
            session.settle(config, settled[config.label].used)
    return settled


def _settle(config: EmbedderConfig, sizes: Iterable[int], corpus: Corpus, session: Session) -> Settled:
    exact = session.embedder(config)  # in float32 until it is settled
    if exact.is_static:
        return Settled("float32", {}, 0, 0)
    sample = draw_sample(corpus, sorted(sizes), exact)
    tried: dict[Arithmetic, Agreement] = {}
    for precision in faster_precisions():
        other = session.embedder(config.model_copy(update={"precision": precision, "name": config.label}))
        tried[precision] = agreement(_embedded(exact, sample), _embedded(other, sample), K)
        if is_close(tried[precision]):
            return Settled(precision, tried, len(sample.questions), len(sample.places))
    return Settled("float32", tried, len(sample.questions), len(sample.places))


def is_close(found: Agreement) -> bool:
    """Whether a precision ranks so much as float32 does that it may take its place."""
    return found.overlap >= LEAST_OVERLAP and found.largest_change <= MOST_CHANGE


def draw_sample(corpus: Corpus, sizes: list[int], embedder: Embedder) -> Sample:
    """Questions by the digest of their ids, and chunks of the middle size: of their gold documents, and of others."""
    asked = corpus.questions.select("question_id", "text", "document_ids").rows()
    asked = sorted(asked, key=lambda row: sha256_text(row[0]))[:QUESTIONS]
    gold = dict.fromkeys(one for *_, ids in asked for one in sorted(ids))
    others = sorted(set(corpus.texts) - set(gold), key=sha256_text)
    drawn = [*list(gold)[: DOCUMENTS // 2], *others]
    drawn = [*drawn, *list(gold)[DOCUMENTS // 2 :]][:DOCUMENTS]
    documents = corpus.documents.filter(pl.col("document_id").is_in(drawn))
    chunks = chunk_documents(documents, Chunking("tokens", sizes[len(sizes) // 2], 0), embedder.tokenizer)
    order = sorted(chunks.select("chunk_id", "document_id", "start", "end").rows(), key=lambda row: sha256_text(row[0]))
    return Sample([text for _, text, _ in asked], corpus.texts, [Place(*row[1:]) for row in order[:CHUNKS]])


def _embedded(embedder: Embedder, sample: Sample) -> Embedded:
    chunks = embedder.embed_chunks(sample.documents, sample.places)
    questions = embedder.embed(sample.questions, "query")
    embedder.rest()
    return Embedded(questions, chunks)
