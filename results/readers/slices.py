"""Slices: groups of questions by tag, document length and opening word, and how readers do on each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpora.schema import Corpus
from results.readers.answers import hits
from results.readers.labelers import no_nan
from results.stats.clustered import compare_paired, holm, wilson_clustered

SLICES = pl.Schema(
    {
        "reader": pl.String(),
        "slice": pl.String(),
        "value": pl.String(),
        "n": pl.Int64(),
        "kept": pl.Int64(),
        "coverage": pl.Float64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "kept_accuracy": pl.Float64(),
        "kept_accuracy_low": pl.Float64(),
        "kept_accuracy_high": pl.Float64(),
    }
)
BEST_ON_SLICE = pl.Schema(
    {
        "slice": pl.String(),
        "value": pl.String(),
        "n": pl.Int64(),
        "best": pl.String(),
        "accuracy": pl.Float64(),
        "second": pl.String(),
        "second_accuracy": pl.Float64(),
        "p_holm": pl.Float64(),
        "finding": pl.String(),
    }
)
MOST_VALUES = 6  # of a slice; where there are more, the rarest form one group
NUMBER = re.compile(r"-?[0-9]+")
N_BINS = 4  # of numbers, by quantile
NONE, OTHER = "(none)", "(other)"


class Value(NamedTuple):
    """A question's value in a slice: how it is shown, and the number that it is ordered by, if any."""

    name: str
    number: int | None


def slice_questions(corpus: Corpus) -> pl.DataFrame:
    """Which slices each question falls into: columns question_id, slice, value, place, in the order of the slices.

    `place` numbers the values of a slice: numbers and ranges by size, then words by name.

    Slices are the length of the gold documents in words, the question's opening word, and every tag that the user
    gave. Numbers with many values are binned by quantile. Other values are kept apart up to six; where there are more,
    the rarest form one group.
    """
    ids = corpus.questions["question_id"].to_list()
    words = [sum(len(corpus.texts[one].split()) for one in documents) for documents in corpus.questions["document_ids"]]
    openers = [(text.split() or [NONE])[0].strip("\"'([").casefold() or NONE for text in corpus.questions["text"]]
    slices = {"document words": _binned(words), "question opener": _frequent(openers)}
    tags = [{tag["name"]: tag["value"] for tag in of_one or ()} for of_one in corpus.questions["tags"].to_list()]
    for name in sorted({name for of_one in tags for name in of_one}):
        slices[f"tag {name}"] = _grouped([of_one.get(name) for of_one in tags])
    rows = [
        (question_id, name, value.name, place)
        for name, values in slices.items()
        for question_id, value, place in zip(ids, values, _places(values), strict=True)
    ]
    schema = pl.Schema({"question_id": pl.String(), "slice": pl.String(), "value": pl.String(), "place": pl.Int64()})
    return pl.DataFrame(rows, schema=schema, orient="row")


def _places(values: Sequence[Value]) -> list[int]:
    ordered = sorted(set(values), key=lambda value: (value.number is None, value.number or 0, value.name))
    places = {value: place for place, value in enumerate(ordered)}
    return [places[value] for value in values]


def _grouped(values: Sequence[str | None]) -> list[Value]:
    """Values of a tag: as numbers where all are whole numbers and there are more than a few of them."""
    given = [value for value in values if value is not None]
    if len(set(given)) > MOST_VALUES and all(map(NUMBER.fullmatch, given)):
        bins = iter(_binned([int(value) for value in given]))
        return [Value(NONE, None) if value is None else next(bins) for value in values]
    return _frequent([NONE if value is None else value for value in values])


def _binned(numbers: Sequence[int]) -> list[Value]:
    """Each number's quantile bin, such as `120 to 180`, ordered by its first number."""
    edges = sorted({int(edge) for edge in np.quantile(numbers, np.linspace(0, 1, N_BINS + 1)[1:], method="lower")})
    bins = np.searchsorted(edges, numbers)
    spans: dict[int, tuple[int, int]] = {}
    for bin_, number in zip(bins.tolist(), numbers, strict=True):
        low, high = spans.get(bin_, (number, number))
        spans[bin_] = (min(low, number), max(high, number))
    names = {b: Value(f"{low} to {high}" if low < high else str(low), low) for b, (low, high) in spans.items()}
    return [names[b] for b in bins.tolist()]


def _frequent(values: Sequence[str]) -> list[Value]:
    """The values as they are given; where there are many, the rarest as one group."""
    ranked = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    if len(ranked) <= MOST_VALUES:
        return [_given(value) for value in values]
    kept = {value for value, _ in ranked[: MOST_VALUES - 1]}
    return [_given(value if value in kept else OTHER) for value in values]


