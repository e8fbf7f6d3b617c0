"""The main job: label, sweep, compare, and seal the run with its report and manifest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from corpora.digest import sha256_text
from flows.asking import Asked, close_model
from flows.compare import compare
from flows.experiment import Experiment
from flows.label import Labeled, label, reader_corpus
from flows.runner import Runner
from flows.sweep import Swept, check_sizes, sweep
from flows.workspace import Workspace, labeler_fingerprint, model_file, open_embedder
from labeling.labeler import PromptWriter
from results.report import render_report
from results.store import REPORT, RunFolder, machine, package_versions, read_manifest, read_tables

Kind = Literal["label", "sweep", "compare", "run"]


class Outcome(NamedTuple):
    """Where a finished run lies, its report, and its verdict in one line."""

    folder: Path
    report: str
    line: str


def execute(experiment: Experiment, kind: Kind, workspace: Workspace, runner: Runner) -> Outcome:
    """Run an experiment: `label` alone, `sweep` or `compare` on top of it, or all of them with `run`.

    Labels come first in every case; where the ledger has them already, that costs nothing.

    Raises:
        InputError: whatever is wrong with the input, before anything is spent where it can be known before.
    """
    started = datetime.now(UTC)
    run = RunFolder(workspace.root, f"{experiment.name}-{kind}", experiment.model_dump(mode="json"))
    sweeps = kind in ("sweep", "run")
    runner.run("verify models", verify_models, experiment, workspace, sweeps)
    labeled = label(experiment, workspace, runner)
    swept = sweep(experiment, labeled, workspace, runner) if sweeps else None
    compares = kind == "compare" or (kind == "run" and len(experiment.readers) > 1)
    compared = compare(experiment, labeled, runner) if compares else {}
    close_model()
    tables = {**label_tables(labeled), **labeled.tables, **(swept.tables if swept else {}), **compared}
    run.begin()
    for name, frame in tables.items():
        run.write_table(name, frame)
    manifest = describe(experiment, kind, workspace, runner, labeled, swept, started)
    report = render_report({**manifest, "packages": package_versions()}, tables)
    run.write_text(REPORT, report)
    run.seal(manifest)
    runner.artifact("report", report)
    return Outcome(run.path, report, headline(manifest, labeled))


def verify_models(experiment: Experiment, workspace: Workspace, sweeps: bool) -> None:
    """Check that every model is here with the right digest, and that the embedder can read every size."""
    for reader in experiment.readers:
        model_file(reader.model)
    if sweeps:
        check_sizes(experiment, workspace)


def label_tables(labeled: Labeled) -> dict[str, pl.DataFrame]:
    """The frames votes, gold and questions of a run."""

    def stacked(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(frame.select(pl.lit(name).alias("reader"), pl.all()) for name, frame in frames.items())

    return {"votes": stacked(labeled.votes), "gold": stacked(labeled.golds), "questions": labeled.corpus.questions}


def describe(
    experiment: Experiment, kind: Kind, workspace: Workspace, runner: Runner, labeled: Labeled, swept: Swept | None,
    started: datetime,
) -> dict[str, Any]:  # fmt: skip
    """The manifest, less what the run store adds."""
    corpus = labeled.corpus
    readers = {}
    for reader in experiment.readers:
        writer = PromptWriter(reader, corpus.labels)
        readers[reader.label] = {
            "sha256": model_file(reader.model).sha256,
            "labeler": labeler_fingerprint(reader, corpus.labels),
            "reader": labeler_fingerprint(reader.as_reader(), corpus.labels),
            "prompts": {one.name: sha256_text("\x1e".join(one[1:])) for one in writer.templates},
            "questions": len(reader_corpus(corpus, reader).questions),
        }
    asked = {"label": labeled.asked, "read": swept.asked if swept else {}}
    manifest: dict[str, Any] = {
        "name": experiment.name,
        "kind": kind,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "corpus": {
            "name": corpus.name,
            "documents": len(corpus.documents),
            "questions": len(corpus.questions),
            "labels": list(corpus.labels),
            "inputs": dict(corpus.inputs),
        },
        "readers": readers,
        "asked": {stage: [_asked(name, shards) for name, shards in of.items()] for stage, of in asked.items()},
        "seconds": {name: round(seconds, 2) for name, seconds in runner.seconds.items()},
        "machine": machine(),
    }
    if swept:
        manifest["embedder"] = open_embedder(experiment.retrieval.embedder, workspace.embeddings).sha256
        manifest["verdicts"] = [verdict._asdict() for verdict in swept.verdicts]
        manifest["warnings"] = swept.warnings
    return manifest


def _asked(reader: str, shards: list[Asked]) -> dict[str, Any]:
    return {
        "reader": reader,
        "prompts": sum(one.n_prompts for one in shards),
        "new": sum(one.n_new for one in shards),
        "tokens": sum(one.n_tokens for one in shards),
        "evaluated": sum(one.n_evaluated for one in shards),
        "seconds": round(sum(one.seconds for one in shards), 2),
    }


def headline(manifest: Mapping[str, Any], labeled: Labeled) -> str:
    """The one line that a user wants to see at the end."""
    if manifest.get("verdicts"):
        return str(manifest["verdicts"][0]["line"])
    kept = "; ".join(f"{name} keeps {gold['kept'].sum()} of {len(gold)}" for name, gold in labeled.golds.items())
    return f"Gold sets: {kept}."


def render_again(folder: Path) -> Outcome:
    """Render the report of a finished run from its tables.

    Raises:
        InputError: not the folder of a finished run.
    """
    manifest = read_manifest(folder)
    report = render_report(manifest, read_tables(folder))
    verdicts = manifest.get("verdicts") or [{"line": "No sweep in this run."}]
    return Outcome(folder, report, str(verdicts[0]["line"]))
