"""A whole run: label, sweep and compare, and then its report and its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from corpora.errors import InputError, counted
from corpora.schema import Corpus
from corpora.storage import StorePath, remove_leftovers
from flows.compare import compare
from flows.label import Labeled, label, load
from flows.planning.first_asks import submit_all
from flows.planning.languages import language_inputs
from flows.planning.quote import authorise
from flows.run.gold.finished_corpus import experiment_folder
from flows.run.manifest import all_inputs, describe, describe_session
from flows.run.outline import stages_of_comparison, stages_of_label, stages_of_reading, stages_of_retrieval
from flows.run.run_tables import Made, run_tables
from flows.run.until_told import first_look, read_until_told, reads_in_looks
from flows.session.experiment import Experiment, Kind
from flows.session.session import Session
from flows.stages.indexing import check_questions, check_sizes, measure_unread, needs_vectors
from flows.stages.retrieval.precision import Settled, settle_precision
from flows.stages.reviewed import reviewed_corpus
from flows.stages.runner import Finished, Runner
from flows.sweep import Swept, sweep
from results.advice.cards.record import RunRecord
from results.advice.summary import record
from results.report.documents import draw_plots, render_documents
from results.report.html.page import HTML_REPORT, render_html
from results.report.plots.figures import write_figures
from results.report.plots.plot import Plot
from results.report.text.report import render_report
from results.store.finished import REPORT, check_format, read_manifest, read_tables
from results.store.run_folder import RunFolder
from retrieval.config import NO_RERANKER, RetrievalConfig
from retrieval.embedding.unknown_tokens import Unread


class Outcome(NamedTuple):
    """The folder of a finished run, its report, its headline in one line, and its summary."""

    folder: StorePath
    report: str
    line: str
    record: RunRecord


def refuse_to_ask(_: str) -> bool:
    """The answer when there is nobody to ask."""
    return False


def execute(
    experiment: Experiment, kind: Kind, session: Session, runner: Runner,
    confirm: Callable[[str], bool] = refuse_to_ask,
) -> Outcome:  # fmt: skip
    """Run an experiment: `label` alone, `sweep` or `compare` on top of it, or all of them with `run`.

    Labels always come first; if the ledger already has them, that costs nothing.

    Args:
        experiment: what to run.
        kind: how much of it.
        session: the store, and what is kept open.
        runner: runs the stages.
        confirm: asks the user whether to spend more on remote readers than the experiment allows.

    Raises:
        InputError: something is wrong with the input; said before anything is spent, if it can be known by then.
    """
    started = datetime.now(UTC)
    sweeps = kind in ("sweep", "run")
    compares = kind == "compare" or (kind == "run" and len(experiment.readers) > 1)
    check_readers(experiment, kind)
    session.check_prices()
    workspace = session.workspace
    for config in (experiment.corpus, *(experiment.other_corpora if compares else ())):
        workspace.corpus(config, digests=False)  # refused before models are looked at, if it is not here
    for folder in (workspace.ledger, workspace.embeddings, workspace.samples, workspace.converted):
        remove_leftovers(folder)
    runner.run("verify models", verify_models, experiment, session, sweeps)
    corpus = load(experiment, session, runner)
    retrieval = experiment.retrieval
    unread = runner.run("count unknown tokens", measure_unread, retrieval, corpus, session) if sweeps else {}
    embeds = needs_vectors(retrieval.retrievers, wants_oracle=experiment.wants_oracle)
    if sweeps and embeds:
        check_questions(retrieval, corpus, session)
    settled = settle(retrieval, corpus, session, runner) if sweeps and embeds else {}
    if experiment.remote_readers:
        # A sweep that stops once it is told is held to its limit look by look; without one, all of it is confirmed.
        first = first_look(experiment, corpus) if reads_in_looks(experiment, sweeps=sweeps) else experiment
        quoted = experiment if experiment.max_cost is None else first
        session.begin_spending(authorise(quoted, session, confirm, all_corpora=compares, reads=sweeps))
        for line in submit_all(first, session, all_corpora=compares):
            runner.progress.say(line)
    probe = kind == "compare"
    n_compared = stages_of_comparison(experiment, corpus, probe=probe) if compares else 0
    labeled, swept = label_and_sweep(experiment, corpus, session, runner, unread, sweeps=sweeps, n_later=n_compared)
    compared = compare(experiment, labeled, session, runner, probe=probe) if compares else None
    session.readers.close()
    made = Made(labeled, swept, compared)
    finished = seal_run(experiment, kind, session, made, describe_session(started, runner, *made), settled)
    runner.show(finished)
    return Outcome(finished.folder, finished.report, finished.line, finished.record)


def label_and_sweep(
    experiment: Experiment, corpus: Corpus, session: Session, runner: Runner,
    unread: Mapping[str, Sequence[Unread]], *, sweeps: bool, n_later: int = 0,
) -> tuple[Labeled, Swept | None]:  # fmt: skip
    """Label everything and then read everything, or both in looks until the advice is told.

    Stages say their place among these and the `n_later` that follow.
    """
    if reads_in_looks(experiment, sweeps=sweeps):
        told = read_until_told(experiment, corpus, session, runner, unread)
        runner.expect(n_later, "comparison")
        return told
    of_sweep = stages_of_retrieval(experiment, session) + stages_of_reading(experiment) if sweeps else 0
    runner.expect(stages_of_label(experiment, corpus) + of_sweep + n_later)
    labeled = label(experiment, corpus, session, runner)
    return labeled, sweep(experiment, labeled, session, runner, unread) if sweeps else None


def seal_run(
    experiment: Experiment, kind: Kind, session: Session, made: Made, worked: dict[str, Any],
    settled: Mapping[str, Settled],
) -> Finished:  # fmt: skip
    """Write the run folder: tables, plots and reports, and the manifest last."""
    tables = run_tables(experiment, made, session)
    # What may be spent changes nothing about the results.
    config = experiment.model_dump(mode="json", exclude={"max_cost"})
    inputs = all_inputs(made.labeled, made.compared)
    if made.swept:
        inputs |= language_inputs(experiment.retrieval, made.labeled.corpus)
    if session.workspace.recorded:  # another run than one that asks
        inputs["recorded votes"] = session.workspace.recorded
    if experiment.consensus.rule == "reviewed":  # with other labels of people the gold set is another one
        others = made.compared.others if made.compared else {}
        corpora = {"reviews": made.labeled.corpus} | {f"{name}: reviews": one.corpus for name, one in others.items()}
        inputs |= {name: reviewed_corpus(experiment.consensus, one, session).digest for name, one in corpora.items()}
    run = RunFolder(session.workspace.root, f"{experiment.name}-{kind}", config, inputs)
    remote = experiment.remote_readers
    worked["apis"] = {one.label: session.providers.known_api(one.remote) for one in remote}
    folder = experiment_folder(experiment, session.workspace.base, run.path)
    worked |= {"experiment_folder": folder} if folder else {}
    described = describe(experiment, kind, session, *made)
    if settled:
        described["precision"] = {name: one.described() for name, one in settled.items()}
    with run.held():
        run.begin()
        for name, frame in tables.items():
            run.write_table(name, frame)
        manifest = run.complete(described, worked)
        plots = draw_plots(tables)
        files = report_files(manifest, tables, plots)
        for name, text in files.items():
            run.write_text(name, text)
        run.seal(manifest)
    return Finished(run.path, files[REPORT], manifest["headline"], tables, plots, record(manifest, tables))


def report_files(
    manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame], plots: Sequence[Plot]
) -> dict[str, str]:
    """Both reports and the files that belong to them, by file name."""
    documents = render_documents(manifest, tables, plots)
    return documents | {HTML_REPORT: render_html(manifest, tables, plots), REPORT: render_report(manifest, tables)}


def settle(retrieval: RetrievalConfig, corpus: Corpus, session: Session, runner: Runner) -> dict[str, Settled]:
    """The precision of the embedders that leave it open, each chosen and said."""
    if all(one.precision != "auto" for one in retrieval.embedders):
        return {}
    settled = runner.run("choose the embedder's precision", settle_precision, retrieval, corpus, session)
    for name, one in settled.items():
        runner.progress.say(f"{name} runs in {one.used}.")
    return settled


def check_readers(experiment: Experiment, kind: Kind) -> None:
    """Refuse an experiment with fewer readers than its flow needs.

    Raises:
        InputError: as said.
    """
    if kind == "label" and not experiment.readers:
        raise InputError("an experiment without readers", "at least one reader", "add a [[readers]] section")
    if kind == "compare" and len(experiment.readers) < 2:
        raise InputError(
            f"an experiment with {counted(len(experiment.readers), 'reader')}",
            "at least two readers to compare",
            "add a [[readers]] section",
        )


def verify_models(experiment: Experiment, session: Session, sweeps: bool) -> None:
    """Check that every model is here with the right digest, and that the embedder can read every size."""
    for reader in experiment.readers:
        if not reader.remote.is_remote:
            session.readers.sha256(reader.model)
    if sweeps:
        embeds = needs_vectors(experiment.retrieval.retrievers, wants_oracle=experiment.wants_oracle)
        check_sizes(experiment.retrieval, session, embeds=embeds)
        for model in experiment.retrieval.rerankers:
            if model != NO_RERANKER:
                session.reranker(model)


def render_again(folder: StorePath) -> Outcome:
    """Render the report of a finished run from its tables.

    Raises:
        InputError: not the folder of a finished run.
    """
    manifest = read_manifest(folder)
    check_format(folder, manifest)
    tables = read_tables(folder, manifest)
    return Outcome(folder, render_report(manifest, tables), str(manifest["headline"]), record(manifest, tables))


def draw_figures(folder: StorePath, target: Path) -> str:
    """Write the plots of a finished run as files for a paper; returns a line that says which.

    Raises:
        InputError: not the folder of a finished run, or a target that cannot be written to.
    """
    manifest = read_manifest(folder)
    check_format(folder, manifest)
    return write_figures(draw_plots(read_tables(folder, manifest)), target)
