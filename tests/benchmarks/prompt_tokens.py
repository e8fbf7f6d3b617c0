"""Where a reader's tokens go: the prompts of bundled experiments, counted with the model's tokenizer alone.

    python -m tests.benchmarks.prompt_tokens demo pubmedqa boolq-stitched evidence-inference --cells demo

A token that several prompts share counts for the first of them, in the order of the rows.
"""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import polars as pl

from corpora.loading.load import load_corpus
from corpora.schema import Corpus
from flows.session.experiment import Experiment, ReaderConfig, load_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.asking import document_prompts
from flows.stages.reading import Asking, Reading
from flows.stages.runner import Runner
from flows.sweep import prepare
from labeling.engine.label_mode import tokens_of_document
from labeling.engine.local_readers import Tokenize
from labeling.engine.trie import build_trie, shared_start
from labeling.prompting.labeler import PromptWriter
from labeling.votes.vote import Prompt
from tests.benchmarks.saving import save_option, show

ARMS = ("retrieved", "oracle_chunk", "random", "closed_book")
READ_QUESTIONS = 64  # whose prompts in the cells are counted


class Parts(NamedTuple):
    """Tokens of prompts, by what they show."""

    frame: int = 0
    context: int = 0
    tail: int = 0

    def plus(self, other: Parts) -> Parts:
        """Both together."""
        return Parts(*(a + b for a, b in zip(self, other, strict=True)))


class Counts:
    """What the prompts of one arm come to.

    Attributes:
        asked: one for each cell and question.
        distinct: prompts that differ from all others of their question.
        in_full: tokens of what is asked, nothing shared.
        evaluated: tokens that are evaluated.
    """

    def __init__(self) -> None:
        self.asked = self.distinct = self.in_full = 0
        self.evaluated = Parts()

    def row(self, name: str) -> str:
        """A row of the table."""
        total = sum(self.evaluated)
        figures = (self.asked, self.distinct, self.in_full, *self.evaluated, total)
        return f"| {name} | " + " | ".join(f"{n:,}" for n in figures) + f" | {self.in_full / max(1, total):.1f} |"


HEADING = (
    "| what is asked | prompts | distinct | tokens in full | frame | context | question | evaluated | times fewer |\n"
    "|---|" + "---:|" * 8
)


class Measure:
    """Cuts prompts into their parts.

    Args:
        reader: gives the prompts' wording.
        corpus: gives the label set.
        tokenize: the reader's tokenizer.
    """

    def __init__(self, reader: ReaderConfig, corpus: Corpus, tokenize: Tokenize) -> None:
        self._template, self._labels = PromptWriter(reader, corpus.labels).templates[0], tuple(corpus.labels)
        self.tokens = lru_cache(maxsize=64)(tokenize)

    def document(self, prompt: Prompt) -> int:
        """How many tokens at its start show the document."""
        return tokens_of_document({prompt: self.tokens(prompt)}, self.tokens)

    def new(self, prompt: Prompt, question: str, n_known: int) -> Parts:
        """The parts of a prompt behind its first `n_known` tokens, which are in the cache."""
        ids = self.tokens(prompt)
        bare = self.tokens(prompt._replace(message=self._template.fill("", question, self._labels)))
        start = shared_start(ids, bare)
        end = len(ids) - min(shared_start(ids[::-1], bare[::-1]), len(ids) - start)
        edges = [0, start, end, len(ids)]
        return Parts(*(max(0, b - max(a, n_known)) for a, b in pairwise(edges)))


def on_documents(corpus: Corpus, reader: ReaderConfig, measure: Measure) -> tuple[Counts, Counts, int]:
    """The three votes on whole documents: each question by itself, and with its document evaluated once; documents."""
    texts = dict(corpus.questions.select("question_id", "text").iter_rows())
    alone, once, n_documents, before = Counts(), Counts(), 0, None
    for group in document_prompts(corpus, reader):
        document = group[0].message[: group[0].n_before]
        n_documents += document != before
        known = measure.document(group[0]) if document == before else 0
        before, text = document, texts[group[0].question_id]
        for counts, n_known in ((alone, 0), (once, known)):
            add(counts, group, group, [], n_known, text, measure)
    return alone, once, n_documents


