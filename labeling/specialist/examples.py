"""What a specialist learns from: questions as they are seen, with the label distribution that a teacher gave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold

from labeling.specialist.look import Scores, Seen

N_FOLDS = 5
LEAST_SHARE = 1e-6  # below it, a label of a soft target is as good as absent


class Example(NamedTuple):
    """One labeled question.

    Attributes:
        question_id: its id.
        question: its text.
        seen: it and its context, as they are seen.
        target: shape (labels,): probability of each label, sums to 1.
        document: what it is grouped by, so that questions on one document are learnt or held back together.
    """

    question_id: str
    question: str
    seen: Seen
    target: Scores
    document: str


def folds(examples: Sequence[Example], seed: int) -> list[tuple[list[int], list[int]]]:
    """Numbers of the examples to learn from and to hold back, fold by fold; no document is on both sides.

    Returns:
        At most five folds; none where all examples are on one document.
    """
    documents = [one.document for one in examples]
    n_folds = min(N_FOLDS, len(set(documents)))
    if n_folds < 2:
        return []
    split = GroupKFold(n_folds, shuffle=True, random_state=seed).split(np.zeros((len(examples), 1)), groups=documents)
    return [(learnt.tolist(), held_back.tolist()) for learnt, held_back in split]


def targets_of(examples: Sequence[Example]) -> Scores:
    """Shape (examples, labels)."""
    return np.stack([one.target for one in examples])


def cross_entropy(targets: Scores, given: Scores) -> float:
    """Mean of the cross entropy, in nats, of what was given to soft targets; both of shape (questions, labels)."""
    return float(-(targets * np.log(np.maximum(given, 1e-12))).sum(axis=1).mean())
