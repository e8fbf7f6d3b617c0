"""What is highlighted in a document that is reviewed: its evidence where that is known, else what was retrieved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from corpora.errors import counted
from results.settings import cut_of, setting_of

MOST_CHUNKS = 5
_PLACE = ("embedder", "retriever", "chunking")


class Marked(NamedTuple):
    """What is highlighted for one question.

    Attributes:
        evidence: rows with document_id, start and end.
        chunks: the same with the rank; empty where there is evidence.
        sentence: what it is; empty where nothing is highlighted.
    """

    evidence: Sequence[Mapping[str, Any]]
    chunks: Sequence[Mapping[str, Any]]
    sentence: str

    def evidence_in(self, document_id: str) -> list[Mapping[str, Any]]:
        """That of one document."""
        return [one for one in self.evidence if one["document_id"] == document_id]

    def chunks_in(self, document_id: str) -> list[Mapping[str, Any]]:
        """Those of one document."""
        return [one for one in self.chunks if one["document_id"] == document_id]


class Highlights:
    """What is highlighted for the questions of a run.

    Args:
        tables: of the run; hits and chunks where it swept.
        reader: whose most accurate setting decides which chunks are shown; without one, the first of the hits.
    """

    def __init__(self, tables: Mapping[str, pl.DataFrame], reader: str) -> None:
        self._ranked, self._how, self._most = _ranked(tables, reader)

    def of(self, question: Mapping[str, Any]) -> Marked:
        """What is highlighted for a question.

        Args:
            question: with question_id, document_ids and evidence.
        """
        evidence = question["evidence"] or ()
        if evidence:
            return Marked(evidence, (), "The evidence is highlighted.")
        chunks = self._ranked.get(question["question_id"], [])[: self._most]
        mine = [one for one in chunks if one["document_id"] in question["document_ids"]]
        if not chunks:
            return Marked((), (), "")
        n_elsewhere = len(chunks) - len(mine)
        if not mine:
            return Marked((), (), f"Nothing that {self._how} found is from here.")
        rest = f"; {counted(n_elsewhere, 'more chunk')} {'is' if n_elsewhere == 1 else 'are'} from elsewhere"
        found = f"What {self._how} found is highlighted, with its ranks"
        return Marked((), mine, f"{found}{rest if n_elsewhere else ''}.")


def _ranked(tables: Mapping[str, pl.DataFrame], reader: str) -> tuple[dict[str, list[dict[str, Any]]], str, int]:
    """The chunks of each question in one setting, best first; the setting in words; and how many are read in it."""
    if "hits" not in tables or tables["hits"].is_empty():
        return {}, "", 0
    cells = tables["cells"].filter(reader=reader) if "cells" in tables else pl.DataFrame()
    most = MOST_CHUNKS
    if len(cells):
        best = cells.sort("gold_accuracy", "setting", descending=[True, False], nulls_last=True).row(0, named=True)
        cut = cut_of(best)
        most = min(most, cut.amount) if cut.kind == "k" else most
        place = {
            "embedder": best["embedder"],
            "retriever": best["retriever"],
            "chunking": setting_of(best).chunking.name,
        }
    else:
        place = tables["hits"].select(_PLACE).row(0, named=True)
    hits = tables["hits"].filter(**place)
    chunks = tables["chunks"].filter(embedder=place["embedder"], chunking=place["chunking"])
    found = hits.filter(pl.col("rank") <= most).sort("rank").join(chunks, on="chunk_id", how="inner")
    ranked: dict[str, list[dict[str, Any]]] = {}
    for row in found.sort("rank").select("question_id", "document_id", "rank", "start", "end").iter_rows(named=True):
        ranked.setdefault(row.pop("question_id"), []).append(row)
    return ranked, f"{place['retriever']} retrieval in {place['chunking']}", most
