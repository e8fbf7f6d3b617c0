"""The whole report of a run: the story first, then the evidence, each section once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from results.advice.cards.in_full import advice_in_full
from results.advice.cards.run import Run
from results.advice.summary import Answer, summarise
from results.report.model import Report, Section
from results.report.sections.comparison import compared_section, corpora_section, remote_section, speed_section
from results.report.sections.corpus import left_out_frames, left_out_section, unknown_section
from results.report.sections.curves import curve_section
from results.report.sections.readers import (
    annotator_section,
    calibration_section,
    generation_section,
    gold_section,
    reader_section,
    slice_section,
)
from results.report.sections.retrieved import abstention_section, retrieval_section
from results.report.sections.session import (
    made_section,
    order_section,
    precision_section,
    retriever_section,
    speed_of_retrieval,
    warning_section,
)
from results.report.sections.source import Source, source_of
from results.report.sections.story import (
    advice_section,
    example_section,
    ladder_section,
    loss_section,
    verdict_section,
)
from results.report.sections.sweep import (
    accuracy_section,
    class_section,
    cost_section,
    interaction_section,
    look_section,
    pair_section,
    temperature_section,
)
from results.report.values import Tables

Build = Callable[[Source], Section]
# The tables without which a section is not there, and how it is built.
STORY: tuple[tuple[str, Build], ...] = (("ladder", ladder_section), ("examples", example_section))
OF_SWEEPS: tuple[tuple[str, Build], ...] = (
    ("cells", accuracy_section), ("looks", look_section), ("temperatures", temperature_section),
    ("abstention", abstention_section), ("retrieval_means", retrieval_section), ("ladder", loss_section),
    ("cells", cost_section),
    ("interactions", interaction_section), ("comparisons", pair_section), ("classes", class_section),
)  # fmt: skip
OF_READERS: tuple[tuple[str, Build], ...] = (
    ("labelers", reader_section), ("unanimity", curve_section), ("gold", gold_section),
    ("generation", generation_section), ("remote", remote_section),
)  # fmt: skip
OF_VOTES: tuple[tuple[str, Build], ...] = (
    ("calibration", calibration_section), ("annotators", annotator_section), ("slices", slice_section),
)  # fmt: skip
TOLD_WITHOUT_SWEEP = ("compared", "readers", "gold", "curves")
INSTEAD = {"accuracy": "verdict", "questions": "gold", "readers": "compared"}  # of a section that a run has not


def build_report(manifest: Mapping[str, Any], tables: Tables) -> Report:
    """The report of a run.

    Args:
        manifest: content of `manifest.json`; keys that older versions did not write may be missing.
        tables: frames by name; a section is there where its frames are present and not empty.
    """
    source, summary = source_of(manifest, tables), summarise(manifest, tables)
    sections = tuple(_sections(source, tables, summary.distrust))
    slugs = {section.slug for section in sections}
    answers = tuple(_with_evidence(answer, slugs) for answer in summary.answers)
    return Report(manifest["name"], manifest["kind"], summary.facts, answers, summary.distrust, sections)


def _with_evidence(answer: Answer, slugs: set[str]) -> Answer:
    """The answer with a section that is there; none where the evidence has no section."""
    for slug in (answer.section, INSTEAD.get(answer.section, "")):
        if slug in slugs:
            return answer._replace(section=slug)
    return answer._replace(section="")


def _sections(source: Source, tables: Tables, distrust: Sequence[str]) -> Iterator[Section]:
    sweeps = source.has("cells") or source.has("retrieval_means")
    if sweeps:
        yield verdict_section(source)
    yield from _built(source, STORY)
    found = [*_evidence(source, tables, distrust)]
    if not sweeps:
        told = [section for slug in TOLD_WITHOUT_SWEEP for section in found if section.slug == slug]
        yield from (section._replace(is_folded=False) for section in told)
        found = [section for section in found if section not in told]
    yield from found


def _evidence(source: Source, tables: Tables, distrust: Sequence[str]) -> Iterator[Section]:
    if distrust or source.manifest["warnings"] or source.marks:
        yield warning_section(source, distrust)
    if any(map(source.manifest.get, ("recommendations", "retrieval", "verdicts"))):
        yield advice_section(source, advice_in_full(Run(source.manifest, tables)))
    yield from _built(source, OF_SWEEPS)
    yield from _built(source, OF_READERS)
    if "pairs" in tables:
        yield compared_section(source, source.tables.get("pairs", tables["pairs"]))
    if source.has("corpora"):
        yield corpora_section(source)
    yield from (speed_section(one) for one in source.manifest["sessions"][-1:] if one.get("speeds"))
    yield from _built(source, OF_VOTES)
    if left_out_frames(tables):
        yield left_out_section(source)
    if source.manifest.get("unknown_tokens"):
        yield unknown_section(source)
    if speed_of_retrieval(source):
        yield retriever_section(source)
    if source.has("same_order"):
        yield order_section(source)
    if source.manifest.get("precision"):
        yield precision_section(source)
    yield made_section(source)


def _built(source: Source, builds: tuple[tuple[str, Build], ...]) -> Iterator[Section]:
    yield from (build(source) for name, build in builds if source.has(name))
