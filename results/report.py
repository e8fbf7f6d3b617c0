"""The Markdown report of a run: renders its tables and its manifest, computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from results.scoring import chunking_name

Tables = Mapping[str, pl.DataFrame]


def render_report(manifest: Mapping[str, Any], tables: Tables) -> str:
    """Render a run.

    Args:
        manifest: content of `manifest.json`.
        tables: frames by name; a section appears where its frames are there.
    """
    sections = [
        _head(manifest),
        _sweep(tables) if "cells" in tables else "",
        _verdicts(manifest) if manifest.get("verdicts") else "",
        _labelers(tables) if "labelers" in tables else "",
        _compared(tables) if "pairs" in tables else "",
        _made(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(manifest: Mapping[str, Any]) -> str:
    lines = [f"# {manifest['name']} ({manifest['kind']})"]
    if manifest.get("verdicts"):
        lines.append(f"**Verdict.** {manifest['verdicts'][0]['line']}")
    lines += [f"> Warning: {warning}" for warning in manifest.get("warnings", ())]
    return "\n\n".join(lines)


def _sweep(tables: Tables) -> str:
    cells = tables["cells"].with_columns(chunking_name())
    has_spans = cells["span_recall"].null_count() < len(cells)
    parts = [
        "## Sweep",
        "Accuracy and macro scores are of the reader's answers; hit, recall, MRR and nDCG of the gold documents; span "
        "scores of the evidence, in tokens. Gold: against the reader's own gold set. All: against the reference labels "
        "of all its questions. Brackets hold bootstrap intervals, clustered by document.",
    ]
    for (reader,), rows in cells.group_by(["reader"], maintain_order=True):
        header = [
            "chunking",
            "read",
            "gold accuracy",
            "precision",
            "recall",
            "F1",
            "all accuracy",
            "hit",
            "MRR",
            "nDCG",
        ]
        header += ["span recall", "span precision", "span IoU"] * has_spans + ["tokens read"]
        ceiling = tables["whole_document"].filter(pl.col("reader") == reader).row(0, named=True)
        body = [["(none)", "whole document", *_answer_columns(ceiling), *["—"] * (6 if has_spans else 3), "—"]]
        for row in rows.iter_rows(named=True):
            found = [_share(row[name]) for name in ("hit", "reciprocal_rank", "ndcg")]
            if has_spans:
                found += [_share(row[name]) for name in ("span_recall", "span_precision", "span_iou")]
            read = f"{row['cut']}={row['amount']}"
            body.append([row["chunking"], read, *_answer_columns(row), *found, f"{row['n_context_tokens']:.0f}"])
        parts.append(f"### {reader}: {ceiling['gold_n']} gold of {ceiling['all_n']} questions")
        parts.append(_table(header, body))
    return "\n\n".join(parts)


def _answer_columns(row: Mapping[str, Any]) -> list[str]:
    return [
        _interval(row, "gold_accuracy", "gold_low", "gold_high"),
        *(_share(row[f"gold_{name}"]) for name in ("precision", "recall", "f1")),
        _interval(row, "all_accuracy", "all_low", "all_high"),
    ]


def _verdicts(manifest: Mapping[str, Any]) -> str:
    return "## Verdict by reader and cut\n\n" + "\n".join(f"* {one['line']}" for one in manifest["verdicts"])


def _labelers(tables: Tables) -> str:
    parts = ["## Labelers on whole documents", _labeler_table(tables["labelers"])]
    marked = tables["labelers"].filter(pl.col("qualified").not_())
    parts += [
        f"> **Not qualified: {row['reader']}** is right on {_share(row['accuracy'])} of its questions; always "
        f"answering `{row['majority_label']}` would be right on {_share(row['majority_share'])} "
        f"(one-sided exact p = {row['p_value']:.3f}). Its gold set and its scores prove little."
        for row in marked.iter_rows(named=True)
    ]
    rules = [
        [row["reader"], f"`{row['rule']}`", f"{row['kept']} of {row['n']}", _share(row["coverage"]),
         _interval(row, "accuracy", "accuracy_low", "accuracy_high")]
        for row in tables["consensus"].iter_rows(named=True)
    ]  # fmt: skip
    parts += ["### Consensus rules", _table(["labeler", "rule", "kept", "coverage", "accuracy of what is kept"], rules)]
    lost = [
        [row["reader"], f"`{row['label']}`", str(row["n"]), str(row["kept"]), _share(row["share"])]
        for row in tables["attrition"].iter_rows(named=True)
    ]
    parts += ["### What the filter keeps of each label", _table(["labeler", "label", "n", "kept", "share"], lost)]
    reasons = (
        tables["gold"]
        .group_by("reader", "reason")
        .len()
        .sort("reader", "len", "reason", descending=[False, True, False])
    )
    rows = [[reader, reason, str(n)] for reader, reason, n in reasons.iter_rows()]
    parts += ["### Why questions are in or out (each one in `gold.parquet`)", _table(["labeler", "reason", "n"], rows)]
    return "\n\n".join(parts)


def _labeler_table(labelers: pl.DataFrame) -> str:
    header = ["labeler", "n", "accuracy", "majority label", "its share", "p", "single vote"]
    header += ["votes differ", "outside labels", "fragile", "failed"]
    body = [
        [row["reader"], str(row["n"]), _interval(row, "accuracy", "accuracy_low", "accuracy_high"),
         f"`{row['majority_label']}`", _share(row["majority_share"]), _share(row["p_value"]),
         _share(row["vote_accuracy"]), _share(row["votes_differ"]), _share(row["outside_mass"]),
         _share(row["fragile"]), str(row["n_failed"])]
        for row in labelers.iter_rows(named=True)
    ]  # fmt: skip
    return _table(header, body)


def _compared(tables: Tables) -> str:
    header = [
        "a",
        "b",
        "n",
        "accuracy a",
        "accuracy b",
        "difference",
        "p (Holm)",
        "kappa",
        "same wrong label",
        "finding",
    ]
    body = [
        [row["a"], row["b"], str(row["n"]), _share(row["accuracy_a"]), _share(row["accuracy_b"]),
         _interval(row, "difference", "low", "high"), _share(row["p_holm"]), _share(row["kappa"]),
         f"{_share(row['same_wrong_label'])} of {row['both_wrong']}", row["finding"]]
        for row in tables["pairs"].iter_rows(named=True)
    ]  # fmt: skip
    parts = ["## Labelers compared"]
    if body:
        parts.append(_table(header, body))
    own = [
        [row["reader"], row["questions"], str(row["n"]),
         *(_share(row[name]) for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1"))]
        for row in tables["own_gold"].iter_rows(named=True)
    ]  # fmt: skip
    parts.append(_table(["labeler", "questions", "n", "accuracy", "precision", "recall", "F1"], own))
    classes = [
        [row["reader"], f"`{row['label']}`", str(row["n"]), str(row["n_answered"]),
         *(_share(row[name]) for name in ("precision", "recall", "f1"))]
        for row in tables["label_classes"].iter_rows(named=True)
    ]  # fmt: skip
    parts.append(_table(["labeler", "label", "n", "answered", "precision", "recall", "F1"], classes))
    return "\n\n".join(parts)


def _made(manifest: Mapping[str, Any]) -> str:
    corpus = manifest["corpus"]
    lines = [
        "## How this was made",
        f"Corpus `{corpus['name']}`: {corpus['documents']} documents, {corpus['questions']} questions asked. "
        f"Tercet {manifest['packages']['tercet']}, llama-cpp-python {manifest['packages']['llama-cpp-python']}, "
        f"{manifest['machine']['cpus']} CPUs. The config, and the digests of inputs, models, prompts and "
        "tables, are in `manifest.json`.",
    ]
    rows = [
        [stage, one["reader"], str(one["prompts"]), str(one["new"]), str(one["tokens"]), str(one["evaluated"]),
         f"{one['seconds']:.0f}"]
        for stage in ("label", "read")
        for one in manifest["asked"].get(stage, ())
    ]  # fmt: skip
    if rows:
        header = ["stage", "reader", "prompts", "asked in this run", "tokens", "after prefix sharing", "seconds"]
        lines.append(_table(header, rows))
    times = [[stage, f"{seconds:.1f}"] for stage, seconds in manifest["seconds"].items()]
    lines.append(_table(["stage", "seconds in this run"], times))
    return "\n\n".join(lines)


def _table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _share(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def _interval(row: Mapping[str, Any], name: str, low: str, high: str) -> str:
    return "—" if row[name] is None else f"{row[name]:.3f} [{row[low]:.3f}, {row[high]:.3f}]"
