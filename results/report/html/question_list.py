"""Every question of a run with its votes, its reference and its answers by cell, so that a reader can look for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import polars as pl

from corpora.choices import with_asked_texts
from results.report.plots.placing import ARMS, cut_words
from results.settings import CUT, SETTING, cut_of, setting_of, spoken_in

# The kinds that a question can be of, as they are filtered and shown.
KINDS = {
    "chunking": "lost by chunking",
    "retrieval": "lost by retrieval",
    "harmed": "harmed by context",
    "split": "votes split",
}
INTRODUCTION = (
    "Right means: as the gold label, or as the reference label where a question is not in the gold set. Lost by "
    "chunking: a reader is right with the whole document and wrong with the best chunks, in at least one cell. Lost by "
    "retrieval: right with the best chunks and wrong with what was retrieved. Harmed by context: right without any, "
    "wrong with what was retrieved. Votes split: the votes on the whole document differ."
)
FAILED = "failed"
_PLACE = ["reader", "question_id"]


class ShownQuestion(NamedTuple):
    """A question: its kinds, these in words, and everything that was answered, a line for each part."""

    question_id: str
    text: str
    kinds: Sequence[str]
    told: str
    answers: str


class Questions(NamedTuple):
    """The questions of a run, as a block of the page.

    Attributes:
        introduction: what the kinds mean.
        kinds: name, words and number of questions of each that occurs.
        questions: as many as fit.
        note: where the others are.
    """

    introduction: str
    kinds: Sequence[tuple[str, str, int]]
    questions: Sequence[ShownQuestion]
    note: str
    kind: str = "questions"


def list_questions(tables: Mapping[str, pl.DataFrame], most_bytes: int) -> Questions | None:
    """The questions of the first corpus, in their order; None where no reader answered any.

    Args:
        tables: frames by name.
        most_bytes: of all questions together; those that do not fit are counted.
    """
    if "questions" not in tables or "gold" not in tables or tables["gold"].is_empty():
        return None
    told = _told(tables)
    kinds = _kinds(tables)
    shown, n_bytes = [], 0
    for row in with_asked_texts(tables["questions"]).iter_rows(named=True):
        question = _shown(row, kinds.get(row["question_id"], set()), told.get(row["question_id"], []))
        n_bytes += sum(len(part.encode()) for part in (question.question_id, question.text, question.answers)) + 200
        if n_bytes > most_bytes:
            break
        shown.append(question)
    more = len(tables["questions"]) - len(shown)
    note = f"… and {more} more in questions.parquet, gold.parquet and answers.parquet." if more else ""
    counts = {kind: sum(kind in one.kinds for one in shown) for kind in KINDS}
    return Questions(INTRODUCTION, [(kind, KINDS[kind], n) for kind, n in counts.items() if n], shown, note)


def _shown(row: Mapping[str, Any], kinds: set[str], told: Sequence[str]) -> ShownQuestion:
    found = [kind for kind in KINDS if kind in kinds]
    reference = f"Reference label: {row['reference'] or 'none'}"
    if row.get("origin"):  # tables of older runs have none
        reference += f"; origin: {row['origin']}"
    return ShownQuestion(
        row["question_id"], " ".join(row["text"].split()), found, ", ".join(KINDS[kind] for kind in found),
        "\n".join([reference, *told]),
    )  # fmt: skip


def _kinds(tables: Mapping[str, pl.DataFrame]) -> dict[str, set[str]]:
    """The kinds of each question, of any reader."""
    gold = tables["gold"]
    split = gold.filter(pl.col("votes").list.n_unique() > 1)
    found = [("split", question) for question in split["question_id"]]
    if "answers" in tables:
        found += _lost(tables["answers"], gold)
    kinds: dict[str, set[str]] = {}
    for kind, question in found:
        kinds.setdefault(question, set()).add(kind)
    return kinds


def _lost(answers: pl.DataFrame, gold: pl.DataFrame) -> list[tuple[str, str]]:
    """Kind and question, in any order, of what is right in one arm and wrong in the next."""
    truth = gold.select(*_PLACE, truth=pl.coalesce("label", "reference")).drop_nulls("truth")
    judged = answers.join(truth, on=_PLACE).with_columns(right=pl.col("label").eq_missing(pl.col("truth")))

    def of(arm: str, keys: Sequence[str]) -> pl.DataFrame:
        return judged.filter(pl.col("arm") == arm).select(*keys, pl.col("right").alias(arm))

    cell = [*_PLACE, *SETTING, *CUT]
    best, retrieved = of("oracle_chunk", cell), of("retrieved", cell)
    pairs = [
        ("chunking", of("document", _PLACE).join(best, on=_PLACE), "document", "oracle_chunk"),
        ("retrieval", best.join(retrieved, on=cell, nulls_equal=True), "oracle_chunk", "retrieved"),
        ("harmed", of("closed_book", _PLACE).join(retrieved, on=_PLACE), "closed_book", "retrieved"),
    ]
    return [
        (kind, question)
        for kind, frame, before, after in pairs
        for question in frame.filter(pl.col(before) & ~pl.col(after))["question_id"].unique(maintain_order=True)
    ]


def _told(tables: Mapping[str, pl.DataFrame]) -> dict[str, list[str]]:
    """The lines of each question: for each reader its votes, and its answers by arm and cell."""
    answers = tables.get("answers")
    of_cells = {} if answers is None else _by_place(answers)
    lines: dict[str, list[str]] = {}
    for row in tables["gold"].iter_rows(named=True):
        votes = ", ".join(vote or FAILED for vote in row["votes"])
        kept = f"gold label {row['label']}" if row["kept"] else f"not in the gold set: {row['reason']}"
        here = lines.setdefault(row["question_id"], [])
        here.append(f"{row['reader']}: votes {votes}; {kept}")
        here += of_cells.get((row["reader"], row["question_id"]), [])
    return lines


def _by_place(answers: pl.DataFrame) -> dict[tuple[str, str], list[str]]:
    """The answers of each reader to each question, a line for each arm."""
    name = _setting_names(answers)
    lines: dict[tuple[str, str], list[str]] = {}
    ordered = answers.sort(*_PLACE, "arm", maintain_order=True).iter_rows(named=True)
    for (reader, question, arm), rows in groupby(ordered, key=itemgetter(*_PLACE, "arm")):
        told = "; ".join(_groups(list(rows), name))
        lines.setdefault((reader, question), []).append(f"    {ARMS.get(arm, arm)}: {told}")
    return lines


def _groups(rows: list[dict[str, Any]], name: Mapping[tuple[Any, ...], str]) -> Iterator[str]:
    """Each answer with the cells that gave it; the arms without a cell have one answer."""
    by_label: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_label.setdefault(row["label"] or row["failure"] or FAILED, []).append(row)
    for label, mine in by_label.items():
        if mine[0]["size"] is None:
            yield label
            continue
        if len(mine) == len(rows) > 1:
            yield f"{label} in all {len(rows)} cells"
        else:
            yield f"{label} in {len(mine)} of {len(rows)} cells ({_cells(mine, name)})"


def _cells(rows: list[dict[str, Any]], name: Mapping[tuple[Any, ...], str]) -> str:
    by_setting: dict[str, list[str]] = {}
    for row in rows:
        by_setting.setdefault(name[tuple(row[one] for one in SETTING)], []).append(cut_words(cut_of(row)))
    return ", ".join(f"{setting}: {' and '.join(cuts)}" for setting, cuts in by_setting.items())


def _setting_names(answers: pl.DataFrame) -> dict[tuple[Any, ...], str]:
    settings = answers.select(SETTING).drop_nulls("size").unique(maintain_order=True)
    spoken = spoken_in(settings)
    return {tuple(row[name] for name in SETTING): spoken.setting(setting_of(row)) for row in settings.rows(named=True)}
