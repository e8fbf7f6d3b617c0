"""From questions to a trained specialist: what is seen of them, their soft targets, and the model that learns both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from corpora.schema import Corpus, LabelSet, iter_questions
from corpora.shaping.selection import id_hash
from corpora.storage import sha256_text
from flows.run.gold.specialist.source import Source
from flows.stages.runner import Runner
from labeling.specialist.encoder import Encoder
from labeling.specialist.examples import Example
from labeling.specialist.fine_tuning import Recipe, n_steps, tune
from labeling.specialist.folder import Kind
from labeling.specialist.linear import Linear, fit_linear
from labeling.specialist.look import Seen
from labeling.votes.sampling import Sampling
from labeling.votes.vote_law import distributions, vote_law
from retrieval.context import assemble
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.passages import Passages

CURVE_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)  # of the examples; the whole is the specialist itself
LEAST_LEARNT = 8
SHARD = 64  # questions that are looked at between two signs of progress
Floats = npt.NDArray[np.float64]


class Order(NamedTuple):
    """What is to be trained.

    Attributes:
        kind: what answers.
        name: the name that experiments may use.
        passage_size: most tokens of a passage.
        n_passages: how many passages of a context are seen.
        base: the encoder that fine-tuning starts from, as an embedder is named.
        recipe: how an encoder is trained; its seed is the one of everything that is drawn.
        draws_curve: whether to train on fewer labels too.
    """

    kind: Kind = "linear"
    name: str = ""
    passage_size: int = 128
    n_passages: int = 3
    base: str = "all-minilm-l6-v2"
    recipe: Recipe = Recipe()
    draws_curve: bool = True


class Sight(NamedTuple):
    """How a specialist looks."""

    embedder: dict[str, Any]
    passage_size: int
    n_passages: int


class Learnt(NamedTuple):
    """A trained model, and how its training went, as JSON types."""

    head: Linear | Encoder
    training: dict[str, Any]

    def probabilities(self, questions: Sequence[str], seen: Sequence[Seen | None]) -> Floats:
        """Shape (questions, labels); a row of NaN where a question is too long."""
        rows = [
            None if one is None else self.head.probabilities(text, one)
            for text, one in zip(questions, seen, strict=True)
        ]
        width = max((len(one) for one in rows if one is not None), default=0)
        return np.array([np.full(width, np.nan) if one is None else one for one in rows])


def sight_of(order: Order, embedder: EmbedderConfig) -> Sight:
    """How a specialist of an order looks, with the embedder that finds its passages."""
    return Sight(embedder.model_dump(mode="json"), order.passage_size, order.n_passages)


def see(corpus: Corpus, questions: pl.DataFrame, look: Passages, runner: Runner, stage: str) -> list[Seen | None]:
    """What is seen of some questions and their whole documents, in order."""
    seen: list[Seen | None] = []
    with runner.progress.stage(stage, len(questions), "") as advance:
        for shard in questions.iter_slices(SHARD):
            seen += look.look_at_all(list(pairs_of(corpus, shard)))
            advance(len(shard), 0)
    return seen


def pairs_of(corpus: Corpus, questions: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Each question with the text of its gold documents."""
    for question in iter_questions(questions):
        yield question.text, assemble([corpus.texts[one] for one in question.document_ids])


def examples_of(source: Source, questions: pl.DataFrame, seen: Iterable[Seen | None]) -> list[Example]:
    """What is learnt: the questions that are not too long, with their soft targets.

    Args:
        source: gives the teacher's votes.
        questions: frame of schema `QUESTIONS` with the column `gold`.
        seen: what is seen of each.
    """
    targets = soft_targets(source.votes, source.corpus.labels, source.reader.sampling)
    labels = source.corpus.labels
    return [
        Example(
            row["question_id"], row["text"], one,
            targets.get(row["question_id"], np.eye(len(labels))[labels.index(row["gold"])]), row["document_ids"][0],
        )
        for row, one in zip(questions.iter_rows(named=True), seen, strict=True)
        if one is not None
    ]  # fmt: skip


def soft_targets(votes: pl.DataFrame, labels: LabelSet, sampling: Sampling) -> dict[str, Floats]:
    """The distribution that a question's votes are drawn from, the mean over its three prompts; by question id.

    Questions without recorded distributions are missing.
    """
    known = distributions(votes, len(labels))
    if not known.question_ids:
        return {}
    return dict(zip(known.question_ids, vote_law(known.probabilities, sampling).single, strict=True))


def learn(order: Order, examples: Sequence[Example], base: Path | None, work: Path | None, runner: Runner) -> Learnt:
    """Train a model.

    Args:
        order: what.
        examples: what it learns from.
        base: folder of the encoder to fine-tune; None for a linear model.
        work: folder for checkpoints; None to keep none.
        runner: shows progress.
    """
    if order.kind == "linear" or base is None:
        fitted = fit_linear(examples, order.recipe.seed)
        losses = {f"{strength:g}": round(loss, 6) for strength, loss in fitted.losses.items()}
        return Learnt(fitted.head, {"C": fitted.strength, "loss_on_held_back_folds": losses})
    title, steps = f"fine-tune on {len(examples)} labels", n_steps(len(examples), order.recipe)
    with runner.progress.stage(title, steps, unit="step") as advance:
        tuned = tune(base, examples, order.recipe, work, lambda steps: advance(steps, 0))
    training = {"epochs": len(tuned.losses), "best_epoch": tuned.best, "held_back": tuned.n_held_back}
    return Learnt(tuned.encoder, {**training, "loss_on_held_back": [round(one, 6) for one in tuned.losses]})


def smaller_sets(examples: Sequence[Example], seed: int) -> list[list[Example]]:
    """Growing parts of the examples for a learning curve, whole documents drawn by seed; each holds the one before."""
    order = sorted(examples, key=lambda one: (id_hash(seed, "curve", one.document), one.document))
    sets = []
    for share in CURVE_SHARES:
        n = round(share * len(order))
        while 0 < n < len(order) and order[n].document == order[n - 1].document:
            n += 1
        # The order of the whole set, so that the order of learning is the same for all.
        chosen = {one.question_id for one in order[:n]}
        if len(chosen) >= LEAST_LEARNT and can_learn([one for one in examples if one.question_id in chosen]):
            sets.append([one for one in examples if one.question_id in chosen])
    return sets


def can_learn(examples: Sequence[Example]) -> bool:
    """Whether there are two labels to tell apart."""
    return bool((np.stack([one.target for one in examples]).max(axis=0) > 1e-3).sum() > 1)


def key_of(order: Order, base_digest: str, look: Passages, examples: Sequence[Example]) -> str:
    """Digest of everything that a training depends on, which names the folder of its checkpoints."""
    seen = [[one.question_id, one.question, one.seen.passages, one.target.tolist()] for one in examples]
    what = [order.kind, order.recipe._asdict(), base_digest, look.digest, order.passage_size, order.n_passages, seen]
    return sha256_text(json.dumps(what))[:16]
