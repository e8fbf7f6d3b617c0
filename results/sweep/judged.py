"""One reader's answers in all cells and arms, lined up question by question with what counts as right.

Nothing that is known exactly is drawn: where the reader gives distributions, a question counts with the probability g
that the consensus rule keeps it with a label, and an answer with the probability a that the reader gives that label.
The accuracy of a cell is sum g a / sum g, over questions and labels; precision, recall, F1 and the rungs of the ladder
use the same weights.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from corpora.schema import Corpus, LabelSet
from labeling.votes.consensus import (
    BY_DISTRIBUTION,
    NOT_REVIEWED,
    ConsensusConfig,
    ReaderVotes,
    Reviewed,
    Rule,
)
from labeling.votes.sampling import Sampling, sampled_distribution
from labeling.votes.vote_law import VoteLaw, distributions, most_probable, vote_law
from results.config import ScoringConfig
from results.readers.answers import question_facts
from results.settings import CUT, SETTING
from results.stats.resampling import EXCLUDED, Array, Law, Outcomes, fixed_law, one_hot


def gold_law(
    facts: pl.DataFrame, votes: pl.DataFrame, labels: LabelSet, sampling: Sampling, consensus: ConsensusConfig,
    reviewed: Reviewed = NOT_REVIEWED,
) -> Law:  # fmt: skip
    """What each question counts as in a reader's gold set.

    Where the distributions behind all three votes are known, the chances are exact; elsewhere, and under the rules that
    draw nothing, they are 1 for what was observed.

    Args:
        facts: columns question_id, gold_label (null where it is not kept), reference, cluster; one row per question.
        votes: frame of schema `VOTES`, document arm.
        labels: the label set, whose order is that of the outcomes.
        sampling: how the votes were drawn.
        consensus: the consensus rule.
        reviewed: what people settled on, for the rule reviewed.
    """
    observed = label_indices(facts["gold_label"], labels)
    fixed = fixed_law(observed, len(labels), facts["cluster"].to_list())
    rule = consensus.rule
    if rule in BY_DISTRIBUTION:
        return fixed
    known = distributions(votes, len(labels))
    rows = {question_id: row for row, question_id in enumerate(facts["question_id"])}
    found = [at for at, question_id in enumerate(known.question_ids) if question_id in rows]
    places = [rows[known.question_ids[at]] for at in found]
    chances = fixed.chances.copy()
    if found:
        probabilities = known.probabilities[found]
        chances[places] = _kept(vote_law(probabilities, sampling), rule)
        if rule == "unanimous" and consensus.most_probable:
            chances[places] *= one_hot(most_probable(probabilities), len(labels))
    if rule == "unanimous_and_correct":
        chances *= one_hot(label_indices(facts["reference"], labels), len(labels))
    if rule == "reviewed":
        given = pl.Series([reviewed.get(question_id) for question_id in facts["question_id"]], dtype=pl.String)
        chances *= one_hot(label_indices(given, labels), len(labels))
    return fixed._replace(chances=chances)


def label_indices(column: pl.Series, labels: LabelSet) -> Outcomes:
    """Index of each label in canonical order; `EXCLUDED` for none."""
    numbered = {label: number for number, label in enumerate(labels)}
    return np.array([numbered.get(label, EXCLUDED) for label in column], dtype=np.int64)


def _kept(law: VoteLaw, rule: Rule) -> Array:
    return law.majority if rule == "majority" else law.unanimous


def answer_chances(answers: pl.DataFrame, labels: LabelSet, sampling: Sampling | None) -> Array:
    """How probable each answer is, shape (answers, labels); all 0 where the answer failed.

    Args:
        answers: columns label and probabilities.
        labels: the label set, whose order is that of the probabilities.
        sampling: how an answer is drawn from the distribution; None for the answer that was given. An answer without a
            distribution is the one that was given, in any case.
    """
    chances = one_hot(label_indices(answers["label"], labels), len(labels))
    if sampling is None or "probabilities" not in answers.columns:
        return chances
    known = (answers["probabilities"].list.len().fill_null(0) == len(labels)) & answers["label"].is_not_null()
    rows = np.flatnonzero(known.to_numpy())
    if len(rows):
        flat = answers["probabilities"].gather(rows).explode().to_numpy()
        chances[rows] = sampled_distribution(np.asarray(flat, dtype=np.float64).reshape(-1, len(labels)), sampling)
    return chances


def answer_sampling(config: ScoringConfig, own: Sampling) -> Sampling | None:
    """How answers are drawn: at the config's temperature, or as the reader draws votes; None if they count as given."""
    if config.answers == "drawn":
        return None
    return own if config.answer_temperature is None else Sampling(temperature=config.answer_temperature)


