"""What two runs scored on the questions that both asked, by the same labels.

Where both have the same reader, these are the labels that both gold sets keep. Another reader (another model, prompt or
temperature) has another gold set. If both were scored by that of the earlier one, two readers that are mirror images
would each be worse than the other. So then the reference labels count, if every question has one: only they show that a
reader has become worse. Elsewhere it is again what both gold sets keep, each question with the geometric mean of the
probabilities with which the two keep it with a label. That is the same from either side, and the gold set itself where
the votes are the same. It shows what chunks and retrieval lose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from corpora.errors import InputError
from corpora.schema import DOCUMENTS, Corpus, LabelSet
from labeling.votes.consensus import NOT_REVIEWED, ConsensusConfig, ReaderVotes
from labeling.votes.sampling import Sampling
from results.advice.cards.run import Run
from results.advice.wording import count
from results.config import ScoringConfig
from results.readers.answers import question_facts
from results.settings import CUT, SETTING, Cell, Spoken
from results.stats.clustered import cluster_sums, effective_number
from results.stats.resampling import Array
from results.stats.worst_case import Weighted
from results.sweep.judged import Judged, line_up

ON_SPANS, ON_DOCUMENTS = "span_recall", "ndcg"
REMEDY = "name two runs of one experiment"

Pair = tuple[Cell, Cell]  # a cell of the earlier run and one of the later, without their readers
Runs = tuple[Run, Run]  # the earlier and the later


class Scored(NamedTuple):
    """Two columns of scores, the earlier run's and the later one's, by document.

    Attributes:
        what: the cell, as people say it, and its reader.
        score: what is compared, as in `accuracy`.
        basis: on what, as in `97 effective gold questions`.
        n: what these questions are worth.
        documents: the scores.
    """

    what: str
    score: str
    basis: str
    n: float
    documents: Weighted


def score_answers(runs: Runs, cells: Pair, readers: tuple[str, str]) -> Scored:
    """The answers of a reader in a cell, before and now.

    Args:
        runs: the earlier and the later one.
        cells: of each.
        readers: the name in each.

    Raises:
        InputError: no question that both asked counts.
    """
    asked = [
        run.tables["answers"].filter(pl.col("reader") == reader, pl.col("arm") == "retrieved", _is_in(cell))
        for run, reader, cell in zip(runs, readers, cells, strict=True)
    ]
    common = set(asked[0]["question_id"]) & set(asked[1]["question_id"])
    if not common:
        raise InputError("two runs without a question in common", "questions that both runs asked", REMEDY)
    # One way of scoring for both: the later run's, and drawn where one of them knows nothing else.
    is_drawn = any(run.is_drawn for run in runs)
    scoring = runs[1].scoring.model_copy(update={"answers": "drawn" if is_drawn else "expected"})
    judged = [
        _judged(run, reader, answers.filter(pl.col("question_id").is_in(list(common))), scoring)
        for run, reader, answers in zip(runs, readers, asked, strict=True)
    ]
    made_by = [_made_by(run, reader, common) for run, reader in zip(runs, readers, strict=True)]
    right = _right(judged, is_same=made_by[0] == made_by[1])
    columns = [(right.weights * one.chances["retrieved", 0]).sum(axis=1) for one in judged]
    names = readers[0] if readers[0] == readers[1] else f"{readers[0]}, now {readers[1]},"
    documents = _by_document(right.of_question, columns, judged[0].laws["gold"].clusters)
    return Scored(f"{names} with {_said(runs, cells)}", right.score, right.basis, right.n, documents)


class _Right(NamedTuple):
    """What counts as right in both runs.

    Attributes:
        weights: shape (questions, labels): how much each question counts with each label.
        is_gold: whether these are gold labels, not references.
    """

    weights: Array
    is_gold: bool

    @property
    def of_question(self) -> Array:
        """Shape (questions,): how much each question counts."""
        counts: Array = self.weights.sum(axis=1)
        return counts

    @property
    def n(self) -> float:
        """How many questions count, or as many as they are worth."""
        return effective_number(self.of_question)

    @property
    def basis(self) -> str:
        """That in words."""
        is_effective = not np.isin(self.of_question, (0.0, 1.0)).all()
        gold = "effective gold question" if is_effective else "gold question"
        return count(self.n, gold if self.is_gold else "question")

    @property
    def score(self) -> str:
        """What the share of right answers is called."""
        return "accuracy" if self.is_gold else "accuracy by the reference labels"


def _right(judged: Sequence[Judged], *, is_same: bool) -> _Right:
    """What counts as right for one reader in two runs (`is_same`), or for two readers: as the top of this file says."""
    references = [one.laws["all"].weights for one in judged]
    if not is_same and (references[0] == references[1]).all() and (references[0].sum(axis=1) == 1).all():
        return _Right(references[0], is_gold=False)
    before, now = (one.laws["gold"].weights for one in judged)
    both = np.sqrt(before * now)
    if not both.sum():
        raise InputError(
            "two runs whose gold sets share no question with the same label",
            "questions that both runs keep with the same label",
            "ask more questions" if is_same else "give every question a reference label, which then decides",
        )
    return _Right(both, is_gold=True)


def _made_by(run: Run, reader: str, questions: set[str]) -> set[tuple[str, ...]]:
    """What made a reader's votes on some questions: the fingerprint of its model and sampling, and its prompts."""
    votes = run.tables["votes"].filter(pl.col("reader") == reader, pl.col("question_id").is_in(list(questions)))
    return set(votes.select("labeler", "prompt_hash", "question_id").rows())


