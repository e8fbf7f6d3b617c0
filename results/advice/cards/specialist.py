"""What the scores of a specialist say, in a few sentences, and whether to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import polars as pl

from results.advice.wording import from_to, percent, points
from results.gold.specialist.scores import ALL, EXCLUDED, KEPT, LINEAR, MAJORITY, SPECIALIST, TEACHER, Scored

Verdict = Literal["use", "cannot tell", "worse"]
FEW = 20  # of the questions that the filter excluded; with fewer there is no sentence about them


class Pace(NamedTuple):
    """How fast a reader answers a question, three votes.

    Attributes:
        seconds: for one question.
        tokens: of the question and of what the reader sees with it.
    """

    seconds: float
    tokens: float

    @property
    def tokens_per_second(self) -> float:
        """What it reads a second; what is read once for three votes counts once."""
        return self.tokens / self.seconds


class Times(NamedTuple):
    """How fast both answer; None where it is not known."""

    specialist: Pace | None
    teacher: Pace | None


class Advice(NamedTuple):
    """Whether to use a specialist, in one word and in one line."""

    verdict: Verdict
    line: str


def advise(scored: Scored, margin: float, alpha: float, times: Times) -> Advice:
    """Whether a specialist can stand in for its teacher.

    It can if its accuracy is shown to be at most `margin` lower than the teacher's and higher than that of always
    giving the majority label: a teacher that is no better than that can be matched by answering nothing.

    Args:
        scored: its scores.
        margin: how much worse than its teacher it may be.
        alpha: of the test against the majority label.
        times: how long both take.
    """
    teacher, majority = (_difference(scored, other) for other in (TEACHER, MAJORITY))
    if teacher is None or majority is None:
        return Advice("cannot tell", "cannot tell: there is nothing to compare it with.")
    beyond = f"{_signed(teacher['difference'])} ({_range(teacher)})"
    better = majority["difference"] > 0 and majority["p_value"] < alpha
    if teacher["low"] >= -margin and better:
        return Advice(
            "use",
            f"use the specialist: shown to be within {points(margin)} of its teacher, {beyond}{_in_time(times)}.",
        )
    if teacher["high"] < 0 and teacher["low"] < -margin:
        return Advice("worse", f"worse: shown to be less accurate than its teacher, {beyond}; keep the teacher.")
    why = f"its accuracy minus its teacher's is {beyond}, and the margin is {points(margin)}"
    if teacher["low"] >= -margin:
        why = f"it is within {points(margin)} of its teacher, but not shown to beat always giving one label"
    return Advice("cannot tell", f"cannot tell: {why}.")


def findings(scored: Scored, curve: pl.DataFrame, times: Times, confidence: float) -> Iterator[str]:
    """The sentences, most important first.

    Args:
        scored: the scores.
        curve: frame of schema `CURVE`; empty if none was drawn.
        times: how long specialist and teacher take.
        confidence: of the intervals.
    """
    mine = scored.scores.row(by_predicate=_is(SPECIALIST, ALL), named=True)
    others = [
        f"{_named(who)} {_accuracy(row)}{_of_those(row, mine['n'])}"
        for who in (TEACHER, LINEAR, MAJORITY)
        if (row := _row(scored, who))
    ]
    yield (
        f"On {mine['n']} held-out questions with human references: specialist {_accuracy(mine)}; {'; '.join(others)}."
    )
    minus = [
        f"{_named(one['minus'])} {_signed(one['difference'])} ({_range(one)}){_of_those(one, mine['n'])}"
        for one in scored.differences.filter(questions=ALL).iter_rows(named=True)
    ]
    yield f"Specialist minus {'; minus '.join(minus)}; intervals of {confidence:.0%}, by document."
    yield from _excluded(scored)
    yield from _of_curve(curve)
    yield _of_calibration(mine)
    yield from _of_times(times)


def _of_those(row: Mapping[str, Any], n: int) -> str:
    """On which questions, where these are not all that the specialist answered."""
    return "" if row["n"] == n else f" on the {row['n']} with votes of its teacher"


def _excluded(scored: Scored) -> Iterator[str]:
    parts = []
    for questions, what in ((KEPT, "kept"), (EXCLUDED, "excluded")):
        mine, teacher = _row(scored, SPECIALIST, questions), _row(scored, TEACHER, questions)
        if mine and teacher and mine["n"] >= FEW:
            parts.append(
                f"on the {mine['n']} that it {what}, {percent(mine['accuracy'])} (teacher "
                f"{percent(teacher['accuracy'])})"
            )
    if parts:
        yield f"By the teacher's filter, which likes easy questions: {'; '.join(parts)}."


def _of_curve(curve: pl.DataFrame) -> Iterator[str]:
    if len(curve) < 2:
        return
    sizes = ", ".join(f"{n:,}" for n in curve["n_labels"])
    right = ", ".join(f"{100 * one:.0f}" for one in curve["accuracy"])
    first, last = curve.row(0, named=True), curve.row(-1, named=True)
    grows = last["accuracy_low"] > first["accuracy"] and last["accuracy"] > first["accuracy_high"]
    said = "more labels help" if grows else "no gain from more labels is shown"
    yield f"Learning curve: with {sizes} labels, {right} % right; {said}."


def _of_calibration(mine: Mapping[str, Any]) -> str:
    gap = mine["confidence"] - mine["accuracy"]
    inside = mine["accuracy_low"] <= mine["confidence"] <= mine["accuracy_high"]
    how = "too sure of itself" if gap > 0 else "not sure enough of itself"
    said = "which fits" if inside else f"{how} by {points(abs(gap))}"
    return (
        f"Calibration: it claims {percent(mine['confidence'])} on average and is right in "
        f"{percent(mine['accuracy'])}, {said} (calibration error {mine['calibration_error']:.2f}, Brier score "
        f"{mine['brier']:.2f})."
    )


def _of_times(times: Times) -> Iterator[str]:
    mine, teacher = times
    if mine is not None:
        theirs = "" if teacher is None else f"; its teacher takes {_long(1000 * teacher.seconds)}{_reads(teacher)}"
        yield f"1,000 questions take it {_long(1000 * mine.seconds)}{_reads(mine)} on this machine{theirs}."


def _long(seconds: float) -> str:
    """A time in the unit that fits, as in `9.5 s`, `11 minutes` or `14.2 hours`."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.1f} hours"


