"""Worst examples: gold questions that a reader gets wrong with what was retrieved, and what it saw.

Each question is of one kind: `harmed` (right without any context), else lost by `retrieval` (right with the best chunks
of the gold document), by `chunking` (wrong with these, right with the whole document), by the `reader` (wrong with the
whole document too), or by `retrieval or chunking` where the oracle chunks were not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from corpora.choices import asked_text
from corpora.schema import Corpus
from results.settings import CELL, CELL_SCHEMA, Cell, cell_of, setting_of

AROUND = 240  # characters before and after what matters
ENDS = 600  # characters shown of each end of a stretch that is too long to be shown whole
WHOLE = 3000  # characters of a document that is shown whole


class Stretch(NamedTuple):
    """Character offsets into a document, end-exclusive."""

    start: int
    end: int


def choose_stretches(length: int, matters: Sequence[Stretch], budget: int, *, whole: bool) -> list[Stretch]:
    """Stretches of a document to show, in its order, apart from each other.

    A short document is shown whole where that is wanted. Otherwise every stretch that matters is shown with some text
    around it, or both ends of it if it is long, in the order of `matters`, until the budget is spent.

    Args:
        length: characters of the document.
        matters: what should be seen, the most important first.
        budget: most characters to show.
        whole: whether a short document is shown whole.
    """
    if whole and length <= min(WHOLE, budget):
        return [Stretch(0, length)]
    shown: list[Stretch] = []
    for one in matters or [Stretch(0, 0)]:
        for part in _parts(one):
            wider = Stretch(max(0, part.start - AROUND), min(length, part.end + AROUND))
            for candidate in (wider, part):
                merged = _merge([*shown, candidate])
                if sum(end - start for start, end in merged) <= budget:
                    shown = merged
                    break
    return shown


def _parts(one: Stretch) -> list[Stretch]:
    if one.end - one.start <= 2 * ENDS:
        return [one]
    return [Stretch(one.start, one.start + ENDS), Stretch(one.end - ENDS, one.end)]


def _merge(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Overlapping and touching stretches as one, in order."""
    merged: list[Stretch] = []
    for one in sorted(stretches):
        if merged and one.start <= merged[-1].end:
            merged[-1] = Stretch(merged[-1].start, max(merged[-1].end, one.end))
        else:
            merged.append(one)
    return merged


KINDS = ("retrieval", "chunking", "retrieval or chunking", "harmed", "reader")
N_EXAMPLES = 6
MOST_CHARACTERS = 220_000  # of text in all examples together: under 1 MB in any script
MOST_OF_ONE = 12_000
MOST_OF_QUESTION = 2_000
MOST_CHUNKS = 40  # of one question
MOST_SPANS = 40

PIECE: pl.Struct = pl.Struct({"start": pl.Int64(), "end": pl.Int64(), "text": pl.String()})
CHUNK: pl.Struct = pl.Struct({"rank": pl.Int64(), "start": pl.Int64(), "end": pl.Int64(), "score": pl.Float64()})
SHOWN: pl.Struct = pl.Struct(
    {
        "document_id": pl.String(),
        "is_gold": pl.Boolean(),
        "length": pl.Int64(),
        "pieces": pl.List(PIECE),
        "evidence": pl.List(pl.Struct({"start": pl.Int64(), "end": pl.Int64()})),
        "chunks": pl.List(CHUNK),
    }
)
EXAMPLES = pl.Schema(
    {
        **CELL_SCHEMA,
        "setting": pl.String(),
        "kind": pl.String(),
        "n_of_kind": pl.Int64(),
        "question_id": pl.String(),
        "question": pl.String(),
        "n_question": pl.Int64(),
        "gold": pl.String(),
        "reference": pl.String(),
        "origin": pl.String(),
        "answer": pl.String(),
        "failure": pl.String(),
        "closed_book": pl.String(),
        "document": pl.String(),
        "oracle_chunk": pl.String(),
        "margin": pl.Float64(),
        "n_chunks": pl.Int64(),
        "n_evidence": pl.Int64(),
        "documents": pl.List(SHOWN),
    }
)


