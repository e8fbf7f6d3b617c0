"""The summary for programs: what `--json` prints, with the numbers behind its sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from results.advice.cards.distrust import is_at_edge
from results.advice.cards.origins import n_unaccepted
from results.advice.cards.run import Run, leading_row, recommended_row
from results.settings import CUT, SETTING, cell_of

VERSION = 1  # raised when a field changes its meaning or goes; a new field is no new version


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnswerRecord(_Record):
    """One answer of the summary."""

    question: str = Field(description="as a user would ask it")
    sentence: str = Field(description="the answer with its number")
    section: str = Field(description="section of the report that shows the evidence")


class CellRecord(_Record):
    """A cell: how chunks are made, ranked and cut."""

    splitter: str = Field(description="splitter of the chunks")
    size: int = Field(description="size of a chunk, in the embedder's tokens")
    overlap: int = Field(description="tokens that a chunk shares with the one before")
    embedder: str = Field(description="what embeds chunks and questions")
    retriever: str = Field(description="what ranks the chunks")
    cut: str = Field(description="k: the best chunks are read; budget: as many tokens as fit")
    amount: int = Field(description="number of chunks, or of tokens")
    said: str = Field(description="the cell as people say it")


class RecommendationRecord(_Record):
    """What to use with a reader, over all cuts."""

    reader: str = Field(description="name of the reader")
    told: bool = Field(description="whether a cell is recommended")
    cell: CellRecord | None = Field(description="the recommended cell; the leading one where nothing is told")
    accuracy: float | None = Field(description="share of its gold questions that are right in that cell")
    accuracy_low: float | None = Field(description="lower end of its interval")
    accuracy_high: float | None = Field(description="upper end of its interval")
    context_tokens: float | None = Field(description="mean number of tokens that are read in that cell")
    n_gold: float | None = Field(description="gold questions, or what their weights are worth")
    n_more: int | None = Field(
        description="about how many more questions would tell (gold questions, where scores are drawn); null where no "
        "number is known"
    )


class RetrievalRecord(_Record):
    """What retrieves best under a cut, without a reader."""

    told: bool = Field(description="whether a cell is recommended")
    cell: CellRecord | None = Field(description="the recommended cell; the leading one where nothing is told")
    score: str = Field(description="what was compared: span_recall or ndcg")
    value: float | None = Field(description="its mean in that cell")
    hit: float | None = Field(description="share of questions for which the gold document is found in that cell")


class ReaderRecord(_Record):
    """How a reader answers from whole documents, against the reference labels."""

    reader: str = Field(description="name of the reader")
    n: int = Field(description="questions with a reference label")
    accuracy: float | None = Field(description="share of them that it gets right")
    accuracy_low: float | None = Field(description="lower end of its interval")
    accuracy_high: float | None = Field(description="upper end of its interval")
    majority_label: str | None = Field(description="the most frequent reference label")
    majority_share: float | None = Field(description="accuracy of always giving it")
    qualified: bool | None = Field(description="whether the reader is shown to beat that; null without references")
    n_kept: int = Field(description="questions in its gold set")


class AbstentionRecord(_Record):
    """What a reader answers in a cell where nothing is stated, and where it abstains."""

    reader: str = Field(description="name of the reader")
    questions: str = Field(description="gold: by its gold labels; all: by the reference labels")
    cell: CellRecord | None = Field(description="the cell")
    n_not_stated: float = Field(description="questions whose answer is not stated, or what their weights add up to")
    false_answers: float | None = Field(description="share of them that it answers all the same")
    false_answers_low: float | None = Field(description="lower end of its interval")
    false_answers_high: float | None = Field(description="upper end of its interval")
    n_shown: float = Field(description="questions whose answer is stated in what was retrieved")
    abstained_shown: float | None = Field(description="share of them on which it abstains")
    n_missed: float = Field(description="questions whose answer is stated, but not in what was retrieved")
    abstained_missed: float | None = Field(description="share of them on which it abstains, as it should")


class RunRecord(_Record):
    """What a run of Tercet found."""

    version: Literal[1] = Field(description="of this form")
    name: str = Field(description="name of the experiment")
    kind: str = Field(description="label, sweep, compare or run")
    folder: str | None = Field(None, description="folder of the run")
    report: str | None = Field(None, description="file of the report")
    facts: str = Field(description="corpus, documents, questions, readers, date and cost")
    answers: tuple[AnswerRecord, ...] = Field(description="what was found")
    distrust: tuple[str, ...] = Field(description="why not to rely on it, beside what the answers say")
    at_edge: bool = Field(description="whether the best size is at the edge of those that were tried")
    recommendations: tuple[RecommendationRecord, ...] = Field(description="for each reader, the headline first")
    retrieval: tuple[RetrievalRecord, ...] = Field(description="for each cut")
    readers: tuple[ReaderRecord, ...] = Field(description="qualified readers first, then the most accurate")
    abstention: tuple[AbstentionRecord, ...] = Field(
        (), exclude_if=lambda found: not found,
        description="for each reader and cell; only where a label says that the answer is not stated",
    )  # fmt: skip
    drafted: int = Field(
        0, exclude_if=lambda n: n == 0, description="questions that a reader drafted and nobody has accepted"
    )  # fmt: skip
    unread: int = Field(
        0, exclude_if=lambda n: n == 0,
        description="questions left to read where reading stopped at a limit before the advice was told",
    )  # fmt: skip
    next: str | None = Field(None, description="a command to try next")
    failed: tuple[str, ...] = Field((), description="what --fail-if found; the exit code is 1 if there is anything")


def record_run(run: Run, answers: tuple[tuple[str, str, str], ...], distrust: tuple[str, ...], facts: str) -> RunRecord:
    """The record of a run.

    Args:
        run: the run.
        answers: question, sentence and section of each.
        distrust: why not to rely on it.
        facts: the line of facts.
    """
    return RunRecord(
        version=VERSION,
        name=run.manifest["name"],
        kind=run.manifest["kind"],
        facts=facts,
        answers=tuple(AnswerRecord(question=one[0], sentence=one[1], section=one[2]) for one in answers),
        distrust=distrust,
        at_edge=is_at_edge(run),
        recommendations=tuple(_recommendation(run, one) for one in run.recommendations),
        retrieval=tuple(_retrieval(run, one) for one in run.choices),
        readers=tuple(_reader(run, one) for one in run.readers),
        abstention=tuple(_abstention(run)),
        drafted=n_unaccepted(run),
        unread=max((run.n_unread(one["reader"]) for one in run.recommendations), default=0),
    )


def _cell(run: Run, row: Mapping[str, Any] | None) -> CellRecord | None:
    return None if row is None else CellRecord(**{name: row[name] for name in (*SETTING, *CUT)}, said=run.said(row))


def _recommendation(run: Run, entry: Mapping[str, Any]) -> RecommendationRecord:
    cells = run.cells_of(entry["reader"])
    row = recommended_row(entry, cells) or leading_row(cells)
    found = row or {}
    return RecommendationRecord(
        reader=entry["reader"],
        told=entry["setting"] is not None,
        cell=_cell(run, row),
        accuracy=found.get("gold_accuracy"),
        accuracy_low=found.get("gold_accuracy_low"),
        accuracy_high=found.get("gold_accuracy_high"),
        context_tokens=found.get("n_context_tokens"),
        n_gold=entry.get("n_gold"),
        n_more=entry.get("n_more"),
    )


def _retrieval(run: Run, entry: Mapping[str, Any]) -> RetrievalRecord:
    name = entry["recommended"] or entry["best"]
    rows = run.tables["retrieval_means"].rows(named=True)
    row = next((one for one in rows if one["setting"] == name and cell_of(one).cut.name == entry["cut"]), None)
    found = row or {}
    return RetrievalRecord(
        told=entry["recommended"] is not None, cell=_cell(run, row), score=entry["score"],
        value=found.get(entry["score"]), hit=found.get("hit"),
    )  # fmt: skip


def _abstention(run: Run) -> Iterator[AbstentionRecord]:
    if "abstention" not in run.tables:
        return
    names = [name for name in AbstentionRecord.model_fields if name != "cell"]
    for row in run.tables["abstention"].filter(arm="retrieved").iter_rows(named=True):
        yield AbstentionRecord(**{name: row[name] for name in names}, cell=_cell(run, row))


def _reader(run: Run, row: Mapping[str, Any]) -> ReaderRecord:
    gold = run.tables["gold"]
    names = [name for name in ReaderRecord.model_fields if name != "n_kept"]
    return ReaderRecord(
        **{name: row[name] for name in names}, n_kept=int(gold.filter(gold["reader"] == row["reader"])["kept"].sum())
    )
