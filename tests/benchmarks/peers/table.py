"""The page of the comparison with other tools: ratios only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INTRO = """\
# Beside other tools

`python -m tests.benchmarks.peers --data FOLDER --grid '4 cells' --grid '36 cells' --save results/published/peers`,
and `--chroma REPOSITORY` for Chroma's evaluation

What another tool needs for one of Tercet: 2 is twice Tercet's. Whole processes with cold caches, in turns on one
machine, from the command to the scores; the same articles of Evidence Inference (those with the most questions for
their length), questions, evidence and weights (all-MiniLM-L6-v2), five retrieved chunks, no reader. *float32* is beside
Tercet in the arithmetic that the peers use too, *bfloat16* beside Tercet with `precision = "bfloat16"`, where the
processor has it. Sizes are in each tool's own tokens, and a tool without a splitter of the same kind uses its nearest.
chunklab takes each splitter once a run, so a grid is several runs in one process with one cache; its sentences do not
overlap, so six of the 36 cells repeat others and cost it nothing. context-grid embeds through a plugin with
sentence-transformers, in its own process. Chroma's evaluation keeps no vectors between cells, and
its search is approximate; the others' is exact. On a busy machine CPU time is the steadier figure.
"""


def render(found: Mapping[str, Any]) -> str:
    """The page.

    Args:
        found: by grid: day, ratios by name, and the share of Tercet's CPU time that its embedder alone takes.
    """
    rows = ["| grid | tool | beside Tercet in | CPU time | time | memory |", "| --- | --- | --- | ---: | ---: | ---: |"]
    lines = []
    for grid, one in found.items():
        ratios = one["ratios"]
        for arm in dict.fromkeys(name.rpartition(": ")[0] for name in ratios):
            peer, _, precision = arm.partition(" beside ")
            cells = [f"{ratios[f'{arm}: {what}']:.2f}" for what in ("CPU time", "time", "memory")]
            rows.append(f"| {grid} | {peer} | {precision or 'float32'} | {' | '.join(cells)} |")
        share = one["embedder_share"]
        least = min(ratio for name, ratio in ratios.items() if name.endswith("CPU time") and " beside " not in name)
        lines.append(
            f"* {grid}, {one['day']}: {one['articles']} articles, {one['questions']:,} questions, "
            f"{one['distinct questions']} of them distinct and the others the same in longer wordings. "
            f"The embedder of Tercet alone, in float32, takes {share:.0%} of its CPU time. With nothing else "
            f"to do, Tercet would be {least / share:.2f} times as fast as the fastest peer; it is {least:.2f} times as "
            "fast."
        )
        lines += [
            f"* {grid}, {precision}: {agreement['overlap']:.2%} of the retrieved chunks are those of float32; the "
            f"largest change of a score (cosine) is {agreement['largest_change']:.4f}."
            for precision, agreement in one.get("agreement", {}).items()
        ]
    return "\n".join([INTRO, *rows, "", *lines]) + "\n"
