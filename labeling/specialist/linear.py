"""The linear specialist: multinomial logistic regression on frozen vectors of question and context.

The features are those of InferSent's classifier (Conneau et al. 2017, arXiv:1705.02364, section 3): the vectors q and
d, their product and the size of their difference, each block brought to unit variance as a whole. The targets are
distributions: each question is a row for each label, weighted by that label's probability.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from labeling.specialist.examples import LEAST_SHARE, Example, cross_entropy, folds, targets_of
from labeling.specialist.look import Scores, Seen

FILE = "linear.npz"
STRENGTHS = tuple(10.0**power for power in (-5, -4, -3, -2, -1, 0, 1))  # scikit-learn's C, of inverse regularisation
N_BLOCKS = 4
MOST_STEPS = 500


class Linear(NamedTuple):
    """A linear specialist.

    Attributes:
        weights: shape (labels, features).
        intercepts: shape (labels,); minus infinity for a label that no target has.
        scales: shape (blocks,): what each block of features is divided by.
    """

    weights: Scores
    intercepts: Scores
    scales: Scores

    def probabilities(self, question: str, seen: Seen) -> Scores:
        """Shape (labels,), sums to 1."""
        given: Scores = self.of([seen])[0]
        return given

    def n_tokens(self, question: str, seen: Seen) -> int:
        """None: it reads vectors."""
        return 0

    def of(self, seen: Sequence[Seen]) -> Scores:
        """Shape (questions, labels)."""
        given: Scores = softmax(_scaled(features(seen), self.scales) @ self.weights.T + self.intercepts, axis=1)
        return given

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        content = io.BytesIO()  # NumPy's own file names would depend on nothing else either
        np.savez(content, **self._asdict())
        (folder / FILE).write_bytes(content.getvalue())


class Fitted(NamedTuple):
    """A linear specialist, and how its regularisation was chosen.

    Attributes:
        head: the specialist.
        strength: scikit-learn's C.
        losses: cross entropy on the questions that were held back, by C; empty where none could be.
    """

    head: Linear
    strength: float
    losses: dict[float, float]


def load_linear(folder: Path) -> Linear:
    """Read what `Linear.save` wrote; nothing in it is code."""
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        return Linear(arrays["weights"], arrays["intercepts"], arrays["scales"])


def features(seen: Sequence[Seen]) -> Scores:
    """Shape (questions, 4 x dimensions): q, d, q * d and |q - d|."""
    q = np.stack([one.question for one in seen]).astype(np.float64)
    d = np.stack([one.context for one in seen]).astype(np.float64)
    return np.concatenate([q, d, q * d, np.abs(q - d)], axis=1)


def fit_linear(examples: Sequence[Example], seed: int) -> Fitted:
    """Fit the model; the regularisation is the one with the least cross entropy on held-back folds of documents.

    Args:
        examples: at least one, with at least two labels among their targets.
        seed: of the folds; the fit itself draws nothing.
    """
    x, targets = features([one.seen for one in examples]), targets_of(examples)
    found = folds(examples, seed)
    lost = np.zeros(len(STRENGTHS))
    for learnt, held_back in found:
        heads = _fit_each(x[learnt], targets[learnt], STRENGTHS)
        losses = [cross_entropy(targets[held_back], _given(x[held_back], head)) for head in heads]
        lost += np.array(losses) * len(held_back) / len(examples)
    best = int(np.argmin(lost)) if found else STRENGTHS.index(1e-3)
    head = _fit_each(x, targets, [STRENGTHS[best]])[0]
    return Fitted(head, STRENGTHS[best], dict(zip(STRENGTHS, lost.tolist(), strict=True)) if found else {})


def _given(x: Scores, head: Linear) -> Scores:
    given: Scores = softmax(_scaled(x, head.scales) @ head.weights.T + head.intercepts, axis=1)
    return given


def _scaled(x: Scores, scales: Scores) -> Scores:
    return x / np.repeat(scales, x.shape[1] // N_BLOCKS)


def _fit_each(x: Scores, targets: Scores, strengths: Sequence[float]) -> list[Linear]:
    """A model for each strength of regularisation, weakest C first, each starting from the one before."""
    scales = np.array([max(float(block.std()), 1e-9) for block in np.split(x, N_BLOCKS, axis=1)])
    scaled = _scaled(x, scales)
    # Squared weights are penalised, so a model in the space that the questions span is the same model: with fewer
    # questions than features, as is usual, it is fitted there.
    axes = np.linalg.svd(scaled, full_matrices=False)[2]
    inside = scaled @ axes.T
    n_labels = targets.shape[1]
    rows, labels = np.nonzero(targets > LEAST_SHARE)
    model = LogisticRegression(max_iter=MOST_STEPS, warm_start=True)
    heads = []
    for strength in strengths:
        model.set_params(C=strength)
        model.fit(inside[rows], labels, sample_weight=targets[rows, labels])
        heads.append(_head(model, axes, scales, n_labels))
    return heads


def _head(model: LogisticRegression, axes: Scores, scales: Scores, n_labels: int) -> Linear:
    """The weights in the space of all features, a row for each label of the label set."""
    # With two labels, scikit-learn keeps one row: the logit of the second.
    pair = len(model.classes_) == 2
    coefficients = np.vstack([-model.coef_ / 2, model.coef_ / 2]) if pair else model.coef_
    constants = np.concatenate([-model.intercept_ / 2, model.intercept_ / 2]) if pair else model.intercept_
    weights, intercepts = np.zeros((n_labels, axes.shape[1])), np.full(n_labels, -np.inf)
    weights[model.classes_], intercepts[model.classes_] = coefficients @ axes, constants
    return Linear(weights, intercepts, scales)
