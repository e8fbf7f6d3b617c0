"""The summary of a run: one line of facts, the answers that a user came for, and what to distrust.

The first screen of the report, the last lines of a command and its JSON all say the same, as they are made from this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import polars as pl
from polars.exceptions import PolarsError

from corpora.errors import InputError
from results.advice.cards.chunk_size import answer_chunk_size
from results.advice.cards.distrust import find_distrust
from results.advice.cards.facts import facts_line
from results.advice.cards.readers import answer_best_reader, answer_gold, answer_trust
from results.advice.cards.record import RunRecord, record_run
from results.advice.cards.retrieval import answer_retrieval
from results.advice.cards.run import Run
from results.store.finished import check_format, read_manifest, read_tables
from results.store.listing import Listed

OF_FIRST_ANSWER = ("cells", "retrieval_means", "dropped", "looks", "labelers", "pairs")  # the tables that it takes


class Answer(NamedTuple):
    """An answer to one of the questions that a run is made for.

    Attributes:
        question: as a user would ask it.
        sentence: the answer with its number.
        section: of the report that shows the evidence, as in `accuracy`.
    """

    question: str
    sentence: str
    section: str


class Summary(NamedTuple):
    """What a run found, in a few lines.

    Attributes:
        facts: corpus, documents, questions, readers, date and cost.
        answers: what was found.
        distrust: why else not to rely on it, a line for each cause; the gravest first.
    """

    facts: str
    answers: tuple[Answer, ...]
    distrust: tuple[str, ...]


def summarise(manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Summary:
    """The summary of a run of any kind, of one that an older version made too.

    Args:
        manifest: content of `manifest.json`.
        tables: frames by name.
    """
    return _summarise(Run(manifest, tables))


def first_finding(listed: Listed) -> str:
    """What a run of a list found, in a line: the first answer of its summary, made from no more tables than it takes.

    Where a version before wrote other tables, it is the headline of its manifest; where the run is damaged, what is
    wrong with it.
    """
    if not listed.kind:
        return listed.headline
    try:
        manifest = read_manifest(listed.path)
        check_format(listed.path, manifest)
        few = {name: digest for name, digest in manifest["tables"].items() if PurePath(name).stem in OF_FIRST_ANSWER}
        run = Run(manifest, read_tables(listed.path, manifest | {"tables": few}))
        return next(_answers(run)).sentence if few else listed.headline
    except (InputError, PolarsError, ValueError, LookupError, TypeError):
        return listed.headline


def record(manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> RunRecord:
    """The same for programs, with the numbers.

    Args:
        manifest: as in `summarise`.
        tables: as in `summarise`.
    """
    run = Run(manifest, tables)
    found = _summarise(run)
    return record_run(run, found.answers, found.distrust, found.facts)


def summary_schema() -> dict[str, Any]:
    """The JSON Schema of what `--json` prints."""
    schema = RunRecord.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Tercet: summary of a run"}


def _summarise(run: Run) -> Summary:
    return Summary(facts_line(run), tuple(_answers(run)), tuple(find_distrust(run)))


def _answers(run: Run) -> Iterator[Answer]:
    """The answers, each made when it is asked for: the first ones take few tables."""
    if run.sweeps:
        yield Answer("Which chunk size?", answer_chunk_size(run), "accuracy" if run.reads else "retrieval")
        yield Answer("Does retrieval find it?", answer_retrieval(run), "retrieval")
    elif "pairs" in run.tables:
        yield Answer("Which reader?", answer_best_reader(run), "readers")
    yield Answer("Can the reader be trusted?", answer_trust(run), "readers")
    if not run.sweeps:
        yield Answer("What does the gold set keep?", answer_gold(run), "questions")
