"""A batch job of many questions through a provider that misbehaves: what arrives, what is paid, time and memory.

    python -m tests.benchmarks.remote --questions 10000 --save results/published/remote

The provider is the HTTP double of `tests/doubles`, the client the real command line in a process of its own with the
real SDK. Every fault that the double knows happens at the given rate.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import polars as pl
import psutil

from tests.doubles.provider import Faults, ProviderDouble

KEY = "sk-benchmark"
N_VOTES = 3
SAMPLES_A_SECOND = 5
POLL_SECONDS = 2
EXPERIMENT = """
name = "remote"
[corpus]
source = "generated"
sample = {questions}
generator = {{ n_documents = {documents}, words = 250 }}
[[readers]]
model = "openai/gpt-oss-20b"
[readers.remote]
provider = "groq"
poll_seconds = {poll_seconds}
"""


class Outcome(NamedTuple):
    """What one job came to.

    Attributes:
        questions: how many were labeled.
        seconds: wall-clock of the command.
        cpu_seconds: of its process.
        under_way: seconds in which the provider had a batch of the job that had not ended.
        memory: highest resident bytes of its process while it asked, sampled.
        memory_at_start: resident bytes when the provider heard of it first.
        votes: rows of the ledger.
        distinct_votes: distinct keys among them.
        billed: requests that the double billed.
        most_billed: how often it billed the one that it billed most often.
        batches: how many it made.
        most_batches: for the part with most of them.
        faults: how often each fault was given.
        looks: requests that asked how a batch is.
        log: standard error of the command.
    """

    questions: int
    seconds: float
    cpu_seconds: float
    under_way: float
    memory: int
    memory_at_start: int
    votes: int
    distinct_votes: int
    billed: int
    most_billed: int
    batches: int
    most_batches: int
    faults: dict[str, int]
    looks: int
    log: str


def label_remotely(folder: Path, questions: int, rate: float, latency: float, seed: int = 1) -> Outcome:
    """Label generated questions through a faulty double, in a process of its own.

    Args:
        folder: empty; gets the experiment and the store.
        questions: how many.
        rate: of every fault.
        latency: seconds that a batch takes.
        seed: of the faults.
    """
    experiment, store = folder / "remote.toml", folder / "store"
    documents = questions // 3 + 1
    experiment.write_text(
        EXPERIMENT.format(questions=questions, documents=documents, poll_seconds=POLL_SECONDS), encoding="utf-8"
    )
    command = [sys.executable, "-m", "flows.cli", "label", str(experiment), "--store", str(store), "--max-cost", "100"]
    with ProviderDouble(latency=latency, key=KEY, faults=Faults(rate=rate, seed=seed)) as double:
        environment = os.environ | {"GROQ_API_KEY": KEY, "GROQ_BASE_URL": double.url}
        with (folder / "log").open("w", encoding="utf-8") as log:
            started = time.monotonic()
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
            watched = _watch(process, double)
            seconds = time.monotonic() - started
        double.settle()
        told = (folder / "log").read_text(encoding="utf-8")
        if process.returncode:
            raise RuntimeError(told)
        votes = pl.concat([pl.read_parquet(shard) for shard in store.glob("ledger/*/*.parquet")])
        return Outcome(
            questions=questions,
            seconds=seconds,
            **watched,
            votes=len(votes),
            distinct_votes=votes.select("prompt_hash", "arm", "vote", "seed").n_unique(),
            billed=sum(double.billed.values()),
            most_billed=max(double.billed.values()),
            batches=len(double.batches),
            most_batches=max(double.tags.values()),
            faults={fault.value: n for fault, n in sorted(double.given.items())},
            looks=double.requests["GET", "/batches/{id}"] + double.requests["GET", "/batches"],
            log=told,
        )


def _watch(process: subprocess.Popen[bytes], double: ProviderDouble) -> dict[str, Any]:
    """Sample a process until it ends."""
    of_process = psutil.Process(process.pid)
    asking: list[int] = []
    n_requests = n_asking = 0
    cpu = under_way = 0.0
    while process.poll() is None:
        times = of_process.cpu_times()
        cpu = times.user + times.system
        asking += [of_process.memory_info().rss] if double.requests else []
        if sum(double.requests.values()) > n_requests:
            n_requests, n_asking = sum(double.requests.values()), len(asking)
        # A batch has a result file, or failed, as soon as somebody looks after its end.
        under_way += any(one["status"] in ("validating", "in_progress", "finalizing") for one in _batches(double))
        time.sleep(1 / SAMPLES_A_SECOND)
    return {
        "cpu_seconds": cpu,
        "under_way": under_way / SAMPLES_A_SECOND,
        # What comes after the last request is the report's.
        "memory": max(asking[: n_asking + 1]),
        "memory_at_start": asking[0],
    }


def _batches(double: ProviderDouble) -> list[dict[str, Any]]:
    return list(double.batches.values())


def render(outcomes: list[Outcome], rate: float, latency: float, command: str) -> str:
    """The outcomes as Markdown."""
    header = (
        "| questions | votes in the ledger | distinct | billed | billed most often | batches | batches a part, at most "
        "| wall s | CPU s | batches under way s | memory at start MB | highest MB |"
    )
    rows = [
        f"| {one.questions} | {one.votes} | {one.distinct_votes} | {one.billed} | {one.most_billed} | {one.batches} | "
        f"{one.most_batches} | {one.seconds:.0f} | {one.cpu_seconds:.0f} | {one.under_way:.0f} | "
        f"{one.memory_at_start / 1e6:.0f} | {one.memory / 1e6:.0f} |"
        for one in outcomes
    ]
    faults = ", ".join(f"{n} {name}" for name, n in outcomes[-1].faults.items())
    return "\n".join(
        [
            "# A batch job through a provider that misbehaves",
            "",
            f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, Tercet {version('tercet')}, groq {version('groq')}. Three "
            f"votes per question; the double gives every fault at a rate of {rate:g}, and a batch takes {latency:g} s. "
            "Memory is of the client's process, from the first request on.",
            "",
            header,
            "|" + " --- |" * 12,
            *rows,
            "",
            f"Faults given in the last row: {faults}.",
            "",
        ]
    )


@click.command()
@click.option("--questions", multiple=True, type=int, default=(1000, 10_000), show_default=True)
@click.option("--rate", default=0.05, show_default=True, help="Of every fault.")
@click.option("--latency", default=30.0, show_default=True, help="Seconds that a batch takes.")
@click.option("--save", type=click.Path(path_type=Path), help="Write FILE.md and FILE.json.")
def main(questions: tuple[int, ...], rate: float, latency: float, save: Path | None) -> None:
    """Run the job at each size and print what came of it."""
    outcomes = []
    for n in questions:
        with TemporaryDirectory() as folder:
            outcomes.append(label_remotely(Path(folder), n, rate, latency))
    arguments = [one for one in sys.argv[1:] if one != str(save)]
    command = shlex.join(["python", "-m", "tests.benchmarks.remote", *(one for one in arguments if one != "--save")])
    text = render(outcomes, rate, latency, command)
    click.echo(text)
    if save:
        save.with_suffix(".md").write_text(text, encoding="utf-8")
        content = [{name: value for name, value in one._asdict().items() if name != "log"} for one in outcomes]
        save.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
