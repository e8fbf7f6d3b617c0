"""How fast prompts are read under each setting of the engine, and how far the setting moves the probabilities.

    python -m tests.benchmarks.prefill --experiment pubmedqa --save results/published/prefill.md

The first row is what llama-bench measures: bare calls of `llama_decode` on as many tokens, in the same batches, without
a row of logits. llama-cpp-python ships no llama-bench, so the loop is written here, on the same library and context.
Every question goes through all rows before the next one does, in an order that rotates by question.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import numpy as np

from corpora.loading.load import load_corpus
from flows.session.experiment import ReaderConfig, load_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.asking import document_prompts
from labeling.engine.label_mode import LocalLabeler
from labeling.engine.llama import LlamaModel
from labeling.models.registry import resolve_model
from labeling.votes.vote import Prompt
from tests.benchmarks.saving import save_option, show

Q8_0 = 8  # ggml's number for its 8-bit type
FLASH_OFF = 0


class Setting(NamedTuple):
    """One row: how a context is opened, and whether the document is read in calls of its own."""

    name: str
    n_batch: int = 512
    repack: bool = True
    flash: bool = True
    kv_type: int | None = None
    is_bare: bool = False
    is_parted: bool = True


SETTINGS = (
    Setting("bare calls, as llama-bench", is_bare=True),
    Setting("label mode, as Tercet asks: n_batch 512"),
    Setting("the document not apart from the question", is_parted=False),
    Setting("n_batch 128", n_batch=128),
    Setting("n_batch 256", n_batch=256),
    Setting("n_batch 1024", n_batch=1024),
    Setting("flash attention off", flash=False),
    Setting("8-bit KV cache", kv_type=Q8_0),
    Setting("weights not repacked", repack=False),
)
DEFAULT = 1  # the row that probabilities are compared with


class Engine(LlamaModel):
    """A model under one setting."""

    def __init__(self, path: Path, config: ReaderConfig, setting: Setting) -> None:
        self._setting = setting
        super().__init__(path, config.num_ctx, config.threads, setting.n_batch, repack=setting.repack)

    def _context_params(self, threads: int) -> Any:
        params = super()._context_params(threads)
        if not self._setting.flash:
            params.flash_attn_type = FLASH_OFF
        if self._setting.kv_type is not None:
            params.type_k = params.type_v = self._setting.kv_type
        return params

    def read_bare(self, tokens: Sequence[int]) -> None:
        """Evaluate tokens in full batches; nothing is read."""
        for start in range(0, len(tokens), self.n_batch):
            piece = tokens[start : start + self.n_batch]
            for at, token in enumerate(piece):
                self.put(at, token, start + at, (0,), read=False)
            self.decode(len(piece))


class Took(NamedTuple):
    """What a row took for a question.

    Attributes:
        tokens: evaluated.
        wall: seconds.
        cpu: seconds of this process, all threads together.
        shares: of the labels; empty where none is read.
    """

    tokens: int
    wall: float
    cpu: float
    shares: tuple[float, ...] = ()


Ask = Callable[[list[Prompt]], tuple[float, ...]]


def asker(engine: Engine, labeler: LocalLabeler, setting: Setting) -> Ask:
    """Asks the first prompt of a question with an empty cache; returns the labels' shares."""

    def ask(prompts: list[Prompt]) -> tuple[float, ...]:
        if setting.is_bare:
            engine.read_bare(labeler.tokenize(prompts[0]))
            return ()
        (vote,) = labeler.ask([prompts[0] if setting.is_parted else prompts[0]._replace(n_before=0)])
        return tuple(one / sum(vote.probabilities) for one in vote.probabilities)

    return ask


def measure(engines: Sequence[Engine], asks: Sequence[Ask], groups: Sequence[list[Prompt]]) -> list[list[Took]]:
    """What every row took for every question; the first question only warms up."""
    took: list[list[Took]] = [[] for _ in asks]
    for turn, group in enumerate(groups):
        for row in [(at + turn) % len(asks) for at in range(len(asks))]:
            engine = engines[row]
            engine.clear()
            before, wall, cpu = engine.n_evaluated, time.perf_counter(), time.process_time()
            shares = asks[row](group)
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                took[row].append(Took(engine.n_evaluated - before, *spent, shares))
    return took


