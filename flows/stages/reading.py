"""The reading stages of the sweep flow: rankings to contexts, contexts to prompts, votes to answers, in every arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from corpora.schema import Corpus, Question, iter_questions
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from labeling.prompting.labeler import PromptWriter
from labeling.votes.vote import Arm, Prompt
from results.readers.answers import ANSWERS, document_answers
from results.settings import CHUNKING, CUT, SETTING
from retrieval.config import RetrievalConfig
from retrieval.context import Cut, assemble, each_cut
from retrieval.random_context import RandomContexts

NO_CONTEXT = "(none)"  # what a closed-book prompt shows in place of a context
DOCUMENTS_MEASURED = 50  # to learn how many of a reader's tokens make one of the embedder's
INDEX = (*CHUNKING, "embedder")
GIVEN = ("label", "failure", "margin", "probabilities")  # columns of an answer that come from the reader


class Contexts(NamedTuple):
    """What the readers get to see.

    Attributes:
        retrieved: columns `SETTING`, `CUT`, question_id, place (of each chunk in its document), n_chunks,
            n_context_tokens.
        oracle: the same columns without a retriever, since it does not depend on one; None if the arm is not asked.
        random: a source of texts by embedder name; None if the arm is not asked.
    """

    retrieved: pl.DataFrame
    oracle: pl.DataFrame | None
    random: Mapping[str, RandomContexts] | None


def build_contexts(
    retrieval: RetrievalConfig, corpus: Corpus, hits: pl.DataFrame, oracle: pl.DataFrame, seed: int, session: Session
) -> Contexts:
    """The context of every setting, cut and question, in every arm that is asked.

    Args:
        retrieval: gives the cuts and the arms.
        corpus: gives the texts.
        hits: the rankings, see `Ranked`.
        oracle: the oracle's rankings.
        seed: seed of the random texts.
        session: opens the embedders, whose tokens are counted.
    """
    sources = None
    if "random" in retrieval.controls:
        sources = {
            config.label: RandomContexts(corpus.texts, session.embedder(config).tokenizer, seed)
            for config in retrieval.embedders
        }
    return Contexts(
        _cut_all(hits, SETTING, retrieval.cuts()),
        _cut_all(oracle, INDEX, retrieval.cuts()) if "oracle_chunk" in retrieval.controls else None,
        sources,
    )


def _cut_all(hits: pl.DataFrame, key: tuple[str, ...], cuts: Sequence[Cut]) -> pl.DataFrame:
    hits = hits.with_columns(place=pl.struct("document_id", "start", "end"))
    parts = []
    for values, cut, shown in each_cut(hits, key, cuts):
        grouped = shown.group_by("question_id", maintain_order=True)
        context = grouped.agg("place", n_chunks=pl.len().cast(pl.Int64), n_context_tokens=pl.sum("n_tokens"))
        places = dict(zip((*key, *CUT), (*values, *cut), strict=True))
        parts.append(context.select(*(pl.lit(v).alias(k) for k, v in places.items()), pl.all()))
    return pl.concat(parts).with_columns(pl.col("n_context_tokens").cast(pl.Int64))


class Asking(NamedTuple):
    """Which cells and arms a reader is asked in.

    Attributes:
        controls: the arms beside `retrieved`.
        cells: columns `SETTING` and `CUT` of the cells; None for all of them.
    """

    controls: tuple[str, ...]
    cells: pl.DataFrame | None = None


class Reading:
    """What a reader is asked in all arms.

    The prompts are written again each time they are needed, one question at a time, because together they would not fit
    into memory. The whole document is asked again only of readers without label probabilities; for the others, the most
    probable label of the first vote is the answer that they would give.
    """

    def __init__(self, corpus: Corpus, reader: ReaderConfig, contexts: Contexts, asked: Asking) -> None:
        self.corpus, self._reader, self._controls = corpus, reader, asked.controls
        retrieved = contexts.retrieved.join(corpus.questions.select("question_id"), on="question_id", how="semi")
        if asked.cells is not None:
            retrieved = retrieved.join(asked.cells, on=[*SETTING, *CUT], how="semi", maintain_order="left")
        self._retrieved = retrieved.partition_by("question_id", as_dict=True)
        oracle = contexts.oracle if "oracle_chunk" in asked.controls else None
        self._oracle = None if oracle is None else oracle.partition_by("question_id", as_dict=True)
        self._random = contexts.random if "random" in asked.controls else None
        self._writer = PromptWriter(reader, corpus.labels)

    def prompts(self) -> Iterator[list[Prompt]]:
        """The prompts of each question, each distinct one once."""
        for question in iter_questions(self.corpus.questions):
            yield self._ask(question).prompts

    def requests(self) -> pl.DataFrame:
        """The columns of `ANSWERS` without the answer: one row for each arm, cell and question."""
        schema = pl.Schema({name: kind for name, kind in ANSWERS.items() if name not in GIVEN})
        asked = (self._ask(question).rows for question in iter_questions(self.corpus.questions))
        frames = [pl.DataFrame(schema=schema), *(pl.DataFrame(rows, schema=schema) for rows in asked)]
        return pl.concat(frames, rechunk=True)

    def _ask(self, question: Question) -> _Prompts:
        """Write the prompts of one question."""
        asking = _Prompts(self._writer, self._reader.label, question)
        if not self._reader.gives_distributions:
            asking.add("document", assemble([self.corpus.texts[one] for one in question.document_ids]), {})
        cells = self._retrieved[(question.id,)].rows(named=True)
        for cell in cells:
            asking.add("retrieved", _shown(self.corpus, cell), cell)
        if self._oracle is not None:
            best = {_index(row): row for row in self._oracle[(question.id,)].iter_rows(named=True)}
            for cell in cells:
                row = best[_index(cell)]
                asking.add("oracle_chunk", _shown(self.corpus, row), row | {"retriever": cell["retriever"]})
        if self._random is not None:
            _add_random(asking, question, cells, self._random)
        if "closed_book" in self._controls:
            asking.add("closed_book", NO_CONTEXT, {})
        return asking


def reading_lengths(retrieval: RetrievalConfig) -> list[list[int]]:
    """Roughly how long the contexts of one question are, in the embedder's tokens, if every chunk is full.

    Returns:
        Lists of lengths; within a list, each context is assumed to be the beginning of the longest one.
    """
    each = [
        [cut.amount * chunking.size if cut.kind == "k" else cut.amount for cut in retrieval.cuts()]
        for chunking in retrieval.chunkings()
    ]
    n_embedders = len(retrieval.embedders)
    n_retrievers = len(set(retrieval.retrievers))
    sets = each * n_embedders * n_retrievers
    if "oracle_chunk" in retrieval.controls:
        sets += each * n_embedders
    if "random" in retrieval.controls:
        sets += [[length for lengths in each for length in lengths] * n_retrievers] * n_embedders
    if "closed_book" in retrieval.controls:
        sets.append([0])
    return sets


def whole_document_prompts(corpus: Corpus, reader: ReaderConfig) -> Iterator[Prompt]:
    """The prompts that a sweep asks once more on whole documents, of readers without label probabilities."""
    writer = PromptWriter(reader, corpus.labels)
    if not reader.gives_distributions:
        for question in iter_questions(corpus.questions):
            yield writer.single(question, "document", assemble([corpus.texts[one] for one in question.document_ids]))


def _shown(corpus: Corpus, row: Mapping[str, Any]) -> str:
    return assemble([corpus.texts[one["document_id"]][one["start"] : one["end"]] for one in row["place"]])


def _index(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*INDEX, *CUT))


def _add_random(
    asking: _Prompts, question: Question, cells: list[dict[str, Any]], sources: Mapping[str, RandomContexts]
) -> None:
    for embedder, source in sources.items():
        mine = [cell for cell in cells if cell["embedder"] == embedder]
        texts = source.cut(question.id, question.document_ids, [cell["n_context_tokens"] for cell in mine])
        for cell, text in zip(mine, texts, strict=True):
            if text:
                asking.add("random", text, cell | {"n_chunks": None})


class _Prompts:
    """The prompts of one question; a prompt that two cells or arms share is asked once."""

    def __init__(self, writer: PromptWriter, reader: str, question: Question) -> None:
        self._writer, self._reader, self._question = writer, reader, question
        self.rows: list[dict[str, Any]] = []
        self.prompts: list[Prompt] = []
        self._seen: set[str] = set()

    def add(self, arm: Arm, context: str, cell: Mapping[str, Any]) -> None:
        prompt = self._writer.single(self._question, arm, context)
        if prompt.hash not in self._seen:
            self._seen.add(prompt.hash)
            self.prompts.append(prompt)
        known = {name: cell.get(name) for name in (*SETTING, *CUT, "n_chunks", "n_context_tokens")}
        asked = {"arm": arm, "question_id": self._question.id, "prompt_hash": prompt.hash}
        self.rows.append({"reader": self._reader, **known, **asked})


def join_answers(
    corpus: Corpus, reader: str, requests: pl.DataFrame, votes: pl.DataFrame, cast: pl.DataFrame
) -> pl.DataFrame:
    """The answers of a reader in all arms; frame of schema `ANSWERS`.

    Args:
        corpus: gives the label set.
        reader: its name.
        requests: what it was asked, see `Reading.requests`.
        votes: its answers, frame of schema `VOTES`.
        cast: its votes on whole documents, whose most probable label is its answer in the document arm, unless it was
            asked once more.
    """
    given = votes.select("question_id", "prompt_hash", *GIVEN)
    answers = requests.join(given, on=["question_id", "prompt_hash"], how="left")
    if not (answers["arm"] == "document").any():
        whole = document_answers(cast, corpus.labels).join(
            cast.filter(pl.col("vote") == 0).select("question_id", "failure", "prompt_hash"), on="question_id"
        )
        whole = whole.with_columns(reader=pl.lit(reader), arm=pl.lit("document"))
        answers = pl.concat([answers, whole], how="diagonal_relaxed")
    return answers.select(ANSWERS.names()).cast(ANSWERS).sort("arm", *SETTING, *CUT, "question_id")
