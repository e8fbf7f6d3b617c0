"""The sections on a comparison of readers: pair by pair, on which questions, on several corpora, at what speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.advice.wording import DIGITS, is_nothing, listed
from results.advice.wording import count as counted
from results.readers.slices import SLICES
from results.report.model import Block, Cell, Definitions, Heading, Section, Sentences, Table
from results.report.sections.intervals import Tested, beside_intervals
from results.report.sections.source import Source
from results.report.values import as_code, estimate, make_table

NOTHING = "No two readers share a question with a reference label: nothing to compare."


def compared_section(source: Source, pairs: pl.DataFrame) -> Section:
    """Readers pair by pair, whether they fail together, and their scores on several sets of questions.

    Args:
        source: the run.
        pairs: frame of schema `PAIRS`, which may be empty.
    """
    if pairs.is_empty():
        return Section("compared", "Readers compared", (Sentences((NOTHING,)),))
    notes = beside_intervals(source, pairs, Tested("pair", "pairs"))
    blocks: list[Block] = [*_pairs(pairs, notes), Heading("Do they fail together?"), *_failures(pairs)]
    if source.has("own_gold"):
        blocks += [Heading("On which questions"), *_scores(source)]
    if source.has("best_on_slice"):
        blocks += [Heading("Which reader is best on which group of questions"), *_best(source)]
    return Section("compared", "Readers compared", tuple(blocks))


def _pairs(pairs: pl.DataFrame, notes: tuple[str, ...]) -> list[Block]:
    text = (
        "The most probable labels on the same questions, with an exact sign-flip test by document (McNemar's where "
        "each question has a document of its own) and Holm's correction over the pairs."
    )
    terms = Definitions(
        (
            ("detectable", "the smallest true difference that so many questions would have shown with 80 % power"),
            ("Cohen's g", "the share of discordant questions that a gets right, minus one half"),
        )
    )
    table = make_table(
        "Readers pair by pair",
        {"a": "text", "b": "text", "questions": "whole", "accuracy of a": "share", "accuracy of b": "share",
         "a minus b": "interval", "only a right": "whole", "only b right": "whole", "Cohen's g": "share",
         "p (Holm)": "p", "detectable": "share", "kappa": "share", "finding": "text"},
        [
            (row["a"], row["b"], row["n"], row["accuracy_a"], row["accuracy_b"],
             estimate(row, "difference", "low", "high"), row["only_a"], row["only_b"], row["cohens_g"], row["p_holm"],
             row["detectable"], row["kappa"], row["finding"])
            for row in pairs.iter_rows(named=True)
        ],
        "pairs.parquet",
        is_open=True,
    )  # fmt: skip
    return [Sentences((text, *notes)), table, terms]


def _failures(pairs: pl.DataFrame) -> list[Block]:
    text = (
        "Expected is what independent errors would give among questions with the same reference label. The permutation "
        "tests are one-sided, with Holm's correction over the pairs."
    )
    table = make_table(
        "Whether readers fail together",
        {"a": "text", "b": "text", "both wrong": "whole", "expected": "tenth", "p of both wrong": "p",
         "of these the same label": "share", "of these expected": "share", "p of the same label": "p"},
        [
            (row["a"], row["b"], row["both_wrong"], row["both_wrong_expected"], row["p_both_wrong"],
             row["same_wrong_label"], row["same_wrong_expected"], row["p_same_wrong"])
            for row in pairs.iter_rows(named=True)
        ],
        "pairs.parquet",
    )  # fmt: skip
    return [Sentences((text,)), table]


def _scores(source: Source) -> list[Block]:
    own = make_table(
        "Scores on each set of questions",
        {"reader": "text", "set": "text", "questions": "whole", "accuracy": "interval", "precision": "share",
         "recall": "share", "F1": "share"},
        [
            (row["reader"], row["questions"], row["n"], estimate(row, "accuracy"),
             *(row[name] for name in ("macro_precision", "macro_recall", "macro_f1")))
            for row in source.tables["own_gold"].iter_rows(named=True)
        ],
        "own_gold.parquet",
    )  # fmt: skip
    text = (
        "Scored against the reference labels: on all questions, on the reader's own gold set, and on the questions in "
        "every reader's gold set."
    )
    return [
        Sentences((text,)),
        own,
        *([_classes(source.tables["label_classes"])] if source.has("label_classes") else []),
    ]


def _classes(classes: pl.DataFrame) -> Table:
    return make_table(
        "Scores of each label",
        {"reader": "text", "label": "text", "questions": "count", "answered": "count", "precision": "share",
         "recall": "share", "F1": "share"},
        [
            (row["reader"], as_code(row["label"]), row["n"], row["n_answered"],
             *(row[name] for name in ("precision", "recall", "f1")))
            for row in classes.iter_rows(named=True)
        ],
        "label_classes.parquet",
    )  # fmt: skip


def _best(source: Source) -> list[Block]:
    text = "The leader must beat every other reader there, with Holm's correction over all groups and pairs."
    table = make_table(
        "Which reader is best on which group of questions",
        {"group": "text", "value": "text", "questions": "whole", "leads": "text", "accuracy of the leader": "share",
         "second": "text", "accuracy of the second": "share", "p (Holm)": "p", "finding": "text"},
        [
            (row["slice"], row["value"], row["n"], *_lead(source, row))
            for row in source.tables["best_on_slice"].iter_rows(named=True)
        ],
        "best_on_slice.parquet",
        most=60,
    )  # fmt: skip
    return [Sentences((text,)), table]


def _lead(source: Source, row: Mapping[str, Any]) -> tuple[Cell, ...]:
    """Who leads on a group of questions, and who is second; all of them where they are equal, none if none is right."""
    if is_nothing(row["accuracy"]):
        return (None, row["accuracy"], None, None, row["p_holm"], "no reader is right")
    if not is_nothing(row["accuracy"] - row["second_accuracy"]):
        return tuple(row[name] for name in ("best", "accuracy", "second", "second_accuracy", "p_holm", "finding"))
    return (listed(_equal(source, row)), row["accuracy"], None, None, row["p_holm"], "equal")


def _equal(source: Source, row: Mapping[str, Any]) -> list[str]:
    """The readers that are equal; the table itself names only two of them."""
    slices = source.tables.get("slices", pl.DataFrame(schema=SLICES))
    mine = slices.filter(pl.col("slice") == row["slice"], pl.col("value") == row["value"])
    is_same = (mine["n"] == row["n"]).all() and {row["best"], row["second"]} <= set(mine["reader"])
    equal = mine.filter((pl.col("accuracy") - row["accuracy"]).round(DIGITS) == 0)["reader"].to_list()
    return equal if is_same and len(equal) > 1 else [row["best"], row["second"]]


def corpora_section(source: Source) -> Section:
    """The same readers on several corpora."""
    text = (
        "Corpora differ in their shares of labels. So bare accuracies are not compared, but how much more often a "
        "reader is right than its own answers would be if shuffled."
    )
    rows = make_table(
        "Each reader on each corpus",
        {"reader": "text", "corpus": "text", "questions": "whole", "accuracy": "interval", "majority share": "share",
         "above chance": "interval", "standing": "text"},
        [
            (row["reader"], row["corpus"], row["n"], estimate(row, "accuracy"), row["majority_share"],
             estimate(row, "above_chance", "above_low", "above_high"), row["standing"])
            for row in source.tables["corpora"].iter_rows(named=True)
        ],
        "corpora.parquet",
    )  # fmt: skip
    blocks: list[Block] = [Sentences((text,)), rows]
    if source.has("shifts"):
        notes = beside_intervals(source, source.tables["shifts"], Tested("change", "changes"))
        blocks += [_shifts(source.tables["shifts"]), *([Sentences(notes)] if notes else [])]
    return Section("corpora", "On several corpora", tuple(blocks))


def _shifts(shifts: pl.DataFrame) -> Table:
    return make_table(
        "From one corpus to the other",
        {"reader": "text", "from": "text", "to": "text", "change": "interval", "p (Holm)": "p", "finding": "text"},
        [
            (row["reader"], row["from"], row["to"], estimate(row, "difference", "low", "high"), row["p_holm"],
             row["finding"])
            for row in shifts.iter_rows(named=True)
        ],
        "shifts.parquet",
    )  # fmt: skip


def speed_section(session: Mapping[str, Any]) -> Section:
    """What a probe of each reader took, measured side by side in one session."""
    text = (
        f"Three votes per question, one reader after another on the same questions, {session['started']}, "
        f"{counted(session['machine']['cpus'], 'CPU')}, after one question to warm up. Memory is what loading and "
        "asking added to the process. Money is the time at the machine's hourly price in the price table."
    )
    table = make_table(
        "Speed and cost",
        {"reader": "text", "questions timed": "whole", "seconds": "tenth", "tokens a second": "whole",
         "seconds for 1,000 questions": "whole", "memory": "text", "money for 1,000 questions": "text"},
        [
            (one["reader"], one["questions"], one["seconds"], one["tokens_per_second"], one["seconds_per_1000"],
             f"{one['memory'] / 1e6:.0f} MB", _money(one["usd_per_1000"]))
            for one in session["speeds"]
        ],
        "manifest.json",
    )  # fmt: skip
    return Section("speed", "Speed and cost", (Sentences((text,)), table))


def _money(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} USD"


def remote_section(source: Source) -> Section:
    """What was asked of other machines, and what it cost."""
    terms = Definitions(
        (
            (
                "served",
                "model and build, in the provider's words; more than one means that one reader's votes come from "
                "different builds. A provider's seed is best effort: the same request may get a different answer "
                "another day",
            ),
            (
                "with distribution",
                "the server said how probable each label was, so the exact law of the votes is known; without it "
                "there are only the three votes themselves",
            ),
            ("cost", "the tokens that the answers report, at the prices of the price table"),
        )
    )
    table = make_table(
        "Remote readers on whole documents",
        {"reader": "text", "provider": "text", "served": "text", "votes": "whole", "failed": "whole",
         "with distribution": "whole", "tokens sent": "whole", "tokens written": "whole", "cost call by call": "text",
         "cost in batches": "text", "prices of": "text"},
        [
            (row["reader"], row["provider"], ", ".join(row["served"]) or None, row["votes"], row["failed"],
             row["with_distribution"], row["tokens_sent"], row["tokens_written"],
             _cost(row["usd_direct"], row["questions"]), _cost(row["usd_batch"], row["questions"]),
             None if row["price_as_of"] is None else str(row["price_as_of"]))
            for row in source.tables["remote"].iter_rows(named=True)
        ],
        "remote.parquet",
    )  # fmt: skip
    return Section("remote", "Remote readers on whole documents", (table, terms))


def _cost(usd: float | None, questions: int) -> str | None:
    if usd is None:
        return None
    return f"{usd:.4f} USD; {usd * 1000 / questions if questions else 0:.2f} USD for 1,000 questions"


def agreement_table(agreement: pl.DataFrame) -> Table:
    """The table of `compare_runs`."""
    return make_table(
        "Labels that differ between two runs",
        {"table": "text", "reader": "text", "in both": "whole", "in one only": "whole", "labels differ": "whole",
         "largest margin of those": "share", "largest change of a probability": "share"},
        [
            (row["table"], row["reader"], row["n"], row["only_in_one"], row["differ"], row["largest_margin"],
             row["largest_change"])
            for row in agreement.iter_rows(named=True)
        ],
        "",
    )  # fmt: skip
