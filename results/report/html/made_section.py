"""The last section: what the run was made of, by digest and by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from results.report.html.blocks import Block, Prose, Section, Table
from results.report.html.prose import literal_values, split_section
from results.report.text.session import made_section as made_markdown


def made_section(manifest: Mapping[str, Any]) -> Section:
    """Sessions as the Markdown report tells them, then digests and seeds as the manifest has them."""
    written = dict(manifest) | {"sessions": literal_values(manifest["sessions"])}
    title, html = split_section(made_markdown(written))
    blocks: list[Block] = [Prose(html)]
    digests = [
        *_leaves(manifest.get("readers", {}), "reader"),
        *_leaves(manifest["corpus"].get("inputs", {}), "input"),
        *_leaves(manifest.get("embedder", {}), "embedder"),
        *_leaves(manifest.get("embedders", {}), "embedder"),
        *((name, value) for name, value in _leaves(manifest.get("config", {}), "config") if name.endswith("seed")),
    ]
    if digests:
        blocks.append(Table("Digests and seeds", ["what", "value"], [list(pair) for pair in digests]))
    return Section("made", title, blocks)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Everything that is not a dictionary or a list of such, with the path to it."""
    if isinstance(value, Mapping):
        for name, of in value.items():
            yield from _leaves(of, f"{path}, {name}")
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value, 1):
            yield from _leaves(one, f"{path} {number}")
    elif value is not None:
        yield path, str(value)
