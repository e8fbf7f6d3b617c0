"""What a report tells first: the picture and the matrix of advice, where answers are lost, and the worst examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from results.advice.cards.run import few_left, told_under_every_cut
from results.advice.wording import (
    NO_FIGURES,
    count_gold,
    either,
    is_nothing,
    leaders,
    listed,
    percent,
    say_equal,
    too_few,
)
from results.advice.wording import count as counted
from results.report.model import Block, Cell, Examples, Kind, PlotRef, Section, Sentences, Strong, Table
from results.report.plots.ladder_plots import MOST_ROWS
from results.report.sections.readers import gold_sentences
from results.report.sections.source import Source, read_of, said_briefly
from results.report.values import count, estimate, make_table
from results.settings import CUT, cell_of, cut_of, cuts_in

OPEN = "cannot tell"
ARM_NAMES = {
    "closed_book": "closed book", "random": "random text", "document": "whole document",
    "oracle_chunk": "best chunks", "retrieved": "retrieved",
}  # fmt: skip
LOSSES = ("reader_loss", "chunking_loss", "retrieval_loss")


def verdict_section(source: Source) -> Section:
    """One picture, one matrix of advice, and what the advice is based on."""
    is_read = source.has("cells")
    blocks: list[Block] = [_accuracy(source) if is_read else _retrieval(source)]
    matrix = _matrix(source)
    blocks += [matrix] if matrix else []
    blocks += [Sentences(lines) for lines in (tuple(_different_sizes(source)),) if lines]
    if is_read:
        blocks.append(Sentences(gold_sentences(source), is_list=True))
    return Section("verdict", "Which chunk size?", tuple(blocks), is_folded=False)


def _accuracy(source: Source) -> PlotRef:
    """The picture that answers the question; a single one where nothing but the size varies."""
    is_known = source.tables["cells"]["gold_accuracy"].null_count() < len(source.tables["cells"])
    is_one = set(source.spoken.varying) <= {"size"} and is_known
    file = "accuracy_by_size.svg" if is_one else ""
    return PlotRef("accuracy_by_size", "Accuracy on the gold set by chunk size, with intervals", most=2, file=file)


def _retrieval(source: Source) -> PlotRef:
    """The same for retrieval alone: what is found of the evidence, or of the documents where none is marked."""
    means = source.tables["retrieval_means"]
    has_spans = "span_recall" in means.columns and means["span_recall"].null_count() < len(means)
    what = "spans" if has_spans else "documents"
    file = f"retrieval_by_size_{what}.svg" if set(source.spoken.varying) <= {"size"} else ""
    prefix = file.removesuffix(".svg") or "retrieval_by_size"
    return PlotRef(prefix, "Retrieval scores by chunk size, with intervals", most=1, file=file)


def _matrix(source: Source) -> Table | None:
    """What to use: readers by cuts, each cell a setting as people say it."""
    advised: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in source.manifest["verdicts"]:
        advised.setdefault(source.reader(one["reader"]), {})[one["cut"]] = tuple(filter(None, [one["recommended"]]))
    choices = {one["cut"]: few_left(one) for one in source.manifest.get("retrieval", []) if "recommended" in one}
    overall = {
        source.reader(one["reader"]): _overall(source, one) for one in source.manifest.get("recommendations", [])
    }
    if choices:
        advised["retrieval alone"] = choices
    if not advised:
        return None
    cuts = _cuts(source, advised)
    rows = [
        (who, *([overall.get(who)] if overall else []), *(_advice(source, of_cut, cut) for cut in cuts))
        for who, of_cut in advised.items()
    ]
    columns: dict[str, Kind] = {"reader": "text", **({"over all": "text"} if overall else {})}
    columns |= dict.fromkeys((f"{said} read" for said in cuts.values()), "text")
    return make_table("What to use, by reader and by how much is read", columns, rows, "manifest.json", is_open=True)


def _cuts(source: Source, advised: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The cuts by their names, as people say them; token budgets come first."""
    frame = next(source.tables[name] for name in ("cells", "retrieval_means") if source.has(name))
    cuts = sorted(set(cuts_in(frame)))
    used = {name for of_cut in advised.values() for name in of_cut}
    return {cut.name: said_briefly(cut) for cut in cuts if cut.name in used}


