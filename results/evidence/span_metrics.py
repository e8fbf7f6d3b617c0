"""Retrieval scores on evidence spans: recall, precision, F1 and intersection over union, in the embedder's tokens.

After Chroma's "Evaluating Chunking" (Smith and Troynikov 2024), which counts characters; ranges that merely touch do
not overlap here. E is the set of distinct tokens of a question's evidence, and R that of its retrieved chunks; both
include every token that a range cuts through.

A passage that also occurs elsewhere, character for character, counts as found where that copy is retrieved:

* Documents with identical text are one document, however long the evidence is.
* In other documents, and elsewhere in its own, all occurrences of an evidence span's text are its copies, if it has at
  least `MIN_COPY_TOKENS` tokens. A token of a copy stands for tokens of E: those that overlap the same characters,
  counted from the start of the passage. So it does not matter if the tokenizer divides the copy's edges differently.
* A span whose text is part of another span's of the same question is itself a copy: E holds the passage once.

Let `found` be the tokens of E that are in R or that a token of R stands for, and `wrong` the tokens of R that are
neither in E nor in a copy. Then recall = found / E, precision = found / (found + wrong), IoU = found / (E + wrong), and
F1 is the harmonic mean of recall and precision, 2 found / (E + found + wrong). So a copy and its original count once if
both are retrieved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from corpora.schema import Corpus, Question, Span, iter_questions
from results.evidence.token_axis import Integers, Intervals, TokenAxis, apart, count_shared, union
from retrieval.tokens import EmbedderTokenizer


def first_of_same_text(documents: pl.DataFrame) -> dict[str, str]:
    """The documents that repeat the whole text of an earlier one.

    Args:
        documents: columns document_id, text.

    Returns:
        The first document with that text, by the id of every later one. Documents that repeat no other are left out.
    """
    firsts = documents.select("document_id", first=pl.col("document_id").first().over("text"))
    return dict(firsts.filter(pl.col("document_id") != pl.col("first")).iter_rows())


def occurrences(passage: str, text: str) -> Iterator[int]:
    """Offsets at which a passage occurs in a text, character for character; occurrences may overlap."""
    at = text.find(passage)
    while at >= 0:
        yield at
        at = text.find(passage, at + 1)


SPAN_SCORES = ("span_recall", "span_precision", "span_f1", "span_iou")
PASSAGES = pl.Schema({"question_id": pl.String(), "n_passages": pl.Int64(), "n_found": pl.Int64()})
# Shorter text recurs by chance and in other senses: names, numbers, "no", "there was no significant difference". Among
# the 1,294 evidence spans of Chroma's corpora and of 150 articles of Evidence Inference, no shorter one has a copy. The
# shortest that have one, of 6 to 11 tokens, are table cells and results that their text states twice.
MIN_COPY_TOKENS = 6
_LANE = 40  # bits: tokens of all documents on the axis, far fewer than 2 ** 40; above them, the question's row


class _Passage(NamedTuple):
    """A text whose copies stand for tokens of the evidence; `home` is its place on the axis, in characters."""

    text: str
    home: int


class SpanScorer:
    """Scores cuts against evidence spans; what it learns about documents and copies is kept from cut to cut.

    Args:
        corpus: documents, and questions, some of them with evidence.
        tokenizer: the embedder's.
        credit_copies: False scores only the places of the evidence, as Chroma does.
    """

    def __init__(self, corpus: Corpus, tokenizer: EmbedderTokenizer, *, credit_copies: bool = True) -> None:
        same = first_of_same_text(corpus.documents) if credit_copies else {}
        self._texts, self._axis, self._credit = corpus.texts, TokenAxis(corpus, tokenizer, same), credit_copies
        asked = [question for question in iter_questions(corpus.questions) if question.evidence]
        self._axis.add(span.document_id for question in asked for span in question.evidence)
        self._rows = {question.id: row for row, question in enumerate(asked)}
        self._passages = [self._passages_of(question) for question in asked]
        places = [(row, *place) for row, question in enumerate(asked) for place in self._distinct(question)]
        rows, starts, ends = np.array(places, np.int64).reshape(-1, 3).T
        located = _in_lanes(rows, self._axis.locate(Intervals(starts, ends)))
        self._evidence, self._apart = union(located), apart(located)
        self._searched: set[tuple[int, str]] = set()
        self._copies = _Copies.none()

    def scores(self, cut_hits: pl.DataFrame) -> pl.DataFrame:
        """Score each question that has evidence.

        Args:
            cut_hits: columns question_id, document_id, start, end.

        Returns:
            question_id and one Float64 column for each of `SPAN_SCORES`; only questions with evidence.

        Raises:
            KeyError: a document is not in the corpus.
        """
        return self.scores_and_passages(cut_hits)[0]

    def scores_and_passages(self, cut_hits: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The same, and how many passages each question needs and finds whole; frame of schema `PASSAGES`."""
        hits = cut_hits.select("question_id", "document_id", "start", "end")
        hits = hits.filter(pl.col("question_id").is_in(list(self._rows)))
        self._axis.add(hits["document_id"].unique(maintain_order=True))
        self._search(hits)
        read = union(self._read(hits))
        copies = self._copies
        reached = count_shared(copies.tokens, read) > 0
        stood_for = Intervals(copies.stand_for.starts[reached], copies.stand_for.ends[reached])
        n_evidence = self._sum(self._evidence, self._evidence.ends - self._evidence.starts)
        covered = union(read, stood_for)
        found = self._sum(self._evidence, count_shared(self._evidence, covered))
        right = count_shared(read, union(self._evidence, copies.tokens))
        scores = self._frame(n_evidence, found, self._sum(read, read.ends - read.starts - right))
        return scores, self._passages_frame(covered)

    def _passages_frame(self, covered: Intervals) -> pl.DataFrame:
        passages = self._apart
        is_whole = count_shared(passages, covered) == passages.ends - passages.starts
        needed, found = (self._sum(passages, counts) for counts in (np.ones(len(is_whole)), is_whole))
        columns = {"question_id": list(self._rows), "n_passages": needed, "n_found": found}
        return pl.DataFrame(columns, schema=PASSAGES)

    def _frame(self, n_evidence: Integers, found: Integers, wrong: Integers) -> pl.DataFrame:
        columns = {
            "span_recall": _ratio(found, n_evidence),
            "span_precision": _ratio(found, found + wrong),
            "span_f1": _ratio(2 * found, n_evidence + found + wrong),
            "span_iou": _ratio(found, n_evidence + wrong),
        }
        schema = {"question_id": pl.String()} | {name: pl.Float64() for name in SPAN_SCORES}
        return pl.DataFrame({"question_id": list(self._rows), **columns}, schema=schema)

    def _sum(self, intervals: Intervals, counts: npt.NDArray[Any]) -> Integers:
        """Counts of intervals, summed by the question whose lane they are in."""
        total = np.bincount(intervals.starts >> _LANE, counts, len(self._rows))
        return total.astype(np.int64)

    def _read(self, hits: pl.DataFrame) -> Intervals:
        """The tokens of each hit, in the lane of its question."""
        rows, offsets = (  # cast: with nothing to replace, replace_strict leaves the type as it was
            hits[column].replace_strict(numbers, return_dtype=pl.Int64).cast(pl.Int64).to_numpy()
            for column, numbers in (("question_id", self._rows), ("document_id", self._axis.offsets))
        )
        characters = Intervals(offsets + hits["start"].to_numpy(), offsets + hits["end"].to_numpy())
        return _in_lanes(rows, self._axis.locate(characters))

    def _search(self, hits: pl.DataFrame) -> None:
        """Find the copies in the documents that a question has not retrieved before."""
        pairs = ((self._rows[q], d) for q, d in hits.select("question_id", "document_id").unique().iter_rows())
        new = sorted(pair for pair in pairs if self._passages[pair[0]] and pair not in self._searched)
        self._searched.update(new)
        found = [self._copy(row, passage, at) for row, d in new for passage, at in self._places(row, d)]
        if found:
            self._copies = _Copies.joined([self._copies, *found])

    def _places(self, row: int, document_id: str) -> Iterator[tuple[_Passage, int]]:
        """A question's passages, and their places on the axis in a document, other than at home."""
        offset = self._axis.offsets[document_id]
        for passage in self._passages[row]:
            for at in occurrences(passage.text, self._texts[document_id]):
                if at + offset != passage.home:
                    yield passage, at + offset

    def _copy(self, row: int, passage: _Passage, at: int) -> _Copies:
        """The tokens of one occurrence, each with the tokens at home that share characters with it."""
        ((first,), (last,)) = self._axis.locate(Intervals(np.array([at]), np.array([at + len(passage.text)])))
        numbers = np.arange(first, last)
        starts = np.maximum(self._axis.tokens.starts[first:last], at)
        ends = np.minimum(self._axis.tokens.ends[first:last], at + len(passage.text))
        home = self._axis.locate(Intervals(starts - at + passage.home, ends - at + passage.home))
        rows = np.full(len(numbers), row)
        return _Copies(_in_lanes(rows, Intervals(numbers, numbers + 1)), _in_lanes(rows, home))

    def _distinct(self, question: Question) -> list[tuple[int, int]]:
        """The places of a question's evidence on the axis, in characters, without spans that are copies of others."""
        return [
            (at, at + span.end - span.start)
            for span in question.evidence
            for at in [self._axis.offsets[span.document_id] + span.start]
            if self._home(span, question.evidence) == at
        ]

    def _passages_of(self, question: Question) -> list[_Passage]:
        """The texts to look for, each once."""
        long = [span for span in question.evidence if self._credit and self._is_long(span)]
        homes = {self._text(span): self._home(span, question.evidence) for span in long}
        return [_Passage(text, home) for text, home in homes.items()]

    def _home(self, span: Span, evidence: Sequence[Span]) -> int:
        """The place of a span's text in the evidence: in the longest span that contains it, the first of several."""
        text, at = self._text(span), self._axis.offsets[span.document_id] + span.start
        if not (self._credit and self._is_long(span)):
            return at
        longest = max((one for one in evidence if text in self._text(one)), key=lambda one: one.end - one.start)
        return self._axis.offsets[longest.document_id] + longest.start + self._text(longest).find(text)

    def _text(self, span: Span) -> str:
        return self._texts[span.document_id][span.start : span.end]

    def _is_long(self, span: Span) -> bool:
        at = self._axis.offsets[span.document_id]
        first, last = self._axis.locate(Intervals(np.array([at + span.start]), np.array([at + span.end])))
        return bool(last[0] - first[0] >= MIN_COPY_TOKENS)


class _Copies(NamedTuple):
    """Tokens of copies, in the lanes of their questions, and for each the interval of evidence it stands for."""

    tokens: Intervals
    stand_for: Intervals

    @staticmethod
    def none() -> _Copies:
        nothing = Intervals(np.empty(0, np.int64), np.empty(0, np.int64))
        return _Copies(nothing, nothing)

    @staticmethod
    def joined(parts: Sequence[_Copies]) -> _Copies:
        def join(several: Sequence[Intervals]) -> Intervals:
            return Intervals(*(np.concatenate(one) for one in zip(*several, strict=True)))

        return _Copies(join([one.tokens for one in parts]), join([one.stand_for for one in parts]))


def _in_lanes(rows: Integers, tokens: Intervals) -> Intervals:
    """The tokens in the lane of their question, so that the same tokens of different questions are kept apart."""
    return Intervals((rows << _LANE) + tokens.starts, (rows << _LANE) + tokens.ends)


def _ratio(part: Integers, whole: Integers) -> npt.NDArray[np.float64]:
    """0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
