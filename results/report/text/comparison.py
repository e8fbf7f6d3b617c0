"""The report's sections on a comparison of readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.text.literal import literal_frame
from results.report.text.markdown import UNKNOWN, Tables, code, count, interval, p_value, share, table


def render_agreement(agreement: pl.DataFrame) -> str:
    """The table of `compare_runs`."""
    header = ["table", "reader", "in both", "in one only", "labels differ", "largest margin of those"]
    header += ["largest change of a probability"]
    body = [
        [row["table"], row["reader"], str(row["n"]), str(row["only_in_one"]), str(row["differ"]),
         share(row["largest_margin"]), share(row["largest_change"])]
        for row in literal_frame(agreement).iter_rows(named=True)
    ]  # fmt: skip
    return table(header, body)


def pair_section(tables: Tables) -> str:
    """Readers pair by pair, and whether they fail together."""
    rows = tables["pairs"].rows(named=True)
    if not rows:
        return "## Readers compared\n\nNo two readers share a question with a reference label: nothing to compare."
    header = ["a", "b", "n", "accuracy a", "accuracy b", "difference", "only a / b right", "Cohen's g", "p (Holm)"]
    header += ["detectable", "kappa", "finding"]
    body = [
        [row["a"], row["b"], str(row["n"]), share(row["accuracy_a"]), share(row["accuracy_b"]),
         interval(row, "difference", "low", "high"), f"{row['only_a']} / {row['only_b']}", share(row["cohens_g"]),
         p_value(row["p_holm"]), share(row["detectable"]), share(row["kappa"]), row["finding"]]
        for row in rows
    ]  # fmt: skip
    failures = [
        [row["a"], row["b"], f"{row['both_wrong']} ({row['both_wrong_expected']:.1f})", p_value(row["p_both_wrong"]),
         f"{share(row['same_wrong_label'])} ({share(row['same_wrong_expected'])})", p_value(row["p_same_wrong"])]
        for row in rows
    ]  # fmt: skip
    return "\n\n".join(
        [
            "## Readers compared",
            "The most probable labels on the same questions, with an exact sign-flip test by document (McNemar's where "
            "each question has a document of its own) and Holm's correction over the pairs. *Detectable*: the smallest "
            "true difference that this n would have shown with 80 % power. *Cohen's g*: the share of discordant "
            "questions that *a* gets right, minus one half.",
            table(header, body),
            "### Do they fail together?",
            "Brackets hold what independent errors would give among questions with the same reference label. The "
            "permutation tests are one-sided, with Holm's correction over the pairs.",
            table(["a", "b", "both wrong", "p", "of these the same label", "p"], failures),
        ]
    )


def score_section(tables: Tables) -> str:
    """Scores on all questions, on the own gold set, on the intersection; and by label."""
    own = [
        [row["reader"], row["questions"], str(row["n"]), interval(row, "accuracy", "accuracy_low", "accuracy_high"),
         *(share(row[name]) for name in ("macro_precision", "macro_recall", "macro_f1"))]
        for row in tables["own_gold"].iter_rows(named=True)
    ]  # fmt: skip
    classes = [
        [row["reader"], code(row["label"]), count(row["n"]), count(row["n_answered"]),
         *(share(row[name]) for name in ("precision", "recall", "f1"))]
        for row in tables["label_classes"].iter_rows(named=True)
    ]  # fmt: skip
    return "\n\n".join(
        [
            "### On which questions",
            "Scored against the reference labels: on all questions, on the reader's own gold set, and on the questions "
            "in every reader's gold set.",
            table(["labeler", "questions", "n", "accuracy", "precision", "recall", "F1"], own),
            table(["labeler", "label", "n", "answered", "precision", "recall", "F1"], classes),
        ]
    )


def best_section(tables: Tables) -> str:
    """Which reader is the best on which slice."""
    body = [
        [row["slice"], row["value"], str(row["n"]), f"{row['best']} {row['accuracy']:.3f}",
         f"{row['second']} {row['second_accuracy']:.3f}", p_value(row["p_holm"]), row["finding"]]
        for row in tables["best_on_slice"].iter_rows(named=True)
    ]  # fmt: skip
    return "\n\n".join(
        [
            "### Which reader is best on which slice",
            "The leader must beat every other reader there, with Holm's correction over all slices and pairs.",
            table(["slice", "value", "n", "leads", "second", "p (Holm)", "finding"], body),
        ]
    )


def corpora_section(tables: Tables) -> str:
    """The same readers on several corpora."""
    rows = [
        [row["reader"], row["corpus"], str(row["n"]), interval(row, "accuracy", "accuracy_low", "accuracy_high"),
         share(row["majority_share"]), interval(row, "above_chance", "above_low", "above_high"), row["standing"]]
        for row in tables["corpora"].iter_rows(named=True)
    ]  # fmt: skip
    shifts = [
        [row["reader"], f"{row['from']} to {row['to']}", interval(row, "difference", "low", "high"),
         p_value(row["p_holm"]), row["finding"]]
        for row in tables["shifts"].iter_rows(named=True)
    ]  # fmt: skip
    return "\n\n".join(
        [
            "## On several corpora",
            "Corpora differ in their shares of labels. So bare accuracies are not compared, but how much more often a "
            "reader is right than its own answers would be if shuffled.",
            table(["labeler", "corpus", "n", "accuracy", "majority share", "above chance", "standing"], rows),
            table(["labeler", "from one to the other", "change", "p (Holm)", "finding"], shifts),
        ]
    )


def speed_section(session: Mapping[str, Any]) -> str:
    """What a probe of each reader took, measured side by side in one session."""
    body = [
        [one["reader"], str(one["questions"]), f"{one['seconds']:.1f}", _number(one["tokens_per_second"]),
         _number(one["seconds_per_1000"]), f"{one['memory'] / 1e6:.0f} MB", _money(one["usd_per_1000"])]
        for one in session["speeds"]
    ]  # fmt: skip
    header = ["labeler", "questions timed", "seconds", "tokens/s", "seconds for 1,000 questions", "memory"]
    header.append("money for 1,000 questions")
    return "\n\n".join(
        [
            "## Speed and cost",
            f"Three votes per question, one reader after another on the same questions, {session['started']}, "
            f"{session['machine']['cpus']} CPUs, after one question to warm up. Memory is what loading and asking "
            "added to the process. Money is the time at the machine's hourly price in the price table.",
            table(header, body),
        ]
    )


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f}"


def _money(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f} USD"
