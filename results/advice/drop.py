"""Whether a later run is shown to be worse than an earlier one, on the questions that both asked.

What counts as right is the earlier run's gold set, for both, so that nothing but the answers differs. The difference is
tested document by document, with one worst case added (`results.stats.worst_case`): a drop is shown where the earlier
run is shown to be better by more than the margin, not where it merely scored higher.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpora.errors import InputError
from corpora.schema import DOCUMENTS, Corpus, LabelSet
from labeling.votes.consensus import NOT_REVIEWED, ConsensusConfig, ReaderVotes
from labeling.votes.sampling import Sampling
from results.advice.cards.run import Run, recommended_row
from results.advice.wording import count, percent, points
from results.config import ScoringConfig
from results.settings import CUT, SETTING, Cell, Setting, cell_of
from results.stats.clustered import cluster_sums, holm
from results.stats.resampling import Array
from results.stats.worst_case import Weighted, p_better_by
from results.sweep.judged import Judged, line_up

ON_SPANS, ON_DOCUMENTS = "span_recall", "ndcg"
REMEDY = "name two runs of one experiment that read from chunks or retrieved"


class Drop(NamedTuple):
    """One cell of an earlier run against a later one.

    Attributes:
        what: the cell, as people say it, and its reader.
        score: what is compared, as in `accuracy`.
        before: of the earlier run.
        after: of the later run.
        n: what the questions that both asked are worth.
        margin: the largest drop that is acceptable.
        p_value: of the drop being no larger than that, corrected for the cells that are compared.
        is_shown: whether it is shown to be larger.
    """

    what: str
    score: str
    before: float
    after: float
    n: float
    margin: float
    p_value: float
    is_shown: bool

    @property
    def line(self) -> str:
        """All of it in a sentence."""
        scores = f"{self.score} {percent(self.before)} before and {percent(self.after)} now"
        found = f"{self.what}: {scores}, on {count(self.n, 'question')} of both runs"
        beyond = f"by more than {points(self.margin)}" if self.margin else "at all"
        if self.is_shown:
            return f"{found}. It is shown to be worse {beyond} (p = {self.p_value:.2g})."
        if self.after < self.before:
            return f"{found}. It is not shown to be worse {beyond} (p = {self.p_value:.2g})."
        return f"{found}. That is no drop."


def drop_lines(drops: Sequence[Drop], most: int = 5) -> list[str]:
    """The drops that are shown; where none is, the largest that was observed, and in how many cells.

    Args:
        drops: those of `find_drops`.
        most: lines for shown drops; more are counted.
    """
    shown = [one for one in drops if one.is_shown]
    if shown:
        more = [f"{len(shown) - most} more cells are shown to be worse."] if len(shown) > most else []
        return [*(one.line for one in shown[:most]), *more]
    largest = max(drops, key=lambda one: one.before - one.after)
    if len(drops) == 1:
        return [largest.line]
    if largest.after >= largest.before:
        return [f"None of the {len(drops)} cells that both runs have scores lower than before."]
    return [f"{largest.line} It is the largest drop of {len(drops)} cells that both runs have."]


class Scored(NamedTuple):
    """Two columns of scores, the earlier run's and the later one's, by document."""

    what: str
    score: str
    n: float
    documents: Weighted


def find_drops(
    before: tuple[Mapping[str, Any], Mapping[str, pl.DataFrame]],
    after: tuple[Mapping[str, Any], Mapping[str, pl.DataFrame]],
    margin: float | None = None,
) -> list[Drop]:
    """Compare the advised cell of an earlier run with the same cell of a later one, or with what that one advises.

    Where the earlier run advises nothing, every cell that both runs have is compared, with Holm's correction.

    Args:
        before: manifest and tables of the earlier run.
        after: those of the later run.
        margin: the largest drop that is acceptable; the later run's own where None.

    Raises:
        InputError: the runs cannot be compared.
    """
    ours, theirs = Run(*before), Run(*after)
    if ours.reads and theirs.reads:
        scored = list(_readers(ours, theirs))
    elif ours.sweeps and theirs.sweeps:
        scored = list(_retrieval(ours, theirs))
    else:
        raise InputError("runs that neither read from chunks nor retrieved", "two sweeps", REMEDY)
    if not scored:
        raise InputError("two runs without a cell in common", "a cell that both runs have", REMEDY)
    margin = theirs.margin if margin is None else margin
    leads = np.full((2, 2), margin)
    p_values = holm([float(p_better_by(one.documents, leads)[0, 1]) for one in scored])
    return [_drop(one, p_value, margin, theirs.alpha) for one, p_value in zip(scored, p_values, strict=True)]


def _drop(scored: Scored, p_value: float, margin: float, alpha: float) -> Drop:
    before, after = scored.documents.sums.sum(axis=0) / scored.documents.weights.sum()
    return Drop(scored.what, scored.score, float(before), float(after), scored.n, margin, p_value, p_value < alpha)


def _readers(ours: Run, theirs: Run) -> Iterator[Scored]:
    """The accuracies of the readers that both runs have, or of the only reader of each."""
    mine, others = (run.tables["cells"]["reader"].unique(maintain_order=True).to_list() for run in (ours, theirs))
    pairs = [(name, name) for name in mine if name in others]
    if not pairs and len(mine) == len(others) == 1:
        pairs = [(mine[0], others[0])]
    if ours.manifest["corpus"]["labels"] != theirs.manifest["corpus"]["labels"]:
        raise InputError("two runs with different labels", "the same labels in both", REMEDY)
    for reader, other in pairs:
        names = reader if reader == other else f"{reader}, now {other},"
        for cell, now in _cells(ours, theirs, reader, other):
            yield _answers(ours, theirs, cell, now, names)


def _cells(ours: Run, theirs: Run, reader: str, other: str) -> list[tuple[Cell, Cell]]:
    """The cells to compare: the earlier and the later one of each pair."""
    here, there = ours.cells_of(reader), theirs.cells_of(other)
    in_both = {cell_of(row)._replace(reader=reader) for row in there.rows(named=True)}
    advised = _advised(ours, reader)
    if advised and advised in in_both:
        return [(advised, advised._replace(reader=other))]
    now = _advised(theirs, other)
    if advised and now:
        return [(advised, now)]
    same = [cell for cell in (cell_of(row) for row in here.rows(named=True)) if cell in in_both]
    return [(cell, cell._replace(reader=other)) for cell in same]


def _advised(run: Run, reader: str) -> Cell | None:
    entry = next((one for one in run.recommendations if one["reader"] == reader), None)
    row = recommended_row(entry, run.cells_of(reader)) if entry else None
    return cell_of(row) if row else None


def _answers(ours: Run, theirs: Run, cell: Cell, now: Cell, names: str) -> Scored:
    """The answers of both runs in a cell each, scored by the earlier run's gold set."""
    asked = [
        run.tables["answers"].filter(_is_cell(one), pl.col("arm") == "retrieved")
        for run, one in ((ours, cell), (theirs, now))
    ]
    common = set(asked[0]["question_id"]) & set(asked[1]["question_id"])
    if not common:
        raise InputError("two runs without a question in common", "questions that both runs asked", REMEDY)
    is_drawn = ours.is_drawn or theirs.is_drawn
    judged = [
        _judged(run, str(one.reader), answers.filter(pl.col("question_id").is_in(list(common))), is_drawn=is_drawn)
        for run, one, answers in ((ours, cell, asked[0]), (theirs, now, asked[1]))
    ]
    law = judged[0].laws["gold"]
    gold = law.weights
    columns = [(gold * one.chances["retrieved", 0]).sum(axis=1) for one in judged]
    what = f"{names} with {ours.spoken.the_cell(cell)}"
    if cell[1:] != now[1:]:
        what += f", now {theirs.spoken.the_cell(now)}"
    return Scored(what, "accuracy", law.n, _by_document(gold.sum(axis=1), columns, law.clusters))


