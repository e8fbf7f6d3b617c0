"""Can the reader be trusted? Which reader is best, whether it beats a constant answer, what its gold set keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.advice.cards.run import Run
from results.advice.wording import NO_FIGURES, count, listed, percent, points, right
from results.comparing.comparison import better_of

KEPT: Mapping[str, str] = {
    "unanimous": ", those on which its three votes agree",
    "unanimous_and_correct": ", those on which its three votes agree and are right",
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
    failing = [row["reader"] for row in others if row["qualified"] is False]
    more = [f"So can {listed(qualified)}."] if qualified else []
    if failing:
        more.append(f"{'It is not shown' if best['qualified'] else 'Nor is it shown'} for {listed(failing)}.")
    return " ".join([line, *more])


def _trust(row: Mapping[str, Any]) -> str:
    if row["qualified"] is None or row["accuracy"] is None:
        return f"Unknown: the questions of {row['reader']} have no reference labels to check it against."
    gets = f"{row['reader']} gets {right(row, 'accuracy')} from whole documents"
    always = f"always answering {row['majority_label']}"
    share = percent(row["majority_share"])
    n = f"n = {row['n']:,}"
    if row["qualified"]:
        return f"Yes: {gets}, against {share} for {always} ({n})."
    if row["standing"] == "at chance":
        return f"No: {gets}, against {share} for {always} ({n}); that is not shown to be better than chance."
    though = "; that is only shown to be better than chance" if row["standing"] == "better than chance only" else ""
    return f"Not shown: {gets}, against {share} for {always} ({n}){though}."


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
    names = listed([row["reader"] for row, _ in rivals])
    missed = max((pair["detectable"] for _, pair in rivals if pair and pair["detectable"] is not None), default=None)
    blind = f"; a true difference under {points(round(missed, 2))} would probably be missed" if missed else ""
    return f"No winner yet. {best} leads, {accuracy}, but is not shown to be better than {names}{blind}."


def answer_gold(run: Run) -> str:
    """How many questions the gold sets keep, and how many of their labels match the reference."""
    best, *others = [_kept(run, row["reader"]) for row in run.readers]
    n_kept, n, n_known, n_right = best
    matching = f"; {_share(n_right, n_known)} labels match the reference" if n_known else ""
    rule = KEPT.get(run.manifest.get("config", {}).get("consensus", {}).get("rule", ""), "")
    line = f"{run.readers[0]['reader']} keeps {n_kept:,} of {count(n, 'question')}{rule}{matching}."
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
