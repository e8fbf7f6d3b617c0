"""Chroma's published table for all-MiniLM-L6-v2 from our reader, retrieval and scorer, in its convention and in ours.

    pip install tiktoken    # with its cl100k_base table in TIKTOKEN_CACHE_DIR where there is no network
    python -m tests.benchmarks.chroma --data FOLDER --save results/published/chroma

Three kinds of arm, each with fixed token windows of 250, overlapping by 125 or by none, and five retrieved chunks from
all five texts together:

* theirs: windows of cl100k tokens, cut short by the embedder at 256 word pieces; characters, where the retrieved amount
  counts what several chunks share several times.
* their windows, our scores: distinct tokens of the embedder.
* ours: windows of the embedder's tokens, [CLS] and [SEP] included, so that nothing is cut short; distinct tokens.

Our scores are given with identical passages credited, as everywhere in Tercet, and without, as theirs are.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np
import polars as pl

from corpora.schema import Corpus, Question, iter_questions
from corpora.sources.formats.chroma import read_chroma
from corpora.storage import sha256_text
from labeling.models.registry import resolve_model
from results.evidence.retrieval_metrics import SpanScorer
from retrieval.chunking.chunks import CHUNKS, chunk_documents
from retrieval.chunking.splitters import Chunking
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.ranking.index import DenseIndex

SIZE, TOP_K = 250, 5


class Scores(NamedTuple):
    """Means over all questions, in percent."""

    recall: float
    precision: float
    iou: float
    f1: float | None = None  # not published


Arms = dict[str, dict[int, Scores]]  # by name and overlap
# Smith and Troynikov 2024, and their code run again by others.
KNOWN: Arms = {
    "published": {125: Scores(82.4, 3.6, 3.5), 0: Scores(77.1, 3.3, 3.3)},
    "their code, run again": {125: Scores(82.6, 3.9, 3.9), 0: Scores(78.0, 3.7, 3.7)},
}
NOTES = """
*Theirs*: our own code in their convention: windows of cl100k tokens, cut short by the embedder at 256 word pieces,
scored in characters, where what several retrieved windows share is counted several times as retrieved. Their search is
approximate and finds a window's place by looking for its text; ours is exact in both. *Their windows, our scores*:
distinct tokens of the embedder, so that what overlapping windows share is counted once. *Ours*: windows of 250 of the
embedder's tokens, [CLS] and [SEP] included, so that nothing is cut short. *Copies credited*: evidence that also
occurs elsewhere, character for character, counts as found there too, as in every score of Tercet. The other arms count
only the places of the evidence, as Chroma does. F1, which Chroma does not publish, is the mean of each question's.
"""


def cl100k_windows(text: str, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Windows of cl100k tokens as character offsets; a window that splits a character takes it whole."""
    import tiktoken

    encoding = tiktoken.get_encoding("cl100k_base")
    pieces = [len(encoding.decode_single_token_bytes(token)) for token in encoding.encode(text, disallowed_special=())]
    ends = np.cumsum([0, *pieces])
    characters = np.cumsum([0, *(len(character.encode()) for character in text)])
    for first in range(0, len(pieces), size - overlap):
        last = min(first + size, len(pieces))
        yield (
            int(np.searchsorted(characters, ends[first], side="right")) - 1,
            int(np.searchsorted(characters, ends[last], side="left")),
        )
        if last == len(pieces):
            return


def their_chunks(corpus: Corpus, overlap: int) -> pl.DataFrame:
    """Frame of schema `CHUNKS` with texts."""
    rows = [
        (f"cl100k({SIZE}/{overlap})", f"{document_id}:{start}-{end}", document_id, start, end, 0, text[start:end])
        for document_id, text in corpus.texts.items()
        for start, end in cl100k_windows(text, SIZE, overlap)
    ]
    frame = pl.DataFrame(rows, schema=[*CHUNKS.names()[:-1], "text"], orient="row")
    return frame.with_columns(text_sha256=pl.col("text").map_elements(sha256_text, pl.String))


def retrieve(corpus: Corpus, chunks: pl.DataFrame, vectors: np.ndarray, questions: np.ndarray) -> pl.DataFrame:
    """The five best chunks of each question, with their places."""
    ids = corpus.questions["question_id"].to_list()
    hits = DenseIndex(chunks, vectors).rank(ids, questions, TOP_K)
    return hits.join(chunks.select("chunk_id", "document_id", "start", "end"), on="chunk_id", how="left")