def _given(value: str) -> Value:
    """A value that the user gave: a number, a range such as `5 to 9`, or a word."""
    first = value.split(" to ")[0]
    return Value(value, int(first) if NUMBER.fullmatch(first) else None)


def slice_table(
    reader: str, judged: pl.DataFrame, gold: pl.DataFrame, slices: pl.DataFrame, confidence: float
) -> pl.DataFrame:
    """Accuracy and coverage of one reader on every slice; frame of schema `SLICES`.

    Args:
        reader: name in reports.
        judged: columns question_id, label, reference, cluster: its most probable labels; reference may be null.
        gold: its gold set, schema `GOLD`.
        slices: from `slice_questions`.
        confidence: of the Wilson intervals.
    """
    rows = slices.join(
        judged.select("question_id", "label", "reference", "cluster"), on="question_id", maintain_order="left"
    )
    rows = rows.join(gold.select("question_id", "kept", kept_label="label"), on="question_id", maintain_order="left")
    table = []
    for (name, value), group in _in_order(rows):
        known = group.filter(pl.col("reference").is_not_null())
        kept = known.filter("kept")
        n_kept = int(group["kept"].sum())
        shares: list[float | None] = []
        for part, label in ((known, "label"), (kept, "kept_label")):
            shares += no_nan(wilson_clustered(hits(part, label), part["cluster"].to_list(), confidence))
        table.append((reader, name, value, len(group), n_kept, n_kept / len(group), *shares))
    return pl.DataFrame(table, schema=SLICES, orient="row")


def _in_order(rows: pl.DataFrame) -> list[tuple[tuple[str, str], pl.DataFrame]]:
    """Groups by slice and value: slices as they come, values by their places."""
    order = {name: at for at, name in enumerate(rows["slice"].unique(maintain_order=True))}
    groups = [((str(name), str(value)), group) for (name, value), group in rows.group_by("slice", "value")]
    return sorted(groups, key=lambda found: (order[found[0][0]], found[1]["place"][0]))


def best_on_slices(judged: Mapping[str, pl.DataFrame], slices: pl.DataFrame, confidence: float) -> pl.DataFrame:
    """Which reader is the best on which slice, on the questions that all were asked; schema `BEST_ON_SLICE`.

    The best must beat every other reader in a paired test, corrected over all slices and pairs (Holm); otherwise the
    finding is "cannot tell".

    Args:
        judged: by reader, columns question_id, label, reference, cluster; reference never null.
        slices: from `slice_questions`.
        confidence: of the tests.
    """
    shared: pl.DataFrame | None = None
    for reader, answers in judged.items():
        right = (pl.col("label") == pl.col("reference")).fill_null(value=False).cast(pl.Float64)
        mine = answers.select("question_id", "cluster", right.alias(reader))
        shared = mine if shared is None else shared.join(mine.drop("cluster"), on="question_id")
    if shared is None or shared.is_empty() or len(judged) < 2:
        return pl.DataFrame(schema=BEST_ON_SLICE)
    rows: list[dict[str, Any]] = []
    tests: list[tuple[int, str, str, float]] = []
    for (name, value), group in _in_order(slices.join(shared, on="question_id", maintain_order="left")):
        accuracy = {reader: float(group[reader].mean()) for reader in judged}  # type: ignore[arg-type]  # of floats
        ranked = sorted(accuracy, key=lambda reader: -accuracy[reader])
        clusters = group["cluster"].to_list()
        for a, b in combinations(ranked, 2):
            compared = compare_paired(group[a].to_numpy(), group[b].to_numpy(), clusters, confidence)
            tests.append((len(rows), a, b, compared.p_value))
        rows.append({"slice": name, "value": value, "n": len(group), "ranked": ranked, "accuracy": accuracy})
    adjusted = holm([test[-1] for test in tests])
    against_best: dict[int, list[float]] = {}
    for (at, a, _, _), p_holm in zip(tests, adjusted, strict=True):
        if a == rows[at]["ranked"][0]:
            against_best.setdefault(at, []).append(p_holm)
    table = [_best(row, max(against_best[at]), 1 - confidence) for at, row in enumerate(rows)]
    return pl.DataFrame(table, schema=BEST_ON_SLICE)


def _best(row: dict[str, Any], p_holm: float, alpha: float) -> dict[str, Any]:
    best, second = row["ranked"][:2]
    return {
        "slice": row["slice"],
        "value": row["value"],
        "n": row["n"],
        "best": best,
        "accuracy": row["accuracy"][best],
        "second": second,
        "second_accuracy": row["accuracy"][second],
        "p_holm": p_holm,
        "finding": f"{best} is best" if p_holm < alpha else "cannot tell",
    }