def _overall(source: Source, one: Mapping[str, Any]) -> Cell:
    told = told_under_every_cut(source.manifest, one["reader"])
    if one["setting"] is None and told is not None:
        return Strong(f"{source.setting(told) or told}, cut open")
    row = cell_row(source, one)
    return OPEN if one["setting"] is None or row is None else Strong(source.cell(row))


def _advice(source: Source, of_cut: Mapping[str, Sequence[str]], cut: str) -> Cell:
    """The setting to use, or the few of which one is best."""
    if cut not in of_cut:
        return None
    said = [source.setting(one) or one for one in of_cut[cut]]
    return OPEN if not said else Strong(said[0]) if len(said) == 1 else either(said)


def cell_row(source: Source, one: Mapping[str, Any]) -> dict[str, Any] | None:
    """The cell that a recommendation names, or else the one that leads; None where no table holds it."""
    reader = source.reader(one["reader"])
    for row in source.tables["cells"].filter(pl.col("reader") == reader).iter_rows(named=True):
        cut = cut_of(row).name
        is_it = (row["setting"], cut) == (one["setting"], one.get("cut"))
        if is_it or (one["setting"] is None and one.get("best") == f"{row['setting']} at {cut}"):
            return row
    return None


def _different_sizes(source: Source) -> Iterator[str]:
    """What is known of different sizes for different readers, each finding once."""
    if not source.has("interactions"):
        return
    frame = source.tables["interactions"].filter(pl.col("questions") == "gold")
    findings = Counter(frame["finding"].to_list())
    for finding, n in findings.items():
        where = "" if n == len(frame) else f" (under {n} of {counted(len(frame), 'cut')})"
        yield f"{finding.removesuffix('.')}{where}."


def ladder_section(source: Source) -> Section:
    """Where the answers of each reader's advised or leading cell are lost."""
    rungs = [_rung(source, reader) for reader in _readers(source)]
    lines = [_losses(source, row) for row in rungs if row is not None]
    picture = _ladder(source, _first_reader(source))._replace(most=1)
    text = (
        "The wrong answers are split exactly into what is lost by the reader (wrong with the whole document), by the "
        "chunking (the best chunks of the gold document do worse than all of it) and by the retrieval (what was "
        "retrieved does worse than those chunks). A part is negative where less text helps."
    )
    is_split = source.tables["ladder"]["n_chunking"].null_count() < len(source.tables["ladder"])
    explained = [Sentences((text,))] if is_split else []
    blocks: tuple[Block, ...] = (Sentences(tuple(lines), is_list=True), picture, *explained)
    return Section("ladder", "Where answers are lost", blocks, is_folded=False)


def _first_reader(source: Source) -> str:
    """The reader whose picture is part of the story: the one of the headline."""
    readers = _readers(source)
    told = (source.reader(one["reader"]) for one in source.manifest.get("recommendations", []))
    return next((reader for reader in told if reader in readers), readers[0])


def _readers(source: Source) -> list[str]:
    return source.tables["ladder"]["reader"].unique(maintain_order=True).to_list()


def _ladder(source: Source, reader: str) -> PlotRef:
    """The picture of a reader's ladder; a single one unless it has many cells."""
    name = f"ladder_{_readers(source).index(reader) + 1}"
    mine = source.tables["ladder"].filter(pl.col("reader") == reader, pl.col("questions") == "gold")
    n_drawn = len(mine.drop_nulls(LOSSES))
    is_one = 0 < n_drawn <= MOST_ROWS
    alt = f"{reader}: what is lost, and where"
    return PlotRef(name, alt, file=f"{name}.svg" if is_one else "")


