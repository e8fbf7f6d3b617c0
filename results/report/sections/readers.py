"""The sections on readers: whether one can be trusted, what its gold set keeps, its bias, and groups of questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.advice.cards.readers import CORRECT
from results.advice.wording import count as counted
from results.advice.wording import listed
from results.report.model import Block, Definitions, Heading, Link, Note, Section, Sentences, Strong, Table, Words
from results.report.sections.source import Source, held_against
from results.report.values import as_code, estimate, make_table, share

EXCLUDED_FILE = "excluded.md"
MOST_SLICES = 60  # rows in the Markdown report
RULES_NOTE = (
    "Of labels on which three drawn votes agree, unanimous keeps those that are also the most probable ones, and "
    "unanimous_and_correct those that match the reference; so neither set is part of the other."
)


def reader_section(source: Source) -> Section:
    """Accuracy on whole documents, against always giving the majority label and against chance."""
    rows = source.tables["labelers"].rows(named=True)
    failing = [row for row in rows if row["qualified"] is False]
    notes = [Note(_not_qualified(failing))] if failing else []
    choices = source.manifest["corpus"].get("choices")
    said = f"{choices} What a reader is held against is {held_against(rows)}." if choices else ""
    blocks: list[Block] = [*notes, *([Sentences((said,))] if said else []), _labelers(rows), READER_TERMS]
    if source.has("diversity"):
        blocks += [Heading("How much the three votes can differ"), *_diversity(source)]
    return Section("readers", "Can the reader be trusted?", tuple(blocks))


READER_TERMS = Definitions(
    (
        (
            "accuracy",
            "that of the most probable label on whole documents, with a Wilson interval that is wider where documents "
            "hold several questions",
        ),
        ("p against majority", "whether it is more accurate than always giving the majority label: exact and paired"),
        ("p against chance", "whether it is right more often than its own answers would be if shuffled: permutation"),
        ("outside labels", "the probability that it gives to anything but the labels"),
        ("fragile", "the share of votes so close to a tie that another build could change them"),
    )
)


def _labelers(rows: list[dict[str, Any]]) -> Table:
    return make_table(
        "Readers on whole documents",
        {"reader": "text", "questions": "whole", "accuracy": "interval", "majority label": "text",
         "share of that label": "share", "p against majority": "p", "right by chance": "share",
         "p against chance": "p", "standing": "text", "single vote": "share", "outside labels": "share",
         "fragile": "share", "failed": "whole"},
        [
            (row["reader"], row["n"], estimate(row, "accuracy"), as_code(row["majority_label"]),
             row["majority_share"], row["p_vs_majority_holm"], row["chance"], row["p_vs_chance_holm"],
             row["standing"], row["vote_accuracy"], row["outside_mass"], row["fragile"], row["n_failed"])
            for row in rows
        ],
        "labelers.parquet",
        is_open=True,
    )  # fmt: skip


def _not_qualified(rows: list[dict[str, Any]]) -> Words:
    """One warning for all readers that are not shown to beat always giving the majority label."""
    each = listed(
        [f"{row['reader']} ({share(row['accuracy'])} against {share(row['majority_share'])})" for row in rows]
    )
    is_one = len(rows) == 1
    whose = "Its gold set and its scores are" if is_one else "Their gold sets and their scores are"
    at_chance = "".join(_at_chance(row) for row in rows if row["standing"] == "at chance")
    return (
        Strong("Not qualified:"),
        f" {each} {'is' if is_one else 'are'} not shown to be right more often than {held_against(rows)}. "
        f"{whose} weak evidence.{at_chance}",
    )


def _at_chance(row: Mapping[str, Any]) -> str:
    bound = row["above_chance_high"]
    worse = "worse" if bound < 0 else f"not shown to be better, and better by {share(bound)} at most"
    return (
        f" {row['reader']} is at chance: if shuffled, its answers would be right on {share(row['chance'])}; as they "
        f"are, they are {worse}."
    )


def _diversity(source: Source) -> list[Block]:
    rows = [
        (row["reader"], row["diversity"], f"{row['temperature']:g}", _truncation(row), row["votes_differ"],
         row["p_differ"], row["prompts_differ"],
         *(row[f"unanimous_at_{temperature}"] for temperature in ("0.2", "0.5", "1")))
        for row in source.tables["diversity"].iter_rows(named=True)
    ]  # fmt: skip
    table = make_table(
        "How much the three votes can differ",
        {"reader": "text", "diversity": "text", "temperature": "text", "truncation": "text", "votes differ": "share",
         "P(votes differ)": "share", "prompts differ": "share", "P(3 agree) at 0.2": "share",
         "P(3 agree) at 0.5": "share", "P(3 agree) at 1": "share"},
        rows,
        "diversity.parquet",
    )  # fmt: skip
    text = (
        "The last three columns use the same distributions at other temperatures: unanimity at a low temperature "
        "mostly measures the temperature. With a label distribution of .6 / .3 / .1, three votes are unanimous with "
        "probability .24 at temperature 1 and .91 at 0.2. Compare unanimity only between readers at the same "
        "temperature and truncation."
    )
    differ = (
        "how often the most probable labels of the three prompts differ, which no temperature explains; 0 for "
        "resample, whose three prompts are the same"
    )
    return [table, Sentences((text,)), Definitions((("prompts differ", differ),))]


def _truncation(row: Mapping[str, Any]) -> str:
    return f"top_k {row['top_k']}, top_p {row['top_p']:g}, min_p {row['min_p']:g}"


def gold_sentences(source: Source) -> tuple[str, ...]:
    """The gold set of each reader in one sentence: questions, what the draw keeps, what the weights are worth."""
    if not source.has("gold"):
        return ()
    golds = source.tables["gold"].group_by("reader", maintain_order=True)
    return tuple(_gold_sentence(source, str(reader), gold) for (reader,), gold in golds)


def _gold_sentence(source: Source, reader: str, gold: pl.DataFrame) -> str:
    kept = gold.filter("kept")
    is_one = len(kept) == 1
    text = f"{reader}: its drawn votes keep {len(kept)} of {counted(len(gold), 'question')}{_worth(source, reader)}."
    labels = kept["label"].unique().to_list()
    if len(labels) == 1:
        every = "It has" if is_one else "All of them have"
        text += f" {every} the label {labels[0]}, so always answering {labels[0]} would be right on every one."
    return text


def _worth(source: Source, reader: str) -> str:
    """How the scores weigh the questions, where they are expectations."""
    cells = source.tables.get("cells")
    of_reader = None if cells is None or "scores" not in cells.columns else cells.filter(pl.col("reader") == reader)
    if of_reader is None or of_reader.is_empty() or of_reader["scores"][0] != "expected":
        return ""
    worth = of_reader["gold_n"][0]
    ladder = source.tables.get("ladder", pl.DataFrame())
    expected = ladder.filter(pl.col("reader") == reader, pl.col("questions") == "gold") if len(ladder) else ladder
    on_average = f", {expected['n'][0]:.1f} on average over all draws" if len(expected) else ""
    weights = "scores count each question with the probability that it is kept, and these weights are worth"
    return f"{on_average}; {weights} {counted(worth, 'equally weighted question')}"


def gold_section(source: Source) -> Section:
    """What each rule keeps, how much of each label is kept, and why questions are excluded."""
    blocks: list[Block] = [Sentences(gold_sentences(source), is_list=True)]
    tables = source.tables
    if source.has("consensus"):
        blocks += [Sentences((RULES_NOTE,)), _rules(tables["consensus"])]
    if source.has("attrition"):
        blocks.append(_attrition(tables["attrition"]))
    counts = tables["gold"].group_by("reader", "reason").len()
    reasons = counts.sort("reader", "len", "reason", descending=[False, True, False]).rows()
    columns = {"reader": "text", "reason": "text", "questions": "whole"}
    blocks.append(make_table("Why questions are in or out", columns, reasons, "gold.parquet"))  # type: ignore[arg-type]  # literals
    if not tables["gold"]["kept"].all():
        file = Link(EXCLUDED_FILE, EXCLUDED_FILE)
        blocks.append(Sentences((("Every excluded question, with its votes and the reason: ", file, "."),)))
    return Section("gold", "What the filter keeps", tuple(blocks))


def by_construction(keeps: bool, rule: str) -> str:
    """In place of the accuracy of what a rule keeps, where the rule keeps nothing but what is right; else empty."""
    return "1 by construction" if keeps and rule == CORRECT else ""


def _rules(consensus: pl.DataFrame) -> Table:
    return make_table(
        "What each consensus rule keeps",
        {"reader": "text", "rule": "text", "kept": "whole", "of": "whole", "coverage": "share",
         "accuracy of what is kept": "interval"},
        [
            (row["reader"], as_code(row["rule"]), row["kept"], row["n"], row["coverage"],
             by_construction(row["kept"] > 0, row["rule"]) or estimate(row, "accuracy"))
            for row in consensus.iter_rows(named=True)
        ],
        "consensus.parquet",
        is_open=True,
    )  # fmt: skip


def _attrition(attrition: pl.DataFrame) -> Table:
    return make_table(
        "How much of each label is kept",
        {"reader": "text", "label": "text", "questions": "whole", "kept": "whole", "share kept": "share"},
        [
            (row["reader"], as_code(row["label"]), row["n"], row["kept"], row["share"])
            for row in attrition.iter_rows(named=True)
        ],
        "attrition.parquet",
    )


def calibration_section(source: Source) -> Section:
    """Raw and calibrated accuracy side by side, and the bias that was divided out."""
    text = (
        "Batch calibration divides a reader's distributions by its mean distribution over tune questions. It is fitted "
        "on tune questions only, scored on the questions of this run, and shown next to the raw figures. Gold sets and "
        "all other tables are raw."
    )
    methods = Definitions(
        (
            ("batch", "the mean is over questions with the label shares of the tune split"),
            ("balanced", "the mean is over as many questions of each label"),
        )
    )
    blocks: list[Block] = [Sentences((text,)), methods, _calibration(source.tables["calibration"])]
    if source.has("label_bias"):
        blocks.append(_bias(source.tables["label_bias"]))
    return Section("calibration", "Label bias", tuple(blocks))


def _calibration(calibration: pl.DataFrame) -> Table:
    pairs = ("recall", "coverage", "unanimous")
    return make_table(
        "Raw and calibrated",
        {"reader": "text", "method": "text", "tune questions": "whole", "questions": "whole", "raw": "interval",
         "calibrated": "interval", "calibrated minus raw": "interval", "p (Holm)": "p", "mean recall, raw": "share",
         "mean recall, calibrated": "share", "P(unanimous), raw": "share", "P(unanimous), calibrated": "share",
         "accuracy among unanimous, raw": "share", "accuracy among unanimous, calibrated": "share"},
        [
            (row["reader"], row["note"], *[None] * 12) if row["note"] else
            (row["reader"], row["method"], row["n_tune"], row["n"] or 0, estimate(row, "raw"),
             estimate(row, "calibrated"), estimate(row, "difference"), row["p_holm"],
             *(row[f"{what}_{of}"] for what in pairs for of in ("raw", "calibrated")))
            for row in calibration.iter_rows(named=True)
        ],
        "calibration.parquet",
    )  # fmt: skip


def _bias(bias: pl.DataFrame) -> Table:
    return make_table(
        "How often each label is given",
        {"reader": "text", "method": "text", "label": "text", "prior on tune": "share",
         "share of references": "share", "share answered, raw": "share", "share answered, calibrated": "share"},
        [
            (row["reader"], row["method"], as_code(row["label"]),
             *(row[name] for name in ("prior", "reference", "raw", "calibrated")))
            for row in bias.iter_rows(named=True)
        ],
        "label_bias.parquet",
    )  # fmt: skip


def slice_section(source: Source) -> Section:
    """Coverage and accuracy by group of questions, value by value with every reader."""
    rule = source.manifest.get("config", {}).get("consensus", {}).get("rule", "")
    by_value = (pl.col("slice").rank("dense"), pl.col("index").rank().over("reader"), "index")
    table = make_table(
        "By group of questions",
        {"group": "text", "value": "text", "reader": "text", "questions": "whole", "coverage": "share",
         "accuracy": "interval", "accuracy of what is kept": "interval"},
        [
            (row["slice"], row["value"], row["reader"], row["n"], row["coverage"], estimate(row, "accuracy"),
             by_construction(row["kept_accuracy"] is not None, rule) or estimate(row, "kept_accuracy"))
            for row in source.tables["slices"].with_row_index().sort(by_value).iter_rows(named=True)
        ],
        "slices.parquet",
        most=MOST_SLICES,
    )  # fmt: skip
    text = "Each interval is for one group on its own: among many groups, some look extreme by chance."
    return Section("slices", "By group of questions", (Sentences((text,)), table))


def annotator_section(source: Source) -> Section:
    """The readers compared with the human annotators."""
    text = (
        "Paired on the same questions, with sign-flip tests by document (McNemar's where each question has a document "
        "of its own). If the reference was made from these annotators' labels, as PubMedQA's was, it favours them."
    )
    blocks: list[Block] = [Sentences((text,)), _persons(source.tables["annotators"])]
    if source.has("human_consensus"):
        together = source.tables["human_consensus"]
        agree, n = together.select("corpus_unanimous", "corpus_n").row(0)
        all_agree = f"All annotators agree on {agree} of {n} questions, including those of the tune split."
        blocks += [Sentences((all_agree,)), _people_together(together)]
    return Section("annotators", "Compared with the human annotators", tuple(blocks))


def _persons(annotators: pl.DataFrame) -> Table:
    return make_table(
        "Readers and annotators on the same questions",
        {"reader": "text", "annotator": "text", "questions": "whole", "reader's accuracy": "share",
         "annotator's accuracy": "share", "difference": "interval", "p (Holm)": "p", "kappa": "share"},
        [
            (row["reader"], row["annotator"], row["n"], row["accuracy"], row["annotator_accuracy"],
             estimate(row, "difference", "low", "high"), row["p_holm"], row["kappa"])
            for row in annotators.iter_rows(named=True)
        ],
        "annotators.parquet",
    )  # fmt: skip


def _people_together(together: pl.DataFrame) -> Table:
    return make_table(
        "What people agree on, and what the reader keeps",
        {"reader": "text", "questions": "whole", "annotators agree": "whole", "reader keeps": "whole",
         "both": "whole", "difference of coverage": "interval", "p (Holm)": "p", "kappa": "share",
         "accuracy where annotators agree": "interval", "accuracy where they differ": "interval"},
        [
            (row["reader"], row["n"], row["human_unanimous"], row["kept"], row["both"],
             estimate(row, "coverage_difference", "coverage_low", "coverage_high"), row["p_coverage_holm"],
             row["kappa_kept"], estimate(row, "accuracy_where_human_agree", "agree_low", "agree_high"),
             estimate(row, "accuracy_where_human_differ", "differ_low", "differ_high"))
            for row in together.iter_rows(named=True)
        ],
        "human_consensus.parquet",
    )  # fmt: skip


def generation_section(source: Source) -> Section:
    """How generated outputs were read, and what strict parsing alone would have lost."""
    terms = Definitions(
        (
            ("strict", "the last line is Answer: LABEL, letter for letter"),
            ("lenient", "the same except for case, quotes, Markdown or a full stop"),
            ("repaired", "it did not parse, and the model was allowed to finish with a label, once"),
            ("empty, refused, truncated, off-label", "the problems of the output before any repair"),
        )
    )
    table = make_table(
        "How generated votes were read",
        {"reader": "text", "votes": "whole", "tokens a vote": "whole", "strict": "whole", "lenient": "whole",
         "repaired": "whole", "failed": "whole", "empty": "whole", "refused": "whole", "truncated": "whole",
         "off-label": "whole", "right votes": "whole", "of these lost by strict parsing": "whole"},
        [
            (row["reader"], row["n"], row["mean_tokens"],
             *(row[name] for name in ("strict", "lenient", "repaired", "failed")),
             *(row[name] for name in ("empty", "refused", "truncated", "off_label")),
             row["right"], row["right"] - row["right_strict"])
            for row in source.tables["generation"].iter_rows(named=True)
        ],
        "generation.parquet",
    )  # fmt: skip
    return Section("generation", "Generated votes", (terms, table))
