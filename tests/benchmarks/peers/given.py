"""The same articles, questions and evidence for every tool, in the form that each of them reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import polars as pl

from corpora.schema import Corpus, iter_questions
from corpora.shaping.selection import sample_questions

K = 5
AGAIN = "According to the article: "


class Grid(NamedTuple):
    """Which cells are compared; a size counts whatever tokens a tool counts in.

    Attributes:
        name: as in `4 cells`.
        splitters: of Tercet; a peer uses its own splitter of the same kind.
        sizes: in tokens.
        overlaps: in tokens.
        n_documents: so many articles that every tool is done within minutes.
    """

    name: str
    splitters: tuple[str, ...]
    sizes: tuple[int, ...]
    overlaps: tuple[int, ...]
    n_documents: int

    @property
    def cells(self) -> list[tuple[str, int, int]]:
        """Splitter, size and overlap of each cell."""
        return list(product(self.splitters, self.sizes, self.overlaps))


GRIDS = (
    Grid("4 cells", ("tokens", "recursive"), (128, 256), (0,), 12),
    Grid("36 cells", ("tokens", "recursive", "sentences"), (32, 64, 96, 128, 192, 256), (0, 16), 6),
)


def choose(corpus: Corpus, n_documents: int, n_questions: int) -> Corpus:
    """The documents with the most questions for their length that have evidence in them, and these questions.

    Where there are too few questions, they are asked again in other wordings; of too many, a hash draws.
    """
    asked = corpus.questions.filter(pl.col("evidence").list.len() > 0, pl.col("document_ids").list.len() == 1)
    about = asked.with_columns(document_id=pl.col("document_ids").list.first())
    lengths = corpus.documents.select("document_id", length=pl.col("text").str.len_chars())
    counts = about.group_by("document_id").len().join(lengths, on="document_id")
    ranked = counts.sort(pl.col("length") / pl.col("len"), "document_id")
    drawn = ranked["document_id"].head(n_documents).to_list()
    once = about.filter(pl.col("document_id").is_in(drawn)).drop("document_id")
    wordings = [
        once.with_columns(
            question_id=pl.col("question_id") + "-again" * number, text=pl.lit(AGAIN * number) + pl.col("text")
        )
        for number in range(-(-n_questions // len(once)))
    ]
    documents = corpus.documents.filter(pl.col("document_id").is_in(drawn))
    return Corpus(corpus.name, documents, sample_questions(pl.concat(wordings), n_questions, 0), corpus.labels)


def write_all(corpus: Corpus, folder: Path) -> None:
    """Write the corpus in every form: tables, text files with YAML (JSON is YAML), and text files with JSON lines."""
    texts = corpus.texts
    documents = folder / "documents"
    documents.mkdir()
    for document_id, text in texts.items():
        (documents / f"{document_id}.txt").write_text(text, encoding="utf-8")
    rows: Sequence[dict[str, object]] = [
        {"id": document_id, "text": text} for document_id, text in texts.items()
    ]  # fmt: skip
    _lines(folder / "documents.jsonl", rows)
    questions = list(iter_questions(corpus.questions))
    _lines(
        folder / "questions.jsonl",
        [
            {
                "id": one.id, "text": one.text, "document_ids": one.document_ids[0],
                "evidence": [span._asdict() for span in one.evidence],
            }
            for one in questions
        ],
    )  # fmt: skip
    quotes = {one.id: [texts[span.document_id][span.start : span.end] for span in one.evidence] for one in questions}
    chunklab = [{"id": one.id, "query": one.text, "gold_snippets": quotes[one.id]} for one in questions]
    (folder / "chunklab.yaml").write_text(json.dumps({"questions": chunklab}), encoding="utf-8")
    _write_chroma(folder / "chroma.csv", corpus)
    _lines(
        folder / "context_grid.jsonl",
        [
            {
                "id": one.id, "question": one.text,
                "anchors": [{"source_id": f"{one.document_ids[0]}.txt", "quote": quote} for quote in quotes[one.id]],
            }
            for one in questions
        ],
    )  # fmt: skip


def _write_chroma(file: Path, corpus: Corpus) -> None:
    """The questions as Chroma's evaluation reads them."""
    texts = corpus.texts
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["question", "references", "corpus_id"])
        for one in iter_questions(corpus.questions):
            references = [
                {"content": texts[span.document_id][span.start : span.end], "start_index": span.start,
                 "end_index": span.end}
                for span in one.evidence
            ]  # fmt: skip
            rows.writerow([one.text, json.dumps(references), one.document_ids[0]])


def experiment_of(grid: Grid, precision: str) -> str:
    """Tercet's experiment: the cells of a grid, exact FAISS, no reader."""
    return (
        'name = "peers"\nreaders = []\n[corpus]\nsource = "tables"\npath = "."\nsplit = "all"\n[retrieval]\n'
        f"splitters = {json.dumps(grid.splitters)}\nsizes = {list(grid.sizes)}\noverlaps = {list(grid.overlaps)}\n"
        f'retrievers = ["dense"]\nk = [{K}]\nbudgets = []\nembedders = [{{ precision = "{precision}" }}]\n'
    )


def _lines(file: Path, rows: Sequence[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
