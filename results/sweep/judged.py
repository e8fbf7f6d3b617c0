"""One reader's answers in all cells and arms, lined up question by question with what counts as right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from corpora.schema import Corpus, LabelSet
from labeling.votes.consensus import ReaderVotes, Rule
from labeling.votes.sampling import Sampling
from labeling.votes.vote_law import VoteLaw, distributions, vote_law
from results.readers.answers import question_facts
from results.settings import CUT, SETTING
from results.stats.resampling import EXCLUDED, Array, Law, Outcomes, fixed_law, one_hot


def gold_law(facts: pl.DataFrame, votes: pl.DataFrame, labels: LabelSet, sampling: Sampling, rule: Rule) -> Law:
    """What each question counts as in a reader's gold set.

    Where the distributions behind all three votes are known, the chances are exact; elsewhere, and under the rule
    min_probability, which draws nothing, they are 1 for what was observed.

    Args:
        facts: columns question_id, gold_label (null where it is not kept), reference, cluster; one row per question.
        votes: frame of schema `VOTES`, document arm.
        labels: the label set, whose order is that of the outcomes.
        sampling: how the votes were drawn.
        rule: the consensus rule.
    """
    observed = label_indices(facts["gold_label"], labels)
    fixed = fixed_law(observed, len(labels), facts["cluster"].to_list())
    if rule == "min_probability":
        return fixed
    known = distributions(votes, len(labels))
    rows = {question_id: row for row, question_id in enumerate(facts["question_id"])}
    found = [at for at, question_id in enumerate(known.question_ids) if question_id in rows]
    places = [rows[known.question_ids[at]] for at in found]
    chances = fixed.chances.copy()
    if found:
        chances[places] = _kept(vote_law(known.probabilities[found], sampling), rule)
    if rule == "unanimous_and_correct":
        chances *= one_hot(label_indices(facts["reference"], labels), len(labels))
    return fixed._replace(chances=chances)


def label_indices(column: pl.Series, labels: LabelSet) -> Outcomes:
    """Index of each label in canonical order; `EXCLUDED` for none."""
    numbered = {label: number for number, label in enumerate(labels)}
    return np.array([numbered.get(label, EXCLUDED) for label in column], dtype=np.int64)


def _kept(law: VoteLaw, rule: Rule) -> Array:
    return law.majority if rule == "majority" else law.unanimous


NO_LABEL = -1
CELL_ARMS = ("retrieved", "oracle_chunk", "random")
BASELINE_ARMS = ("closed_book", "document")


class Judged(NamedTuple):
    """Answers of one reader.

    Attributes:
        reader: its name.
        facts: columns question_id, reference, cluster, gold_label; one row per question, sorted by id.
        cells: columns `SETTING` and `CUT`, one row per cell, sorted.
        answers: its rows of the answers, frame of schema `ANSWERS`.
        given: shape (questions,) by arm and number of the cell (0 for the arms that are the same in every cell): index
            of the label given, `NO_LABEL` where an answer failed; an arm that was not asked is missing.
        laws: what counts as right: by "gold" the gold labels with the law of the votes, by "all" the references.
    """

    reader: str
    facts: pl.DataFrame
    cells: pl.DataFrame
    answers: pl.DataFrame
    given: dict[tuple[str, int], Outcomes]
    laws: dict[str, Law]

    def right(self, arm: str, n_labels: int) -> Array | None:
        """Shape (questions, labels, cells): 1 where an arm's answer is that label; None where it was not asked.

        The arms that are the same in every cell have one column.
        """
        n_columns = 1 if arm in BASELINE_ARMS else len(self.cells)
        if any((arm, number) not in self.given for number in range(n_columns)):
            return None
        given = np.stack([self.given[arm, number] for number in range(n_columns)], axis=1)
        right: Array = (given[:, None, :] == np.arange(n_labels)[None, :, None]).astype(np.float64)
        return right


def line_up(corpus: Corpus, reader: ReaderVotes, answers: pl.DataFrame, rule: Rule) -> Judged:
    """Line up one reader's answers.

    Args:
        corpus: gives references and clusters.
        reader: its gold set, and the votes behind it.
        answers: frame of schema `ANSWERS`, of all readers.
        rule: the consensus rule of the gold set.
    """
    mine = answers.filter(pl.col("reader") == reader.name)
    kept = reader.gold.filter("kept").select("question_id", gold_label="label")
    asked = mine.select("question_id").unique()
    facts = question_facts(corpus).join(asked, on="question_id", how="semi")
    facts = facts.join(kept, on="question_id", how="left").sort("question_id")
    in_cells = mine.filter(pl.col("arm") == "retrieved")
    cells = in_cells.select(*SETTING, *CUT).unique().sort(*SETTING, *CUT)
    laws = {
        "gold": gold_law(facts, reader.votes, corpus.labels, reader.sampling, rule),
        "all": fixed_law(
            label_indices(facts["reference"], corpus.labels), len(corpus.labels), facts["cluster"].to_list()
        ),
    }
    return Judged(reader.name, facts, cells, mine, _given(mine, cells, facts, corpus.labels), laws)


def _given(
    answers: pl.DataFrame, cells: pl.DataFrame, facts: pl.DataFrame, labels: LabelSet
) -> dict[tuple[str, int], Outcomes]:
    numbered = cells.with_row_index("number")
    found = {}
    for arm in (*CELL_ARMS, *BASELINE_ARMS):
        rows = answers.filter(pl.col("arm") == arm)
        if arm in CELL_ARMS:
            rows = rows.join(numbered, on=[*SETTING, *CUT], how="left")
        else:
            rows = rows.with_columns(number=pl.lit(0, dtype=pl.UInt32))
        for (number,), of_cell in rows.group_by(["number"], maintain_order=True):
            if len(of_cell) < len(facts):
                continue  # not asked of every question: no arm to compare with
            label = facts.select("question_id").join(of_cell, on="question_id", how="left", maintain_order="left")
            found[arm, int(str(number))] = label_indices(label["label"], labels)
    return found
