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
        _verdicts(manifest, tables) if manifest["verdicts"] else "",
        _labelers(tables) if "labelers" in tables else "",
        _compared(tables) if "pairs" in tables else "",
        _made(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(manifest: Mapping[str, Any]) -> str:
    lines = [f"# {manifest['name']} ({manifest['kind']})"]
    lines.append(f"**{'Verdict' if manifest['verdicts'] else 'Result'}.** {manifest['headline']}")
    lines += [f"> Warning: {warning}" for warning in manifest["warnings"]]
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
        header += ["span recall", "span precision", "span IoU"] * has_spans + ["tokens read", "failed"]
        ceiling = tables["whole_document"].filter(pl.col("reader") == reader).row(0, named=True)
        unknown = ["—"] * (7 if has_spans else 4)
        body = [["(none)", "whole document", *_answer_columns(ceiling), *unknown, str(ceiling["n_failed"])]]
        for row in rows.iter_rows(named=True):
            names = ["hit", "reciprocal_rank", "ndcg"] + ["span_recall", "span_precision", "span_iou"] * has_spans
            found = [_interval(row, name, f"{name}_low", f"{name}_high") for name in names]
            read = f"{row['cut']}={row['amount']}"
            body.append([row["chunking"], read, *_answer_columns(row), *found])
            body[-1] += [f"{row['n_context_tokens']:.0f}", str(row["n_failed"])]
        parts.append(f"### {reader}: {ceiling['gold_n']} gold of {ceiling['all_n']} questions")
        parts.append(_table(header, body))
    return "\n\n".join(parts)


def _answer_columns(row: Mapping[str, Any]) -> list[str]:
    return [
        _interval(row, "gold_accuracy", "gold_accuracy_low", "gold_accuracy_high"),
        *(_share(row[f"gold_{name}"]) for name in ("precision", "recall")),
        _interval(row, "gold_f1", "gold_f1_low", "gold_f1_high"),
        _interval(row, "all_accuracy", "all_accuracy_low", "all_accuracy_high"),
    ]


def _verdicts(manifest: Mapping[str, Any], tables: Tables) -> str:
    parts = ["## Verdict by reader and cut", "\n".join(f"* {one['line']}" for one in manifest["verdicts"])]
    parts += [
        "### Chunkings pair by pair, on the gold set",
        "Difference of accuracy with its interval (Agresti and Min); exact sign-flip p-value by document, with Holm's "
        "correction over the pairs of one reader and cut.",
    ]
    body = [
        [row["reader"], f"{row['cut']}={row['amount']}", row["a"], row["b"], str(row["n"]),
         _interval(row, "difference", "low", "high"), _p_value(row["p_value"]), _p_value(row["p_holm"])]
        for row in tables["comparisons"].iter_rows(named=True)
    ]  # fmt: skip
    parts.append(_table(["reader", "read", "a", "b", "n", "a minus b", "p", "p (Holm)"], body))
    return "\n\n".join(parts)


def _labelers(tables: Tables) -> str:
    parts = ["## Labelers on whole documents", _labeler_table(tables["labelers"])]
    marked = tables["labelers"].filter(pl.col("qualified").not_())
    parts += [
        f"> **Not qualified: {row['reader']}** is right on {_share(row['accuracy'])} of its questions; always "
        f"answering `{row['majority_label']}` would be right on {_share(row['majority_share'])} "
        f"(one-sided exact p {_p_value(row['p_value'], '= ')}). Its gold set and its scores prove little."
        for row in marked.iter_rows(named=True)
    ]
    rules = [
        [row["reader"], f"`{row['rule']}`", f"{row['kept']} of {row['n']}", _share(row["coverage"]),
         _kept_accuracy(row)]
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
         f"`{row['majority_label']}`" if row["majority_label"] else "—",
         _share(row["majority_share"]), _p_value(row["p_value"]),
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
         _interval(row, "difference", "low", "high"), _p_value(row["p_holm"]), _share(row["kappa"]),
         f"{_share(row['same_wrong_label'])} of {row['both_wrong']}", row["finding"]]
        for row in tables["pairs"].iter_rows(named=True)
    ]  # fmt: skip
    parts = ["## Labelers compared"]
    if body:
        parts.append(_table(header, body))
    if tables["own_gold"]["n"].sum() == 0:
        return "\n\n".join([*parts, "No reference labels, so that there is nothing to score the labelers against."])
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
        f"Corpus `{corpus['name']}`: {corpus['documents']} documents, {corpus['questions']} questions asked (split "
        f"`{corpus['split']}`). Tercet {manifest['packages']['tercet']}, llama-cpp-python "
        f"{manifest['packages']['llama-cpp-python']}. The config, and the digests of inputs, models, prompts and "
        "tables, are in `manifest.json`. Votes and embeddings that a session found in the store cost it nothing.",
    ]
    for number, session in enumerate(manifest["sessions"], 1):
        lines.append(f"### Session {number}: {session['started']}, {session['machine']['cpus']} CPUs")
        rows = [
            [stage, one["reader"], str(one["prompts"]), str(one["new"]), str(one["tokens"]), str(one["evaluated"]),
             f"{one['seconds']:.0f}"]
            for stage, of in session["asked"].items() for one in of
        ]  # fmt: skip
        header = ["stage", "reader", "prompts", "asked", "tokens asked", "after prefix sharing", "seconds"]
        lines.append(_table(header, rows))
        lines.append(_table(["stage", "seconds"], [[name, f"{took:.1f}"] for name, took in session["seconds"].items()]))
    return "\n\n".join(lines)


def _kept_accuracy(row: Mapping[str, Any]) -> str:
    if row["rule"] == "unanimous_and_correct":
        return "1 by construction"
    return _interval(row, "accuracy", "accuracy_low", "accuracy_high")


def _p_value(value: float | None, equals: str = "") -> str:
    if value is None:
        return "—"
    return "< 0.001" if value < 0.001 else f"{equals}{value:.3f}"


def render_agreement(agreement: pl.DataFrame) -> str:
    """The table of `compare_runs`."""
    header = ["table", "reader", "in both", "in one only", "labels differ", "largest margin of those"]
    header += ["largest change of a probability"]
    body = [
        [row["table"], row["reader"], str(row["n"]), str(row["only_in_one"]), str(row["differ"]),
         _share(row["largest_margin"]), _share(row["largest_change"])]
        for row in agreement.iter_rows(named=True)
    ]  # fmt: skip
    return _table(header, body)


def _table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _share(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def _interval(row: Mapping[str, Any], name: str, low: str, high: str) -> str:
    return "—" if row[name] is None else f"{row[name]:.3f} [{row[low]:.3f}, {row[high]:.3f}]"
