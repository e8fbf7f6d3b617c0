"""Simulated labelers whose accuracies and error correlations are planted, so that what is true of them is known.

A labeler finds a question as hard as a standard normal latent says: its first label is the right one where the latent
lies below its edge, the quantile of its accuracy, and it is the surer of that label the further away from the edge the
latent lies. Labelers share parts of the latent: with each other on a question, with each other on a document, with
themselves on a document. These parts are the correlations of their errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import multivariate_normal, norm

from corpora.schema import Corpus, LabelSet, Question, documents_frame, questions_frame
from labeling.votes.sampling import Sampling
from labeling.votes.vote import N_VOTES, VOTES

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LABELS = LabelSet(("yes", "no", "maybe"))
RATES = (0.55, 0.34, 0.11)
SAMPLING = Sampling(temperature=0.8)
STEP = 0.25  # the distance from the edge is known in steps, so that what is true is a finite sum
N_STEPS = 60
THIRD = -1.0  # logit of the least likely label; the second has 0, the first what the labeler is sure of
OUTSIDE = 0.04  # recorded mass outside the labels: distributions are recorded without normalising them


class Layout(NamedTuple):
    """How many questions each document has, and the share of a reference label's latent that its document decides."""

    name: str
    sizes: tuple[int, ...]
    topic: float


class Planted(NamedTuple):
    """A labeler.

    Attributes:
        accuracy: of its most probable label.
        sureness: logit of its first label against its second, a standard deviation of latent from the edge.
        question: share of the latent's variance that it has in common with other labelers on a question.
        document: the same on all questions of a document.
        own_document: share that is its own, in common to all questions of a document.
        herd: how often its tempting wrong label is the one that tempts all.
        taste: what the labels' probabilities are multiplied with, whatever is asked; accuracy is that without it.
        informed: whether it is surer where it is right; else as sure as another one that is as accurate.
    """

    accuracy: float
    sureness: float = 1.5
    question: float = 0.35
    document: float = 0.15
    own_document: float = 0.15
    herd: float = 0.8
    taste: tuple[float, float, float] = (1.0, 1.0, 1.0)
    informed: bool = True

    @property
    def edge(self) -> float:
        """The latent below which its first label is right."""
        return float(norm.ppf(self.accuracy))


class Truth(NamedTuple):
    """What is true of a labeler over all questions that there could be, under the names of the table `UNANIMITY`."""

    greedy: float
    single: float
    p_unanimous: float
    accuracy: float
    gain: float
    greedy_gain: float


def truth(labeler: Planted) -> Truth:
    """Sums over the steps of the distance from the edge; the reference is the first label below it, the second above.

    Computed from the drawn softmax directly, not through the functions under test; without taste.
    """
    starts = np.arange(N_STEPS) * STEP
    right = norm.cdf(labeler.edge - starts) - norm.cdf(labeler.edge - starts - STEP)
    wrong = norm.cdf(labeler.edge + starts + STEP) - norm.cdf(labeler.edge + starts)
    if not labeler.informed:
        right, wrong = labeler.accuracy * (right + wrong), (1 - labeler.accuracy) * (right + wrong)
    first = labeler.sureness * (starts + STEP / 2) / SAMPLING.temperature
    weights = np.exp(np.stack([first, np.zeros(N_STEPS), np.full(N_STEPS, THIRD / SAMPLING.temperature)]))
    drawn = weights / weights.sum(axis=0)
    single = float((right * drawn[0] + wrong * drawn[1]).sum())
    unanimous = float(((right + wrong) * (drawn**3).sum(axis=0)).sum())
    accuracy = float((right * drawn[0] ** 3 + wrong * drawn[1] ** 3).sum()) / unanimous
    return Truth(labeler.accuracy, single, unanimous, accuracy, accuracy - single, accuracy - labeler.accuracy)


def both_wrong(a: Planted, b: Planted) -> float:
    """Probability that both get a question wrong."""
    correlation = float(np.sqrt(a.question * b.question) + np.sqrt(a.document * b.document))
    return float(multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([-a.edge, -b.edge]))


