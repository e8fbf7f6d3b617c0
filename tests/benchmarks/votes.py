"""What three votes cost: label mode with prefix sharing beside llama-cpp-python's own chat completion.

    python -m tests.benchmarks.votes --pubmedqa FOLDER            time and evaluated tokens
    python -m tests.benchmarks.votes --pubmedqa FOLDER --memory   peak memory at 20 and at 200 questions

Every question goes through all arms before the next one does, in an order that rotates by question, so that a busy
minute of the machine hits all arms alike. No arm finds anything of another one in its cache.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click

from corpora.errors import InputError
from corpora.schema import Corpus, LabelSet, Question, iter_questions
from corpora.shaping.selection import sample_questions
from corpora.sources.formats.pubmedqa import read_pubmedqa
from labeling.engine.label_mode import LocalLabeler
from labeling.engine.llama import LlamaModel
from labeling.models.registry import resolve_model
from labeling.prompting.labeler import LabelerConfig, PromptWriter
from labeling.votes.vote import Prompt
from retrieval.context import assemble

DIVERSITIES = ("resample", "permute", "paraphrase")
MEMORY_TIMES = (1, 10)  # so many times the questions

Writes = Callable[[Question, str], list[Prompt]]
Asks = Callable[[list[Prompt]], int]


class Arm(NamedTuple):
    """One way to get votes: writes the prompts on a question and its document; asks them, returns evaluated tokens."""

    name: str
    write: Writes
    ask: Asks


class Took(NamedTuple):
    """What one arm took for one question."""

    seconds: float
    n_evaluated: int


class Chat:
    """llama-cpp-python's high-level API, counting the tokens that it evaluates."""

    def __init__(self, llama: Any) -> None:
        self.llama, self.n_evaluated = llama, 0
        self._evaluate, llama.eval = llama.eval, self._count

    def _count(self, tokens: Sequence[int]) -> None:
        self.n_evaluated += len(tokens)
        self._evaluate(tokens)

    def ask(self, prompts: list[Prompt]) -> int:
        """One completion a prompt; each finds what it shares with the one before in the cache, the first nothing."""
        before = self.n_evaluated
        self.llama.reset()
        for seed, prompt in enumerate(prompts):
            self.complete(prompt, seed)
        return self.n_evaluated - before

    def ask_apart(self, prompts: list[Prompt]) -> int:
        """One completion a prompt with nothing in the cache: what three passes over a corpus cost."""
        return sum(self.ask([prompt]) for prompt in prompts)

    def complete(self, prompt: Prompt, seed: int) -> Any:
        """Answer of at most 4 tokens at temperature 1; the other sampling parameters as llama-cpp-python has them."""
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.message}]
        return self.llama.create_chat_completion(messages=messages, temperature=1.0, max_tokens=4, seed=seed)


def open_chat(path: Path, config: LabelerConfig) -> Chat:
    """A model with the settings that `LlamaModel` gives its context; llama-cpp-python's own has no flash attention."""
    from llama_cpp import Llama

    threads, n_batch = config.threads or os.cpu_count() or 1, min(config.n_batch, config.num_ctx)
    llama = Llama(
        str(path), n_ctx=config.num_ctx, n_batch=n_batch, n_ubatch=n_batch, n_threads=threads, n_threads_batch=threads,
        n_gpu_layers=-1, flash_attn=True, no_perf=True, verbose=False,
    )  # fmt: skip
    return Chat(llama)


def by_label(labeler: LocalLabeler, llama: LlamaModel) -> Asks:
    """Ask through a labeler, with nothing in its cache."""

    def ask(prompts: list[Prompt]) -> int:
        llama.clear()
        before = labeler.n_evaluated
        if any(vote.failure == "prompt_too_long" for vote in labeler.ask(prompts)):
            raise InputError(f"a prompt on {prompts[0].question_id} is too long", "one that fits", "raise num_ctx")
        return labeler.n_evaluated - before

    return ask


def build_arms(config: LabelerConfig, labels: LabelSet, llama: LlamaModel, chat: Chat, sha256: str) -> list[Arm]:
    """All arms on two open copies of one model; the others are compared with the first."""
    configs = {name: config.model_copy(update={"diversity": name}) for name in DIVERSITIES}
    label = {name: by_label(LocalLabeler(one, labels, llama, sha256), llama) for name, one in configs.items()}
    writers = {name: PromptWriter(one, labels) for name, one in configs.items()}

    def single(question: Question, context: str) -> list[Prompt]:
        return [writers["resample"].single(question, "document", context)]

    def three(diversity: str) -> Writes:
        return lambda question, context: writers[diversity].votes(question, "document", context)

    return [
        Arm("label mode, 1 vote", single, label["resample"]),
        *(Arm(f"label mode, 3 votes, {name}", three(name), label[name]) for name in DIVERSITIES),
        Arm("chat completion, 1 call", single, chat.ask),
        *(Arm(f"chat completion, 3 calls, {name}", three(name), chat.ask) for name in DIVERSITIES),
        Arm("chat completion, 3 passes", three("resample"), chat.ask_apart),
    ]


