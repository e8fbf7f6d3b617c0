"""Batches by a budget of tokens: many short texts or few long ones take about the same memory and time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: Callable[[Item], int], budget: int) -> Iterator[list[Item]]:
    """Cut a stream into batches whose widest item, padding counted, stays within a budget.

    Args:
        items: kept in their order; sorted by size, they need little padding.
        size: tokens of an item.
        budget: most tokens of a batch; an item that alone has more makes a batch of its own.

    Yields:
        Batches, none of them empty.
    """
    held: list[Item] = []
    widest = 0
    for item in items:
        widest = max(widest, size(item))
        if held and widest * (len(held) + 1) > budget:
            yield held
            held, widest = [], size(item)
        held.append(item)
    if held:
        yield held