def _judged(run: Run, reader: str, answers: pl.DataFrame, scoring: ScoringConfig) -> Judged:
    """The answers as scoring lines them up, from what a run folder holds."""
    config = run.manifest["config"]
    own = next(one for one in config["readers"] if (one["name"] or one["model"]) == reader)
    sampling = Sampling(*(own[name] for name in Sampling._fields))
    votes, gold = (run.tables[name].filter(pl.col("reader") == reader).drop("reader") for name in ("votes", "gold"))
    asked = run.tables["questions"].select("question_id")
    reviewed = dict(run.tables["reviewed"].iter_rows()) if "reviewed" in run.tables else NOT_REVIEWED
    readers = ReaderVotes(reader, sampling, own.get("diversity", "resample"), asked, votes, gold, None, reviewed)
    return line_up(_corpus(run), readers, answers, ConsensusConfig.model_validate(config["consensus"]), scoring)


def _corpus(run: Run) -> Corpus:
    """What is left of the corpus in a run folder: its questions and labels."""
    said = run.manifest["corpus"]
    labels = LabelSet(tuple(said["labels"]))
    return Corpus(said["name"], pl.DataFrame(schema=DOCUMENTS), run.tables["questions"], labels)


def score_retrieval(runs: Runs, cells: Pair, score: str) -> Scored:
    """What is retrieved in a cell, before and now, question by question.

    Args:
        runs: the earlier and the later one.
        cells: of each.
        score: column of the table retrieval.

    Raises:
        InputError: no question is scored in both.
    """
    before, now = (
        run.tables["retrieval"].filter(_is_in(cell), pl.col(score).is_not_null()).select("question_id", found=score)
        for run, cell in zip(runs, cells, strict=True)
    )
    rows = before.join(now, on="question_id", suffix="_now").join(question_facts(_corpus(runs[0])), on="question_id")
    rows = rows.sort("question_id")
    if rows.is_empty():
        raise InputError("two runs without a scored question in common", "questions that both runs asked", REMEDY)
    columns = [rows[name].to_numpy() for name in ("found", "found_now")]
    documents = _by_document(np.ones(len(rows)), columns, rows["cluster"].to_list())
    said = {ON_SPANS: "share of the evidence that is found", ON_DOCUMENTS: "nDCG"}[score]
    return Scored(f"retrieval with {_said(runs, cells)}", said, count(len(rows), "question"), len(rows), documents)


def _by_document(weights: Array, columns: Sequence[Array], clusters: Sequence[str]) -> Weighted:
    sums, _ = cluster_sums(np.stack(columns, axis=1), clusters)
    return Weighted(cluster_sums(weights, clusters)[0], sums)


def _is_in(cell: Cell) -> pl.Expr:
    place = dict(zip((*SETTING, *CUT), (*cell.setting, *cell.cut), strict=True))
    return pl.all_horizontal(pl.col(name) == value for name, value in place.items())


def _said(runs: Runs, cells: Pair) -> str:
    """The cell, or both with what tells them apart, which may not vary within either run."""
    if cells[0] == cells[1]:
        return runs[0].spoken.the_cell(cells[0])
    settings = (cell.setting for cell in cells)
    differing = {name for name, *values in zip(SETTING, *settings, strict=True) if values[0] != values[1]}
    before, now = (
        Spoken({*run.spoken.varying, *differing}).the_cell(cell) for run, cell in zip(runs, cells, strict=True)
    )
    return f"{before}, now {now}"
