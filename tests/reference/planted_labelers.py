"""Simulated labelers whose accuracies and error correlations are planted, so that what is true of them is known.

A labeler finds a question as hard as a standard normal latent says: it gives the right label where that lies below the
quantile of its accuracy, and is the surer the further away it lies. Labelers share parts of the latent, with each other
on a question, with each other on a document, and with themselves on a document; these parts are the correlations.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from corpora.schema import Corpus, LabelSet, Question, documents_frame, questions_frame
from labeling.sampling import Sampling
from labeling.votes import N_VOTES, VOTES

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LABELS = LabelSet(("yes", "no", "maybe"))
RATES = (0.55, 0.34, 0.11)
SAMPLING = Sampling(temperature=0.8)
THIRD = -1.0  # logit of the least likely label; the second has 0, the first what the labeler is sure of
OUTSIDE = 0.04  # recorded mass outside the labels: distributions are recorded without normalising them


class Layout(NamedTuple):
    """How many questions each document has, and how much of a reference label its document decides."""

    name: str
    sizes: tuple[int, ...]
    topic: float


ALONE = Layout("one question a document", (1,) * 200, 0.0)
CLUSTERED = Layout("2 or 3 questions a document", (2, 3) * 40, 0.3)


class Planted(NamedTuple):
    """A labeler.

    Attributes:
        accuracy: of its most probable label.
        sureness: how fast the logit of its first label grows with the distance from the edge of what it knows.
        question: share of the latent's variance that it has in common with other labelers on a question.
        document: the same for all questions of a document.
        own_document: share that is its own and the same for all questions of a document.
        herd: how often its tempting wrong label is the one that tempts all.
    """

    accuracy: float
    sureness: float = 1.5
    question: float = 0.35
    document: float = 0.15
    own_document: float = 0.15
    herd: float = 0.5

    @property
    def edge(self) -> float:
        """The latent below which it is right."""
        return float(norm.ppf(self.accuracy))


class Truth(NamedTuple):
    """What is true of a labeler over all questions that there could be."""

    greedy: float
    single: float
    p_unanimous: float
    accuracy: float

    @property
    def gain(self) -> float:
        """Of the unanimous questions' accuracy over a single vote."""
        return self.accuracy - self.single

    @property
    def greedy_gain(self) -> float:
        """Of the unanimous questions' accuracy over the most probable label."""
        return self.accuracy - self.greedy


def truth(labeler: Planted) -> Truth:
    """By integration over the latent; the right label is the first one below the edge and the second one above it."""

    def mean(of_drawn, *, right: bool) -> float:
        def at(latent: float) -> float:
            logits = np.array([labeler.sureness * abs(labeler.edge - latent), 0.0, THIRD]) / SAMPLING.temperature
            weights = np.exp(logits - logits[0])
            return float(of_drawn(weights / weights.sum()) * norm.pdf(latent))

        return float(quad(at, -12, labeler.edge)[0] if right else quad(at, labeler.edge, 12)[0])

    single = mean(lambda p: p[0], right=True) + mean(lambda p: p[1], right=False)
    agree_rightly = mean(lambda p: p[0] ** 3, right=True) + mean(lambda p: p[1] ** 3, right=False)
    agree = sum(mean(lambda p: (p**3).sum(), right=right) for right in (True, False))
    return Truth(labeler.accuracy, single, agree, agree_rightly / agree)


def both_wrong(a: Planted, b: Planted) -> float:
    """How often both are wrong on a question."""
    correlation = float(np.sqrt(a.question * b.question) + np.sqrt(a.document * b.document))
    return float(multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([-a.edge, -b.edge]))


