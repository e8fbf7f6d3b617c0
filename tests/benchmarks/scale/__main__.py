"""What every stage of a sweep takes at several sizes of corpus: CPU seconds, wall-clock seconds and peak memory.

    python -m tests.benchmarks.scale --save results/published/scale

Each stage is a process of its own, so that its peak is its own. Sizes that are already in PATH.json stay there, unless
they are measured again: a large one can be run by itself with `--documents 211000`, and a stage of it, after those that
make its input, with `--stage "exact FAISS"`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from tests.benchmarks.scale.table import render

STAGES = (
    "load", "read tables", "count unknown tokens", "chunk", "bm25", "exact FAISS", "score", "average", "labels",
    "embed a sample",
)  # fmt: skip


WHOLE = "whole sweep, BM25"
INPUT = {  # what a stage finds in the folder
    "load": [], "read tables": ["load"], "count unknown tokens": ["load"], "chunk": ["load"], "bm25": ["load", "chunk"],
    "exact FAISS": ["load", "chunk"], "score": ["load", "chunk", "bm25"], "average": ["load", "chunk", "bm25", "score"],
    "labels": ["load"], "embed a sample": ["load", "chunk"], WHOLE: [],
}  # fmt: skip


def run_stage(stage: str, folder: Path, documents: int, questions: int, embedded: int) -> dict[str, Any]:
    """One stage in a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.scale.stages", stage, str(folder)]
    done = subprocess.run(
        [*command, str(documents), str(questions), str(embedded)], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_whole(folder: Path, documents: int, questions: int) -> dict[str, Any]:
    """The whole command, with BM25 alone."""
    experiment = folder / "scale.toml"
    experiment.write_text(
        f'name = "scale"\nreaders = []\n[corpus]\nsource = "generated"\nsplit = "all"\nsample = {questions}\n'
        f"generator = {{ n_documents = {documents}, words = 200, questions_per_document = 1 }}\n"
        '[retrieval]\nsizes = [64]\nretrievers = ["bm25"]\nk = [1, 3, 5]\nbudgets = [256]\n',
        encoding="utf-8",
    )
    # A process between this one and the command: the usage of children is that of the largest of all children so far.
    code = (
        "import json, resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps({'cpu': used.ru_utime + used.ru_stime, 'peak': used.ru_maxrss * 1024}))\n"
    )
    tercet = [sys.executable, "-m", "flows.cli", "sweep", str(experiment), "--store", str(folder / "store"), "--quiet"]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *tercet], stdout=subprocess.PIPE, text=True, check=True)
    return {"seconds": time.perf_counter() - started, **json.loads(done.stdout)}


def measure(documents: int, questions: int, embedded: int, stages: Collection[str]) -> dict[str, Any]:
    """Some stages at one size, after those that make their input."""
    found: dict[str, Any] = {}
    needed = {*stages, *(before for stage in stages for before in INPUT[stage])}
    with TemporaryDirectory() as name:
        for stage in [stage for stage in STAGES if stage in needed]:
            found[stage] = run_stage(stage, Path(name), documents, questions, embedded)
            one = found[stage]
            click.echo(f"{documents:,} documents, {stage}: {one['cpu']:.1f} s of CPU, {one['peak'] / 1e9:.2f} GB")
        if WHOLE in needed:
            found[WHOLE] = run_whole(Path(name), documents, questions)
    return {"day": f"{datetime.now(UTC):%Y-%m-%d}", "questions": questions, "stages": found}


@click.command()
@click.option("--documents", type=int, multiple=True, default=(20_000, 60_000, 211_000), show_default=True)
@click.option("--questions", type=int, default=10_000, show_default=True)
@click.option("--embedded", type=int, default=10_000, show_default=True, help="Chunks that are really embedded.")
@click.option("--stage", "stages", type=click.Choice(list(INPUT)), multiple=True, help="Only these; all by default.")
@click.option("--save", type=click.Path(path_type=Path), help="Write PATH.json and PATH.md.")
def main(documents: tuple[int, ...], questions: int, embedded: int, stages: tuple[str, ...], save: Path | None) -> None:
    """Measure, print, and save after each size."""
    file = save.with_suffix(".json") if save else None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
    for n in documents:
        anew, before = measure(n, questions, embedded, stages or INPUT), found.get(str(n))
        if stages and before:
            of_today = {name: anew["stages"][name] | {"day": anew["day"]} for name in stages}
            anew = before | {"stages": before["stages"] | of_today}
        found[str(n)] = anew
        found = {size: found[size] for size in sorted(found, key=int)}
        if file and save:
            file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            save.with_suffix(".md").write_text(render(found), encoding="utf-8")
    click.echo(render(found))


if __name__ == "__main__":
    main()