def add(
    counts: Counts, asked: Sequence[Prompt], new: Sequence[Prompt], counted: list[tuple[int, ...]], n_known: int,
    question: str, measure: Measure,
) -> None:  # fmt: skip
    """Add prompts of one question to the counts of an arm.

    Args:
        counts: of the arm.
        asked: its prompts, one a cell.
        new: those of them that no arm before has asked.
        counted: the token sequences of the question so far; grows.
        n_known: tokens at their start that are in the cache.
        question: its text.
        measure: cuts prompts into parts.
    """
    counts.asked += len(asked)
    counts.in_full += sum(len(measure.tokens(prompt)) for prompt in asked)
    for prompt in {prompt.hash: prompt for prompt in new}.values():
        ids = measure.tokens(prompt)
        counts.distinct += 1
        same = max((shared_start(ids, other) for other in counted), default=n_known)
        counts.evaluated = counts.evaluated.plus(measure.new(prompt, question, max(same, n_known)))
        counted.append(ids)


def in_cells(experiment: Experiment, corpus: Corpus, session: Session, measure: Measure) -> dict[str, Counts]:
    """What a sweep asks in its cells, by arm; only the documents of the questions counted are searched."""
    reader = experiment.readers[0]
    few = corpus.with_questions(corpus.questions.head(READ_QUESTIONS))
    few = replace(few, documents=few.documents.filter(pl.col("document_id").is_in(set(_gold(few)))))
    contexts = prepare(experiment, few, session, Runner()).contexts
    assert contexts is not None
    reading = Reading(few, reader, contexts, Asking(experiment.retrieval.controls))
    texts, by_arm = dict(corpus.questions.select("question_id", "text").iter_rows()), defaultdict(Counts)
    expected = 0
    requests = reading.requests().partition_by("question_id", as_dict=True)
    for group in reading.prompts():
        prompts, counted, seen = {prompt.hash: prompt for prompt in group}, [], set()
        rows = requests[(group[0].question_id,)]
        for arm in ARMS:
            hashes = rows.filter(arm=arm)["prompt_hash"].to_list()
            asked, new = ([prompts[one] for one in hashes], [prompts[one] for one in hashes if one not in seen])
            add(by_arm[arm], asked, new, counted, 0, texts[group[0].question_id], measure)
            seen.update(hashes)
        expected += build_trie(counted).count_tokens()
    if sum(sum(counts.evaluated) for counts in by_arm.values()) != expected:
        raise RuntimeError("the parts of the prompts do not add up to what is evaluated")
    return {arm: counts for arm, counts in by_arm.items() if counts.asked}


def _gold(corpus: Corpus) -> list[str]:
    return corpus.questions["document_ids"].explode().to_list()


def table(name: str, data: Path | None, *, cells: bool) -> Iterator[str]:
    """The lines on one experiment."""
    experiment = load_experiment(Path(name))
    with TemporaryDirectory() as store, Session(Workspace(Path(store), data=data)) as session:
        corpus = load_corpus(session.workspace.corpus(experiment.corpus), session.workspace.samples)
        reader = experiment.readers[0]
        measure = Measure(reader, corpus, session.readers.tokenizer(reader))
        alone, once, n_documents = on_documents(corpus, reader, measure)
        size = f"{len(corpus.questions)} questions on {n_documents} documents"
        yield f"\n## {name}\n\n{size}, tokens of {reader.model}.\n"
        yield HEADING
        yield alone.row("whole documents, three votes, each question by itself")
        yield once.row("whole documents, three votes, a document's questions together")
        if cells:
            of_arms = in_cells(experiment, corpus, session, measure)
            for arm, counts in of_arms.items():
                yield counts.row(f"{arm}, {min(READ_QUESTIONS, len(corpus.questions))} questions")


@click.command()
@click.argument("experiments", nargs=-1, required=True)
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), envvar="TERCET_DATA",
    help="Folder of your copies of published corpora; TERCET_DATA by default.",
)  # fmt: skip
@click.option("--cells", multiple=True, help="An experiment whose sweep is counted too; its chunks are embedded.")
@save_option
def main(experiments: Sequence[str], data: Path | None, cells: Sequence[str], save: Path | None) -> None:
    """Count the tokens of the prompts of EXPERIMENTS, bundled names or files."""

    def lines() -> Iterator[str]:
        yield (
            "The prompts of each experiment's first reader, counted with its model's tokenizer; no model was asked. "
            "*Frame*: the chat template and the system message before the context. *Question*: what follows the "
            f"context. In the cells, the first {READ_QUESTIONS} questions were counted, with the chunks of their "
            "documents. A token that several prompts share counts for the first of them, in the order of the rows."
        )
        for name in experiments:
            yield from table(name, data, cells=name in cells)

    show("Where a reader's tokens go", shlex.join(("python", "-m", "tests.benchmarks.prompt_tokens", *sys.argv[1:])),
         lines(), save)  # fmt: skip


if __name__ == "__main__":
    main()
