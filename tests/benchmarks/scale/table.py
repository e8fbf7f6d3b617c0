"""The scale table: time and memory of every stage, and how they grow from one size to the next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import log
from typing import Any

INTRO = """\
# What a sweep takes as the corpus grows

`python -m tests.benchmarks.scale --save results/published/scale`

Documents of the generator with the length of PubMedQA's abstracts (200 words), a question each, of which a hash draws
{questions}; 64-token chunks, no reader. Each stage is a process of its own: CPU seconds of its work, and its peak
memory with all its imports and input. *Exact FAISS* ranks seeded random unit vectors of all-MiniLM-L6-v2's width
through the product's own index: embedding a million chunks takes hours on a CPU. *Labels* are three votes of a scripted
reader a question, so that only Tercet's own work counts. Growth is the exponent of CPU time in the number of
documents, from one size to the next: 1 is linear, and stages that work per question stay near 0.
"""


def render(found: Mapping[str, Any]) -> str:
    """The page.

    Args:
        found: by number of documents, in ascending order: day, questions, and the figures of each stage, with a day of
            its own where it was measured later.
    """
    sizes = list(found)
    questions = " / ".join(dict.fromkeys(f"{found[size]['questions']:,}" for size in sizes))
    parts = [INTRO.format(questions=questions)]
    parts.append("\n".join([_heading(sizes), *(_row(name, found) for name in _stages(found))]))
    parts.append("\n".join(f"* {line}" for size in sizes for line in _facts(size, found[size])))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def growth(found: Mapping[str, Any], stage: str) -> list[float | None]:
    """The exponent with which a stage's CPU time grows from each size to the next; None where it is not known."""
    exponents: list[float | None] = []
    for small, large in pairwise(found):
        one, other = (found[size]["stages"].get(stage) for size in (small, large))
        known = one and other and one["cpu"] > 0 and other["cpu"] > 0
        exponents.append(log(other["cpu"] / one["cpu"]) / log(int(large) / int(small)) if known else None)
    return exponents


def _stages(found: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for one in found.values() for name in one["stages"]))


def _heading(sizes: list[str]) -> str:
    cells = [f"{int(size):,}: CPU s | GB" for size in sizes]
    titles = " | ".join(["stage", *cells, "growth"])
    return f"| {titles} |\n| --- |{' ---: | ---: |' * len(sizes)} --- |"


def _row(stage: str, found: Mapping[str, Any]) -> str:
    cells = []
    for one in found.values():
        figures = one["stages"].get(stage)
        cells += [f"{figures['cpu']:.1f}", f"{figures['peak'] / 1e9:.2f}"] if figures else ["", ""]
    exponents = ", ".join("" if one is None else f"{one:.2f}" for one in growth(found, stage))
    return f"| {stage} | {' | '.join(cells)} | {exponents} |"


def _facts(size: str, one: Mapping[str, Any]) -> list[str]:
    """What the stages counted at one size, a line each."""
    stages, facts = one["stages"], []
    if "chunk" in stages:
        facts.append(f"{stages['chunk']['chunks']:,} chunks of {stages['chunk']['tokens']:,} tokens")
    if "labels" in stages:
        votes = stages["labels"]
        each = 1000 * votes["cpu"] / votes["votes"]
        facts.append(f"{votes['votes']:,} votes: {each:.2f} ms of CPU and {votes['bytes_a_vote']:.0f} bytes a vote")
    if "embed a sample" in stages:
        part = stages["embed a sample"]
        error = "" if part["standard_error"] is None else f" ± {part['standard_error'] / 3600:.2f}"
        facts.append(
            f"embedding all chunks would take {part['expected_cpu'] / 3600:.2f}{error} CPU hours (extrapolated from "
            f"{part['embedded']:,} chunks in {part['samples']} samples, {part['tokens_a_cpu_second']:,.0f} tokens a "
            "CPU second; the error is the standard error over the samples)"
        )
    later = ", ".join(f"{name} {stage['day']}" for name, stage in stages.items() if "day" in stage)
    day = f"{int(size):,} documents, {one['day']}{f' ({later})' if later else ''}"
    return [f"{day}: {'; '.join(facts)}."]