def pick_examples(
    corpus: Corpus,
    tables: Mapping[str, pl.DataFrame],
    recommended: Collection[Cell] = (),
    n: int = N_EXAMPLES,
) -> pl.DataFrame:
    """The worst questions of each reader's recommended cell, or of its best one; frame of schema `EXAMPLES`.

    The kinds take turns, in the order of `KINDS`; within a kind the surest wrong answer comes first. Short documents
    are shown whole, others in pieces around evidence and chunks; the text in between is not in the frame, but its
    length follows from the offsets.

    Args:
        corpus: gives the texts.
        tables: cells, answers, gold, questions, hits and chunks of the run.
        recommended: the cells that are recommended.
        n: most examples of a reader.
    """
    chosen = []
    for reader in tables["cells"]["reader"].unique(maintain_order=True):
        cell = _cell(tables["cells"], reader, recommended)
        wrong = _wrong(tables, cell)
        chosen += [(cell, row) for row in _in_turns(wrong, n).iter_rows(named=True)]
    budget = min(MOST_OF_ONE, MOST_CHARACTERS // max(1, len(chosen)))
    rows = [_example(corpus, tables, cell, row, budget) for cell, row in chosen]
    return pl.DataFrame(rows, schema=EXAMPLES)


def _cell(cells: pl.DataFrame, reader: str, recommended: Collection[Cell]) -> dict[str, Any]:
    """The recommended cell if there is one, otherwise the most accurate."""
    mine = cells.filter(pl.col("reader") == reader)
    ranked = mine.sort("gold_accuracy", "n_context_tokens", "setting", descending=[True, False, False], nulls_last=True)
    rows = ranked.rows(named=True)
    return next((row for row in rows if cell_of(row) in recommended), rows[0])


def _wrong(tables: Mapping[str, pl.DataFrame], cell: Mapping[str, Any]) -> pl.DataFrame:
    """Gold questions with a wrong answer in a cell, with the answers of the other arms and the kind."""
    mine = tables["answers"].filter(pl.col("reader") == cell["reader"])
    in_cell = pl.all_horizontal(pl.col(name) == cell[name] for name in CELL)
    answers = mine.filter(in_cell & (pl.col("arm") == "retrieved"))
    gold = tables["gold"].filter((pl.col("reader") == cell["reader"]) & pl.col("kept"))
    found = gold.select("question_id", "reference", gold="label").join(answers, on="question_id", how="inner")
    found = found.filter(pl.col("label").ne_missing(pl.col("gold"))).rename({"label": "answer"})
    for arm in ("closed_book", "document", "oracle_chunk"):
        told = mine.filter(pl.col("arm") == arm)
        told = told.filter(in_cell) if arm == "oracle_chunk" else told
        found = found.join(told.select("question_id", pl.col("label").alias(arm)), on="question_id", how="left")
        found = found.with_columns(pl.lit(len(told) > 0).alias(f"has_{arm}"))
    return found.with_columns(kind=_kind()).with_columns(n_of_kind=pl.len().over("kind"))


def _kind() -> pl.Expr:
    def right(arm: str) -> pl.Expr:
        return pl.col(arm).eq_missing(pl.col("gold"))

    return (
        pl.when(right("closed_book"))
        .then(pl.lit("harmed"))
        .when(pl.col("has_document") & ~right("document"))
        .then(pl.lit("reader"))
        .when(~pl.col("has_oracle_chunk"))
        .then(pl.lit("retrieval or chunking"))
        .when(right("oracle_chunk"))
        .then(pl.lit("retrieval"))
        .otherwise(pl.lit("chunking"))
    )


def _in_turns(wrong: pl.DataFrame, n: int) -> pl.DataFrame:
    """The first of each kind, then the second of each, up to n; sorted by kind again."""
    order = pl.col("kind").replace_strict({kind: at for at, kind in enumerate(KINDS)}, return_dtype=pl.Int64)
    surest = wrong.sort("margin", "question_id", descending=[True, False], nulls_last=True)
    turns = surest.with_columns(turn=pl.int_range(pl.len()).over("kind"), order=order)
    return turns.sort("turn", "order").head(n).sort("order", "turn")


def _example(
    corpus: Corpus, tables: Mapping[str, pl.DataFrame], cell: Mapping[str, Any], row: Mapping[str, Any], budget: int
) -> dict[str, Any]:
    question = tables["questions"].filter(pl.col("question_id") == row["question_id"]).row(0, named=True)
    chunks = _read(tables, cell, row)
    told = {name: row[name] for name in EXAMPLES if name in row}
    told |= {name: cell[name] for name in (*CELL, "setting")}
    asked = asked_text(question["text"], question.get("choices"))
    told |= {"question": asked[:MOST_OF_QUESTION], "n_question": len(asked)}
    told |= {"origin": question.get("origin")}
    told |= {"n_chunks": len(chunks), "n_evidence": len(question["evidence"] or ())}
    return told | {"documents": _documents(corpus, question, chunks[:MOST_CHUNKS], budget)}


def _read(tables: Mapping[str, pl.DataFrame], cell: Mapping[str, Any], row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chunks that the reader saw, in their order."""
    chunking = setting_of(cell).chunking.name
    hits = tables["hits"].filter(
        question_id=row["question_id"], embedder=cell["embedder"], retriever=cell["retriever"], chunking=chunking
    )
    chunks = tables["chunks"].filter(embedder=cell["embedder"], chunking=chunking)
    read = hits.sort("rank").head(row["n_chunks"] or 0).join(chunks, on="chunk_id", how="inner", maintain_order="left")
    return read.select("document_id", "rank", "start", "end", "score").to_dicts()


def _documents(
    corpus: Corpus, question: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]], budget: int
) -> list[dict[str, Any]]:
    """The gold documents, then the others that chunks come from, each with its share of the budget."""
    gold = list(dict.fromkeys(question["document_ids"]))[:MOST_CHUNKS]
    others = [one for one in dict.fromkeys(chunk["document_id"] for chunk in chunks) if one not in gold]
    shown, left = [], budget
    for at, document_id in enumerate([*gold, *others]):
        # A gold document may take half of what is left; if no other documents follow, all gold documents share it.
        share = left // 2 if others and at < len(gold) else left // (len(gold) + len(others) - at)
        text = corpus.texts[document_id]
        stretches, told = _show(document_id, text, question, chunks, share, is_gold=document_id in gold)
        left -= sum(end - start for start, end in stretches)
        pieces = [{"start": start, "end": end, "text": text[start:end]} for start, end in stretches]
        shown.append(told | {"pieces": pieces})
    return shown


def _show(
    document_id: str, text: str, question: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]], budget: int,
    *, is_gold: bool,
) -> tuple[list[Stretch], dict[str, Any]]:  # fmt: skip
    """What to show of a document, and what is marked in it."""
    evidence = [span for span in question["evidence"] or () if span["document_id"] == document_id][:MOST_SPANS]
    mine = [chunk for chunk in chunks if chunk["document_id"] == document_id]
    matters = [Stretch(one["start"], one["end"]) for one in (*evidence, *mine)]
    told = {
        "document_id": document_id, "is_gold": is_gold, "length": len(text),
        "evidence": [{"start": one["start"], "end": one["end"]} for one in evidence],
        "chunks": [{name: one[name] for name in ("rank", "start", "end", "score")} for one in mine],
    }  # fmt: skip
    # In a document that is not gold, only the chunks matter.
    return choose_stretches(len(text), matters, budget, whole=is_gold), told
