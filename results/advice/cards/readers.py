"""Can the reader be trusted? Which reader is best, whether it beats a constant answer, what its gold set keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.advice.cards.run import Run
from results.advice.wording import (
    MOST_PARTS,
    NO_FIGURES,
    constant_answer,
    count,
    is_nothing,
    listed,
    percent,
    points,
    right,
)
from results.comparing.comparison import better_of

CORRECT = "unanimous_and_correct"  # all that it keeps matches the reference, so no figure of that says anything
KEPT: Mapping[str, str] = {
    "unanimous": ", those on which its three votes agree",
    CORRECT: ", those on which its three votes agree and match the reference",
    "reviewed": ", those on which its three votes agree with what people say",
    "majority": ", those on which most of its votes agree",
    "confident": ", those on which three votes would agree often enough",
    "min_probability": ", those that it answers with enough probability",
}  # by consensus rule
_Against = tuple[dict[str, Any], dict[str, Any] | None]  # a reader, and how it compares with the best one


def answer_trust(run: Run) -> str:
    """The sentences of the card, the best reader first."""
    if not run.readers:
        return "No reader was asked, so only retrieval is judged."
    best, *others = run.readers
    line = _trust(best)
    qualified = [row["reader"] for row in others if row["qualified"]]
    failing = [_against(row, best) for row in others if row["qualified"] is False]
    more = [f"So can {listed(qualified)}."] if qualified else []
    if failing:
        n_more = len(failing) - MOST_PARTS
        named = listed([*failing[:MOST_PARTS], *([f"{n_more} more"] if n_more > 0 else [])])
        so = f", so do not trust {'its' if len(failing) == 1 else 'their'} labels" if best["qualified"] else ""
        more.append(f"{'It is not shown' if best['qualified'] else 'Nor is it shown'} for {named}{so}.")
    return " ".join([line, *more])


def _against(row: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """A reader that is not shown to be better than a constant answer, with both accuracies."""
    same = row["majority_label"] == best["majority_label"]
    always = "" if same else f" for {constant_answer(row['majority_label'])}"
    against = f"{percent(row['accuracy'])} against {percent(row['majority_share'])}{always}"
    return f"{row['reader']} ({against}, n = {row['n']:,})"


def _trust(row: Mapping[str, Any]) -> str:
    if row["qualified"] is None or row["accuracy"] is None:
        return f"Unknown: the questions of {row['reader']} have no reference labels to check it against."
    gets = f"{row['reader']} gets {right(row, 'accuracy')} from whole documents"
    always = constant_answer(row["majority_label"])
    share = percent(row["majority_share"])
    n = f"n = {row['n']:,}"
    if row["qualified"]:
        return f"Yes: {gets}, against {share} for {always} ({n})."
    if row["standing"] == "at chance":
        though = "; that is not shown to be better than chance"
        return f"No, so do not trust its labels: {gets}, against {share} for {always} ({n}){though}."
    though = "; it is only shown to be better than chance" if row["standing"] == "better than chance only" else ""
    return f"Not shown, so do not trust its labels: {gets}, against {share} for {always} ({n}){though}."


def answer_best_reader(run: Run) -> str:
    """Which reader to use, from a comparison."""
    pairs = run.tables["pairs"]
    if pairs.is_empty():
        return "Nothing can be told: no two readers share a question with a reference label."
    known = [row for row in run.readers if row["accuracy"] is not None]
    ranked = sorted(known, key=lambda row: -row["accuracy"])
    best = ranked[0]["reader"]
    beaten: list[_Against] = []
    rivals: list[_Against] = []
    for row in ranked[1:]:
        is_pair = pl.col("a").is_in([best, row["reader"]]) & pl.col("b").is_in([best, row["reader"]])
        pair = pairs.filter(is_pair)
        won = not pair.is_empty() and better_of(pair.row(0, named=True), run.alpha) == best
        (beaten if won else rivals).append((row, None if pair.is_empty() else pair.row(0, named=True)))
    accuracy = f"{right(ranked[0], 'accuracy')} from whole documents"
    if not rivals:
        than = f"{ranked[1]['reader']} ({percent(ranked[1]['accuracy'])})"
        others = f"than {than}" if len(ranked) == 2 else f"than the {len(beaten)} others; next is {than}"
        return f"{best}: {accuracy}, better {others}."
    equal = [best, *(row["reader"] for row, _ in rivals if is_nothing(row["accuracy"] - ranked[0]["accuracy"]))]
    names = listed([row["reader"] for row, _ in rivals if row["reader"] not in equal])
    missed = max((pair["detectable"] for _, pair in rivals if pair and pair["detectable"] is not None), default=None)
    blind = f"; a true difference under {points(round(missed, 2))} would probably be missed" if missed else ""
    if is_nothing(ranked[0]["accuracy"]):
        return "Nothing can be told: no reader gets any question right from whole documents."
    if len(equal) == 1:
        return f"No winner yet. {best} leads, {accuracy}, but is not shown to be better than {names}{blind}."
    neither = "neither" if len(equal) == 2 else "none of them"
    than = f"; {neither} is shown to be better than {names}" if names else ""
    return f"No winner yet. {listed(equal)} are equal, {accuracy}{than}{blind}."


def answer_gold(run: Run) -> str:
    """How many questions the gold sets keep, and how many of their labels match the reference."""
    best, *others = [_kept(run, row["reader"]) for row in run.readers]
    n_kept, n, n_known, n_right = best
    rule = run.manifest.get("config", {}).get("consensus", {}).get("rule", "")
    matching = f"; {_share(n_right, n_known)} labels match the reference" if n_known and rule != CORRECT else ""
    line = f"{run.readers[0]['reader']} keeps {n_kept:,} of {count(n, 'question')}{KEPT.get(rule, '')}{matching}."
    kept = [one[0] for one in others]
    if not others:
        return line
    whose = f"{run.readers[1]['reader']} keeps" if len(others) == 1 else f"The {len(others)} other readers keep"
    span = f"{min(kept):,}" + (f" to {max(kept):,}" if max(kept) > min(kept) else "")
    return f"{line} {whose} {span}."


def _share(n: int, of: int) -> str:
    return f"{n} of {of}" if of < NO_FIGURES else f"{percent(n / of)} of their"


def _kept(run: Run, reader: str) -> tuple[int, int, int, int]:
    """Questions that are kept, all questions, and of the kept ones those with a reference, and those that match it."""
    mine = run.tables["gold"].filter(pl.col("reader") == reader)
    known = mine.filter(pl.col("kept"), pl.col("reference").is_not_null())
    return int(mine["kept"].sum()), len(mine), len(known), len(known.filter(pl.col("label") == pl.col("reference")))