def table(took: Sequence[Sequence[Took]]) -> Iterator[str]:
    """A row a setting; speeds also as multiples of the first row."""
    yield (
        "| setting | tokens/s | of bare calls | tokens a CPU second | of bare calls | largest change of a share | "
        "mean | other label |\n|---|" + "---:|" * 7
    )

    def rates(mine: Sequence[Took]) -> tuple[float, float]:
        tokens = sum(one.tokens for one in mine)
        return tokens / sum(one.wall for one in mine), tokens / sum(one.cpu for one in mine)

    bare, default = rates(took[0]), np.array([one.shares for one in took[DEFAULT]])
    for setting, mine in zip(SETTINGS, took, strict=True):
        wall, cpu = rates(mine)
        cells = [f"{wall:.0f}", f"{wall / bare[0]:.2f}", f"{cpu:.0f}", f"{cpu / bare[1]:.2f}"]
        if setting.is_bare:
            cells += ["", "", ""]
        else:
            shares = np.array([one.shares for one in mine])
            change = np.abs(shares - default).max(axis=1)
            turned = int((shares.argmax(axis=1) != default.argmax(axis=1)).sum())
            cells += [f"{change.max():.3f}", f"{change.mean():.3f}", f"{turned} of {len(change)}"]
        yield f"| {setting.name} | {' | '.join(cells)} |"


def prompts_of(name: str, data: Path | None, model: str, n: int, threads: int | None) -> tuple[Any, ReaderConfig, list]:
    """The label set, the reader, and the prompts of `n` questions on different documents, and of one to warm up."""
    experiment = load_experiment(Path(name))
    with TemporaryDirectory() as store, Session(Workspace(Path(store), data=data)) as session:
        corpus = load_corpus(session.workspace.corpus(experiment.corpus), session.workspace.samples)
    reader = experiment.readers[0].model_copy(update={"model": model, "threads": threads})
    apart = corpus.questions.unique("document_ids", keep="first", maintain_order=True)
    some = corpus.with_questions(apart.gather_every(max(1, len(apart) // (n + 1))).head(n + 1))
    return corpus.labels, reader, list(document_prompts(some, reader))


@click.command()
@click.option("--experiment", default="demo", show_default=True, help="A bundled name or a file.")
@click.option("--model", default="qwen2.5-coder-0.5b", show_default=True, help="A registry name or a .gguf file.")
@click.option("--questions", default=12, show_default=True, help="How many are measured.")
@click.option("--threads", type=int, help="CPU threads; one a core by default.")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), envvar="TERCET_DATA",
    help="Folder of your copies of published corpora; TERCET_DATA by default.",
)  # fmt: skip
@save_option
def main(
    experiment: str, model: str, questions: int, threads: int | None, data: Path | None, save: Path | None
) -> None:
    """Measure the speed of each setting of the engine on whole documents."""
    labels, reader, groups = prompts_of(experiment, data, model, questions, threads)
    file = resolve_model(model)

    def lines() -> Iterator[str]:
        yield (
            f"{os.cpu_count()} CPUs, {threads or os.cpu_count()} threads, load average {os.getloadavg()[0]:.2f} at the "
            f"start, {len(groups) - 1} questions. The first row is what llama-bench measures: bare calls of "
            "llama_decode on as many tokens. The others ask for one vote, and their shares of the labels are compared "
            "with the second row. Where other programs run, only the CPU seconds can be compared.\n"
        )
        with ExitStack() as opened:
            engines = [opened.enter_context(Engine(file.path, reader, setting)) for setting in SETTINGS]
            labelers = [LocalLabeler(reader, labels, engine, file.sha256) for engine in engines]
            asks = [asker(*row) for row in zip(engines, labelers, SETTINGS, strict=True)]
            yield from table(measure(engines, asks, groups))

    command = shlex.join(("python", "-m", "tests.benchmarks.prefill", *sys.argv[1:]))
    show(f"Reading prompts: {model}", command, lines(), save)


if __name__ == "__main__":
    main()
