"""The plan: what a run would ask and how long it would take, before anything is asked."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from corpora.schema import Corpus, iter_questions
from corpora.sources import load_corpus
from flows.asking import close_model, open_labeler
from flows.experiment import Experiment, ReaderConfig
from flows.label import document_prompts, reader_corpus
from flows.stages import check_sizes
from flows.workspace import Workspace, labeler_fingerprint, open_embedder, open_ledger
from labeling.consensus import check_rule
from labeling.labeler import PromptWriter
from labeling.local import LocalLabeler
from labeling.trie import build_trie
from labeling.votes import Prompt

DOCUMENTS_MEASURED = 50  # to learn how many of the reader's tokens one of the embedder's is


class Plan(NamedTuple):
    """What one reader would be asked.

    Attributes:
        reader: its name.
        questions: how many questions.
        label_prompts: prompts on whole documents.
        label_known: how many of them the ledger answers already.
        label_tokens: their tokens, each prompt in full, counted with the model's tokenizer.
        label_shared: their tokens after prefix sharing, counted.
        read_prompts: prompts on retrieved chunks, at most: two cells may turn out to ask the same.
        read_shared: their tokens after prefix sharing, about: every chunk taken as full.
        tokens_per_second: measured on the first question that fits; None if none does.
        seconds: estimate for these tokens, less what the ledger knows of whole documents; what it knows of retrieved
            chunks shows only after retrieval. Chunking and embedding come on top.
    """

    reader: str
    questions: int
    label_prompts: int
    label_known: int
    label_tokens: int
    label_shared: int
    read_prompts: int
    read_shared: int
    tokens_per_second: float | None
    seconds: float | None


def plan(experiment: Experiment, workspace: Workspace) -> list[Plan]:
    """Plan every reader of an experiment; money is none, as all readers are local.

    Loads each model and asks it one question, whose answer is not kept, to measure its speed.
    """
    check_sizes(experiment, workspace)
    corpus = load_corpus(experiment.corpus.resolved(workspace.base), workspace.samples)
    check_rule(experiment.consensus, corpus.questions)
    try:
        return [_plan(experiment, corpus, reader, workspace) for reader in experiment.readers]
    finally:
        close_model()


def _plan(experiment: Experiment, corpus: Corpus, reader: ReaderConfig, workspace: Workspace) -> Plan:
    mine = reader_corpus(corpus, reader, experiment.corpus.seed)
    groups = document_prompts(mine, reader)
    labeler = open_labeler(reader, corpus.labels)
    missing = open_ledger(workspace.ledger, labeler_fingerprint(reader, corpus.labels)).missing(
        [prompt for group in groups for prompt in group]
    )
    tokens = [[labeler.tokenize(prompt) for prompt in group] for group in groups]
    shared = [build_trie(group).count_tokens() for group in tokens]
    unknown = {prompt.question_id for prompt in missing}
    left = sum(n for n, group in zip(shared, groups, strict=True) if group[0].question_id in unknown)
    read_shared = len(groups) * _reading_tokens(experiment, mine, reader, labeler, workspace)
    speed = _probe(labeler, groups)
    total = sum(len(group) for group in groups)
    return Plan(
        reader=reader.label,
        questions=len(groups),
        label_prompts=total,
        label_known=total - len(missing),
        label_tokens=sum(len(prompt) for group in tokens for prompt in group),
        label_shared=sum(shared),
        read_prompts=len(groups) * len(experiment.retrieval.chunkings()) * len(experiment.retrieval.cuts()),
        read_shared=read_shared,
        tokens_per_second=speed,
        seconds=(left + read_shared) / speed if speed else None,
    )


def _reading_tokens(
    experiment: Experiment, corpus: Corpus, reader: ReaderConfig, labeler: LocalLabeler, workspace: Workspace
) -> int:
    """About how many model tokens one question's retrieved prompts take: chunks full, every cut with its own tail."""
    retrieval = experiment.retrieval
    counter = open_embedder(retrieval.embedder, workspace.embeddings).tokenizer
    texts = corpus.documents["text"].head(DOCUMENTS_MEASURED).to_list()
    question = next(iter_questions(corpus.questions))
    writer = PromptWriter(reader, corpus.labels)
    empty = len(labeler.tokenize(writer.single(question, "retrieved", "")))
    full = sum(len(labeler.tokenize(writer.single(question, "retrieved", text))) - empty for text in texts)
    ratio = full / sum(counter.count_all(texts))
    n_tokens = 0.0
    for chunking in retrieval.chunkings():
        deepest = max(cut.amount * chunking.size if cut.kind == "k" else cut.amount for cut in retrieval.cuts())
        n_tokens += deepest * ratio + empty * len(retrieval.cuts())
    return math.ceil(n_tokens)


def _probe(labeler: LocalLabeler, groups: list[list[Prompt]]) -> float | None:
    """Tokens a second on the first question that fits in the context; None where none does."""
    for group in groups:
        before, started = labeler.n_evaluated, time.perf_counter()
        labeler.ask(group)
        if labeler.n_evaluated > before:
            return (labeler.n_evaluated - before) / (time.perf_counter() - started)
    return None


def render_plan(plans: list[Plan]) -> str:
    """The plan as text."""
    lines = []
    for one in plans:
        lines += [
            f"{one.reader}: {one.questions} questions, local, costs no money",
            f"  label: {one.label_prompts} prompts ({one.label_known} answered in the ledger), "
            f"{one.label_tokens} tokens, {one.label_shared} after prefix sharing",
            f"  read:  at most {one.read_prompts} prompts, about {one.read_shared} tokens after prefix sharing",
            _time(one),
        ]
    return "\n".join(lines)


def _time(one: Plan) -> str:
    if one.seconds is None:
        return "  time:  unknown, no question fits in num_ctx"
    return (
        f"  time:  about {one.seconds / 60:.1f} minutes of asking at {one.tokens_per_second:.0f} measured tokens/s; "
        "chunking and embedding come on top, answers in the ledger come off"
    )
