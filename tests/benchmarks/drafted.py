"""What drafted questions are worth on the bundled handbook: their yield, a hand check, and how they rank chunk sizes.

    tercet questions draft demo --reader NAME --n 24 --out drafted.jsonl
    python -m tests.benchmarks.drafted drafted.report.json --checks checks.csv --save results/published/drafted.md

Each report is one that `tercet questions draft` wrote; those of the published page are beside it. The checks are
somebody's own reading of kept questions: a CSV file with the columns id, verdict (right, wrong or unclear: whether the
document answers the question, with that answer), note, and perhaps evidence (yes or no: whether the sentences that the
question was drafted from answer it, whatever the answer is). Chunk sizes are ranked by the mean recall of evidence,
without any reader, once by the hand-written questions and once by the drafted ones, if there are enough. Intervals
resample documents. As a measure of what is possible at all, two sets of hand-written questions that share none are
compared in the same way, each as large as the drafted set.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import binomtest, kendalltau, spearmanr

from corpora.schema import Corpus, Question, Span, questions_frame
from corpora.sources.bundled import read_sample
from flows.label import label
from flows.session.experiment import Experiment, parse_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.indexing import measure_unread
from flows.stages.runner import Runner
from flows.sweep import sweep
from tests.benchmarks.saving import save_option, show

SIZES = (16, 24, 32, 48, 64, 96, 128, 192)
RETRIEVAL = {"splitters": ["tokens"], "sizes": list(SIZES), "k": [1, 3], "budgets": [192]}
RESAMPLES = 1000
FEWEST = 5  # questions that a ranking may rest on
VERDICTS = ("right", "wrong", "unclear")
ENDING = ".txt"  # of the documents' ids, where the handbook was read as a folder
Floats = npt.NDArray[np.float64]


class Recalls(NamedTuple):
    """Recall of evidence by question and cell, with the document of each question; rows are questions."""

    values: Floats
    documents: Sequence[str]
    cells: Sequence[tuple[str, int, int]]

    def ranking(self, rows: npt.NDArray[np.int64], cut: tuple[str, int] | None = None) -> Floats:
        """Mean recall of every cell under a cut, or of all cells."""
        wanted = [at for at, cell in enumerate(self.cells) if cut is None or cell[:2] == cut]
        means: Floats = self.values[np.ix_(rows, wanted)].mean(axis=0)
        return means

    def resampled(self, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """Rows of as many documents as there are, drawn with replacement."""
        by_document: dict[str, list[int]] = {}
        for row, document in enumerate(self.documents):
            by_document.setdefault(document, []).append(row)
        drawn = generator.choice(list(by_document), len(by_document))
        return np.array([row for document in drawn for row in by_document[document]])


def experiment() -> Experiment:
    """Retrieval alone, on the handbook."""
    content = {"name": "drafted", "readers": [], "corpus": {"source": "sample"}, "retrieval": RETRIEVAL,
               "calibration": {"per_label": 0}, "consensus": {"rule": "unanimous"}}  # fmt: skip
    return parse_experiment(content, "the benchmark")


def recalls_of(corpus: Corpus, session: Session) -> Recalls:
    """Rank the chunks of every size for each question."""
    setup = experiment()
    labeled = label(setup, corpus, session, Runner())
    unread = measure_unread(setup.retrieval, corpus, session)
    found = sweep(setup, labeled, session, Runner(), unread).tables["retrieval"].drop_nulls("span_recall")
    wide = found.pivot(["cut", "amount", "size"], index="question_id", values="span_recall", sort_columns=False)
    cells = found.select("cut", "amount", "size").unique(maintain_order=True).rows()
    values = wide.drop("question_id").to_numpy()
    first = dict(corpus.questions.select("question_id", pl.col("document_ids").list.first()).iter_rows())
    return Recalls(values, [first[one] for one in wide["question_id"]], cells)


def agreement(
    one: Recalls, other: Recalls, cut: tuple[str, int] | None, seed: int = 0
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Spearman's and Kendall's rank correlation of the cells, each with a 95 % interval."""
    generator = np.random.default_rng(seed)

    def correlations(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> tuple[float, float]:
        ranks = one.ranking(a, cut), other.ranking(b, cut)
        return float(spearmanr(*ranks).statistic), float(kendalltau(*ranks).statistic)

    at = correlations(np.arange(len(one.values)), np.arange(len(other.values)))
    drawn = [correlations(one.resampled(generator), other.resampled(generator)) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    return (at[0], low[0], high[0]), (at[1], low[1], high[1])


def halves(hand: Recalls, n: int, cut: tuple[str, int] | None, seed: int = 0) -> tuple[float, float, float]:
    """Median and 95 % range of Spearman's correlation of two sets of n hand-written questions without common ones."""
    generator, found = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        order = generator.permutation(len(hand.values))
        found.append(spearmanr(hand.ranking(order[:n], cut), hand.ranking(order[n : 2 * n], cut)).statistic)
    low, middle, high = np.nanquantile(found, [0.025, 0.5, 0.975])
    return middle, low, high


def kept_questions(report: Mapping[str, Any]) -> list[Question]:
    """The questions that a drafting kept."""
    return [
        Question(one["id"], one["text"], (one["document_id"].removesuffix(ENDING),), one["answer"],
                 tuple(Span(span["document_id"].removesuffix(ENDING), span["start"], span["end"])
                       for span in one["evidence"]))
        for one in report["drafts"] if one["fate"] == "kept"
    ]  # fmt: skip


def name_of(report: Mapping[str, Any]) -> str:
    """Who drafted, and whether without votes."""
    return f"{report['reader']['name']}{'' if by_votes(report) else ', by text alone'}"


def by_votes(report: Mapping[str, Any]) -> bool:
    """Whether three votes had to confirm each draft; reports that do not say are older than the choice."""
    return bool(report.get("wish", {}).get("votes", True))


def yields(reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is left after each filter."""
    names = [f"{name_of(one)} ({one['drafted']} drafts)" for one in reports]
    yield f"| left after | {' | '.join(names)} |"
    yield f"|---|{'---|' * len(names)}"
    for row in zip(*(one["filters"] for one in reports), strict=True):
        yield f"| {row[0]['filter']}: {row[0]['asks']} | {' | '.join(str(one['left']) for one in row)} |"
    yield ""
    for one in reports:
        answers = ", ".join(f"{told['kept']} {answer}" for answer, told in one["answers"].items())
        kinds = ", ".join(f"{told['kept']} of {told['drafted']} {kind}" for kind, told in one["kinds"].items())
        covered = f"{one['documents']['with_questions']} of {one['documents']['all']} documents"
        yield f"* {name_of(one)}: answers {answers}; kinds {kinds}; questions on {covered}."


class Check(NamedTuple):
    """Somebody's reading of a question; `evidence` is empty where that was not looked at."""

    verdict: str
    note: str
    evidence: str = ""


def read_checks(file: Path) -> dict[str, Check]:
    """The readings by the id of a question."""
    with file.open(encoding="utf-8", newline="") as content:
        rows = list(csv.DictReader(content))
    found = {row["id"]: Check(row["verdict"], row["note"], row.get("evidence", "")) for row in rows}
    unknown = {one.verdict for one in found.values()} - set(VERDICTS)
    if unknown:
        raise click.UsageError(f"verdicts {sorted(unknown)}: expected {', '.join(VERDICTS)}")
    return found


def checked(reports: Sequence[Mapping[str, Any]], checks: Mapping[str, Check]) -> Iterator[str]:
    """The hand check: precision with its exact interval, and every question."""
    everything = {"reader": {"name": "all"}, "drafts": [one for of in reports for one in of["drafts"]]}
    for report in (*reports, everything) if len(reports) > 1 else reports:
        ids = {one.id for one in kept_questions(report)} & set(checks)
        counts = Counter(checks[one].verdict for one in ids)
        if not ids:
            continue
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
        yield f"* {name_of(report)}: {told} of {len(ids)}; precision {_share(counts['right'], len(ids))}."
        about = Counter(checks[one].evidence for one in ids if checks[one].evidence)
        if about:
            yield (
                f"* Of {about.total()} of these, {about['yes']} are answered by the sentences that they were drafted "
                f"from, whatever the answer is: {_share(about['yes'], about.total())}."
            )
    yield ""
    yield "| drafted by | question | answer | check | note |"
    yield "|---|---|---|---|---|"
    for report in reports:
        for one in kept_questions(report):
            if one.id in checks:
                check = checks[one.id]
                yield f"| {name_of(report)} | {one.text} | {one.reference} | {check.verdict} | {check.note} |"


def _share(n: int, of: int) -> str:
    interval = binomtest(n, of).proportion_ci(method="exact")
    return f"{n / of:.2f} ({interval.low:.2f} to {interval.high:.2f}, exact)"


def compared(reports: Sequence[Mapping[str, Any]], session: Session) -> Iterator[str]:
    """How alike the two kinds of questions rank the chunk sizes."""
    corpus = read_sample()
    hand = recalls_of(corpus, session)
    sets = {name_of(one): kept_questions(one) for one in reports}
    sets |= {"all drafted": [one for asked in sets.values() for one in asked]} if len(sets) > 1 else {}
    sets = {name: asked for name, asked in sets.items() if len(asked) >= FEWEST}
    drafted = {name: recalls_of(corpus.with_questions(questions_frame(asked)), session) for name, asked in sets.items()}
    yield "Mean recall of the evidence, in percent:"
    yield ""
    yield f"| cut | questions | {' | '.join(map(str, SIZES))} |"
    yield f"|---|---|{'---|' * len(SIZES)}"
    cuts = list(dict.fromkeys(cell[:2] for cell in hand.cells))
    for cut in cuts:
        for name, one in {"hand-written": hand, **drafted}.items():
            means = one.ranking(np.arange(len(one.values)), cut)
            percents = " | ".join(f"{100 * at:.0f}" for at in means)
            yield f"| {cut[0]} {cut[1]} | {name} ({len(one.values)}) | {percents} |"
    yield ""
    yield "Rank correlation with the hand-written questions, and that of two hand-written sets of the same size:"
    yield ""
    yield "| cut | drafted by | Spearman | Kendall | two hand-written sets (Spearman) |"
    yield "|---|---|---|---|---|"
    for cut in (*cuts, None):
        for name, one in drafted.items():
            rho, tau = agreement(one, hand, cut)
            ceiling = halves(hand, min(len(one.values), len(hand.values) // 2), cut)
            where = "all cells" if cut is None else f"{cut[0]} {cut[1]}"
            yield f"| {where} | {name} | {_said(rho)} | {_said(tau)} | {_said(ceiling)} |"


def _said(found: tuple[float, float, float]) -> str:
    return f"{found[0]:+.2f} ({found[1]:+.2f} to {found[2]:+.2f})"


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--checks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Somebody's own reading.")
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Keep the vectors of chunks here.")
@save_option
def main(reports: tuple[Path, ...], checks: Path | None, store: Path | None, save: Path | None) -> None:
    """Report what REPORTS of draftings on the handbook are worth."""
    read = [json.loads(one.read_text(encoding="utf-8")) for one in reports]

    def lines() -> Iterator[str]:
        yield "## Yield"
        yield ""
        if any(map(by_votes, read)):
            yield "Few drafts were asked for, so the intervals are wide: the machine was busy with other work."
            yield ""
        yield from yields(read)
        yield ""
        yield "## Do they rank chunk sizes as hand-written questions do?"
        yield ""
        with TemporaryDirectory() as scratch, Session(Workspace(store or Path(scratch))) as session:
            yield from compared(read, session)
        if checks:
            yield ""
            yield "## Hand check"
            yield ""
            late = (
                " The filter `own words` was added after a first reading of the same drafts, which found two questions "
                "copied from the prompt. So the precision is not that of drafts that nobody had seen."
            )
            right = "Right: the document answers the question, and the answer is the drafted one."
            yield f"{right}{late if any(map(by_votes, read)) else ''}"
            yield ""
            yield from checked(read, read_checks(checks))

    command = f"python -m tests.benchmarks.drafted {' '.join(map(str, reports))}"
    command += f" --checks {checks}" if checks else ""
    show("Drafted questions on the handbook", command, lines(), save)


if __name__ == "__main__":
    main()
