"""Votes on questions with choices of their own: a ledger has the texts, and the tables of a run have their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from corpora.choices import label_of
from corpora.schema import LabelSet
from labeling.votes.vote import VOTES


def at_their_places(votes: pl.DataFrame, choices: Mapping[str, Sequence[str]], labels: LabelSet) -> pl.DataFrame:
    """The same votes with the place of the chosen text as their label, and distributions over all labels.

    A question with fewer choices than another has no probability at the places that it lacks.

    Args:
        votes: frame of schema `VOTES`, as a ledger has them.
        choices: what each prompt could be answered with, in the order of its probabilities; by the prompt's hash.
        labels: the label set of the corpus.
    """
    given: list[str | None] = []
    probabilities: list[list[float]] = []
    for prompt_hash, label, known in votes.select("prompt_hash", "label", "probabilities").iter_rows():
        options = choices[prompt_hash]
        places = [label_of(at, len(options), labels) for at in range(len(options))]
        given.append(None if label is None else labels.labels[places[options.index(label)]])
        spread = [0.0] * len(labels) if known else []
        for place, probability in zip(places, known or (), strict=False):
            spread[place] = probability
        probabilities.append(spread)
    return votes.with_columns(
        pl.Series("label", given, dtype=VOTES["label"]),
        pl.Series("probabilities", probabilities, dtype=VOTES["probabilities"]),
    )