def _by_document(weights: Array, columns: Sequence[Array], clusters: Sequence[str]) -> Weighted:
    sums, _ = cluster_sums(np.stack(columns, axis=1), clusters)
    found = Weighted(cluster_sums(weights, clusters)[0], sums)
    if not found.weights.sum():
        raise InputError("two runs whose common questions are not in the gold set", "a gold set with them", REMEDY)
    return found


def _is_cell(cell: Cell) -> pl.Expr:
    place = dict(zip((*SETTING, *CUT), (*cell.setting, *cell.cut), strict=True))
    return pl.all_horizontal(pl.col("reader") == cell.reader, *(pl.col(name) == value for name, value in place.items()))


def _judged(run: Run, reader: str, answers: pl.DataFrame, *, is_drawn: bool) -> Judged:
    """The answers as scoring lines them up, from what a run folder holds."""
    config = run.manifest["config"]
    own = next(one for one in config["readers"] if (one["name"] or one["model"]) == reader)
    sampling = Sampling(*(own[name] for name in Sampling._fields))
    scoring = ScoringConfig.model_validate(config["scoring"] | {"answers": "drawn" if is_drawn else "expected"})
    questions = run.tables["questions"]
    labels = LabelSet(tuple(run.manifest["corpus"]["labels"]))
    corpus = Corpus(run.manifest["corpus"]["name"], pl.DataFrame(schema=DOCUMENTS), questions, labels)
    votes, gold = (run.tables[name].filter(pl.col("reader") == reader).drop("reader") for name in ("votes", "gold"))
    asked = questions.select("question_id")
    reviewed = dict(run.tables["reviewed"].iter_rows()) if "reviewed" in run.tables else NOT_REVIEWED
    readers = ReaderVotes(reader, sampling, own.get("diversity", "resample"), asked, votes, gold, None, reviewed)
    return line_up(corpus, readers, answers, ConsensusConfig.model_validate(config["consensus"]), scoring)


