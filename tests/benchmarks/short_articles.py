"""The shortest articles of Evidence Inference as a corpus of tables, shortest first, for readers that have little time.

    python -m tests.benchmarks.short_articles FOLDER --data FOLDER

All held-out questions stay, with their articles. Of the articles with tune questions, the shortest stay, with all of
their questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import polars as pl

from corpora.schema import Corpus
from corpora.sources.formats.evidence_inference import read_evidence_inference


def shortest(corpus: Corpus, n_tune: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Documents and questions, in the form of tables; the shortest document first, and its questions first.

    Args:
        corpus: with questions on one document each.
        n_tune: how many documents with tune questions stay.
    """
    documents = corpus.documents.select("text", id="document_id").sort(pl.col("text").str.len_chars(), "id")
    documents = documents.with_row_index("at")
    questions = corpus.questions.select(
        "text", "reference", "evidence", "split", id="question_id", document_ids=pl.col("document_ids").list.first()
    ).join(documents.select("at", document_ids="id"), on="document_ids")
    tune = questions.filter(split="tune").sort("at")["at"].unique(maintain_order=True).head(n_tune)
    kept = questions.filter((pl.col("split") == "held_out") | pl.col("at").is_in(tune.implode())).sort("at", "id")
    return documents.filter(pl.col("at").is_in(kept["at"].implode())).drop("at"), kept.drop("at")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--tune", default=20, show_default=True, help="Articles with tune questions.")
def main(folder: Path, data: Path, tune: int) -> None:
    """Write documents.jsonl, questions.jsonl, and an experiment that labels the tune questions."""
    corpus = read_evidence_inference(data / "evidence_inference")
    documents, questions = shortest(corpus, tune)
    folder.mkdir(parents=True)
    documents.write_ndjson(folder / "documents.jsonl")
    questions.write_ndjson(folder / "questions.jsonl")
    for split in ("tune", "held_out"):
        (folder / f"{split}.toml").write_text(_experiment(split, corpus.labels.labels), encoding="utf-8")
    counts = dict(questions["split"].value_counts().iter_rows())
    click.echo(f"{len(documents)} articles, {counts['tune']} tune and {counts['held_out']} held-out questions")


def _experiment(split: str, labels: Sequence[str]) -> str:
    return (
        f'name = "evidence-inference-{split.replace("_", "-")}"\n[corpus]\nsource = "tables"\npath = "."\n'
        f'labels = {list(labels)}\nsplit = "{split}"\n[calibration]\nper_label = 0\n[[readers]]\n'
        'model = "qwen2.5-coder-1.5b"\nnum_ctx = 12288\n'
    )


if __name__ == "__main__":
    main()
