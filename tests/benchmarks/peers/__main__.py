"""Tercet beside other tools for the same question, as whole processes, from cold caches.

    python -m tests.benchmarks.peers --data FOLDER --save results/published/peers
    python -m tests.benchmarks.peers --data FOLDER --grid '36 cells' --save results/published/peers
    python -m tests.benchmarks.peers --data FOLDER --chroma REPOSITORY --save results/published/peers

All embed the same articles and questions with the same weights, and score the same evidence. Sizes are in each tool's
own tokens. Only ratios are published: they say how many times the time and the memory of Tercet a peer needs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click

from retrieval.embedding.running.graph import faster_precisions
from tests.benchmarks.peers.agreement import Agreement, agree, read_hits
from tests.benchmarks.peers.given import AGAIN, GRIDS, Grid, choose, experiment_of, write_all
from tests.benchmarks.peers.table import render
from tests.benchmarks.peers.tools import HERE, PEERS, Peer, chroma, environment, python_of
from tests.benchmarks.processes import Took, take

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tercet-bench"
OURS = "Tercet"


class Measured(NamedTuple):
    """What every tool took on one grid.

    Attributes:
        took: by tool, a figure a round.
        agreement: how alike Tercet ranks in each precision other than float32.
    """

    took: dict[str, list[Took]]
    agreement: dict[str, Agreement]


def measure(grid: Grid, corpus: Path, model: Path, peers: Sequence[Peer], cache: Path, rounds: int) -> Measured:
    """Every tool on one grid, in turns, so that a busy machine slows all of them alike."""
    took: dict[str, list[Took]] = {}
    agreement: dict[str, Agreement] = {}

    def note(name: str, one: Took) -> None:
        took.setdefault(name, []).append(one)
        click.echo(f"{grid.name}, {name}: {one.cpu:.1f} s of CPU, {one.seconds:.1f} s, {one.peak / 1e9:.2f} GB")

    for _ in range(rounds):
        with TemporaryDirectory() as name:
            folder = Path(name) / "given"
            shutil.copytree(corpus, folder)
            hits = {}
            for precision in ("float32", *measured_precisions()):
                note(ours(precision), _sweep(grid, folder, precision))
                hits[precision] = read_hits(folder / precision)
            agreement = {one: agree(hits["float32"], hits[one]) for one in hits if one != "float32"}
            for peer in peers:
                command = [str(python_of(peer, cache)), str(HERE / peer.script), str(folder), str(model)]
                note(peer.name, take([*command, json.dumps(grid.cells)], folder, environment(cache)))
    return Measured(took, agreement)


def measured_precisions() -> list[str]:
    """Those that are published beside float32: bfloat16, where this processor has it."""
    return [one for one in faster_precisions() if one == "bfloat16"]


def ours(precision: str) -> str:
    """Tercet's name in a precision."""
    return OURS if precision == "float32" else f"{OURS} in {precision}"


def _sweep(grid: Grid, folder: Path, precision: str) -> Took:
    """Tercet's sweep in a store of its own."""
    (folder / "peers.toml").write_text(experiment_of(grid, precision), encoding="utf-8")
    sweep = [sys.executable, "-m", "flows.cli", "sweep", str(folder / "peers.toml"), "--quiet"]
    return take([*sweep, "--store", str(folder / precision)])


def embedder_alone(grid: Grid, corpus: Path) -> float:
    """CPU seconds of Tercet's embedder alone on what a grid embeds, tokenizing included: what a sweep cannot save."""
    import polars as pl

    from flows.session.session import open_embedder
    from flows.session.workspace import Workspace
    from retrieval.chunking.chunks import chunk_documents
    from retrieval.chunking.splitters import Chunking
    from retrieval.embedding.embedder_config import EmbedderConfig

    documents = pl.read_ndjson(corpus / "documents.jsonl").select("text", document_id="id")
    questions = pl.read_ndjson(corpus / "questions.jsonl")["text"].unique()
    with TemporaryDirectory() as store:
        embedder = open_embedder(EmbedderConfig(), Workspace(Path(store)))
        frames = [chunk_documents(documents, Chunking(*cell), embedder.tokenizer) for cell in grid.cells]  # type: ignore[arg-type]
        texts = pl.concat([frame["text"] for frame in frames]).unique()
        embedder.embed_once(["to load the model"], "passage")
        started = time.process_time()
        embedder.embed(texts.to_list(), "passage")
        embedder.embed(questions.to_list(), "query")
        return time.process_time() - started