def _rung(source: Source, reader: str) -> dict[str, Any] | None:
    """The ladder of the advised cell on the gold set; of the leading one where nothing is advised."""
    mine = source.tables["ladder"].filter(pl.col("reader") == reader, pl.col("questions") == "gold")
    advised = [one for one in source.manifest.get("recommendations", []) if source.reader(one["reader"]) == reader]
    cell = cell_row(source, advised[0]) if advised and source.has("cells") else None
    ranked = mine.sort("retrieved", descending=True, nulls_last=True).rows(named=True)
    if cell is not None:
        same = [row for row in ranked if source.cell(row) == source.cell(cell)]
        return same[0] if same else None
    return ranked[0] if ranked else None


def _losses(source: Source, row: Mapping[str, Any]) -> str:
    who = f"{row['reader']}, {source.cell(row)}"
    if not row["n"]:
        return f"{who}: no gold question to score."
    n_gold = _n_gold(source, row)
    if n_gold < NO_FIGURES:
        return f"{who}: {too_few(n_gold, 'to say where answers are lost')}."
    answers = f"of the answers to {count_gold(n_gold)}"
    wrong = f"{who}: {percent(row['n_wrong'] / row['n'])} {answers} are wrong"
    parts = {name: row[f"n_{name}"] for name in ("reader", "chunking", "retrieval")}
    if not row["n_wrong"] and not any(parts.values()):
        return f"{who}: none {answers} is wrong."
    if any(n is None for n in parts.values()):
        return f"{wrong}; not every arm was asked, so nothing says where they are lost."
    (reader, n), *others = ((name, _signed(n / row["n"])) for name, n in parts.items())
    named = listed([f"the {reader} loses {n}", *(f"the {name} {n}" for name, n in others)])
    return f"{wrong}: {named}."


def _n_gold(source: Source, row: Mapping[str, Any]) -> float:
    """What the gold questions of a cell are worth; their number where no table says."""
    same = [pl.col(name) == row[name] for name in ("reader", "setting", *CUT)]
    cells = source.tables["cells"].filter(*same) if source.has("cells") else pl.DataFrame()
    return float(row["n"] if cells.is_empty() else cells["gold_n"][0])


def _signed(share: float) -> str:
    if abs(share) < 0.005:
        return "about 0 %" if abs(share) > 1e-9 else "0 %"
    return f"\N{MINUS SIGN}{percent(-share)}" if share < 0 else percent(share)


def loss_section(source: Source) -> Section:
    """The ladder of every cell on the gold set, reader by reader."""
    text = (
        "On the gold set; ladder.parquet also holds all questions. Read a row from left to right: accuracy without "
        "context, with random text of the same length, with the whole document, with the best chunks of the gold "
        "document, and with what was retrieved. Recovered: how much of the gap between closed book and whole document "
        "is closed, unknown where the gap is not shown to exist. Harmed: right without context, wrong with what was "
        "retrieved."
    )
    blocks: list[Block] = [Sentences((text,))]
    gold = source.tables["ladder"].filter(pl.col("questions") == "gold")
    first = _first_reader(source)
    for reader, rows in _by_reader(gold):
        title = f"{reader}: the ladder, cell by cell, over {counted(rows['n'][0], 'gold question')}"
        body = [_rungs(source, row) for row in rows.iter_rows(named=True)]
        blocks += [
            # What the story shows already is not shown again.
            _ladder(source, reader) if reader != first else _ladder(source, reader)._replace(file=""),
            make_table(title, LADDER_COLUMNS, body, "ladder.parquet"),
        ]
    return Section("losses", "Where answers are lost, cell by cell", tuple(blocks))


LADDER_COLUMNS: dict[str, Kind] = {
    "chunks": "text", "read": "text", **dict.fromkeys(ARM_NAMES.values(), "share"),
    "wrong = reader + chunking + retrieval": "text",
    **dict.fromkeys(("reader loss", "chunking loss", "retrieval loss", "recovered"), "interval"),
    "harmed": "count", "harm": "interval",
}  # fmt: skip