CELL_ARMS = ("retrieved", "oracle_chunk", "random")
BASELINE_ARMS = ("closed_book", "document")


class Judged(NamedTuple):
    """Answers of one reader.

    Attributes:
        reader: its name.
        facts: columns question_id, reference, cluster, gold_label; one row per question, sorted by id.
        cells: columns `SETTING` and `CUT`, one row per cell, sorted.
        answers: its rows of the answers, frame of schema `ANSWERS`.
        chances: shape (questions, labels) by arm and number of the cell (0 for the arms that are the same in every
            cell): probability of each answer, all 0 where it failed; an arm that was not asked is missing.
        laws: what counts as right: by "gold" the gold labels with the law of the votes, by "all" the references.
        is_expected: whether the distributions of its votes and answers are known, so that scores are expectations.
    """

    reader: str
    facts: pl.DataFrame
    cells: pl.DataFrame
    answers: pl.DataFrame
    chances: dict[tuple[str, int], Array]
    laws: dict[str, Law]
    is_expected: bool = False

    @property
    def kind(self) -> str:
        """As tables have it: `expected` or `observed`."""
        return "expected" if self.is_expected else "observed"

    def right(self, arm: str) -> Array | None:
        """Shape (questions, labels, cells): probability that an arm's answer is that label; None if it was not asked.

        The arms that are the same in every cell have one column.
        """
        n_columns = 1 if arm in BASELINE_ARMS else len(self.cells)
        if any((arm, number) not in self.chances for number in range(n_columns)):
            return None
        return np.stack([self.chances[arm, number] for number in range(n_columns)], axis=2)


def line_up(
    corpus: Corpus, reader: ReaderVotes, answers: pl.DataFrame, consensus: ConsensusConfig, config: ScoringConfig
) -> Judged:
    """Line up one reader's answers.

    Args:
        corpus: gives references and clusters.
        reader: its gold set, and the votes behind it.
        answers: frame of schema `ANSWERS`, of all readers.
        consensus: the rule of the gold set.
        config: whether scores are expectations, and at which temperature answers are drawn.
    """
    mine = answers.filter(pl.col("reader") == reader.name)
    kept = reader.gold.filter("kept").select("question_id", gold_label="label")
    asked = mine.select("question_id").unique()
    facts = question_facts(corpus).join(asked, on="question_id", how="semi")
    facts = facts.join(kept, on="question_id", how="left").sort("question_id")
    in_cells = mine.filter(pl.col("arm") == "retrieved")
    cells = in_cells.select(*SETTING, *CUT).unique().sort(*SETTING, *CUT)
    references = label_indices(facts["reference"], corpus.labels)
    laws = {
        "gold": gold_law(facts, reader.votes, corpus.labels, reader.sampling, consensus, reader.reviewed),
        "all": fixed_law(references, len(corpus.labels), facts["cluster"].to_list()),
    }
    is_drawn = config.answers == "drawn"
    laws = {name: law._replace(is_drawn=is_drawn) for name, law in laws.items()}
    chances = _chances(mine, cells, facts, corpus.labels, answer_sampling(config, reader.sampling))
    is_expected = not is_drawn and _has_distributions(mine)
    return Judged(reader.name, facts, cells, mine, chances, laws, is_expected)


def _has_distributions(answers: pl.DataFrame) -> bool:
    """Whether an answer that did not fail always comes with its distribution."""
    if "probabilities" not in answers.columns:
        return False
    given = answers.filter(pl.col("label").is_not_null())
    return bool((given["probabilities"].list.len().fill_null(0) > 0).all())


def _chances(
    answers: pl.DataFrame, cells: pl.DataFrame, facts: pl.DataFrame, labels: LabelSet, sampling: Sampling | None
) -> dict[tuple[str, int], Array]:
    numbered = cells.with_row_index("number")
    answers = answers.with_columns(pl.Series("place", np.arange(len(answers))))
    of_answer = answer_chances(answers, labels, sampling)
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
            lined_up = facts.select("question_id").join(of_cell, on="question_id", how="left", maintain_order="left")
            found[arm, int(str(number))] = of_answer[lined_up["place"].to_numpy()]
    return found
