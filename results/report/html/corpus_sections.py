"""The sections on the corpus: what was left out of it, and what the embedders cannot read of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results.report.html.blocks import Block, Limits, Prose, Section, Table
from results.report.html.prose import split_section
from results.report.text.corpus import (
    LEFT_OUT_FILE,
    LEFT_OUT_HEADER,
    LEFT_OUT_INTRODUCTION,
    UNKNOWN_HEADER,
    UNKNOWN_INTRODUCTION,
    counted,
    left_out_frames,
    left_out_rows,
    unknown_rows,
)
from results.report.text.markdown import Tables


def corpus_sections(manifest: Mapping[str, Any], tables: Tables, limits: Limits) -> list[Section]:
    """What was left out, where anything was; what the embedders cannot read, where that was measured."""
    return [*_left_out(tables, limits), *_unknown(manifest)]


def _left_out(tables: Tables, limits: Limits) -> list[Section]:
    frames = left_out_frames(tables)
    if not frames:
        return []
    title, html = split_section(LEFT_OUT_INTRODUCTION)
    blocks: list[Block] = [Prose(html)]
    for corpus, frame in frames.items():
        more = len(frame) - limits.rows
        note = f"… and {more} more in {LEFT_OUT_FILE}." if more > 0 else ""
        caption = f"{corpus}: {counted(frame)}" if corpus else counted(frame)
        blocks.append(Table(caption, LEFT_OUT_HEADER, left_out_rows(frame.head(limits.rows)), note))
    return [Section("left_out", title, blocks)]


def _unknown(manifest: Mapping[str, Any]) -> list[Section]:
    rows = unknown_rows(manifest)
    if not rows:
        return []
    title, html = split_section(UNKNOWN_INTRODUCTION)
    return [Section("unknown", title, [Prose(html), Table("By embedder", UNKNOWN_HEADER, rows)])]
