"""The main job: label, sweep, compare, and seal the run with its report and manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from corpora.digest import sha256_text
from corpora.errors import InputError
from corpora.schema import Corpus
from flows.asking import Asked, close_model
from flows.authorise import authorise
from flows.compare import Compared, compare
from flows.experiment import Experiment, ReaderConfig
from flows.first_asks import submit_all
from flows.indexing import check_sizes
from flows.label import Labeled, label, reader_corpus
from flows.measure import price_file
from flows.providers import begin_spending, known_api
from flows.runner import Runner
from flows.sweep import Swept, sweep
from flows.workspace import Workspace, labeler_fingerprint, model_file, open_embedder
from labeling.labeler import PromptWriter
from labeling.prices import load_prices
from labeling.remote.requests import labeler_identity
from results.agreement import compare_runs
from results.comparison import name_best
from results.documents import draw_plots, render_documents
from results.examples import pick_examples
from results.guards import labeler_warnings
from results.html import HTML_REPORT, render_html
from results.remote import RemoteReader, describe_remote
from results.report import render_agreement, render_report
from results.store import REPORT, RunFolder, check_format, machine, read_manifest, read_tables

Kind = Literal["label", "sweep", "compare", "run"]


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
    if experiment.remote_readers:
        workspace = workspace._replace(prices=price_file(experiment, workspace))
        workspace = authorise(experiment, workspace, confirm, all_corpora=compares, reads=sweeps)
        begin_spending(workspace)
        for line in submit_all(experiment, workspace, all_corpora=compares):
            runner.progress.say(line)
    labeled = label(experiment, workspace, runner)
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
    plots = draw_plots(tables)
    for name, text in render_documents(manifest, tables, plots).items():
        run.write_text(name, text)
    run.write_text(HTML_REPORT, render_html(manifest, tables, plots))
    report = render_report(manifest, tables)
    run.write_text(REPORT, report)
    run.seal(manifest)
    runner.artifact(run.path.name, report)
    return Outcome(run.path, report, manifest["headline"])


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


def all_inputs(labeled: Labeled, compared: Compared | None) -> dict[str, str]:
    """Digests of every file that was read, those of another corpus under its name."""
    inputs = dict(labeled.corpus.inputs)
    for name, there in compared.others.items() if compared else ():
        inputs |= {f"{name}: {file}": digest for file, digest in there.corpus.inputs.items()}
    return inputs


def describe(
    experiment: Experiment,
    kind: Kind,
    workspace: Workspace,
    labeled: Labeled,
    swept: Swept | None,
    compared: Compared | None,
) -> dict[str, Any]:
    """What the run is: the part of the manifest that does not depend on when or how fast it was made."""
    corpus = labeled.corpus
    readers = {}
    for reader in experiment.readers:
        writer = PromptWriter(reader, corpus.labels)
        readers[reader.label] = {
            **describe_model(reader),
            "labeler": labeler_fingerprint(reader, corpus.labels),
            "reader": labeler_fingerprint(reader.as_reader(), corpus.labels),
            "prompts": {one.name: sha256_text("\x1e".join(one[1:])) for one in writer.templates},
            "questions": len(reader_corpus(corpus, reader, experiment.corpus.seed).questions),
        }
    manifest: dict[str, Any] = {
        "name": experiment.name,
        "kind": kind,
        "corpus": describe_corpus(corpus),
        "other_corpora": [describe_corpus(there.corpus) for there in compared.others.values()] if compared else [],
        "readers": readers,
        "verdicts": [verdict._asdict() for verdict in swept.verdicts] if swept else [],
        "retrieval": [choice._asdict() for choice in swept.choices] if swept else [],
        "recommendations": [one._asdict() for one in swept.recommendations] if swept else [],
        "warnings": [
            *(labeler_warnings(labeled.tables) if labeled.readers else []),
            *(swept.warnings if swept else []),
        ],
    }
    if swept:
        opened = {one.label: open_embedder(one, workspace.embeddings) for one in experiment.retrieval.embedders}
        manifest["embedders"] = {
            name: {"weights": embedder.sha256, "with_all_that_changes_vectors": embedder.digest}
            for name, embedder in opened.items()
        }
    manifest["headline"] = headline(manifest, labeled, compared)
    return manifest


def describe_model(reader: ReaderConfig) -> dict[str, Any]:
    """What answers for a reader: the digest of its file, or who is asked and how."""
    if not reader.remote.is_remote:
        return {"sha256": model_file(reader.model).sha256}
    return labeler_identity(reader)


def describe_corpus(corpus: Corpus) -> dict[str, Any]:
    """What a corpus is, and which of its questions were asked."""
    return {
        "name": corpus.name,
        "documents": len(corpus.documents),
        "questions": len(corpus.questions),
        "split": " and ".join(sorted(corpus.questions["split"].unique())),
        "labels": list(corpus.labels),
        "inputs": dict(corpus.inputs),
    }


def describe_session(
    started: datetime, runner: Runner, labeled: Labeled, swept: Swept | None, compared: Compared | None
) -> dict[str, Any]:
    """When this session worked, on what, for how long, and what it had to ask."""
    asked = {"label": labeled.asked, "calibrate": labeled.calibrated, "read": swept.asked if swept else {}}
    for name, there in compared.others.items() if compared else ():
        asked |= {f"label {name}": there.asked, f"calibrate {name}": there.calibrated}
    return {
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "asked": {stage: [_asked(name, shards) for name, shards in of.items()] for stage, of in asked.items()},
        "speeds": compared.speeds if compared else [],
        "seconds": {name: round(seconds, 2) for name, seconds in runner.seconds.items()},
        "machine": machine(),
    }


def _asked(reader: str, shards: list[Asked]) -> dict[str, Any]:
    return {
        "reader": reader,
        "prompts": sum(one.n_prompts for one in shards),
        "new": sum(one.n_new for one in shards),
        "tokens": sum(one.n_tokens for one in shards),
        "evaluated": sum(one.n_evaluated for one in shards),
        "seconds": round(sum(one.seconds for one in shards), 2),
        "written": sum(one.n_written for one in shards),
        "broken_off": sum(one.n_broken_off for one in shards),
        "usd": round(sum(one.usd for one in shards), 6),
    }


def headline(manifest: Mapping[str, Any], labeled: Labeled, compared: Compared | None) -> str:
    """The one line that a user wants to see at the end."""
    if manifest["recommendations"]:
        return str(manifest["recommendations"][0]["line"])
    if manifest["retrieval"] and not labeled.readers:
        return str(manifest["retrieval"][0]["line"])
    if compared:
        return name_best(labeled.tables["labelers"], compared.tables["pairs"])
    qualified = dict(labeled.tables["labelers"].select("reader", "qualified").iter_rows())
    kept = "; ".join(
        f"{name} keeps {gold['kept'].sum()} of {len(gold)}"
        + (" (NOT QUALIFIED: not shown to beat always giving the majority label)" if qualified[name] is False else "")
        for name, gold in labeled.golds.items()
    )
    return f"Gold sets: {kept}."


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
