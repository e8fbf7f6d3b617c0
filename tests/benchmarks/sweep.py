"""What embedding a sweep costs by backend, side by side, and what a sweep without readers takes as a whole.

    python -m tests.benchmarks.sweep --save results/published/sweep

Backends take turns on the distinct chunks of some abstracts in 36 chunkings (6 sizes, 2 overlaps, 3 splitters), each
time with an empty cache, so that a busy machine slows all of them alike. Late chunking reads the same documents once
and pools the same chunks. The sweep is the bundled experiment `pubmedqa-splitters` in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import polars as pl
import psutil

from corpora.loading.load import load_corpus
from corpora.schema import Corpus
from flows.session.experiment import EXPERIMENTS, load_experiment
from flows.session.session import open_embedder
from flows.session.workspace import Workspace, workspace_of
from retrieval.chunking.chunks import chunk_documents
from retrieval.embedding.embedder import Embedder, Place
from retrieval.embedding.embedder_config import EmbedderConfig

EXPERIMENT = Path("pubmedqa-splitters")
ROUNDS = 2
TORCH = "torch float32"
ARMS = {
    TORCH: EmbedderConfig(backend="torch"),
    "torch bfloat16": EmbedderConfig(backend="torch", precision="bfloat16"),
    "onnx float32": EmbedderConfig(backend="onnx"),
    "openvino float32": EmbedderConfig(),
    "openvino bfloat16": EmbedderConfig(precision="bfloat16"),
    "late, openvino float32": EmbedderConfig(late=True),
}


class Timed(NamedTuple):
    """One arm.

    Attributes:
        seconds: of all rounds.
        ratio: how many times faster than torch in float32.
        cosine: lowest cosine of a vector to that of torch in float32; None for late chunking, which is another vector.
    """

    seconds: float
    ratio: float
    cosine: float | None


def chunks_of(corpus: Corpus, n_documents: int) -> tuple[dict[str, str], list[Place]]:
    """The distinct chunks of some documents in all chunkings of the experiment."""
    retrieval = load_experiment(EXPERIMENT).retrieval
    documents = corpus.documents.head(n_documents)
    with TemporaryDirectory() as cache:
        tokenizer = open_embedder(EmbedderConfig(), Workspace(Path(cache))).tokenizer
    frames = [chunk_documents(documents, chunking, tokenizer) for chunking in retrieval.chunkings()]
    distinct = pl.concat(frames).unique("text_sha256", maintain_order=True)
    places = [Place(*place) for place in distinct.select("document_id", "start", "end").iter_rows()]
    return dict(documents.select("document_id", "text").iter_rows()), places


def measure_arms(texts: dict[str, str], places: list[Place]) -> dict[str, Timed]:
    """Time all arms in turns."""
    seconds, vectors = dict.fromkeys(ARMS, 0.0), {}
    first = next(iter(texts))
    warm = {first: texts[first]}, [place for place in places if place.document_id == first][:8]
    for _ in range(ROUNDS):
        for arm, embedder in _fresh():
            embedder.embed_chunks(*warm)  # loads the model
            started = time.perf_counter()
            vectors[arm] = embedder.embed_chunks(texts, places)
            seconds[arm] += time.perf_counter() - started
    return {
        arm: Timed(
            seconds[arm],
            seconds[TORCH] / seconds[arm],
            None if config.late else float((vectors[arm] * vectors[TORCH]).sum(axis=1).min()),
        )
        for arm, config in ARMS.items()
    }


def _fresh() -> Iterator[tuple[str, Embedder]]:
    """Each arm's embedder with an empty cache; converted models are kept, as they are made once a machine."""
    for arm, config in ARMS.items():
        with TemporaryDirectory() as cache:
            yield arm, open_embedder(config, Workspace(Path(cache)))


def measure_sweep() -> dict[str, Any]:
    """Wall-clock, CPU seconds and peak memory of the whole sweep in a store of its own."""
    with TemporaryDirectory() as store:
        command = [sys.executable, "-m", "flows.cli", "sweep", str(EXPERIMENT), "--store", store, "--quiet"]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        memory = watch_memory(process)
        seconds = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(process.returncode)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        (run,) = Path(store).glob("pubmedqa-splitters-sweep-*")
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        chunks = pl.read_parquet(run / "chunks.parquet")
    return {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "memory": memory,
        "chunkings": chunks["chunking"].n_unique(),
        "chunks": len(chunks),
        "distinct": chunks["text_sha256"].n_unique(),
        "stages": manifest["sessions"][-1]["seconds"],
        "line": manifest["headline"],
        "cpus": manifest["sessions"][-1]["machine"]["cpus"],
    }


def watch_memory(process: subprocess.Popen[bytes]) -> int:
    """Peak resident bytes of a process, looked at ten times a second until it ends.

    The peak that the system keeps of a child begins with that of its parent, which has held all arms here.
    """
    peak, watched = 0, psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            peak = max(peak, watched.memory_info().rss)
        time.sleep(0.1)
    return peak


def render(arms: dict[str, Timed], whole: dict[str, Any], n_documents: int, n_chunks: int) -> str:
    """The tables as Markdown."""
    embedding = sum(took for stage, took in whole["stages"].items() if stage.startswith("embed"))
    lines = [
        "# A sweep without readers",
        f"`python -m tests.benchmarks.sweep --documents {n_documents}`, {whole['cpus']} CPUs. Embedding the {n_chunks} "
        f"distinct chunks of {n_documents} abstracts in {whole['chunkings']} chunkings, {ROUNDS} rounds in turns, "
        "empty caches:",
        "| embedder | times faster than torch float32 | lowest cosine to it |\n| --- | --- | --- |\n"
        + "\n".join(
            f"| {arm} | {timed.ratio:.2f} | {'another vector' if timed.cosine is None else f'{timed.cosine:.6f}'} |"
            for arm, timed in arms.items()
        ),
        f"The sweep `{EXPERIMENT}` as a whole: {whole['chunkings']} chunkings, {whole['chunks']} chunks, "
        f"{whole['distinct']} distinct texts, each embedded once; {whole['seconds']:.0f} s, "
        f"{whole['seconds'] / whole['chunkings']:.1f} s per chunking, {embedding / whole['seconds']:.0%} of it "
        "embedding; "
        f"{whole['cpu_seconds']:.0f} s of CPU, {whole['memory'] / 1e9:.2f} GB at most.",
        whole["line"],
    ]
    return "\n\n".join(lines) + "\n"


@click.command()
@click.option("--documents", default=60, show_default=True, help="Abstracts that the backends are compared on.")
@click.option("--save", type=click.Path(path_type=Path), help="Write PATH.json and PATH.md.")
def main(documents: int, save: Path | None) -> None:
    """Measure, print, and save."""
    experiment = load_experiment(EXPERIMENT)
    workspace = workspace_of(experiment, Path("runs"), EXPERIMENTS)
    corpus = load_corpus(workspace.corpus(experiment.corpus), workspace.root)
    texts, places = chunks_of(corpus, documents)
    arms = measure_arms(texts, places)
    whole = measure_sweep()
    text = render(arms, whole, documents, len(places))
    click.echo(text)
    if save:
        found = {"arms": {arm: timed._asdict() for arm, timed in arms.items()}, "sweep": whole}
        save.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        save.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
