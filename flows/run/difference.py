"""Two finished runs compared: the labels that differ, and whether the later one is worse."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from corpora.errors import InputError
from corpora.storage import StorePath
from results.advice.drops.drop import Drop, drop_lines
from results.advice.drops.find import find_drops
from results.comparing.agreement import compare_runs
from results.report.text.report import render_agreement
from results.store.finished import check_format, read_manifest, read_tables


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgreementRecord(_Record):
    """The labels of a reader in both runs."""

    table: str = Field(description="votes: on whole documents; answers: all")
    reader: str = Field(description="name of the reader")
    n: int = Field(description="labels that both runs have")
    only_in_one: int = Field(description="labels that only one of them has")
    differ: int = Field(description="labels that both have, and that differ")
    largest_margin: float | None = Field(description="of those: the largest lead over the second label in the old run")
    largest_change: float | None = Field(description="largest change of a probability; null where none is recorded")


class DropRecord(_Record):
    """A cell in the old run and in the new one, on the questions that both asked."""

    what: str = Field(description="the cell and its reader, as people say them")
    score: str = Field(description="what is compared")
    before: float = Field(description="in the old run")
    after: float = Field(description="in the new run, by the same labels")
    basis: str = Field(description="the questions that both asked and that count, as people say them")
    n: float = Field(description="what the questions that both asked are worth")
    margin: float = Field(description="the largest drop that is acceptable")
    p_value: float = Field(
        description="of the drop being no larger than that, corrected for the cells that it was chosen from"
    )
    is_shown: bool = Field(description="whether it is shown to be larger")


class DifferenceRecord(_Record):
    """What `tercet diff` found between two runs."""

    version: Literal[1] = Field(description="of this form; it rises when a field changes its meaning or goes")
    old: str = Field(description="folder of the earlier run")
    new: str = Field(description="folder of the later run")
    is_worse: bool = Field(description="whether the later run is shown to be worse in any cell")
    sentences: tuple[str, ...] = Field(description="what is said about scores; none where the runs have none in common")
    drops: tuple[DropRecord, ...] = Field(description="every cell that was compared")
    labels: tuple[AgreementRecord, ...] = Field(description="for each table and reader; none without labels in common")
    failed: tuple[str, ...] = Field((), description="what --fail-if found; the exit code is 1 if there is anything")


def difference_schema() -> dict[str, Any]:
    """The JSON Schema of what `tercet diff --json` prints."""
    schema = DifferenceRecord.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Tercet: two runs compared"}


class Difference(NamedTuple):
    """How two runs differ.

    Attributes:
        agreement: the labels that differ, as a Markdown table; empty where the runs have none in common.
        record: all of it for programs.
    """

    agreement: str
    record: DifferenceRecord


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
    agreement = compare_runs(ours, theirs) if has_labels or not has_scores else None
    drops: list[Drop] = []
    if has_scores or needs_drops:
        try:
            drops = find_drops((before, ours), (after, theirs), margin)
        except InputError:
            if needs_drops or agreement is None:
                raise
    record = DifferenceRecord(
        version=1,
        old=str(old),
        new=str(new),
        is_worse=any(one.is_shown for one in drops),
        sentences=tuple(drop_lines(drops)) if drops else (),
        drops=tuple(DropRecord(**one._asdict()) for one in drops),
        labels=() if agreement is None else tuple(AgreementRecord(**row) for row in agreement.iter_rows(named=True)),
    )
    return Difference("" if agreement is None else render_agreement(agreement), record)
