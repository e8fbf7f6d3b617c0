"""Two runs beside each other against one alone, with threads that sleep while they wait and with threads that spin.

    python -m tests.benchmarks.contention --save results/published/contention.md

A run is a process that evaluates the same tokens with one thread a core. All processes of a round are ready before any
starts, and rounds alternate, so that a busy minute of the machine hits all of them alike. It takes about two minutes on
2 quiet cores; on a machine that does other work the ratios say nothing.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from labeling.engine.llama import LlamaModel
from labeling.models.registry import resolve_model
from tests.benchmarks.saving import save_option, show

POLICIES = {"passive": "sleep while they wait (Tercet's default)", "active": "spin while they wait"}
N_TOKENS = 384  # of one prompt


def evaluate(model: str, prompts: int) -> None:
    """What a process of a round does: load, say so, wait for a line, evaluate, print the seconds that it took."""
    with LlamaModel(resolve_model(model).path, num_ctx=512) as llama:
        tokens = [(1000 + 7 * at) % llama.n_vocab for at in range(N_TOKENS)]
        llama.next_logprobs([tokens[:64]], [0])
        click.echo("ready")
        sys.stdin.readline()
        started = time.perf_counter()
        for _ in range(prompts):
            llama.clear()
            llama.next_logprobs([tokens], [0])
        click.echo(time.perf_counter() - started)


def beside(n: int, policy: str, arguments: Sequence[str]) -> float:
    """Seconds until the last of `n` processes that start together is done."""
    command = [sys.executable, "-m", "tests.benchmarks.contention", *arguments, "--child"]
    env = os.environ | {"OMP_WAIT_POLICY": policy}
    pipe = subprocess.PIPE
    runs = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env) for _ in range(n)]
    try:
        for one in runs:
            assert one.stdout
            one.stdout.readline()
        for one in runs:
            assert one.stdin
            one.stdin.write("\n")
            one.stdin.flush()
        return max(float(one.communicate()[0]) for one in runs)
    finally:
        for one in runs:
            one.kill()
            one.wait()


def measure(arguments: Sequence[str], rounds: int) -> Iterator[str]:
    """The lines of the table, as they come."""
    yield f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.2f} at the start; medians of {rounds} rounds.\n"
    took: dict[tuple[str, int], list[float]] = {(policy, n): [] for policy in POLICIES for n in (1, 2)}
    for _ in range(rounds):
        for policy, n in took:
            took[policy, n].append(beside(n, policy, arguments))
    yield "| threads | one alone, s | two beside each other, s | ratio |\n|---|---:|---:|---:|"
    for policy, words in POLICIES.items():
        alone, two = (statistics.median(took[policy, n]) for n in (1, 2))
        yield f"| {words} | {alone:.2f} | {two:.2f} | {two / alone:.2f} |"


@click.command()
@click.option("--model", default="qwen2.5-coder-0.5b", show_default=True, help="A registry name or a .gguf file.")
@click.option("--prompts", default=3, show_default=True, help=f"How many prompts of {N_TOKENS} tokens a run has.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--child", is_flag=True, hidden=True)
@save_option
def main(model: str, prompts: int, rounds: int, child: bool, save: Path | None) -> None:
    """Measure two runs beside each other against one alone."""
    if child:
        evaluate(model, prompts)
        return
    command = shlex.join(("python", "-m", "tests.benchmarks.contention", *sys.argv[1:]))
    show("Two runs beside each other", command, measure(["--model", model, "--prompts", str(prompts)], rounds), save)


if __name__ == "__main__":
    main()
