"""The page of the comparison with other tools: ratios only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INTRO = """\
# Beside other tools

`python -m tests.benchmarks.peers --data FOLDER --grid '4 cells' --grid '36 cells' --save results/published/peers`

What another tool needs for one of Tercet: 2 is twice Tercet's. Whole processes with cold caches, in turns on one
machine, from the command to the scores; the same 48 articles of Evidence Inference, 300 questions (197, and 103 of them
again in a second wording), evidence and weights (all-MiniLM-L6-v2 in float32), exact search, no reader. Sizes are in
each tool's own tokens, and a tool without a splitter of the same kind uses its nearest. chunklab takes each splitter
once a run, so a grid is several runs in one process with one cache. context-grid embeds through a plugin with
sentence-transformers, in its own process. On a busy machine CPU time is the steadier figure.
"""


def render(found: Mapping[str, Any]) -> str:
    """The page.

    Args:
        found: by grid: day, ratios by name, and the share of Tercet's CPU time that the bare model takes.
    """
    rows = ["| grid | tool | CPU time | time | memory |", "| --- | --- | ---: | ---: | ---: |"]
    lines = []
    for grid, one in found.items():
        ratios = one["ratios"]
        peers = list(dict.fromkeys(name.rpartition(": ")[0] for name in ratios))
        for peer in peers:
            cells = [f"{ratios[f'{peer}: {what}']:.2f}" for what in ("CPU time", "time", "memory")]
            rows.append(f"| {grid} | {peer} | {' | '.join(cells)} |")
        share, least = one["bare_model_share"], min(ratios[f"{peer}: CPU time"] for peer in peers)
        lines.append(
            f"* {grid}, {one['day']}: the bare model, on what Tercet embeds and tokenizing included, takes {share:.0%} "
            f"of Tercet's CPU time. With nothing else to do, Tercet would be {least / share:.2f} times as fast as the "
            f"fastest peer; it is {least:.2f} times as fast."
        )
    return "\n".join([INTRO, *rows, "", *lines]) + "\n"
