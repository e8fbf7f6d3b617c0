"""Two finished runs compared: the labels that differ, and whether the later one is worse."""

from __future__ import annotations

from typing import NamedTuple

from corpora.errors import InputError
from corpora.storage import StorePath
from results.advice.drop import drop_lines, find_drops
from results.comparing.agreement import compare_runs
from results.report.text.report import render_agreement
from results.store.finished import check_format, read_manifest, read_tables


class Difference(NamedTuple):
    """How two runs differ.

    Attributes:
        agreement: the labels that differ, as a Markdown table; empty where the runs have none in common.
        lines: a sentence on each drop.
        is_worse: whether the later run is shown to be worse.
    """

    agreement: str
    lines: tuple[str, ...]
    is_worse: bool


def compare_finished(old: StorePath, new: StorePath, margin: float | None, *, needs_drops: bool) -> Difference:
    """Compare two finished runs.

    Args:
        old: folder of the earlier run.
        new: folder of the later one.
        margin: the largest drop that is acceptable; the later run's own where None.
        needs_drops: whether runs without scores in common are refused.

    Raises:
        InputError: not the folders of finished runs, tables of another format, or runs that cannot be compared.
    """
    before, after = (read_manifest(folder) for folder in (old, new))
    for folder, manifest in ((old, before), (new, after)):
        check_format(folder, manifest)
    ours, theirs = read_tables(old, before), read_tables(new, after)
    has_labels = any(name in ours and name in theirs for name in ("votes", "answers"))
    has_scores = all("retrieval_means" in tables for tables in (ours, theirs))
    agreement = render_agreement(compare_runs(ours, theirs)) if has_labels or not has_scores else ""
    if not has_scores and not needs_drops:
        return Difference(agreement, (), is_worse=False)
    try:
        drops = find_drops((before, ours), (after, theirs), margin)
    except InputError:
        if needs_drops or not agreement:
            raise
        return Difference(agreement, (), is_worse=False)
    return Difference(agreement, tuple(drop_lines(drops)), any(one.is_shown for one in drops))
