"""Retrieval scores of cut rankings: on documents here, on evidence spans in `results.evidence.span_metrics`.

The scores come from ir-measures (https://ir-measur.es). Documents are ordered by their best chunk, and documents with
identical text count as one: a copy of a gold document counts as found, at the best rank of them all, and several
copies count once, right or wrong. A question without hits scores 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import ir_measures
import polars as pl

from corpora.schema import Corpus
from results.evidence.all_found import found_of
from results.evidence.span_metrics import SPAN_SCORES, SpanScorer, first_of_same_text
from results.settings import CUT, SETTING
from retrieval.context import Cut, each_cut
from retrieval.tokens import EmbedderTokenizer

__all__ = ["DOCUMENT_SCORES", "SPAN_SCORES", "DocumentScorer", "SpanScorer", "document_scores", "score_retrieval"]

# The cut itself is the cutoff, so measures that can do without a cutoff have none; hit gets one deeper than any cut.
_MEASURES = {
    "hit": ir_measures.Success @ 1_000_000,
    "recall": ir_measures.SetR,
    "precision": ir_measures.SetP,
    "reciprocal_rank": ir_measures.RR,
    "ndcg": ir_measures.nDCG,
}
DOCUMENT_SCORES = tuple(_MEASURES)
_SCORED = pl.Schema({"question_id": pl.String(), **{name: pl.Float64() for name in DOCUMENT_SCORES}})
_BLOCK = 1_000  # questions that are evaluated together


class DocumentScorer:
    """Scores cuts against the gold documents; reads the corpus once, for any number of cuts.

    Args:
        corpus: gives the gold documents of every question that is scored.

    Attributes:
        n_documents: columns question_id and n_documents: how many distinct gold documents each question has.
    """

    def __init__(self, corpus: Corpus) -> None:
        ids = corpus.questions["question_id"]
        self._numbered = pl.DataFrame({"question_id": ids, "block": pl.int_range(len(ids), eager=True) // _BLOCK})
        self._same = first_of_same_text(corpus.documents)
        gold = corpus.questions.select("question_id", "document_ids").iter_rows()
        distinct = [(q, {self._same.get(d, d) for d in ids}) for q, ids in gold]
        counts = {"question_id": [q for q, _ in distinct], "n_documents": [len(ids) for _, ids in distinct]}
        self.n_documents = pl.DataFrame(counts, schema={"question_id": pl.String, "n_documents": pl.Int64})
        self._blocks = [_Block(distinct[at : at + _BLOCK]) for at in range(0, len(distinct), _BLOCK)]

    def scores(self, cut_hits: pl.DataFrame) -> pl.DataFrame:
        """Score what a cut shows of each question's gold documents.

        Args:
            cut_hits: columns question_id, document_id, rank; what is left of the ranking after the cut.

        Returns:
            question_id and one Float64 column for each of `DOCUMENT_SCORES`, one row per question of the corpus, in its
            order. `precision` is over distinct documents.
        """
        found = cut_hits.select("question_id", pl.col("document_id").replace(self._same), "rank")
        best = found.group_by("question_id", "document_id").agg(pl.col("rank").min())
        in_blocks = best.join(self._numbered, on="question_id").partition_by("block", as_dict=True, include_key=False)
        nothing = best.clear()
        scored = (block.scores(in_blocks.get((at,), nothing)) for at, block in enumerate(self._blocks))
        return pl.concat([pl.DataFrame(schema=_SCORED), *scored])


class _Block:
    """Some questions, and what evaluates their rankings: ir-measures holds a few kilobytes for each while it does.

    Args:
        gold: each question with its distinct gold documents.
    """

    def __init__(self, gold: Sequence[tuple[str, set[str]]]) -> None:
        self._question_ids = [question_id for question_id, _ in gold]
        qrels = [ir_measures.Qrel(question_id, one, 1) for question_id, ids in gold for one in ids]
        self._evaluator = ir_measures.evaluator(list(_MEASURES.values()), qrels)

    def scores(self, best: pl.DataFrame) -> pl.DataFrame:
        """As `DocumentScorer.scores`, of the best rank of each document for these questions."""
        # What ir-measures would make of a frame, many times faster.
        run: dict[str, dict[str, float]] = defaultdict(dict)
        for question_id, document_id, rank in best.iter_rows():
            run[question_id][document_id] = -float(rank)
        scores: dict[str, dict[str, float]] = {name: {} for name in DOCUMENT_SCORES}
        names = {str(measure): name for name, measure in _MEASURES.items()}
        for metric in self._evaluator.iter_calc(run):
            scores[names[str(metric.measure)]][metric.query_id] = float(metric.value)
        columns = {name: [of.get(one, 0.0) for one in self._question_ids] for name, of in scores.items()}
        return pl.DataFrame({"question_id": self._question_ids, **columns}, schema=_SCORED)


def document_scores(corpus: Corpus, cut_hits: pl.DataFrame) -> pl.DataFrame:
    """Score one cut with a new `DocumentScorer`."""
    return DocumentScorer(corpus).scores(cut_hits)


def score_retrieval(
    corpus: Corpus, rankings: Sequence[pl.DataFrame], cuts: Sequence[Cut], tokenizer: EmbedderTokenizer
) -> pl.DataFrame:
    """Score every cut of every ranking, on documents and on evidence spans.

    Args:
        corpus: gives gold documents and evidence.
        rankings: hits joined with their chunks; columns `SETTING`, question_id, document_id, start, end, rank and
            n_tokens.
        cuts: how much is read.
        tokenizer: the embedder's; spans are measured in its tokens.

    Returns:
        Columns `SETTING`, `CUT`, question_id, `DOCUMENT_SCORES`, `SPAN_SCORES` (null where a question has no evidence),
        `NEEDED`, `ALL_SCORES` and n_context_tokens.
    """
    documents, spans = DocumentScorer(corpus), SpanScorer(corpus, tokenizer)
    parts = []
    for values, cut, shown in (one for hits in rankings for one in each_cut(hits, SETTING, cuts)):
        tokens = shown.group_by("question_id").agg(n_context_tokens=pl.sum("n_tokens").cast(pl.Int64))
        of_documents, (of_spans, passages) = documents.scores(shown), spans.scores_and_passages(shown)
        scores = of_documents.join(of_spans, on="question_id", how="left")
        scores = scores.join(found_of(of_documents, passages, documents.n_documents), on="question_id", how="left")
        scores = scores.join(tokens, on="question_id", how="left").with_columns(pl.col("n_context_tokens").fill_null(0))
        places = dict(zip((*SETTING, *CUT), (*values, *cut), strict=True))
        parts.append(scores.select(*(pl.lit(v).alias(k) for k, v in places.items()), pl.all()))
    return pl.concat(parts).sort(*SETTING, *CUT, "question_id")
