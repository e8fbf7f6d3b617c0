"""Reading until the advice is told: in looks, each of twice as many questions, on the cells that are still in the race.

A look is an ordinary label and sweep flow on the first questions in their seeded order; the ledger has the answers of
the looks before, so only what is new is asked. A resumed run takes the same looks again and asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from corpora.errors import counted, listed
from corpora.schema import Corpus
from flows.label import Labeled, label
from flows.run.outline import stages_of_label, stages_of_reading, stages_of_retrieval
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.session import Session
from flows.stages.asking import Asked
from flows.stages.reading import Asking
from flows.stages.runner import Runner
from flows.sweep import Prepared, Swept, prepare, read
from labeling.remote.spending import LimitError
from results.advice.advice import Advice
from results.advice.wording import how_far
from results.settings import CUT, SETTING, name_settings
from results.sweep.judged import line_up
from results.sweep.race import DROPPED, LOOKS, drop_cells
from results.sweep.within import Race, cells_alike
from retrieval.config import Control
from retrieval.embedding.unknown_tokens import Unread

TOLD = "told"
IN_WORDS: dict[Control, str] = {
    "closed_book": "without any context",
    "random": "with random text",
    "oracle_chunk": "with the best chunks of the gold document",
}


class Told(NamedTuple):
    """The results of the label and sweep flows on the questions that were read."""

    labeled: Labeled
    swept: Swept


@dataclass
class Stand:
    """How far a reader has come.

    Attributes:
        sizes: number of questions at each look that may take place.
        questions: column question_id: all questions that it could be asked.
        cells: columns `SETTING` and `CUT`: the cells in the race.
        look: number of the look, from 0.
        stopped: why it reads no further; empty as long as it does.
        labeled: the cost of each shard of votes.
        answered: the cost of each shard of answers.
        shown: the contexts that it was shown so far: question_id, shown, n_context_tokens.
        dropped: frames of schema `DROPPED`.
        looks: rows of schema `LOOKS`.
    """

    sizes: list[int]
    questions: pl.DataFrame
    cells: pl.DataFrame
    look: int = 0
    stopped: str = ""
    labeled: list[Asked] = field(default_factory=list)
    answered: list[Asked] = field(default_factory=list)
    shown: list[pl.DataFrame] = field(default_factory=list)
    dropped: list[pl.DataFrame] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def n_questions(self) -> int:
        """Questions of this look."""
        return self.sizes[self.look]


def reads_in_looks(experiment: Experiment, *, sweeps: bool) -> bool:
    """Whether readers read only until the advice is told."""
    return sweeps and bool(experiment.readers) and experiment.reading.stop == TOLD


def first_look(experiment: Experiment, corpus: Corpus) -> Experiment:
    """The experiment with the questions of its first look."""
    asked = {one.label: len(one.corpus_of(corpus, experiment.corpus.seed).questions) for one in experiment.readers}
    return experiment.with_questions({name: experiment.reading.looks(n)[0] for name, n in asked.items()})


def read_until_told(
    experiment: Experiment, corpus: Corpus, session: Session, runner: Runner,
    unread: Mapping[str, Sequence[Unread]] | None = None,
) -> Told:  # fmt: skip
    """Label and read in looks until the advice of every reader is told, or its budget is used up.

    Raises:
        InputError: as the label and sweep flows; the limit on spending only if it is reached in the first look.
    """
    runner.expect(stages_of_retrieval(experiment, session), "before anything is read")
    prepared = prepare(experiment, corpus, session, runner, unread)
    contexts = distinct_contexts(prepared)
    stands = {one.label: _start(experiment, corpus, one, contexts) for one in experiment.readers}
    race = Race(
        {name: stand.sizes for name, stand in stands.items()},
        {name: contexts["same"].n_unique() for name in stands},
        contexts.select(*SETTING, *CUT, "same").unique().sort(*SETTING, *CUT),
    )
    n_stages = stages_of_label(experiment, corpus) + stages_of_reading(experiment)
    while any(not stand.stopped for stand in stands.values()):
        runner.expect(n_stages, _heading(stands))
        try:
            told = _look(experiment, corpus, prepared, session, runner, stands, race)
        except LimitError as error:
            if not _step_back(stands):
                raise
            runner.progress.say(f"{error} The looks before it are scored.")
            break
        for name, stand in stands.items():
            if not stand.stopped:
                _conclude(name, stand, told, experiment, contexts, race)
                _say(name, stand, runner)
    # The other arms are asked only for what is left, once it is known what that is.
    controls = experiment.retrieval.controls
    others = [IN_WORDS[one] for one in controls]
    runner.expect(n_stages, f"where answers are lost: read {listed(others, 'and')}" if others else "all looks together")
    try:
        told = _look(experiment, corpus, prepared, session, runner, stands, race, controls)
    except LimitError as error:
        runner.progress.say(f"{error} Nothing is read {listed(others)}.")
        told = _look(experiment, corpus, prepared, session, runner, stands, race)
    return _with_looks(told, stands)


def distinct_contexts(prepared: Prepared) -> pl.DataFrame:
    """The contexts of all cells: columns `SETTING`, `CUT`, question_id, shown, n_context_tokens, same.

    `shown` is equal for contexts of a question that are the same, `same` for cells that show the same on all of them.
    """
    if prepared.contexts is None:
        raise AssertionError("only readers read in looks")
    retrieved = prepared.contexts.retrieved
    alike = cells_alike(retrieved)
    shown = retrieved.with_columns(shown=pl.col("place").hash(seed=0))
    columns = [*SETTING, *CUT, "question_id", "shown", "n_context_tokens"]
    return shown.select(columns).join(alike, on=[*SETTING, *CUT], how="left")


def _start(experiment: Experiment, corpus: Corpus, reader: ReaderConfig, contexts: pl.DataFrame) -> Stand:
    questions = reader.corpus_of(corpus, experiment.corpus.seed).questions.select("question_id")
    cells = contexts.select(*SETTING, *CUT).unique().sort(*SETTING, *CUT)
    return Stand(experiment.reading.looks(len(questions)), questions, cells)


def _look(
    experiment: Experiment, corpus: Corpus, prepared: Prepared, session: Session, runner: Runner,
    stands: dict[str, Stand], race: Race, controls: tuple[Control, ...] = (),
) -> Told:  # fmt: skip
    """Label and read the questions of this look."""
    now = experiment.with_questions({name: stand.n_questions for name, stand in stands.items()})
    labeled = label(now, corpus, session, runner)
    asking = {name: Asking(controls, stand.cells) for name, stand in stands.items()}
    swept = read(now, labeled, prepared, session, runner, asking, race)
    for name, stand in stands.items():
        # Prompts are counted once, although every look goes through those of the looks before it.
        stand.labeled = [one._replace(n_prompts=0) for one in stand.labeled]
        stand.labeled += [*labeled.asked.get(name, ()), *labeled.calibrated.get(name, ())]
        stand.answered = [one._replace(n_prompts=0) for one in stand.answered] + [*swept.asked.get(name, ())]
    return Told(labeled, swept)


def _conclude(name: str, stand: Stand, told: Told, experiment: Experiment, contexts: pl.DataFrame, race: Race) -> None:
    """Note this look; stop if the advice is told or the budget is used up; otherwise drop cells and go on."""
    advice = next(one for one in told.swept.recommendations if one.reader == name)
    questions = told.labeled.readers[name].questions.select("question_id")
    read_now = contexts.join(questions, on="question_id", how="semi").join(stand.cells, on=[*SETTING, *CUT], how="semi")
    stand.shown.append(read_now.select("question_id", "shown", "n_context_tokens"))
    n_cells = len(stand.cells)
    if advice.told:
        stand.stopped = TOLD
    elif stand.look + 1 == len(stand.sizes):
        stand.stopped = "all questions that it may read are read"
    else:
        stand.stopped = _over_budget(stand, experiment)
    stand.looks.append(_row(name, stand, n_cells, advice, contexts, race))
    if not stand.stopped:
        if experiment.reading.drop:
            _drop(name, stand, told, experiment, race)
        stand.look += 1


def _over_budget(stand: Stand, experiment: Experiment) -> str:
    """Why the next look would cost more than is allowed; empty if it would not."""
    reading, asked = experiment.reading, [*stand.labeled, *stand.answered]
    tokens, minutes = sum(one.n_evaluated for one in asked), sum(one.seconds for one in asked) / 60
    # What the looks so far took, for as many questions as the next one has; cells that are dropped make it cheaper.
    growth = stand.sizes[stand.look + 1] / stand.n_questions
    if reading.max_tokens is not None and tokens * growth > reading.max_tokens:
        return f"the next look would bring it above max_tokens = {reading.max_tokens}"
    if reading.max_minutes is not None and minutes * growth > reading.max_minutes:
        return f"the next look would bring it above max_minutes = {reading.max_minutes:g}"
    return ""


def _row(name: str, stand: Stand, n_cells: int, advice: Advice, contexts: pl.DataFrame, race: Race) -> dict[str, Any]:
    read_so_far = pl.concat(stand.shown).unique(["question_id", "shown"])
    could_be_read = contexts.join(stand.questions, on="question_id", how="semi")
    all_of_it = could_be_read.unique(["question_id", "shown"])
    return {
        "reader": name,
        "look": stand.look + 1,
        "questions": stand.n_questions,
        "of_questions": len(stand.questions),
        "effective": advice.n_gold,
        "cells": n_cells,
        "of_cells": race.alike.height,
        "is_told": stand.stopped == TOLD,
        "stopped": stand.stopped,
        "context_tokens": int(read_so_far["n_context_tokens"].sum()),
        "of_context_tokens": int(all_of_it["n_context_tokens"].sum()),
    }


def _drop(name: str, stand: Stand, told: Told, experiment: Experiment, race: Race) -> None:
    """Take the cells out of the race that cannot become the advice any more."""
    answers = told.swept.tables["answers"]
    reader = told.labeled.readers[name]
    judged = line_up(told.labeled.corpus, reader, answers, experiment.consensus, experiment.scoring)
    dropped = drop_cells(judged, name_settings(race.alike), race, experiment.scoring)
    stand.dropped.append(dropped)
    stand.cells = stand.cells.join(dropped, on=[*SETTING, *CUT], how="anti", maintain_order="left")


def _heading(stands: Mapping[str, Stand]) -> str:
    """The look that comes next, in words; readers that have stopped are passed through again and asked nothing."""
    reading = [stand for stand in stands.values() if not stand.stopped]
    *fewer, most_questions = sorted({stand.n_questions for stand in reading})
    questions = listed([*map(str, fewer), counted(most_questions, "question")])
    number, most = max(stand.look + 1 for stand in reading), max(len(stand.sizes) for stand in reading)
    return f"look {number} of {'at most ' if number < most else ''}{most}: {questions}"


def _say(name: str, stand: Stand, runner: Runner) -> None:
    row = stand.looks[-1]
    end = f"not told yet, so it goes on to {stand.n_questions}"
    if stand.stopped:
        end = "told, so it reads no further" if stand.stopped == TOLD else f"it stops, as {stand.stopped}"
    dropped = row["cells"] - len(stand.cells)
    if dropped:
        are = "is" if dropped == 1 else "are"
        end += f"; {counted(dropped, 'cell')} cannot become the advice any more and {are} dropped"
    questions = f"{row['questions']} of {counted(row['of_questions'], 'question')}"
    runner.progress.say(f"{name}: {questions}, {counted(row['cells'], 'cell')}; {end}")


def _step_back(stands: dict[str, Stand]) -> bool:
    """Return readers to their last whole look; False if one of them has none."""
    if any(not stand.looks for stand in stands.values()):
        return False
    for stand in stands.values():
        if not stand.stopped:
            stand.look -= 1
            stand.stopped = "the limit on spending is reached"
            stand.looks[-1]["stopped"] = stand.stopped
    return True


def _with_looks(told: Told, stands: dict[str, Stand]) -> Told:
    """The last look's results, with the tables of all looks and what all of them cost."""
    looks = pl.DataFrame([row for stand in stands.values() for row in stand.looks], schema=LOOKS)
    dropped = pl.concat([pl.DataFrame(schema=DROPPED), *(one for stand in stands.values() for one in stand.dropped)])
    advice = [
        one._replace(line=f"{one.line} {how_far(stands[one.reader].looks[-1])}") if one.reader in stands else one
        for one in told.swept.recommendations
    ]
    labeled = told.labeled._replace(asked={name: stand.labeled for name, stand in stands.items()}, calibrated={})
    swept = told.swept._replace(
        tables={**told.swept.tables, "looks": looks, "dropped": dropped}, recommendations=advice,
        asked={name: stand.answered for name, stand in stands.items()},
    )  # fmt: skip
    return Told(labeled, swept)
