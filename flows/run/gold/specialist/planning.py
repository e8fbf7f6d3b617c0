"""What training a specialist would take, before it starts: time and memory, measured on a few questions."""

from __future__ import annotations

import time
from pathlib import Path

from corpora.errors import counted
from flows.run.gold.specialist.learning import CURVE_SHARES, Order, examples_of, pairs_of
from flows.run.gold.specialist.selection import Selection
from flows.run.gold.specialist.source import Source
from flows.stages.progress import duration
from labeling.specialist.fine_tuning import measure
from retrieval.passages import Passages

MEASURED = 16  # questions; what is embedded of them is kept, and not embedded again
LINEAR_SECONDS = 2e-8  # for a label's feature, over all folds and strengths, on a slow core
BLOCKS, COPIES, FLOAT = 4, 4, 8  # of a linear model's features


def plan_lines(order: Order, source: Source, selection: Selection, look: Passages, base: Path | None) -> list[str]:
    """The plan in two lines.

    Args:
        order: what is to be trained.
        source: the run.
        selection: the questions.
        look: what the specialist sees with.
        base: folder of the encoder to fine-tune; None for a linear model.
    """
    learnt, held_out = len(selection.learnt), len(selection.held_out)
    some = selection.learnt.head(MEASURED)
    look.look("?", "?")  # loads the embedder
    started, before = time.perf_counter(), look.n_embedded
    seen = look.look_at_all(list(pairs_of(source.corpus, some)))
    each = (time.perf_counter() - started) / len(some) if look.n_embedded > before else 0.0
    looking = f"about {duration(each * (learnt + held_out - len(some)))}" if each else "no time, vectors are there"
    parts = [f"First look at {counted(learnt, 'question')} to learn from, and {held_out} to score it on: {looking}."]
    examples = examples_of(source, some, seen)
    shares = 1 + (sum(CURVE_SHARES) if order.draws_curve else 0)
    if base is None:
        features = BLOCKS * len(examples[0].seen.question)
        n_bytes = learnt * features * FLOAT * COPIES
        seconds = LINEAR_SECONDS * learnt * features * len(source.corpus.labels) * shares * 40
        how = f"fit a linear model of {features:,} features: about {duration(max(1.0, seconds))}"
    else:
        cost = measure(base, examples, order.recipe)
        seconds, n_bytes = cost.seconds * learnt / max(1, len(examples)) * shares, cost.memory
        how = f"fine-tune for at most {order.recipe.epochs} epochs: at most {duration(seconds)}"
    curve = ", the learning curve included" if order.draws_curve else ""
    parts.append(f"Then {how}{curve}; {n_bytes / 1e6:,.0f} MB of memory beside the embedder.")
    return parts