def _by_reader(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (reader,), rows in frame.group_by("reader", maintain_order=True):
        yield str(reader), rows


def _rungs(source: Source, row: Mapping[str, Any]) -> tuple[Cell, ...]:
    losses = (estimate(row, name) for name in (*LOSSES, "recovered"))
    arms = (row[arm] for arm in ARM_NAMES)
    harm = (row["n_harmed"], estimate(row, "harm"))
    return (source.setting(row["setting"]), read_of(row), *arms, sum_of_losses(row), *losses, *harm)


def sum_of_losses(row: Mapping[str, Any]) -> str:
    """What is wrong as the sum of its parts, as in `4 = 1 + (-1) + 4`."""
    counts = [row["n_reader"], row["n_chunking"], row["n_retrieval"]]
    parts = [f"({count(one)})" if one is not None and one < 0 else count(one) for one in counts]
    return f"{count(row['n_wrong'])} = {' + '.join(parts)}"


def example_section(source: Source) -> Section:
    """Gold questions that a reader gets wrong with what was retrieved."""
    text = (
        "Gold questions answered wrongly with what was retrieved, the surest answers first. Evidence is bold and "
        "underlined twice; a chunk that was read is highlighted, between brackets with its rank: [1 … 1]."
    )
    found = source.tables["examples"].group_by("reader", maintain_order=True)
    examples = [_of_reader(source, str(reader), rows) for (reader,), rows in found]
    return Section("examples", "Worst examples", (Sentences((text,)), *examples), is_folded=False)


def _of_reader(source: Source, reader: str, rows: pl.DataFrame) -> Examples:
    return Examples(f"{reader}, {source.cell(rows.row(0, named=True))}", tuple(rows.iter_rows(named=True)))


def advice_section(source: Source, lines: Iterable[str]) -> Section:
    """The advice in full sentences, and under each cut with the numbers behind it.

    Args:
        source: the run.
        lines: those of `advice_in_full`.
    """
    said = tuple(lines)
    blocks: list[Block] = [Sentences(said, is_list=True)] if said else []
    if source.manifest["verdicts"] and source.has("cells"):
        blocks.append(_verdicts(source))
    return Section("advice", "The advice in full", tuple(blocks))


def _leads(source: Source, cells: pl.DataFrame) -> str | None:
    """What scores highest of the cells of a reader and a cut, all that are equal; None where none is ever right."""
    known = cells.drop_nulls("gold_accuracy")
    equal = leaders(known, "gold_accuracy")
    if equal.is_empty() or is_nothing(equal["gold_accuracy"][0]):
        return None
    said = say_equal([cell_of(row) for row in equal.iter_rows(named=True)], len(known), source.spoken)
    return said if len(equal) == 1 else f"{said}, equal"


def _verdicts(source: Source) -> Table:
    cells = {
        (reader, cut_of(rows.row(0, named=True)).name): rows
        for (reader, *_), rows in source.tables["cells"].group_by("reader", *CUT, maintain_order=True)
    }
    rows = []
    for one in source.manifest["verdicts"]:
        reader = source.reader(one["reader"])
        mine = cells.get((reader, one["cut"]), source.tables["cells"].clear())
        leader = next((row for row in mine.iter_rows(named=True) if row["setting"] == one["best"]), None)
        rows.append(
            (reader, read_of(leader) if leader else one["cut"], source.setting(one["recommended"]) or OPEN,
             _leads(source, mine) if leader else None, estimate(leader, "gold_accuracy") if leader else None,
             len(one["not_worse"]), one["n_gold"], one.get("detectable"))
        )  # fmt: skip
    return make_table(
        "The advice by reader and cut",
        {"reader": "text", "read": "text", "advice": "text", "leads": "text", "accuracy of the leader": "interval",
         "settings not shown to be worse": "whole", "gold questions": "count", "detectable difference": "share"},
        rows,
        "manifest.json",
    )  # fmt: skip
