"""What remote readers may cost and have cost: worst cases are set aside before a request is sent.

A provider's tokenizer is not available, so tokens are estimated from bytes. Prompts on PubMedQA's 500 held-out
questions have 4.2 to 4.4 bytes a token in the vocabularies of Qwen2.5, SmolLM2 and Gemma 3, and none fewer than 2.8;
other scripts have fewer. The bill itself is calculated from the usage that answers state.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from corpora.errors import InputError
from labeling.models.prices import Price
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.requests import output_limit, request_body
from labeling.votes.vote import Prompt

BYTES_PER_TOKEN = 4.0  # for what a plan expects
LEAST_BYTES_PER_TOKEN = 2.0  # for what is set aside
TOKENS_PER_MESSAGE = 10  # roughly, for the role and separators around each


class Usage(NamedTuple):
    """Tokens of some requests.

    Attributes:
        requests: how many requests.
        input: tokens sent.
        output: tokens written.
    """

    requests: int = 0
    input: int = 0
    output: int = 0

    def plus(self, other: Usage) -> Usage:
        """The sum of both."""
        return Usage(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))

    def usd(self, price: Price, *, batch: bool) -> float:
        """Their price in US dollars."""
        return price.cost(self.input, self.output, batch=batch)


def estimate(config: LabelerConfig, prompt: Prompt, bytes_per_token: float = LEAST_BYTES_PER_TOKEN) -> Usage:
    """Tokens of one request, with its answer at its greatest length."""
    return estimate_body(request_body(config, prompt), output_limit(config), bytes_per_token)


def estimate_body(body: Mapping[str, Any], n_output: int, bytes_per_token: float = LEAST_BYTES_PER_TOKEN) -> Usage:
    """As in `estimate`, from a request's body."""
    texts = [str(message["content"]) for message in body["messages"]]
    n_bytes = sum(len(text.encode()) for text in texts)
    return Usage(1, math.ceil(n_bytes / bytes_per_token) + TOKENS_PER_MESSAGE * len(texts), n_output)


class LimitError(InputError):
    """The next requests might exceed the spending limit."""


class Spending:
    """What a run spends on remote readers, kept below a limit; shared by threads.

    Args:
        limit: US dollars; None for no limit.
    """

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self.spent = 0.0
        self._set_aside = 0.0
        self._lock = threading.Lock()

    def set_aside(self, usd: float, who: str, *, within_limit: bool = True) -> None:
        """Set the worst case of a request aside before it is sent.

        Args:
            usd: the worst case.
            who: name of the reader, for the message.
            within_limit: False for a request that is already under way and can only be counted.

        Raises:
            LimitError: the run could exceed its limit; nothing is set aside for this request.
        """
        with self._lock:
            worst = self.spent + self._set_aside + usd
            # Sums of many small prices differ in their last digits.
            if within_limit and self.limit is not None and worst > self.limit * (1 + 1e-9):
                raise LimitError(
                    f"{who}: up to {worst:.4f} USD with the next requests ({self.spent:.4f} spent, "
                    f"{self._set_aside:.4f} set aside for those under way)",
                    f"at most {self.limit:.4f} USD",
                    "allow more with --max-cost (max_cost in Python) and run again: everything so far is kept",
                )
            self._set_aside += usd

    def settle(self, set_aside: float, usd: float) -> None:
        """Replace what was set aside for requests by what they cost."""
        with self._lock:
            self._set_aside = max(0.0, self._set_aside - set_aside)
            self.spent += usd


class Meter(NamedTuple):
    """Spending at the price of one reader.

    Attributes:
        spending: what the whole run spends.
        price: price of the reader's model; None if it is unknown or nobody is paid.
        who: the reader's name in messages.
        batch: whether it is asked in batches.
    """

    spending: Spending
    price: Price | None
    who: str
    batch: bool

    def usd(self, usage: Usage) -> float:
        """Price of some requests in US dollars; 0 if nobody is paid."""
        return 0.0 if self.price is None else usage.usd(self.price, batch=self.batch)

    def set_aside(self, usage: Usage, *, within_limit: bool = True) -> None:
        """As in `Spending.set_aside`."""
        self.spending.set_aside(self.usd(usage), self.who, within_limit=within_limit)

    def settle(self, set_aside: Usage, used: Usage) -> None:
        """As in `Spending.settle`."""
        self.spending.settle(self.usd(set_aside), self.usd(used))
