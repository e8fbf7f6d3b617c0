"""The main job: label, sweep, compare, and seal the run with its report and manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from corpora.errors import InputError
from flows.asking import close_model
from flows.authorise import authorise
from flows.compare import Compared, compare
from flows.experiment import Experiment
from flows.first_asks import submit_all
from flows.indexing import check_questions, check_sizes
from flows.label import Labeled, label, load
from flows.manifest import Kind, all_inputs, describe, describe_session
from flows.measure import price_file
from flows.providers import begin_spending, known_api
from flows.runner import Runner
from flows.sweep import sweep
from flows.workspace import Workspace, model_file
from labeling.prices import load_prices
from results.agreement import compare_runs
from results.documents import draw_plots, render_documents
from results.examples import pick_examples
from results.html import HTML_REPORT, render_html
from results.remote import RemoteReader, describe_remote
from results.report import render_agreement, render_report
from results.store import REPORT, RunFolder, check_format, read_manifest, read_tables


class Outcome(NamedTuple):
    """Where a finished run lies, its report, and its verdict in one line."""

    folder: Path
    report: str
    line: str


def refuse_to_ask(_: str) -> bool:
    """The answer where nobody can be asked."""
    return False


def execute(
    experiment: Experiment, kind: Kind, workspace: Workspace, runner: Runner,
    confirm: Callable[[str], bool] = refuse_to_ask,
) -> Outcome:  # fmt: skip
    """Run an experiment: `label` alone, `sweep` or `compare` on top of it, or all of them with `run`.

    Labels come first in every case; where the ledger has them already, that costs nothing.

    Args:
        experiment: what to run.
        kind: how much of it.
        workspace: where.
        runner: runs the stages.
        confirm: asks the user whether to spend more on remote readers than the experiment allows.

    Raises:
        InputError: whatever is wrong with the input, before anything is spent where it can be known before.
    """
    started = datetime.now(UTC)
    sweeps = kind in ("sweep", "run")
    if kind == "label" and not experiment.readers:
        raise InputError("an experiment without readers", "one or more to label", "add a [[readers]] section")
    if kind == "compare" and len(experiment.readers) < 2:
        raise InputError(
            f"an experiment with {len(experiment.readers)} readers",
            "two or more to compare",
            "add a [[readers]] section",
        )
    compares = kind == "compare" or (kind == "run" and len(experiment.readers) > 1)
    runner.run("verify models", verify_models, experiment, workspace, sweeps)
    corpus = load(experiment, workspace, runner)
    if sweeps:
        check_questions(experiment, corpus, workspace)
    if experiment.remote_readers:
        workspace = workspace._replace(prices=price_file(experiment, workspace))
        workspace = authorise(experiment, workspace, confirm, all_corpora=compares, reads=sweeps)
        begin_spending(workspace)
        for line in submit_all(experiment, workspace, all_corpora=compares):
            runner.progress.say(line)
    labeled = label(experiment, corpus, workspace, runner)
    swept = sweep(experiment, labeled, workspace, runner) if sweeps else None
    compared = None
    if compares:
        compared = compare(experiment, labeled, workspace, runner, probe=kind == "compare")
    close_model()
    tables = {**label_tables(labeled), **labeled.tables, **(swept.tables if swept else {})}
    tables |= remote_tables(experiment, labeled, workspace)
    tables |= compare_tables(compared) if compared else {}
    if swept and experiment.readers:
        recommended = [one._asdict() for one in swept.recommendations]
        tables["examples"] = pick_examples(labeled.corpus, tables, recommended)
    # What may be spent changes nothing about the results.
    config = experiment.model_dump(mode="json", exclude={"max_cost"})
    run = RunFolder(workspace.root, f"{experiment.name}-{kind}", config, all_inputs(labeled, compared))
    run.begin()
    for name, frame in tables.items():
        run.write_table(name, frame)
    session = describe_session(started, runner, labeled, swept, compared)
    session["apis"] = {one.label: known_api(one.remote) for one in experiment.remote_readers}
    manifest = run.complete(describe(experiment, kind, workspace, labeled, swept, compared), session)
    report = write_reports(run, manifest, tables)
    run.seal(manifest)
    runner.artifact(run.path.name, report)
    return Outcome(run.path, report, manifest["headline"])


def write_reports(run: RunFolder, manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> str:
    """Write both reports and what lies beside them; returns the Markdown one."""
    plots = draw_plots(tables)
    for name, text in render_documents(manifest, tables, plots).items():
        run.write_text(name, text)
    run.write_text(HTML_REPORT, render_html(manifest, tables, plots))
    report = render_report(manifest, tables)
    run.write_text(REPORT, report)
    return report


def verify_models(experiment: Experiment, workspace: Workspace, sweeps: bool) -> None:
    """Check that every model is here with the right digest, and that the embedder can read every size."""
    for reader in experiment.readers:
        if not reader.remote.is_remote:
            model_file(reader.model)
    if sweeps:
        check_sizes(experiment, workspace)


def label_tables(labeled: Labeled) -> dict[str, pl.DataFrame]:
    """The frames votes, gold and questions of a run."""

    def stacked(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(frame.select(pl.lit(name).alias("reader"), pl.all()) for name, frame in frames.items())

    if not labeled.readers:
        return {"questions": labeled.corpus.questions}
    # A gold set never goes without word of who made it.
    qualified = labeled.tables["labelers"].select("reader", labeler_qualified="qualified")
    gold = stacked(labeled.golds).join(qualified, on="reader", how="left", maintain_order="left")
    return {"votes": stacked(labeled.votes), "gold": gold, "questions": labeled.corpus.questions}


def compare_tables(compared: Compared) -> dict[str, pl.DataFrame]:
    """The frames of a comparison; those of another corpus are named after it, as in `gold@handbook`."""
    tables = dict(compared.tables)
    for name, there in compared.others.items():
        tables |= {f"{table}@{name}": frame for table, frame in label_tables(there).items()}
        tables |= {f"{table}@{name}": there.tables[table] for table in ("labelers", "consensus", "unanimity")}
    return tables


def remote_tables(experiment: Experiment, labeled: Labeled, workspace: Workspace) -> dict[str, pl.DataFrame]:
    """The frame remote, where there are remote readers."""
    prices = load_prices(workspace.prices)
    readers = [
        RemoteReader(one.label, one.remote.provider, one.model, prices.find(one.remote.provider, one.model))
        for one in experiment.remote_readers
    ]
    return {"remote": describe_remote(readers, labeled.votes)} if readers else {}


def render_again(folder: Path) -> Outcome:
    """Render the report of a finished run from its tables.

    Raises:
        InputError: not the folder of a finished run.
    """
    manifest = read_manifest(folder)
    check_format(folder, manifest)
    tables = read_tables(folder, manifest)
    return Outcome(folder, render_report(manifest, tables), str(manifest["headline"]))


def render_difference(ours: Path, theirs: Path) -> str:
    """The labels that differ between two finished runs, as a Markdown table.

    Raises:
        InputError: not the folders of finished runs.
    """
    tables = [read_tables(folder, read_manifest(folder)) for folder in (ours, theirs)]
    return render_agreement(compare_runs(*tables))