def _reads(pace: Pace) -> str:
    return f" ({pace.tokens_per_second:,.0f} tokens a second)"


def _in_time(times: Times) -> str:
    if times.specialist is None or times.teacher is None:
        return ""
    factor = times.teacher.seconds / times.specialist.seconds
    return f", at 1/{factor:,.0f} of the time" if factor >= 2 else ""


def _row(scored: Scored, who: str, questions: str = ALL) -> dict[str, Any] | None:
    found = scored.scores.filter(_is(who, questions))
    return found.row(0, named=True) if len(found) else None


def _is(who: str, questions: str) -> pl.Expr:
    return (pl.col("answers") == who) & (pl.col("questions") == questions)


def _difference(scored: Scored, other: str) -> dict[str, Any] | None:
    found = scored.differences.filter(minus=other, questions=ALL)
    return found.row(0, named=True) if len(found) else None


def _named(who: str) -> str:
    return {TEACHER: "its teacher", LINEAR: "the linear baseline", MAJORITY: "always the majority label"}[who]


def _accuracy(row: Mapping[str, Any]) -> str:
    return f"{percent(row['accuracy'])} right ({from_to(row['accuracy_low'], row['accuracy_high'])})"


def _signed(difference: float) -> str:
    return f"{100 * difference:+.1f} points"


def _range(row: Mapping[str, Any]) -> str:
    return f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
