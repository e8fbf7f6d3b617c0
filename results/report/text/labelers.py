"""The report's sections on readers: accuracy, what unanimity is worth, label bias, what the filter throws away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.text.markdown import UNKNOWN, Tables, code, interval, p_value, share, table

EXCLUDED_FILE = "excluded.md"
RISK_PLOT, CURVES_PLOT = "risk_coverage.svg", "vote_curves.svg"


def labeler_section(tables: Tables) -> str:
    """Accuracy on whole documents, against always giving the majority label and against chance."""
    header = ["labeler", "n", "accuracy", "majority label", "p", "by chance", "p", "standing"]
    header += ["single vote", "outside labels", "fragile", "failed"]
    body = [
        [row["reader"], str(row["n"]), interval(row, "accuracy", "accuracy_low", "accuracy_high"),
         UNKNOWN if row["majority_label"] is None else f"{code(row['majority_label'])} {row['majority_share']:.3f}",
         p_value(row["p_vs_majority_holm"]), share(row["chance"]), p_value(row["p_vs_chance_holm"]),
         row["standing"] or UNKNOWN,
         share(row["vote_accuracy"]), share(row["outside_mass"]), share(row["fragile"]), str(row["n_failed"])]
        for row in tables["labelers"].iter_rows(named=True)
    ]  # fmt: skip
    parts = [
        "## Readers on whole documents",
        "Accuracy is that of the most probable label, with a Wilson interval that is wider where documents hold "
        "several questions. Two one-sided tests, with Holm's correction over the readers, ask whether a reader is more "
        "accurate than always giving the majority label (exact, paired), and whether it is right more often than its "
        "own answers would be if shuffled (permutation).",
        table(header, body),
    ]
    parts += [_not_qualified(row) for row in tables["labelers"].iter_rows(named=True) if row["qualified"] is False]
    return "\n\n".join(parts)


def _not_qualified(row: Mapping[str, Any]) -> str:
    if row["standing"] == "cannot tell":
        against_chance = " There are too few questions to tell whether it beats chance."
    elif row["standing"] == "at chance":
        bound = row["above_chance_high"]
        worse = "worse" if bound < 0 else f"not shown to be better, and better by {share(bound)} at most"
        against_chance = (
            f" It is **at chance**: if shuffled, its answers would be right on {share(row['chance'])}; as they are, "
            f"they are {worse}."
        )
    else:
        against_chance = ""
    return (
        f"> **Not qualified: {row['reader']}** is right on {share(row['accuracy'])} of its questions; always answering "
        f"{code(row['majority_label'])} would be right on {share(row['majority_share'])} (exact one-sided p "
        f"{p_value(row['p_vs_majority_holm'], '= ')}, Holm). Its gold set and its scores are weak evidence."
        f"{against_chance}"
    )


def unanimity_section(tables: Tables) -> str:
    """The exact vote law, and whether agreement raises accuracy."""
    rows = tables["unanimity"].rows(named=True)
    law = [
        [row["reader"], str(row["n"]), share(row["p_unanimous"]), share(row["sampled_unanimous"]),
         share(row["p_majority"]), share(row["p_tie"]), str(row["n_unknown"])]
        for row in rows
    ]  # fmt: skip
    gains = [
        [row["reader"], interval(row, "single", "single_low", "single_high"),
         interval(row, "accuracy", "accuracy_low", "accuracy_high"),
         interval(row, "gain", "gain_low", "gain_high"), p_value(row["p_holm"]), share(row["greedy"]),
         interval(row, "greedy_gain", "greedy_gain_low", "greedy_gain_high"), p_value(row["greedy_p_holm"]),
         share(row["aurc"]), row["finding"]]
        for row in rows
    ]  # fmt: skip
    gain_header = ["labeler", "single vote", "unanimous", "gain over a single vote", "p (Holm)"]
    gain_header += ["most probable label", "gain over that", "p (Holm)", "AURC", "does unanimity raise accuracy?"]
    parts = [
        "## What unanimity is worth",
        "Computed from the recorded label distributions under each reader's own sampling: the exact law of its three "
        "votes. The three votes that were drawn are one outcome of that law; the accuracies are expectations over it.",
        table(["labeler", "n", "P(unanimous)", "drawn unanimous", "P(majority)", "P(three-way tie)", "unknown"], law),
        table(gain_header, gains),
        "A single vote is a draw, and three draws agree mostly where the distribution is least flat, which explains "
        "part of the gain over a single vote. The gain over the reader's most probable label is what waiting for "
        "agreement adds to simply taking its best answer. AURC is the mean error over all coverages; lower is better.",
    ]
    if not tables["risk_coverage"].is_empty():
        parts.append(f"![Accuracy of what is kept, by coverage]({RISK_PLOT})")
    if not tables["vote_curves"].is_empty():
        parts.append(f"![Unanimous coverage and accuracy over temperature, top_p and min_p]({CURVES_PLOT})")
    return "\n\n".join(parts)


def diversity_section(tables: Tables) -> str:
    """How often votes differ, and how much of that the temperature decides."""
    rows = tables["diversity"].rows(named=True)
    body = [
        [row["reader"], row["diversity"], f"{row['temperature']:g}", _truncation(row), share(row["votes_differ"]),
         share(row["p_differ"]), share(row["prompts_differ"]),
         *(share(row[f"unanimous_at_{temperature}"]) for temperature in ("0.2", "0.5", "1"))]
        for row in rows
    ]  # fmt: skip
    header = ["labeler", "diversity", "temperature", "truncation", "votes differ", "P(votes differ)", "prompts differ"]
    header += ["P(3 agree) at 0.2", "at 0.5", "at 1"]
    return "\n\n".join(
        [
            "### How much the three votes can differ",
            table(header, body),
            "The last three columns use the *same* distributions at other temperatures: unanimity at a low temperature "
            "mostly measures the temperature. With a label distribution of .6 / .3 / .1, three votes are unanimous "
            "with probability .24 at temperature 1 and .91 at 0.2. Compare coverage and unanimity only between readers "
            "at the same temperature and truncation. *Prompts differ*: how often the most probable labels of the three "
            "prompts differ, which no temperature explains; 0 for `resample`, whose three prompts are the same.",
        ]
    )


def _truncation(row: Mapping[str, Any]) -> str:
    return f"top_k {row['top_k']}, top_p {row['top_p']:g}, min_p {row['min_p']:g}"


def consensus_section(tables: Tables, *, has_excluded: bool) -> str:
    """What each rule keeps, how much of each label is kept, and why questions are excluded."""
    rules = [
        [row["reader"], f"`{row['rule']}`", f"{row['kept']} of {row['n']}", share(row["coverage"]), _kept(row)]
        for row in tables["consensus"].iter_rows(named=True)
    ]
    lost = [
        [row["reader"], code(row["label"]), str(row["n"]), str(row["kept"]), share(row["share"])]
        for row in tables["attrition"].iter_rows(named=True)
    ]
    counted = tables["gold"].group_by("reader", "reason").len()
    reasons = counted.sort("reader", "len", "reason", descending=[False, True, False]).iter_rows()
    parts = [
        "## What the filter keeps",
        table(["labeler", "rule", "kept", "coverage", "accuracy of what is kept"], rules),
        "### How much of each label is kept",
        table(["labeler", "label", "n", "kept", "share"], lost),
        "### Why questions are in or out",
        table(["labeler", "reason", "n"], [[reader, reason, str(n)] for reader, reason, n in reasons]),
    ]
    if has_excluded:
        parts.append(f"Every excluded question with its votes and reason: [{EXCLUDED_FILE}]({EXCLUDED_FILE}).")
    return "\n\n".join(parts)


def _kept(row: Mapping[str, Any]) -> str:
    if row["rule"] == "unanimous_and_correct":
        return "1 by construction"
    return interval(row, "accuracy", "accuracy_low", "accuracy_high")


def calibration_section(tables: Tables) -> str:
    """Raw and calibrated accuracy side by side, and the bias that was divided out."""
    header = ["labeler", "method", "tune questions", "n", "raw", "calibrated", "calibrated minus raw", "p (Holm)"]
    header += ["mean recall of the labels, raw / calibrated", "P(unanimous)", "accuracy among unanimous"]
    body = [
        [row["reader"], row["note"], *[UNKNOWN] * (len(header) - 2)] if row["note"] else
        [row["reader"], row["method"], str(row["n_tune"]), str(row["n"] or 0),
         interval(row, "raw", "raw_low", "raw_high"), interval(row, "calibrated", "calibrated_low", "calibrated_high"),
         interval(row, "difference", "difference_low", "difference_high"), p_value(row["p_holm"]),
         *(f"{share(row[f'{what}_raw'])} / {share(row[f'{what}_calibrated'])}"
           for what in ("recall", "coverage", "unanimous"))]
        for row in tables["calibration"].iter_rows(named=True)
    ]  # fmt: skip
    parts = [
        "## Label bias",
        "Batch calibration divides a reader's distributions by its mean distribution over tune questions: *batch* "
        "takes the mean over questions with the label shares of the tune split, *balanced* over as many questions of "
        "each label. It is fitted on tune questions only, scored on the questions of this run, and shown next to the "
        "raw figures. Gold sets and all other tables are raw.",
        table(header, body),
    ]
    bias = [
        [row["reader"], row["method"], code(row["label"]),
         *(share(row[name]) for name in ("prior", "reference", "raw", "calibrated"))]
        for row in tables["label_bias"].iter_rows(named=True)
    ]  # fmt: skip
    if bias:
        bias_header = ["labeler", "method", "label", "prior on tune", "share of references", "share answered, raw"]
        parts.append(table([*bias_header, "calibrated"], bias))
    return "\n\n".join(parts)


def slice_section(tables: Tables) -> str:
    """Coverage and accuracy by group of questions."""
    body = [
        [row["slice"], row["value"], row["reader"], str(row["n"]), share(row["coverage"]),
         interval(row, "accuracy", "accuracy_low", "accuracy_high"),
         interval(row, "kept_accuracy", "kept_accuracy_low", "kept_accuracy_high")]
        for row in tables["slices"].with_row_index().sort(
            pl.col("slice").rank("dense"), pl.col("index").rank().over("reader"), "index"
        ).iter_rows(named=True)
    ]  # fmt: skip
    header = ["slice", "value", "labeler", "n", "coverage", "accuracy", "accuracy of what is kept"]
    return "\n\n".join(
        [
            "## By slice",
            "Each interval is for one slice on its own: among many slices, some look extreme by chance.",
            table(header, body),
        ]
    )


def annotator_section(tables: Tables) -> str:
    """The readers compared with the human annotators."""
    persons = [
        [row["reader"], row["annotator"], str(row["n"]), share(row["accuracy"]), share(row["annotator_accuracy"]),
         interval(row, "difference", "low", "high"), p_value(row["p_holm"]), share(row["kappa"])]
        for row in tables["annotators"].iter_rows(named=True)
    ]  # fmt: skip
    together = [
        [row["reader"], str(row["n"]), str(row["human_unanimous"]), str(row["kept"]), str(row["both"]),
         interval(row, "coverage_difference", "coverage_low", "coverage_high"), p_value(row["p_coverage_holm"]),
         share(row["kappa_kept"]),
         interval(row, "accuracy_where_human_agree", "agree_low", "agree_high"),
         interval(row, "accuracy_where_human_differ", "differ_low", "differ_high")]
        for row in tables["human_consensus"].iter_rows(named=True)
    ]  # fmt: skip
    first = tables["human_consensus"].row(0, named=True)
    person_header = [
        "labeler",
        "annotator",
        "n",
        "labeler accuracy",
        "annotator accuracy",
        "difference",
        "p (Holm)",
        "kappa",
    ]
    header = [
        "labeler",
        "n",
        "annotators agree",
        "labeler keeps",
        "both",
        "difference of coverage",
        "p (Holm)",
        "kappa",
    ]
    header += ["labeler accuracy where annotators agree", "where they differ"]
    return "\n\n".join(
        [
            "## Compared with the human annotators",
            "Paired on the same questions, with sign-flip tests by document (McNemar's where each question has a "
            "document of its own). If the reference was made from these annotators' labels, as PubMedQA's was, it "
            "favours them.",
            table(person_header, persons),
            f"What people agree on, and what the reader keeps. All annotators agree on {first['corpus_unanimous']} of "
            f"{first['corpus_n']} questions, including those of the tune split.",
            table(header, together),
        ]
    )


def generation_section(tables: Tables) -> str:
    """How generated outputs were read, and what strict parsing alone would have lost."""
    body = [
        [row["reader"], str(row["n"]), f"{row['mean_tokens']:.0f}",
         *(str(row[name]) for name in ("strict", "lenient", "repaired", "failed")),
         *(str(row[name]) for name in ("empty", "refused", "truncated", "off_label")),
         f"{row['right'] - row['right_strict']} of {row['right']}"]
        for row in tables["generation"].iter_rows(named=True)
    ]  # fmt: skip
    header = ["labeler", "votes", "tokens a vote", "strict", "lenient", "repaired", "failed"]
    header += ["empty", "refused", "truncated", "off-label", "right votes that strict parsing would lose"]
    return "\n\n".join(
        [
            "## Generated votes",
            "*Strict*: the last line is `Answer: LABEL`, letter for letter. *Lenient*: the same except for case, "
            "quotes, Markdown or a full stop. *Repaired*: it did not parse, and the model was allowed to finish with a "
            "label, once. The named problems are those of the output before any repair.",
            table(header, body),
        ]
    )
