"""What a specialist sees of a question and its context, and who looks for it: retrieval, by way of `flows`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


class Seen(Protocol):
    """What is seen of a question and its context."""

    @property
    def question(self) -> Vector:
        """Shape (dimensions,): the question's vector, of unit length."""
        ...

    @property
    def context(self) -> Vector:
        """Shape (dimensions,): the vector of its best passages, of unit length; zeros where there is no passage."""
        ...

    @property
    def passages(self) -> tuple[str, ...]:
        """The best passages, in the order of the text."""
        ...

    @property
    def order(self) -> tuple[int, ...]:
        """The numbers of the passages, the most similar to the question first."""
        ...

    @property
    def n_tokens(self) -> int:
        """Tokens that were evaluated to see it."""
        ...


class Look(Protocol):
    """Looks at one question and its context."""

    @property
    def digest(self) -> str:
        """Identifies everything that changes the vectors."""
        ...

    def tokenize(self, text: str) -> tuple[int, ...]:
        """The token ids of a text."""
        ...

    def look(self, question: str, context: str) -> Seen | None:
        """What is seen; None if the question alone is too long."""
        ...


class Sight(Protocol):
    """How a specialist looks: the part of its manifest that `OpenLook` needs."""

    @property
    def embedder(self) -> dict[str, Any]:
        """The embedder's section."""
        ...

    @property
    def passage_size(self) -> int:
        """Most tokens of a passage."""
        ...

    @property
    def n_passages(self) -> int:
        """How many passages of a context are seen."""
        ...


OpenLook = Callable[[Sight], Look]


class Head(Protocol):
    """What turns what is seen into labels."""

    def probabilities(self, question: str, seen: Seen) -> Scores | None:
        """Shape (labels,), sums to 1; None if the question alone is too long."""
        ...

    def n_tokens(self, question: str, seen: Seen) -> int:
        """Tokens that the head itself evaluates."""
        ...
