"""Retrieval scores of a cut of a ranking: on documents, and on evidence spans where a corpus has them.

Document scores come from ir-measures (https://ir-measur.es); documents are ordered by their best chunk. A
question without hits scores 0. Span scores are counted in the embedder's tokens, after Chroma's "Evaluating Chunking"
(Smith and Troynikov 2024), except that ranges which merely touch do not overlap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import ir_measures
import numpy as np
import polars as pl

from corpora.schema import Corpus, Question, iter_questions
from retrieval.tokens import EmbedderTokenizer

_ALL = 10_000  # deeper than any cut: the cut itself is the cutoff
_MEASURES = {
    "hit": ir_measures.Success @ _ALL,
    "recall": ir_measures.R @ _ALL,
    "precision": ir_measures.SetP,
    "reciprocal_rank": ir_measures.RR @ _ALL,
    "ndcg": ir_measures.nDCG @ _ALL,
}
DOCUMENT_SCORES = tuple(_MEASURES)
SPAN_SCORES = ("span_recall", "span_precision", "span_iou")


def document_scores(corpus: Corpus, cut_hits: pl.DataFrame) -> pl.DataFrame:
    """Score what a cut shows of each question's gold documents.

    Args:
        corpus: gives the gold documents of every question that is scored.
        cut_hits: columns question_id, document_id, rank; what is left of the ranking after the cut.

    Returns:
        question_id and one Float64 column for each of `DOCUMENT_SCORES`, one row a question of the corpus, in its
        order. `precision` is over distinct documents.
    """
    qrels = [
        ir_measures.Qrel(question_id, document_id, 1)
        for question_id, document_ids in corpus.questions.select("question_id", "document_ids").iter_rows()
        for document_id in document_ids
    ]
    best = cut_hits.group_by("question_id", "document_id").agg(pl.col("rank").min())
    run = [ir_measures.ScoredDoc(q, d, -float(rank)) for q, d, rank in best.iter_rows()]
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    names = {measure: name for name, measure in _MEASURES.items()}
    for metric in ir_measures.iter_calc(list(names), qrels, run):
        scores[metric.query_id][names[metric.measure]] = float(metric.value)
    question_ids = corpus.questions["question_id"].to_list()
    columns = {name: [scores[q].get(name, 0.0) for q in question_ids] for name in DOCUMENT_SCORES}
    return pl.DataFrame({"question_id": question_ids, **columns})


class SpanScorer:
    """Scores cuts against evidence spans; knows where each token of a document stands.

    Args:
        corpus: documents, and questions of which some have evidence.
        tokenizer: the embedder's.
    """

    def __init__(self, corpus: Corpus, tokenizer: EmbedderTokenizer) -> None:
        self._corpus, self._tokenizer = corpus, tokenizer
        self._spans: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def scores(self, cut_hits: pl.DataFrame) -> pl.DataFrame:
        """Score each question that has evidence.

        Args:
            cut_hits: columns question_id, document_id, start, end.

        Returns:
            question_id and one Float64 column for each of `SPAN_SCORES`; only questions with evidence. Recall is the
            share of evidence tokens retrieved, precision the share of retrieved tokens that are evidence, both over
            distinct tokens.
        """
        shown: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
        columns = cut_hits.select("question_id", "document_id", "start", "end")
        for question_id, document_id, start, end in columns.iter_rows():
            shown[question_id].append((document_id, start, end))
        rows = list(self._rows(shown))
        schema = {"question_id": pl.String()} | {name: pl.Float64() for name in SPAN_SCORES}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _rows(self, shown: Mapping[str, list[tuple[str, int, int]]]) -> Iterator[tuple[str, float, float, float]]:
        for question in iter_questions(self._corpus.questions):
            if not question.evidence:
                continue
            evidence = self._evidence_tokens(question)
            retrieved = {token for place in shown.get(question.id, ()) for token in self._tokens(*place)}
            both = len(evidence & retrieved)
            yield (
                question.id,
                both / len(evidence) if evidence else 0.0,
                both / len(retrieved) if retrieved else 0.0,
                both / len(evidence | retrieved) if evidence or retrieved else 0.0,
            )

    def _evidence_tokens(self, question: Question) -> set[tuple[str, int]]:
        return {token for span in question.evidence for token in self._tokens(span.document_id, span.start, span.end)}

    def _tokens(self, document_id: str, start: int, end: int) -> set[tuple[str, int]]:
        """Tokens of a document that overlap [start, end) in at least one character."""
        if document_id not in self._spans:
            spans = self._tokenizer.spans(self._corpus.texts[document_id])
            self._spans[document_id] = (np.array(spans.starts), np.array(spans.ends))
        starts, ends = self._spans[document_id]
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(starts, end, side="left"))
        return {(document_id, token) for token in range(first, last)}