def _retrieval(ours: Run, theirs: Run) -> Iterator[Scored]:
    """The retrieval scores of the cell that the earlier run advises, or of all cells that both have."""
    tables = [run.tables["retrieval"] for run in (ours, theirs)]
    score = ON_DOCUMENTS if any(one[ON_SPANS].is_null().all() for one in tables) else ON_SPANS
    key = [*SETTING, *CUT]
    both = tables[0].join(tables[1], on=[*key, "question_id"], suffix="_now").filter(
        pl.col(score).is_not_null(), pl.col(f"{score}_now").is_not_null()
    )  # fmt: skip
    choice = ours.choice()
    if choice and choice["recommended"] is not None:
        means = ours.tables["retrieval_means"].filter(pl.col("setting") == choice["recommended"])
        advised = [cell_of(row) for row in means.rows(named=True)]
        cell = next((one for one in advised if one.cut.name == choice["cut"]), None)
        if cell is not None:
            mine = both.filter(pl.all_horizontal(pl.col(name) == value for name, value in _place(cell).items()))
            both = both if mine.is_empty() else mine
    clusters = ours.tables["questions"].select(
        "question_id", cluster=pl.col("document_ids").list.first().fill_null(pl.col("question_id"))
    )
    said = {ON_SPANS: "share of the evidence that is found", ON_DOCUMENTS: "nDCG"}[score]
    for values, rows in (
        both.join(clusters, on="question_id").sort(*key, "question_id").group_by(key, maintain_order=True)
    ):
        cell = Cell(None, Setting(*values[: len(SETTING)]), cell_of(rows.row(0, named=True)).cut)
        columns = [rows[name].to_numpy() for name in (score, f"{score}_now")]
        weighted = _by_document(np.ones(len(rows)), columns, rows["cluster"].to_list())
        yield Scored(f"retrieval with {ours.spoken.the_cell(cell)}", said, len(rows), weighted)


def _place(cell: Cell) -> dict[str, Any]:
    return dict(zip((*SETTING, *CUT), (*cell.setting, *cell.cut), strict=True))
