"""The law of a gold set: with which probability each question is kept, and with which label."""

from __future__ import annotations

import numpy as np
import polars as pl

from corpora.schema import LabelSet
from labeling.votes.consensus import Rule
from labeling.votes.sampling import Sampling
from labeling.votes.vote_law import VoteLaw, distributions, vote_law
from results.stats.resampling import EXCLUDED, Array, Law, Outcomes, fixed_law, one_hot


def gold_law(facts: pl.DataFrame, votes: pl.DataFrame, labels: LabelSet, sampling: Sampling, rule: Rule) -> Law:
    """What each question counts as in a reader's gold set.

    Where the distributions behind all three votes are known, the chances are exact; elsewhere, and under the rule
    min_probability, which draws nothing, they are certainty of what was observed.

    Args:
        facts: columns question_id, gold_label (null where it is not kept), reference, cluster; one row a question.
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
