"""Remote readers: what their providers say they served, how many tokens that took, and what such votes cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from labeling.models.prices import Price

REMOTE = pl.Schema(
    {
        "reader": pl.String(),
        "provider": pl.String(),
        "model": pl.String(),
        "served": pl.List(pl.String()),
        "votes": pl.Int64(),
        "questions": pl.Int64(),
        "failed": pl.Int64(),
        "with_distribution": pl.Int64(),
        "tokens_sent": pl.Int64(),
        "tokens_written": pl.Int64(),
        "usd_batch": pl.Float64(),
        "usd_direct": pl.Float64(),
        "price_as_of": pl.Date(),
    }
)


class RemoteReader(NamedTuple):
    """A reader that runs on another machine.

    Attributes:
        name: in reports.
        provider: who answers.
        model: the provider's id.
        price: None where the price table has none.
    """

    name: str
    provider: str
    model: str
    price: Price | None


def describe_remote(readers: Sequence[RemoteReader], votes: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per remote reader; frame of schema `REMOTE`, costs null where the price is unknown.

    Args:
        readers: the remote ones.
        votes: frames of schema `VOTES` by reader.
    """
    return pl.DataFrame([_row(reader, votes[reader.name]) for reader in readers], schema=REMOTE)


def _row(reader: RemoteReader, votes: pl.DataFrame) -> dict[str, Any]:
    sent, written = (int(votes[name].sum() or 0) for name in ("n_prompt_tokens", "n_generated"))
    price = reader.price
    return {
        "reader": reader.name,
        "provider": reader.provider,
        "model": reader.model,
        "served": sorted(votes["served"].drop_nulls().unique()),
        "votes": len(votes),
        "questions": votes["question_id"].n_unique(),
        "failed": votes["failure"].count(),
        "with_distribution": int((votes["probabilities"].list.len() > 0).sum()),
        "tokens_sent": sent,
        "tokens_written": written,
        "usd_batch": None if price is None else price.cost(sent, written, batch=True),
        "usd_direct": None if price is None else price.cost(sent, written, batch=False),
        "price_as_of": None if price is None else price.as_of,
    }