def their_scores(corpus: Corpus, hits: pl.DataFrame) -> Scores:
    """Characters; what several retrieved chunks share counts several times in what was retrieved."""
    shown = hits.group_by("question_id").agg("document_id", "start", "end").rows_by_key("question_id", named=True)
    found = [
        _character_scores(question, _places(shown[question.id][0])) for question in iter_questions(corpus.questions)
    ]
    return Scores(*(100 * float(np.mean(column)) for column in zip(*found, strict=True)))


def _places(row: dict[str, list]) -> list[tuple[str, int, int]]:
    return list(zip(row["document_id"], row["start"], row["end"], strict=True))


def _character_scores(question: Question, places: Sequence[tuple[str, int, int]]) -> tuple[float, float, float, float]:
    wanted = {(span.document_id, at) for span in question.evidence for at in range(span.start, span.end)}
    n_wanted = sum(span.end - span.start for span in question.evidence)
    got = {(document_id, at) for document_id, start, end in places for at in range(start, end)}
    n_got = sum(end - start for _, start, end in places)
    both = len(wanted & got)
    return both / n_wanted, both / n_got, both / (n_got + len(wanted - got)), 2 * both / (n_wanted + n_got)


def our_scores(hits: pl.DataFrame, scorer: SpanScorer) -> Scores:
    """Distinct tokens."""
    means = scorer.scores(hits).select("span_recall", "span_precision", "span_iou", "span_f1").mean().row(0)
    return Scores(*(100 * float(value) for value in means))


def measure(data: Path) -> Arms:
    """All arms, by name and overlap."""
    from sentence_transformers import SentenceTransformer

    corpus = read_chroma(data)
    file = resolve_model("all-minilm-l6-v2")
    # Sentence-transformers itself, as it cuts texts short without a word, which ours refuses.
    cutting = SentenceTransformer(str(file.path.parent), device="cpu")
    arms: Arms = defaultdict(dict)
    with TemporaryDirectory() as cache:
        embedder = Embedder(EmbedderConfig(), file.path.parent, file.sha256, Path(cache))
        scorers = {
            told: SpanScorer(corpus, embedder.tokenizer, credit_copies=credit)
            for told, credit in (("", False), (", copies credited", True))
        }
        texts = corpus.questions["text"].to_list()
        questions = cutting.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        for overlap in (125, 0):
            chunks = their_chunks(corpus, overlap)
            vectors = cutting.encode(chunks["text"].to_list(), normalize_embeddings=True, show_progress_bar=False)
            hits = retrieve(corpus, chunks, vectors, questions)
            arms["theirs"][overlap] = their_scores(corpus, hits)
            for told, scorer in scorers.items():
                arms["their windows, our scores" + told][overlap] = our_scores(hits, scorer)
            chunks = chunk_documents(corpus.documents, Chunking("tokens", SIZE, overlap), embedder.tokenizer)
            hits = retrieve(corpus, chunks, embedder.embed(chunks["text"].to_list(), "passage"), questions)
            for told, scorer in scorers.items():
                arms["ours" + told][overlap] = our_scores(hits, scorer)
    return arms


def render(arms: Arms, command: str) -> str:
    """The arms, the published figures among them, as Markdown."""
    rows = [
        f"| {SIZE}/{overlap} | {name} | "
        + " | ".join("—" if value is None else f"{value:.1f}" for value in found[overlap])
        + " |"
        for overlap in (125, 0)
        for name, found in arms.items()
    ]
    return "\n".join(
        [
            "# Chroma's chunking evaluation, all-MiniLM-L6-v2",
            "",
            f"`{command}`, {datetime.now(UTC):%Y-%m-%d}. Fixed token windows, five retrieved chunks from all five "
            "texts together, 472 questions; means in percent.",
            "",
            "| size/overlap | arm | recall | precision | IoU | F1 |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            NOTES,
        ]
    )


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f}"


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--save", type=click.Path(path_type=Path), help="Write FILE.md and FILE.json.")
def main(data: Path, save: Path | None) -> None:
    """Score all arms and print them beside the published table."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    arms = KNOWN | measure(data)
    text = render(arms, shlex.join(["python", "-m", "tests.benchmarks.chroma", "--data", "FOLDER"]))
    click.echo(text)
    if save:
        save.with_suffix(".md").write_text(text, encoding="utf-8")
        content = {
            name: {str(overlap): one._asdict() for overlap, one in found.items()} for name, found in arms.items()
        }
        save.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
