"""Whether three votes could differ, how often they did, and how much of their agreement is due to temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from labeling.votes.vote_law import vote_law
from results.readers.unanimity import Cast

REFERENCE_TEMPERATURES = (0.2, 0.5, 1.0)
NEARLY_COPIES = 0.02  # below this P(votes differ), three votes are hardly more than one
DIVERSITY = pl.Schema(
    {
        "reader": pl.String(),
        "diversity": pl.String(),
        "temperature": pl.Float64(),
        "top_k": pl.Int64(),
        "top_p": pl.Float64(),
        "min_p": pl.Float64(),
        "n": pl.Int64(),
        "votes_differ": pl.Float64(),
        "p_differ": pl.Float64(),
        "prompts_differ": pl.Float64(),
        "unanimous_at_0.2": pl.Float64(),
        "unanimous_at_0.5": pl.Float64(),
        "unanimous_at_1": pl.Float64(),
        "nearly_copies": pl.Boolean(),
    }
)


def describe_diversity(cast: Cast, diversity: str) -> pl.DataFrame:
    """One row of schema `DIVERSITY`.

    `votes_differ` counts the drawn votes, `p_differ` is its expectation under the exact law; `prompts_differ` is how
    often the most probable labels of the three prompts differ, which no temperature explains (0 for `resample`, whose
    prompts are the same). `unanimous_at_...` is P(all three agree) for the same distributions at another temperature.
    """
    sampling = cast.sampling
    row: dict[str, Any] = {
        "reader": cast.reader,
        "diversity": diversity,
        **sampling._asdict(),
        "n": len(cast.known.question_ids) + cast.known.n_unknown,
        "votes_differ": 1.0 - cast.sampled_unanimous,
    }
    p = cast.known.probabilities
    if len(p):
        best = p.argmax(axis=-1)
        p_differ = 1.0 - float(vote_law(p, sampling).unanimous.sum(axis=-1).mean())
        row |= {
            "p_differ": p_differ,
            "prompts_differ": float(np.mean((best != best[:, :1]).any(axis=-1))),
            "nearly_copies": p_differ < NEARLY_COPIES,
        }
        for temperature in REFERENCE_TEMPERATURES:
            law = vote_law(p, sampling._replace(temperature=temperature))
            row[f"unanimous_at_{temperature:g}"] = float(law.unanimous.sum(axis=-1).mean())
    return pl.DataFrame([row], schema=DIVERSITY)
