"""Questions with answers of their own to choose from: a label is then the place at which a choice is shown.

A question has 2 to 8 choices, as texts. The order in which they are shown is drawn by the question's id, whatever order
the source has them in: so a place says nothing about which choice is right, and a reader that prefers a place is right
no more often for it. The labels of such a corpus are these places, `A`, `B` and so on, and behind them the label that
says that the answer is not stated, if there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl

from corpora.errors import InputError, counted
from corpora.schema import MOST_LABELS, LabelSet

PLACES = ("A", "B", "C", "D", "E", "F", "G", "H")


def in_drawn_order(question_id: str, choices: Sequence[str]) -> tuple[str, ...]:
    """The choices in the order in which they are shown, which depends on the id and on these texts alone."""

    def drawn(choice: str) -> bytes:
        text = f"{question_id}\x1fchoice\x1f{choice}".encode()
        return hashlib.blake2b(text, digest_size=8).digest()

    return tuple(sorted(choices, key=lambda choice: (drawn(choice), choice)))


def check_choices(choices: Sequence[str], not_stated: str | None = None) -> None:
    """Refuse choices that cannot be told apart.

    Raises:
        InputError: there are too few or too many, one is empty or of several lines, or two differ only in case.
    """
    labels = tuple(choices) if not_stated is None else (*choices, not_stated)
    if len(choices) < 2 or len(labels) > MOST_LABELS:
        most = MOST_LABELS if not_stated is None else f"{MOST_LABELS - 1}, as {not_stated!r} is one more"
        remedy = "add choices" if len(choices) < 2 else "remove some"
        raise InputError(counted(len(choices), "choice"), f"2 to {most}", remedy)
    LabelSet(labels)


def places(n: int, not_stated: str | None = None) -> LabelSet:
    """The label set of a corpus whose questions have up to `n` choices.

    Raises:
        InputError: the label `not_stated` is one of the places, or one too many.
    """
    if not_stated in PLACES:
        raise InputError(
            f"not_stated is {not_stated!r}, which is the place of a choice",
            "a label that is not a single capital from A to H",
            "choose another wording, such as 'not stated'",
        )
    extra = () if not_stated is None else (not_stated,)
    if n + len(extra) > MOST_LABELS:
        raise InputError(
            f"{n} choices of every question and the label {not_stated!r}", f"{MOST_LABELS} answers at most",
            "take one choice less",
        )  # fmt: skip
    return LabelSet((*PLACES[:n], *extra), of_question=True)


def labels_for(questions: pl.DataFrame, labels: LabelSet, not_stated: str | None) -> LabelSet:
    """The label set of some questions: the places of their choices, or `labels` where they have none."""
    if questions["choices"].is_null().all():
        return labels
    return places(max(questions["choices"].drop_nulls().list.len().to_list()), not_stated)


def options(choices: Sequence[str], labels: LabelSet) -> tuple[str, ...]:
    """What a reader may answer to a question: its choices, and the labels that are no places."""
    return (*choices, *(label for label in labels if label not in PLACES))


def answers_without_reading(questions: pl.DataFrame) -> pl.DataFrame:
    """What somebody could answer who reads nothing; frame of question_id, `guess` and `constant`.

    `guess` is how probable a choice at random is right: 0 where the right answer is that it is not stated, which is no
    choice. `constant` is the right answer if all questions may be answered so; null otherwise.
    """
    asked = questions.select("question_id", "choices", "reference")
    each = [set(choices) for choices in asked["choices"]]
    shared = set.intersection(*each) if each else set()
    rows = []
    for question_id, choices, reference in asked.iter_rows():
        is_place = reference in PLACES
        right = choices[PLACES.index(reference)] if is_place else reference
        rows.append((question_id, is_place / len(choices), right if right in shared or not is_place else None))
    return pl.DataFrame(
        rows, schema={"question_id": pl.String(), "guess": pl.Float64(), "constant": pl.String()}, orient="row"
    )


def label_of(option: int, n_options: int, labels: LabelSet) -> int:
    """The index of an option's label; the options of a question can be fewer than the labels.

    Args:
        option: its index among the `options` of a question.
        n_options: how many there are.
        labels: as from `places`.
    """
    n_extra = sum(label not in PLACES for label in labels)
    return option if option < n_options - n_extra else len(labels) - (n_options - option)


def asked_text(text: str, choices: Sequence[str] | None) -> str:
    """A question as people are shown it: with its choices, each behind its place."""
    if not choices:
        return text
    return "\n".join([text, *(f"{place}: {choice}" for place, choice in zip(PLACES, choices, strict=False))])


def labels_lacking(questions: pl.DataFrame, labels: Sequence[str]) -> dict[str, list[str]]:
    """The places that questions with fewer choices than others do not have, by question id."""
    if "choices" not in questions.columns:  # of an older run
        return {}
    asked = questions.select("question_id", "choices").drop_nulls().iter_rows()
    each = {one: [label for label in labels if label in PLACES[len(choices) :]] for one, choices in asked}
    return {one: lacking for one, lacking in each.items() if lacking}


def with_asked_texts(questions: pl.DataFrame) -> pl.DataFrame:
    """Questions with their choices in their `text`; the same frame where they have none, as in older runs."""
    if "choices" not in questions.columns or questions["choices"].is_null().all():
        return questions
    texts = [asked_text(text, choices) for text, choices in questions.select("text", "choices").iter_rows()]
    return questions.with_columns(text=pl.Series(texts, dtype=pl.String))


def describe_choices(questions: pl.DataFrame, made: str = "") -> str:
    """What the labels of such a corpus are, in sentences; empty for a corpus of another kind.

    Args:
        questions: of the corpus.
        made: where the wrong choices come from, in a sentence; empty where they are the source's own.
    """
    known = questions["choices"].drop_nulls()
    if known.is_empty():
        return ""
    counts = sorted(set(known.list.len().to_list()))
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    said = (
        f"Each question has {n} choices of its own, which are scored as whole strings. Labels are the places at which "
        "they are first shown, in an order drawn by the question's id."
    )
    return f"{said} {made}".rstrip()
