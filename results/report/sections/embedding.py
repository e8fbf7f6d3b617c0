"""The sections on how chunks are found: in which precision the embedders ran, and what each retriever costs."""

from __future__ import annotations

from collections.abc import Mapping

from results.report.model import Definitions, Section, Sentences
from results.report.sections.source import Source
from results.report.values import make_table

UNTRIED: Mapping[str, None] = {"k": None, "overlap": None, "largest_change": None}


def precision_section(source: Source) -> Section:
    """In which precision the embedders ran that left it open, and how far their rankings agree with float32."""
    text = (
        "These embedders left their precision open. A faster one is used if it ranks a sample of this corpus as "
        "float32 does."
    )
    terms = Definitions(
        (
            ("overlap", "mean share of a question's best chunks that float32 has among its best too"),
            ("largest change", "of the score (cosine) of any question and chunk"),
        )
    )
    table = make_table(
        "The precision of the embedders",
        {"embedder": "text", "runs in": "text", "tried": "text", "best chunks": "whole", "overlap": "share",
         "largest change": "p", "questions": "whole", "chunks": "whole"},
        [
            (embedder, settled["used"], name, one["k"], one["overlap"], one["largest_change"], settled["questions"],
             settled["chunks"])
            for embedder, settled in source.manifest["precision"].items()
            for name, one in (settled["tried"] or {"nothing: this processor has no faster one": UNTRIED}).items()
        ],
        "manifest.json",
    )  # fmt: skip
    return Section("precision", "How exactly the embedders compute", (Sentences((text,)), table, terms))


def speed_of_retrieval(source: Source) -> bool:
    """Whether several ways to find chunks were timed."""
    return len(_timed(source)) > 1 and source.has("retrieval_means")


def retriever_section(source: Source) -> Section:
    """How good each way to find chunks is, beside the time that a question takes."""
    text = (
        "Each way to find chunks in its best setting by nDCG, and the time that it takes for one question. "
        "The question's own embedding is not counted."
    )
    terms = Definitions(
        (
            ("milliseconds", "wall-clock time a question: search, and the reranker's scores where there is one"),
            ("pairs", "questions and chunks that the reranker reads together, for one question"),
        )
    )
    best = source.tables["retrieval_means"].sort("ndcg", descending=True, nulls_last=True, maintain_order=True)
    best = best.unique(["embedder", "retriever"], keep="first", maintain_order=True)
    timed = _timed(source)
    rows = []
    for row in best.iter_rows(named=True):
        one = timed.get((row["embedder"], row["retriever"]), {})
        seconds, questions, pairs = one.get("seconds"), one.get("questions"), one.get("pairs") or None
        rows.append(
            (row["embedder"], row["retriever"], source.cell(row), row["ndcg"], row["recall"],
             1000 * seconds / questions if seconds is not None and questions else None,
             pairs / questions if pairs and questions else None, one.get("pairs_per_second"))
        )  # fmt: skip
    table = make_table(
        "Quality and speed of the retrievers",
        {"embedder": "text", "retriever": "text", "best setting": "text", "nDCG": "share", "recall": "share",
         "milliseconds": "tenth", "pairs": "tenth", "pairs a second": "tenth"},
        rows, "retrieval_means.parquet", is_open=False,
    )  # fmt: skip
    return Section("retrievers", "What finding chunks costs", (Sentences((text,)), table, terms))


def _timed(source: Source) -> dict[tuple[str, str], dict[str, float]]:
    """The timings of the last session that ranked, by embedder and retriever."""
    sessions = [one["rankings"] for one in source.manifest["sessions"] if one.get("rankings")]
    return {(one["embedder"], one["retriever"]): one for one in (sessions[-1] if sessions else ())}