def measure(arms: Sequence[Arm], corpus: Corpus) -> dict[str, list[Took]]:
    """Ask every question of the corpus in every arm; the first question only warms up."""
    took: dict[str, list[Took]] = {arm.name: [] for arm in arms}
    for turn, question in enumerate(iter_questions(corpus.questions)):
        context = assemble([corpus.texts[document_id] for document_id in question.document_ids])
        first = turn % len(arms)
        for arm in (*arms[first:], *arms[:first]):
            prompts = arm.write(question, context)
            started = time.perf_counter()
            n_evaluated = arm.ask(prompts)
            if turn > 0:
                took[arm.name].append(Took(time.perf_counter() - started, n_evaluated))
    return took


def sum_up(took: Mapping[str, Sequence[Took]]) -> dict[str, dict[str, float]]:
    """Median and total seconds and evaluated tokens of each arm, each beside its ratio to the first arm's."""
    summed: dict[str, dict[str, float]] = {}
    for name, mine in took.items():
        seconds = [one.seconds for one in mine]
        figures = {
            "median_seconds": statistics.median(seconds),
            "seconds": sum(seconds),
            "evaluated": sum(one.n_evaluated for one in mine),
        }
        base = next(iter(summed.values()), figures)
        summed[name] = figures | {f"{key}_ratio": value / base[key] for key, value in figures.items()}
    return summed


def time_table(summed: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown row an arm."""
    rows = ["| arm | median s | ratio | total s | ratio | evaluated tokens | ratio |", "|---|" + "---:|" * 6]
    for name, one in summed.items():
        figures = [
            f"{one['median_seconds']:.3f}", f"{one['median_seconds_ratio']:.2f}", f"{one['seconds']:.2f}",
            f"{one['seconds_ratio']:.2f}", f"{one['evaluated']:.0f}", f"{one['evaluated_ratio']:.2f}",
        ]  # fmt: skip
        rows.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(rows)


def ask_through_flow(corpus: Corpus, config: LabelerConfig) -> None:
    """Ask three votes a question as the label flow does: in shards, into the ledger of a store."""
    from flows.session.experiment import ReaderConfig
    from flows.session.session import Session
    from flows.session.workspace import Workspace
    from flows.stages.asking import ask, document_prompts
    from flows.stages.shards import cut_shards

    reader = ReaderConfig.model_validate(config.model_dump())
    with TemporaryDirectory() as store, Session(Workspace(Path(store))) as session:
        for shard in cut_shards(document_prompts(corpus, reader), len(corpus.questions)):
            ask(session, reader, corpus.labels, shard)


def memory_table(questions: int, arguments: Sequence[str]) -> str:
    """Peak memory at so many questions and at ten times as many, each in a process of its own."""
    rows = ["| questions | peak MiB |", "|---:|---:|"]
    for n in (times * questions for times in MEMORY_TIMES):
        # On Linux a process starts from its parent's peak: this one opens no model.
        command = [sys.executable, __file__, *arguments, "--peak-of", str(n)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(f"| {n} | {int(done.stdout) / 1024:.0f} |")
    return "\n".join(rows)


def heading(title: str, config: LabelerConfig, note: str) -> str:
    """What the table below it was measured with."""
    command = shlex.join(("python", "-m", "tests.benchmarks.votes", *sys.argv[1:]))
    return (
        f"# {title}\n\n`{command}`\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, llama-cpp-python {version('llama-cpp-python')}, {os.cpu_count()} CPUs, load "
        f"average {os.getloadavg()[0]:.2f} at the start. {config.model}, num_ctx {config.num_ctx}, n_batch "
        f"{config.n_batch}, {config.threads or os.cpu_count()} threads. {note}\n"
    )


@click.command()
@click.option("--pubmedqa", type=click.Path(exists=True, path_type=Path), required=True, help="its folder or file")
@click.option("--model", default=LabelerConfig().model, show_default=True, help="a registry name or a .gguf file")
@click.option(
    "--questions", default=20, show_default=True, help="how many are measured; for memory, also ten times as many"
)
@click.option("--threads", type=int, help="CPU threads; one a core by default")
@click.option("--memory", is_flag=True, help="measure peak memory instead")
@click.option("--save", type=click.Path(path_type=Path), help="write the table there as .md, its figures as .json")
@click.option("--peak-of", type=int, hidden=True)
def main(
    pubmedqa: Path, model: str, questions: int, threads: int | None, memory: bool, save: Path | None,
    peak_of: int | None,
) -> None:  # fmt: skip
    """Measure what three votes cost, on abstracts of PubMedQA."""
    config = LabelerConfig(model=model, threads=threads)
    corpus = read_pubmedqa(pubmedqa)
    if peak_of:
        ask_through_flow(corpus.with_questions(sample_questions(corpus.questions, peak_of, seed=0)), config)
        click.echo(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB on Linux
    elif memory:
        note = f"Three votes per question through the label flow, {len(corpus.documents)} documents loaded."
        text = heading("Peak memory of the label flow", config, note) + "\n" + memory_table(questions, sys.argv[1:])
        click.echo(text)
        if save:
            save.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    else:
        note = f"{questions} questions and one to warm up, flash attention in both. Ratios are to the first row."
        title = heading("What three votes cost", config, note)
        file, drawn = resolve_model(model), sample_questions(corpus.questions, questions + 1, seed=0)
        with LlamaModel(file.path, config.num_ctx, config.threads, config.n_batch) as llama:
            arms = build_arms(config, corpus.labels, llama, open_chat(file.path, config), file.sha256)
            summed = sum_up(measure(arms, corpus.with_questions(drawn)))
        text = f"{title}\n{time_table(summed)}"
        click.echo(text)
        if save:
            save.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
            save.with_suffix(".json").write_text(json.dumps(summed, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
