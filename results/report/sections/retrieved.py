"""What was retrieved, how much of what a question needs is in it, and what readers say where nothing is stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results.evidence.span_metrics import SPAN_SCORES
from results.report.model import Block, Cell, Definitions, Kind, PlotRef, Section, Sentences
from results.report.plots.pareto_plots import LEVELS
from results.report.sections.source import Source, read_of
from results.report.sections.sweep import MOST_PAIRS
from results.report.values import estimate, make_table

RETRIEVAL_NAMES = {
    "hit": "hit", "recall": "recall", "precision": "precision", "reciprocal_rank": "MRR", "ndcg": "nDCG",
    "span_recall": "span recall", "span_precision": "span precision", "span_f1": "span F1", "span_iou": "span IoU",
}  # fmt: skip


def retrieval_section(source: Source) -> Section:
    """What every setting retrieves under every cut, which is the same for all readers."""
    means = source.tables["retrieval_means"]
    known = [name for name in RETRIEVAL_NAMES if name in means.columns and means[name].null_count() < len(means)]
    has_spans = any(name in SPAN_SCORES for name in known)
    columns: dict[str, Kind] = {"chunks": "text", "read": "text", "questions": "count"}
    columns |= {"with evidence": "whole"} if has_spans else {}
    columns |= {"tokens read": "whole", **{RETRIEVAL_NAMES[name]: "interval" for name in known}}
    rows = [
        (source.setting(row["setting"]), read_of(row), row["n"], *([row["n_spans"]] if has_spans else []),
         row["n_context_tokens"], *(estimate(row, name) for name in known))
        for row in means.iter_rows(named=True)
    ]  # fmt: skip
    spans = (
        "Span scores count tokens of the evidence, over the questions that have any."
        if has_spans
        else "This corpus marks no evidence, so there are no span scores."
    )
    text = (
        "Over all questions, and the same for all readers: none of these scores depends on a reader. Hit, recall, "
        f"precision, MRR and nDCG score the gold documents. {spans} Intervals are from a bootstrap over documents."
    )
    table = make_table("Scores of what was retrieved", columns, rows, "retrieval_means.parquet")
    plots = PlotRef("retrieval_by_size", "Retrieval scores by chunk size")
    several = _by_passages(source) if source.has("by_passages") else ()
    return Section("retrieval", "Does retrieval find it?", (Sentences((text,)), plots, table, *several))


def _by_passages(source: Source) -> tuple[Block, ...]:
    """How often a question's passages are found together, by how many it needs."""
    text = (
        "Some questions need several passages: the marked evidence, with what overlaps taken as one passage, or the "
        "gold documents of a question without any. Any is the share of questions for which at least one passage is "
        "retrieved whole, all that for which every one is. Where the source marks several places that each give the "
        "answer, read any."
    )
    table = make_table(
        "Any and all of the passages, by how many a question needs",
        {"chunks": "text", "read": "text", "passages": "text", "questions": "count", "any": "interval",
         "all": "interval"},
        [
            (source.setting(row["setting"]), read_of(row), row["needed"], row["n"], estimate(row, "any_found"),
             estimate(row, "all_found"))
            for row in source.tables["by_passages"].iter_rows(named=True)
        ],
        "by_passages.parquet",
        most=MOST_PAIRS,
    )  # fmt: skip
    return Sentences((text,)), table


def abstention_section(source: Source) -> Section:
    """False answers where nothing is stated, and abstentions where something is."""
    label = source.manifest["corpus"].get("not_stated", "not stated")
    terms = Definitions(
        (
            (
                "false answers",
                f"where {label} is right: the share of other answers, so the lower the better",
            ),
            (
                "more than the largest",
                "how many more false answers than with the largest chunks that are read in the same way; intervals are "
                "corrected for the number of these differences",
            ),
            (
                "abstains though stated",
                f"where another label is right, and every passage of the evidence was retrieved: the share of {label}; "
                "the lower the better",
            ),
            (
                "abstains, nothing found",
                f"where another label is right, and no part of its passages was retrieved: the share of {label}, which "
                "is the right thing to say there; the higher the better",
            ),
        )
    )
    text = (
        f"The label {label} says that the text does not state the answer. Questions of which only some passages were "
        "retrieved, or a part of one, are in neither of the last two columns. Where no evidence is marked, a gold "
        "document of which any chunk was retrieved counts as stated."
    )
    frame = source.tables["abstention"]
    blocks: list[Block] = [Sentences((text,)), terms]
    for (questions, reader), mine in frame.group_by("questions", "reader", maintain_order=True):
        by = "gold labels" if questions == "gold" else "reference labels"
        rows = [_abstention_row(source, row) for row in mine.iter_rows(named=True)]
        columns: dict[str, Kind] = {
            "chunks": "text", "read": "text", "nothing stated": "count", "false answers": "interval",
            "more than the largest": "interval", "stated": "count", "abstains though stated": "interval",
            "not found": "count", "abstains, nothing found": "interval",
        }  # fmt: skip
        blocks.append(make_table(f"{reader}: abstention, by its {by}", columns, rows, "abstention.parquet"))
    return Section("abstention", "When nothing is stated", tuple(blocks))


def _abstention_row(source: Source, row: Mapping[str, Any]) -> tuple[Cell, ...]:
    is_cell = row["arm"] == "retrieved"
    place = (
        (source.setting(row["setting"]), read_of(row)) if is_cell else ("(none)", LEVELS.get(row["arm"], row["arm"]))
    )
    return (
        *place, row["n_not_stated"], estimate(row, "false_answers"), estimate(row, "false_more"), row["n_shown"],
        estimate(row, "abstained_shown"), row["n_missed"], estimate(row, "abstained_missed"),
    )  # fmt: skip