class World:
    """Questions of one replicate, and the latents that labelers share on them."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self.layout, self.rng = layout, rng
        self.document = np.repeat(np.arange(len(layout.sizes)), layout.sizes)
        self.n = len(self.document)
        self.references = by_rates(mix(rng, self.document, self.n, layout.topic), RATES)
        self.shared_question = rng.standard_normal(self.n)
        self.shared_document = rng.standard_normal(len(layout.sizes))[self.document]
        self.shared_temptation = rng.integers(0, 2, self.n)

    def distributions(self, labeler: Planted) -> Floats:
        """Recorded distribution of every question, shape (questions, labels), not normalised."""
        rest = 1 - labeler.question - labeler.document
        own = mix(self.rng, self.document, self.n, labeler.own_document / rest)
        latent = (
            np.sqrt(labeler.question) * self.shared_question
            + np.sqrt(labeler.document) * self.shared_document
            + np.sqrt(rest) * own
        )
        is_herd = self.rng.random(self.n) < labeler.herd
        tempting = np.where(is_herd, self.shared_temptation, self.rng.integers(0, 2, self.n))
        wrong = (self.references + 1 + tempting) % 3
        right = latent < labeler.edge
        first, second = np.where(right, self.references, wrong), np.where(right, wrong, self.references)
        return distribution(first, second, labeler.sureness * np.abs(labeler.edge - latent))

    def guesses(self, rates: tuple[float, ...], own_document: float) -> Floats:
        """Distributions of a labeler that gives labels at these rates, whatever the reference."""
        first = by_rates(mix(self.rng, self.document, self.n, own_document), rates)
        second = (first + self.rng.integers(1, 3, self.n)) % 3
        return distribution(first, second, self.rng.exponential(1.0, self.n))

    def corpus(self) -> Corpus:
        """The corpus of these questions."""
        asked = zip(question_ids(self.n), self.document, self.references, strict=True)
        questions = [Question(one, "?", (f"d{document:04d}",), LABELS.labels[label]) for one, document, label in asked]
        return Corpus("planted", documents_frame([]), questions_frame(questions), LABELS)


def mix(rng: np.random.Generator, document: Integers, n: int, of_document: float) -> Floats:
    """Standard normals, `of_document` of whose variance the questions of a document have in common."""
    common = rng.standard_normal(int(document.max()) + 1)[document]
    mixed: Floats = np.sqrt(of_document) * common + np.sqrt(1 - of_document) * rng.standard_normal(n)
    return mixed


def by_rates(latent: Floats, rates: tuple[float, ...]) -> Integers:
    """Labels that occur at these rates, by the place of a standard normal latent."""
    return np.searchsorted(norm.ppf(np.cumsum(rates)[:-1]), latent)


def distribution(first: Integers, second: Integers, sure: Floats) -> Floats:
    """Label distributions by the two most probable labels and the logit between them."""
    rows = np.arange(len(first))
    logits = np.full((len(first), 3), THIRD)
    logits[rows, second] = 0.0
    logits[rows, first] = sure
    weights = np.exp(logits)
    spread: Floats = (1 - OUTSIDE) * weights / weights.sum(axis=1, keepdims=True)
    return spread


def question_ids(n: int) -> list[str]:
    """Ids in sorted order."""
    return [f"q{number:05d}" for number in range(n)]


def votes_of(distributions: Floats, rng: np.random.Generator) -> pl.DataFrame:
    """Three votes a question, drawn from one distribution; frame of schema `VOTES`, built by the column."""
    n = len(distributions)
    each = np.repeat(distributions, N_VOTES, axis=0)
    drawn = (np.log(each) / SAMPLING.temperature + rng.gumbel(size=each.shape)).argmax(axis=1)
    ranked = np.sort(each, axis=1)
    columns: dict[str, Any] = {
        "labeler": ["planted"] * len(each),
        "prompt_hash": ["p"] * len(each),
        "arm": ["document"] * len(each),
        "vote": np.tile(np.arange(N_VOTES), n),
        "seed": np.arange(len(each)),
        "question_id": list(itertools.chain.from_iterable([one] * N_VOTES for one in question_ids(n))),
        "label": [LABELS.labels[index] for index in drawn],
        "probabilities": pl.Series(each).arr.to_list(),
        "outside_mass": np.full(len(each), OUTSIDE),
        "margin": (ranked[:, -1] - ranked[:, -2]) / (1 - OUTSIDE),
        "n_prompt_tokens": np.full(len(each), 100),
    }
    given = pl.DataFrame(columns).cast({name: VOTES[name] for name in columns})
    return given.select([pl.col(name) if name in columns else pl.lit(None, VOTES[name]).alias(name) for name in VOTES])
