"""What embedding a sweep costs by backend, side by side, and what a sweep without readers takes as a whole.

    python -m tests.benchmarks.sweep --save results/published/sweep

Backends take turns on the distinct chunks of some abstracts in 36 chunkings (6 sizes, 2 overlaps, 3 splitters), each
time with an empty cache, so that a busy machine slows all of them alike. Late chunking reads the same documents once
and pools the same chunks. Arms in bfloat16 run where the processor has it. The sweep is the bundled experiment
`pubmedqa-splitters` in a process of its own; with `--whole`, it alone is measured, and the arms stay as saved. With
`--small` its corpus is the bundled sample, to see that everything works.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
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
from retrieval.embedding.running.graph import faster_precisions

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
    vectors: dict[str, Any] = {}
    first = next(iter(texts))
    warm = {first: texts[first]}, [place for place in places if place.document_id == first][:8]
    arms = {arm: config for arm, config in ARMS.items() if config.precision in ("float32", *faster_precisions())}
    seconds = dict.fromkeys(arms, 0.0)
    for _ in range(ROUNDS):
        for arm, embedder in _fresh(arms):
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
        for arm, config in arms.items()
    }


def _fresh(arms: Mapping[str, EmbedderConfig]) -> Iterator[tuple[str, Embedder]]:
    """Each arm's embedder with an empty cache; converted models are kept, as they are made once a machine."""
    for arm, config in arms.items():
        with TemporaryDirectory() as cache:
            yield arm, open_embedder(config, Workspace(Path(cache)))


def measure_sweep(small: bool) -> dict[str, Any]:
    """Wall-clock, CPU seconds and peak memory of the whole sweep, or of one of the bundled sample, in its own store."""
    with TemporaryDirectory() as store:
        experiment = Path(store) / f"{EXPERIMENT}.toml"
        bundled = (EXPERIMENTS / experiment.name).read_text(encoding="utf-8")
        sampled = bundled.replace('published = "pubmedqa"', 'source = "sample"')
        experiment.write_text(sampled if small else bundled, encoding="utf-8")
        command = [sys.executable, "-m", "flows.cli", "sweep", str(experiment), "--store", store, "--quiet"]
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
        "small": small,
        "cpus": manifest["sessions"][-1]["machine"]["cpus"],
        "has_bfloat16": "bfloat16" in faster_precisions(),
        "measured": f"{date.today()}",
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


def measure_backends(n_documents: int) -> dict[str, Any]:
    """The arms on the chunks of some abstracts, with what they were measured on."""
    experiment = load_experiment(EXPERIMENT)
    workspace = workspace_of(experiment, Path("runs"), EXPERIMENTS)
    texts, places = chunks_of(load_corpus(workspace.corpus(experiment.corpus), workspace.root), n_documents)
    arms = measure_arms(texts, places)
    return {
        "arms": {arm: timed._asdict() for arm, timed in arms.items()},
        "backends": {"documents": n_documents, "chunks": len(places), "measured": f"{date.today()}"},
    }


def render(found: Mapping[str, Any]) -> str:
    """The tables as Markdown."""
    whole, about = found["sweep"], found["backends"]
    embedding = sum(took for stage, took in whole["stages"].items() if stage.startswith("embed"))
    asked = "of the bundled sample" if whole.get("small") else "as a whole"
    lines = [
        "# A sweep without readers",
        f"`python -m tests.benchmarks.sweep --documents {about['documents']}`, {about['measured']}. Embedding the "
        f"{about['chunks']} distinct chunks of {about['documents']} abstracts in {whole['chunkings']} chunkings, "
        f"{ROUNDS} rounds in turns, empty caches:",
        "| embedder | times faster than torch float32 | lowest cosine to it |\n| --- | --- | --- |\n"
        + "\n".join(
            f"| {arm} | {one['ratio']:.2f} | "
            f"{'another vector' if one['cosine'] is None else format(one['cosine'], '.6f')} |"
            for arm, one in found["arms"].items()
        ),
        f"The sweep `{EXPERIMENT}` {asked}, by `python -m tests.benchmarks.sweep --whole`, {whole['measured']}, "
        f"{whole['cpus']} CPUs{'' if whole['has_bfloat16'] else ' without bfloat16'}: {whole['chunkings']} chunkings, "
        f"{whole['chunks']} chunks, {whole['distinct']} distinct texts, each embedded once; {whole['seconds']:.0f} s, "
        f"{whole['seconds'] / whole['chunkings']:.1f} s per chunking, {embedding / whole['seconds']:.0%} of it "
        f"embedding in float32; {whole['cpu_seconds']:.0f} s of CPU, {whole['memory'] / 1e9:.2f} GB at most.",
        whole["line"],
    ]
    return "\n\n".join(lines) + "\n"


@click.command()
@click.option("--documents", default=60, show_default=True, help="Abstracts that the backends are compared on.")
@click.option("--whole", is_flag=True, help="Measure the whole sweep alone; the backends stay as they were saved.")
@click.option("--small", is_flag=True, help="Let the whole sweep read the bundled sample.")
@click.option("--save", type=click.Path(path_type=Path), help="Write PATH.json and PATH.md.")
def main(documents: int, whole: bool, small: bool, save: Path | None) -> None:
    """Measure, print, and save."""
    file = save.with_suffix(".json") if save else None
    if whole and not (file and file.is_file()):
        raise click.UsageError("--whole keeps the backends that are saved: give the --save PATH that has them.")
    found = json.loads(file.read_text(encoding="utf-8")) if file and whole else measure_backends(documents)
    found["sweep"] = measure_sweep(small)
    text = render(found)
    click.echo(text)
    if file:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        file.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
