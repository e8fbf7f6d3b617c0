"""Which cells a recommendation of the manifest speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_recommended(recommendation: Mapping[str, Any], cell: Mapping[str, Any]) -> bool:
    """Whether a cell is one that is recommended.

    Args:
        recommendation: reader and setting, and optionally cut (`k`, or `k=3`) and amount; None stands for any.
        cell: a row of the cells.
    """
    setting, cut, amount = (recommendation.get(name) for name in ("setting", "cut", "amount"))
    return (
        recommendation["reader"] == cell["reader"]
        and setting is not None
        and setting == cell["setting"]
        and cut in (None, cell["cut"], f"{cell['cut']}={cell['amount']}")
        and amount in (None, cell["amount"])
    )