class World:
    """The questions of one replicate, and what labelers share on them."""

    def __init__(self, layout: Layout, rng: np.random.Generator, references: Integers | None = None) -> None:
        self.rng = rng
        self.document = np.repeat(np.arange(len(layout.sizes)), layout.sizes)
        self.n = len(self.document)
        self.references = self.by_rates(RATES, layout.topic) if references is None else references
        self.of_question = rng.standard_normal(self.n)
        self.of_document = rng.standard_normal(len(layout.sizes))[self.document]
        self.temptation = rng.integers(1, 3, self.n)

    def distributions(self, labeler: Planted) -> Floats:
        """Recorded distribution of every question; shape (questions, labels), not normalised."""
        rest = 1 - labeler.question - labeler.document
        latent = (
            np.sqrt(labeler.question) * self.of_question
            + np.sqrt(labeler.document) * self.of_document
            + np.sqrt(rest) * self._latent(labeler.own_document / rest)
        )
        follows = self.rng.random(self.n) < labeler.herd
        wrong = (self.references + np.where(follows, self.temptation, self.rng.integers(1, 3, self.n))) % 3
        right = latent < labeler.edge
        first, second = np.where(right, self.references, wrong), np.where(right, wrong, self.references)
        seen = latent if labeler.informed else self.rng.standard_normal(self.n)
        distance = (np.floor(np.abs(labeler.edge - seen) / STEP) + 0.5) * STEP
        return _spread(first, second, labeler.sureness * distance, labeler.taste)

    def guesses(self, rates: Sequence[float], own_document: float) -> Floats:
        """Distributions of a labeler that gives labels at these rates, whatever the reference."""
        first = self.by_rates(rates, own_document)
        second = (first + self.rng.integers(1, 3, self.n)) % 3
        return _spread(first, second, self.rng.exponential(1.0, self.n), (1.0, 1.0, 1.0))

    def by_rates(self, rates: Sequence[float], of_document: float) -> Integers:
        """Labels that occur at these rates; `of_document` of their latent is common to a document's questions."""
        return np.searchsorted(norm.ppf(np.cumsum(rates)[:-1]), self._latent(of_document))

    def _latent(self, of_document: float) -> Floats:
        common = self.rng.standard_normal(int(self.document.max()) + 1)[self.document]
        latent: Floats = np.sqrt(of_document) * common + np.sqrt(1 - of_document) * self.rng.standard_normal(self.n)
        return latent

    def corpus(self) -> Corpus:
        """The corpus of these questions."""
        asked = zip(question_ids(self.n), self.document, self.references, strict=True)
        questions = [Question(one, "?", (f"d{at:04d}",), LABELS.labels[label]) for one, at, label in asked]
        return Corpus("planted", documents_frame([]), questions_frame(questions), LABELS)


def _spread(first: Integers, second: Integers, sure: Floats, taste: Sequence[float]) -> Floats:
    """Label distributions by the two most probable labels and the logit between them."""
    rows = np.arange(len(first))
    weights = np.full((len(first), 3), np.exp(THIRD))
    weights[rows, second] = 1.0
    weights[rows, first] = np.exp(sure)
    weights *= taste
    spread: Floats = (1 - OUTSIDE) * weights / weights.sum(axis=1, keepdims=True)
    return spread


def question_ids(n: int) -> list[str]:
    """Ids that sort in their order."""
    return [f"q{number:06d}" for number in range(n)]


def votes_of(distributions: Floats, rng: np.random.Generator) -> pl.DataFrame:
    """Three votes a question, drawn from one distribution; frame of schema `VOTES`, built by the column for speed."""
    each = np.repeat(distributions, N_VOTES, axis=0)
    drawn = (np.log(each) / SAMPLING.temperature + rng.gumbel(size=each.shape)).argmax(axis=1)
    ranked = np.sort(each / each.sum(axis=1, keepdims=True), axis=1)
    columns: dict[str, Any] = {
        "labeler": ["planted"] * len(each),
        "prompt_hash": ["p"] * len(each),
        "arm": ["document"] * len(each),
        "vote": np.tile(np.arange(N_VOTES), len(distributions)),
        "seed": np.arange(len(each)),
        "question_id": np.repeat(question_ids(len(distributions)), N_VOTES).tolist(),
        "label": [LABELS.labels[index] for index in drawn],
        "probabilities": pl.Series(each).arr.to_list(),
        "outside_mass": np.full(len(each), OUTSIDE),
        "margin": ranked[:, -1] - ranked[:, -2],
        "n_prompt_tokens": np.full(len(each), 100),
    }
    given = pl.DataFrame(columns).cast({name: VOTES[name] for name in columns})
    empty = [pl.lit(None, kind).alias(name) for name, kind in VOTES.items() if name not in columns]
    return given.with_columns(empty).select(VOTES.names())
