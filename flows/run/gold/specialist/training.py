"""`tercet specialise`: train a specialist on the gold labels of a run, score it, and put it into the store."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError, counted
from corpora.storage import StorePath, require_folder
from flows.run.gold.specialist.judging import HeldOut, hold_out, judged_by, pace_of
from flows.run.gold.specialist.keeping import keep
from flows.run.gold.specialist.learning import (
    Learnt,
    Order,
    can_learn,
    examples_of,
    key_of,
    learn,
    see,
    sight_of,
    smaller_sets,
)
from flows.run.gold.specialist.naming import KEY, check_name, used_as
from flows.run.gold.specialist.planning import plan_lines
from flows.run.gold.specialist.selection import Selection, refuse_leaks, select
from flows.run.gold.specialist.source import Source, read_source, teacher_pace
from flows.session.embedders import find_embedder
from flows.session.session import Session
from flows.stages.runner import Runner
from labeling.specialist.examples import Example
from labeling.specialist.folder import SHOWN, SPECIALISTS, Specialist
from results.advice.cards.specialist import Times, advise, findings
from results.gold.held import held
from results.gold.specialist.scores import CURVE, SPECIALIST, Scored, curve_point, score
from results.store.run_folder import unwritable
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.passages import Passages

UNSCORED = "Not scored: no held-out question has a human reference, and the gold labels are the teacher's own."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Specialised(NamedTuple):
    """What training found, a line each, and the specialist; None where only the plan was wanted."""

    lines: list[str]
    specialist: Specialist | None


class _Base(NamedTuple):
    folder: Path | None
    digest: str


def specialise(
    run: StorePath, order: Order, reader: str | None, session: Session, runner: Runner,
    *, base: Path | None = None, plans_only: bool = False,
) -> Specialised:  # fmt: skip
    """Train a specialist.

    Args:
        run: folder of a finished run.
        order: what to train.
        reader: name of the teacher; may be left out where the run has one reader.
        session: its workspace is the store that the specialist goes to.
        runner: shows progress.
        base: folder from which relative paths of the run's corpus start; by default the one that the run recorded.
        plans_only: whether to say what it would take, and no more.

    Raises:
        InputError: something is wrong with the input, nothing is left to learn from without a leak, or the name is that
            of another specialist.
    """
    store = require_folder(session.workspace.root, "specialists")
    source = runner.run("read the run and its corpus", read_source, run, reader, base, session)
    selection = select(source)
    order = order._replace(name=_name(order, source))
    check_name(store, order, source)
    start = _base(order)
    look = Passages(session.embedder(source.embedder), order.passage_size, order.n_passages)
    plan = runner.run("plan", plan_lines, order, source, selection, look, start.folder)
    for line in () if plans_only else plan:
        runner.progress.say(line)
    if plans_only:
        return Specialised([_about(selection, source), *plan], None)
    return _train(store, order, source, selection, look, start, session, runner)


def _train(
    store: Path, order: Order, source: Source, selection: Selection, look: Passages, base: _Base, session: Session,
    runner: Runner,
) -> Specialised:  # fmt: skip
    refuse_leaks(selection.learnt, source.corpus)
    seen = see(source.corpus, selection.learnt, look, runner, "look at what is learnt")
    examples = examples_of(source, selection.learnt, seen)
    if not can_learn(examples):
        raise InputError(
            f"all {len(examples)} gold labels of {source.reader.label!r} are the same",
            "at least two labels to tell apart",
            "label more tune questions, or choose another reader with --reader",
        )
    key = key_of(order, base.digest, look, examples)
    is_there = check_name(store, order, source, key)
    held = see(source.corpus, selection.held_out, look, runner, "look at what is held out")
    with _work(store, key) as work:
        started = time.perf_counter()
        learnt = learn(order, examples, base.folder, work, runner)
        learnt.training.update({"seconds": round(time.perf_counter() - started, 2), KEY: key})
        tables: dict[str, pl.DataFrame] = {}
        found = [_about(selection, source), UNSCORED]
        if len(selection.held_out):
            held_out = hold_out(source, selection.held_out, held, session)
            curve = _curve(order, source, held_out, examples, learnt, base, work, runner)
            scored, lines = _score(order, source, held_out, examples, learnt, curve, look, session, runner)
            found = [_about(selection, source), *lines]
            tables = {"scores": scored.scores, "differences": scored.differences, "curve": curve}
        sight = sight_of(order, source.embedder)
        specialist = keep(store, order, source, sight, look.digest, learnt, examples, tables, found, work)
    kept = f"Kept as {specialist.manifest.name} ({specialist.manifest.digest[:SHOWN]}) in {specialist.folder}"
    again = ", in place of the same training, with new scores" if is_there else ""
    return Specialised([*found, f"{kept}{again}; use it with {used_as(specialist)}."], specialist)


def _score(
    order: Order, source: Source, held_out: HeldOut, examples: Sequence[Example], learnt: Learnt, curve: pl.DataFrame,
    look: Passages, session: Session, runner: Runner,
) -> tuple[Scored, list[str]]:  # fmt: skip
    """The scores, and what they say."""
    how = source.scoring
    linear = order._replace(kind="linear")
    baseline = learnt if order.kind == "linear" else learn(linear, examples, None, None, runner)
    judged = judged_by(source, held_out, learnt, baseline)
    scored = runner.run("score", score, judged, how.confidence)
    times = Times(pace_of(source, held_out, learnt, look), teacher_pace(source, session))
    advice = advise(scored, how.margin, 1 - how.confidence, times)
    return scored, [*findings(scored, curve, times, how.confidence), f"Advice: {advice.line}"]


def _curve(
    order: Order, source: Source, held_out: HeldOut, examples: Sequence[Example], learnt: Learnt, base: _Base,
    work: Path, runner: Runner,
) -> pl.DataFrame:  # fmt: skip
    """The learning curve, frame of schema `CURVE`; its last point is the specialist itself."""
    sets = smaller_sets(examples, order.recipe.seed) if order.draws_curve else []
    points = [pl.DataFrame(schema=CURVE)]
    for number, some in enumerate([*sets, list(examples)]):
        is_whole = number == len(sets)
        one = learnt if is_whole else learn(order, some, base.folder, work / f"curve-{number}", runner)
        judged = judged_by(source, held_out, one, one).of(SPECIALIST)
        sizes = len(some), len({example.document for example in some})
        points.append(curve_point(judged, source.corpus.labels.labels, sizes, source.scoring.confidence))
    return pl.concat(points)


def _about(selection: Selection, source: Source) -> str:
    """What is learnt from, in one line."""
    documents = selection.learnt["document_ids"].list.first().n_unique()
    line = f"{counted(len(selection.learnt), 'gold label')} of {source.reader.label} on tune questions about "
    line += counted(documents, "document")
    left = [f"{selection.n_excluded} that its filter excluded"] if selection.n_excluded else []
    left += [f"{selection.n_leaking} that share a document with a held-out question"] if selection.n_leaking else []
    return f"{line}; left out: {' and '.join(left)}." if left else f"{line}."


def _name(order: Order, source: Source) -> str:
    name = order.name or re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{source.run}-{source.reader.label}-{order.kind}")
    if not NAME.fullmatch(name):
        raise InputError(f"the name {name!r}", "letters, digits, '_', '.' and '-' only", "give another --name")
    return name


def _base(order: Order) -> _Base:
    """The encoder that fine-tuning starts from."""
    return _Base(None, "") if order.kind == "linear" else _Base(*find_embedder(EmbedderConfig(model=order.base)))


@contextmanager
def _work(store: Path, key: str) -> Iterator[Path]:
    """The folder of one training, for one process at a time; what is left of a killed one is gone on with."""
    folder = store / SPECIALISTS / ".training" / key
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            busy = "another process is training this specialist", "a single process that trains it"
            lock = folder.with_name(f"{key}.lock")
            stack.enter_context(held(lock, *busy, "wait until that process has ended, then run again", leaves=False))
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        yield folder
        shutil.rmtree(folder)