def summed_up(measured: Measured, floor: float) -> dict[str, Any]:
    """Ratios to Tercet; of several rounds the least of each tool, as others on the machine can only add."""
    least = {name: _least(rounds) for name, rounds in measured.took.items()}
    mine = [name for name in least if name.startswith(OURS)]
    ratios = {
        f"{peer}{named(own)}: {what}": getattr(least[peer], field) / getattr(least[own], field)
        for own in mine
        for peer in least
        if peer not in mine
        for what, field in (("CPU time", "cpu"), ("time", "seconds"), ("memory", "peak"))
    }
    return {
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "ratios": ratios,
        "embedder_share": floor / least[OURS].cpu,
        "agreement": {precision: one._asdict() for precision, one in measured.agreement.items()},
    }


def named(own: str) -> str:
    """What a ratio to Tercet in another precision than float32 is called."""
    return own.removeprefix(OURS).replace(" in ", " beside ")


def _least(rounds: list[Took]) -> Took:
    return Took(*(min(column) for column in zip(*rounds, strict=True)))


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--grid", "names", type=click.Choice([grid.name for grid in GRIDS]), multiple=True, default=["4 cells"])
@click.option("--documents", type=int, help="Articles of Evidence Inference; by default as many as suit the grid.")
@click.option("--questions", default=300, show_default=True)
@click.option("--rounds", default=1, show_default=True, help="In turns; the least of each tool counts.")
@click.option(
    "--chroma",
    "repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your copy of the repository of Chroma's chunking_evaluation; without it, that tool is left out.",
)
@click.option("--cache", type=click.Path(path_type=Path), default=CACHE, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), help="Write PATH.json and PATH.md; other grids in it stay.")
def main(
    data: Path, names: tuple[str, ...], documents: int | None, questions: int, rounds: int, repository: Path | None,
    cache: Path, save: Path | None,
) -> None:  # fmt: skip
    """Measure, print ratios, and save."""
    file = save.with_suffix(".json") if save else None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
    peers = [*PEERS, *([chroma(repository)] if repository else [])]
    for grid in (one for one in GRIDS if one.name in names):
        with TemporaryDirectory() as folder:
            given = Path(folder)
            counts, model = _prepare(data, given, documents or grid.n_documents, questions)
            measured = measure(grid, given, model, peers, cache, rounds)
            found[grid.name] = counts | summed_up(measured, embedder_alone(grid, given))
    found = {grid.name: found[grid.name] for grid in GRIDS if grid.name in found}
    text = render(found)
    click.echo(text)
    if file and save:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        save.with_suffix(".md").write_text(text, encoding="utf-8")


def _prepare(data: Path, given: Path, n_documents: int, n_questions: int) -> tuple[dict[str, int], Path]:
    """Write what every tool reads; returns how much of it there is, and the folder of the embedder."""
    from corpora.sources.formats.evidence_inference import read_evidence_inference
    from labeling.models.registry import resolve_model

    corpus = choose(read_evidence_inference(data), n_documents, n_questions)
    write_all(corpus, given)
    wordings = corpus.questions["text"].str.replace_all(AGAIN, "", literal=True)
    counts = {
        "articles": len(corpus.documents), "questions": len(corpus.questions), "distinct questions": wordings.n_unique()
    }  # fmt: skip
    return counts, resolve_model("all-minilm-l6-v2").path.parent


if __name__ == "__main__":
    main()
