"""Simulated sweeps whose every loss is planted, so that what is true of each cell is a finite sum.

A question has a reference label and a wrong label that tempts; how a reader takes it is one of three states, and each
state has one label distribution for the whole document, from which three votes are drawn. Its answers follow a ladder:

    closed book   a guess, right at a known rate
    document      the most probable label of its state
    oracle chunk  the same, unless the chunks lose it (chunking): then the guess
    retrieved     the same as the oracle chunks, unless retrieval loses it: then another guess, that may mislead
    random        a guess of its own

What is lost, guessed and known has a normal latent that questions of a document share in part, and so do cells; shares
of states, losses and guesses are marginal to these and hold exactly. Votes and answers are independent given the
state, so that every score is a sum over references, tempting labels and states of both readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from planted_labelers import LABELS, OUTSIDE, RATES, SAMPLING, question_ids, votes_of
from scipy.stats import multivariate_normal, norm

from corpora.schema import Corpus, Question, documents_frame, questions_frame
from labeling.votes.consensus import ConsensusConfig, ReaderVotes, build_gold
from results.readers.answers import ANSWERS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SIZES = (64, 128, 256, 512)
CUTS = (("budget", 1024), ("k", 3))
# Chances of the reference label, the tempting one and the third, by state: it knows, it doubts, it errs.
STATES = np.array([[0.93, 0.05, 0.02], [0.62, 0.30, 0.08], [0.06, 0.88, 0.06]])
STATE_COMMON = (0.2, 0.3)  # shares of the latent of a state that a document, and a question for all readers, decide
LOSS_COMMON = (0.25, 0.35)  # the same of what is lost and guessed, the question's for all cells
N_STATES = len(STATES)
CELLS = tuple(product(range(len(SIZES)), range(len(CUTS))))


class Planted(NamedTuple):
    """A reader, with what it loses.

    Attributes:
        name: of the reader.
        states: how often it knows, doubts and errs.
        closed_book: how often its answer without context is the reference.
        random: the same from a random text.
        misled: the same where retrieval lost what the chunks had.
        chunking: share of questions that the best chunks lose, by size.
        retrieval: share of the rest that is not retrieved, by cut and size.
    """

    name: str
    states: tuple[float, float, float]
    chunking: tuple[float, ...]
    retrieval: tuple[tuple[float, ...], tuple[float, ...]]
    closed_book: float = 0.45
    random: float = 0.40
    misled: float = 0.30

    def lost(self) -> tuple[Floats, Floats]:
        """Chunking and retrieval loss of every cell, in the order of `CELLS`."""
        chunking = np.array([self.chunking[size] for size, _ in CELLS])
        return chunking, np.array([self.retrieval[cut][size] for size, cut in CELLS])


# What is true


class Types(NamedTuple):
    """All kinds of questions for two readers.

    Attributes:
        chances: shape (types,).
        references: shape (types, labels): 1 at the reference label.
        gold: by reader, shape (types, labels): chance of being kept with that label.
        answers: by reader and arm, shape (types, cells, labels): chance of answering that label.
        harmed: by reader, shape (types, cells, labels): chance that the label is guessed closed book, and not answered
            with what was retrieved.
    """

    chances: Floats
    references: Floats
    gold: list[Floats]
    answers: list[dict[str, Floats]]
    harmed: list[Floats]


def all_types(readers: Sequence[Planted]) -> Types:
    """Enumerate references, tempting labels and states of two readers."""
    both = _both_states(*(reader.states for reader in readers))
    kinds = list(product(range(len(LABELS)), (1, 2), range(N_STATES), range(N_STATES)))
    chances = np.array([RATES[right] / 2 * both[first, second] for right, _, first, second in kinds])
    right = np.array([kind[0] for kind in kinds])
    orders = np.stack([right, (right + [kind[1] for kind in kinds]) % 3, (right - [kind[1] for kind in kinds]) % 3], 1)
    gold, answers, harmed = [], [], []
    for number, reader in enumerate(readers):
        states = np.array([kind[2 + number] for kind in kinds])
        drawn = STATES ** (1 / SAMPLING.temperature)
        drawn /= drawn.sum(axis=1, keepdims=True)
        gold.append(_place(drawn[states] ** 3, orders))
        known = _place(np.eye(3)[STATES.argmax(axis=1)][states], orders)[:, None]
        guess, random, misled = (
            _place(np.tile([rate, (1 - rate) / 2, (1 - rate) / 2], (len(kinds), 1)), orders)[:, None]
            for rate in (reader.closed_book, reader.random, reader.misled)
        )
        chunking, retrieval = (share[None, :, None] for share in reader.lost())
        oracle = (1 - chunking) * known + chunking * guess
        of_arm = {"closed_book": guess, "random": random, "document": known, "oracle_chunk": oracle}
        of_arm["retrieved"] = (1 - retrieval) * oracle + retrieval * misled
        answers.append({arm: np.broadcast_to(law, (len(kinds), len(CELLS), 3)) for arm, law in of_arm.items()})
        harmed.append(guess * ((1 - retrieval) * (1 - chunking) * (1 - known) + retrieval * (1 - misled)))
    return Types(chances, np.eye(3)[right], gold, answers, harmed)


def _place(by_rank: Floats, orders: Integers) -> Floats:
    """Chances by rank of the label as chances by label."""
    placed = np.zeros(by_rank.shape)
    np.put_along_axis(placed, orders, by_rank, axis=1)
    return placed


def _both_states(first: Sequence[float], second: Sequence[float]) -> Floats:
    """Joint chances of the states of two readers, shape (states, states)."""
    correlation = sum(STATE_COMMON)
    edges = [np.append(norm.ppf(np.cumsum(shares)[:-1]), 9.0) for shares in (first, second)]
    normal = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    below = np.array([[normal.cdf([a, b]) for b in edges[1]] for a in edges[0]])
    return np.diff(np.diff(below, axis=0, prepend=0), axis=1, prepend=0)


def true_cells(readers: Sequence[Planted]) -> pl.DataFrame:
    """What is true of every cell, on gold and on all questions, under the names of the result tables."""
    types = all_types(readers)
    rows = []
    for number, reader in enumerate(readers):
        for questions, right in (("gold", types.gold[number]), ("all", types.references)):
            for at, (size, cut) in enumerate(CELLS):
                cell = {"reader": reader.name, "size": SIZES[size], "cut": CUTS[cut][0], "questions": questions}
                rows.append(cell | _true_cell(types, number, right, at))
    return pl.DataFrame(rows)


def _true_cell(types: Types, number: int, right: Floats, at: int) -> dict[str, float]:
    weights = types.chances[:, None] * right
    # Shape (right label, label answered): how often both.
    tables = {arm: weights.T @ law[:, at] / weights.sum() for arm, law in types.answers[number].items()}
    found = {arm: float(np.trace(table)) for arm, table in tables.items()}
    table = tables["retrieved"]
    hits, held, answered = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    return found | {
        "accuracy": found["retrieved"],
        "precision": float((hits / answered).mean()),
        "recall": float((hits / held).mean()),
        "f1": float((2 * hits / (held + answered)).mean()),
        "reader_loss": 1 - found["document"],
        "chunking_loss": found["document"] - found["oracle_chunk"],
        "retrieval_loss": found["oracle_chunk"] - found["retrieved"],
        "recovered": (found["retrieved"] - found["closed_book"]) / (found["document"] - found["closed_book"]),
        "harm": float((weights * types.harmed[number][:, at]).sum() / weights.sum()),
    }


def true_interactions(readers: Sequence[Planted]) -> pl.DataFrame:
    """The true slope of each reader under each cut, and their difference, on the questions both count."""
    types = all_types(readers)
    doublings = np.log2(SIZES) - np.log2(SIZES).mean()
    rows = []
    for questions in ("gold", "all"):
        right = types.gold if questions == "gold" else [types.references] * 2
        kept = [one.sum(axis=1) for one in right]
        for cut, (name, _) in enumerate(CUTS):
            cells = [CELLS.index((size, cut)) for size in range(len(SIZES))]
            slopes = []
            for number in range(2):
                by_size = np.einsum("tl,tcl->tc", right[number], types.answers[number]["retrieved"][:, cells])
                weights = types.chances * kept[1 - number]
                accuracy = weights @ by_size / (types.chances @ (kept[0] * kept[1]))
                slopes.append(float(accuracy @ doublings / (doublings**2).sum()))
            rows.append(("small", "large", name, questions, *slopes, slopes[0] - slopes[1]))
    columns = ("small", "large", "cut", "questions", "slope_small", "slope_large", "difference")
    return pl.DataFrame(rows, schema=columns, orient="row")


# What is simulated


class Replicate(NamedTuple):
    """The inputs of `score_sweep`."""

    corpus: Corpus
    answers: pl.DataFrame
    readers: list[ReaderVotes]


def simulate(readers: Sequence[Planted], sizes: Sequence[int], rng: np.random.Generator) -> Replicate:
    """One run on new questions.

    Args:
        readers: who read, the small one first.
        sizes: questions of each document.
        rng: of everything.
    """
    document = np.repeat(np.arange(len(sizes)), sizes)
    n = len(document)
    right = rng.choice(len(LABELS), n, p=np.array(RATES) / sum(RATES))
    tempting = (right + rng.integers(1, 3, n)) % 3
    ids = question_ids(n)
    asked = zip(ids, document, right, strict=True)
    questions = questions_frame(Question(one, "?", (f"d{at:04d}",), LABELS.labels[label]) for one, at, label in asked)
    corpus = Corpus("planted", documents_frame([]), questions, LABELS)
    takes = norm.cdf(_latents(rng, document, len(readers), STATE_COMMON))
    voters, parts = [], []
    for number, reader in enumerate(readers):
        edges = np.cumsum(reader.states)[:-1]
        state = np.searchsorted(edges, takes[:, number])
        ranked = np.stack([right, tempting, 3 - right - tempting], axis=1)
        votes = votes_of((1 - OUTSIDE) * _place(STATES[state], ranked), rng)
        gold = build_gold(votes, questions, LABELS, ConsensusConfig(most_probable=False))
        voters.append(ReaderVotes(reader.name, SAMPLING, "resample", questions, votes, gold, None))
        known = np.where(state == N_STATES - 1, tempting, right)
        parts.append(_answers(reader, _ladder(reader, known, right, document, rng), ids))
    return Replicate(corpus, pl.concat(parts), voters)


def _ladder(
    reader: Planted, known: Integers, right: Integers, document: Integers, rng: np.random.Generator
) -> dict[str, Integers]:
    """Labels answered, by arm; shape (questions, cells), or (questions, 1) in the arms that no cell changes."""
    _, retrieval = reader.lost()

    def happens(rates: Floats) -> npt.NDArray[np.bool_]:
        return norm.cdf(_latents(rng, document, len(rates), LOSS_COMMON)) < rates

    def guesses(rate: float, columns: int) -> Integers:
        is_right = happens(np.full(columns, rate))
        return np.where(is_right, right[:, None], (right[:, None] + rng.integers(1, 3, is_right.shape)) % 3)

    closed_book = guesses(reader.closed_book, 1)
    # One latent a size, so that what the chunks of a size lose is lost under every cut.
    by_size = happens(np.array(reader.chunking))
    oracle = np.where(by_size[:, [size for size, _ in CELLS]], closed_book, known[:, None])
    return {
        "closed_book": closed_book,
        "random": guesses(reader.random, len(CELLS)),
        "document": known[:, None],
        "oracle_chunk": oracle,
        "retrieved": np.where(happens(retrieval), guesses(reader.misled, len(CELLS)), oracle),
    }


def _latents(rng: np.random.Generator, document: Integers, columns: int, common: tuple[float, float]) -> Floats:
    """Standard normals, shape (questions, columns), with shares common to a document and to a question."""
    of_document, of_question = common
    n = len(document)
    latents: Floats = (
        np.sqrt(of_document) * rng.standard_normal(int(document.max()) + 1)[document][:, None]
        + np.sqrt(of_question) * rng.standard_normal((n, 1))
        + np.sqrt(1 - of_document - of_question) * rng.standard_normal((n, columns))
    )
    return latents


def _answers(reader: Planted, given: dict[str, Integers], ids: Sequence[str]) -> pl.DataFrame:
    """Frame of schema `ANSWERS`, built by the column for speed."""
    names = np.array(LABELS.labels)
    parts = []
    for arm, labels in given.items():
        frame = pl.DataFrame({"question_id": list(ids), "reader": reader.name, "arm": arm, "margin": 0.5})
        for column in range(labels.shape[1]):
            place = {}
            if labels.shape[1] > 1:
                size, cut = CELLS[column]
                place = {"splitter": "tokens", "size": SIZES[size], "overlap": 0, "embedder": "e", "retriever": "dense"}
                place |= {"cut": CUTS[cut][0], "amount": CUTS[cut][1], "n_chunks": 3, "n_context_tokens": SIZES[size]}
            constant = [pl.lit(value, ANSWERS[name]).alias(name) for name, value in place.items()]
            parts.append(frame.with_columns(pl.Series("label", names[labels[:, column]].tolist()), *constant))
    found = pl.concat(parts, how="diagonal")
    empty = [pl.lit(None, kind).alias(name) for name, kind in ANSWERS.items() if name not in found.columns]
    return found.with_columns(empty).select(ANSWERS.names()).cast(ANSWERS)
