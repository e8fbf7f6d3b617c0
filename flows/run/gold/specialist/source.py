"""Where a specialist comes from: a finished run, its corpus as it was read, and the reader whose labels these are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import ValidationError

from corpora.errors import InputError
from corpora.schema import Corpus
from corpora.storage import StorePath
from flows.run.gold.finished_corpus import NO_READER_YET, corpus_of_run
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from flows.stages.asking import document_prompts
from labeling.votes.consensus import ConsensusConfig
from labeling.votes.vote import KEY, N_VOTES, VOTES
from results.advice.cards.specialist import Pace
from results.config import ScoringConfig
from results.store.finished import read_manifest, read_tables
from retrieval.embedding.embedder_config import EmbedderConfig


class Source(NamedTuple):
    """What a specialist is made from.

    Attributes:
        run: name of the run's folder.
        reader: the teacher.
        labeler: its fingerprint.
        corpus: all questions of all splits, whatever the run asked.
        asked: the questions that the teacher was asked, of schema `QUESTIONS`.
        gold: its gold set, schema `GOLD`.
        votes: its votes on whole documents, schema `VOTES`.
        consensus: the rule that made the gold set.
        scoring: confidence and margin.
        embedder: the run's first embedder.
        seconds: how long the teacher takes for a question, as the run's sessions say; None if they asked nothing.
    """

    run: str
    reader: ReaderConfig
    labeler: str
    corpus: Corpus
    asked: pl.DataFrame
    gold: pl.DataFrame
    votes: pl.DataFrame
    consensus: ConsensusConfig
    scoring: ScoringConfig
    embedder: EmbedderConfig
    seconds: float | None


def read_source(folder: StorePath, reader: str | None, base: Path | None, session: Session) -> Source:
    """Read a finished run and its corpus.

    Args:
        folder: the run's.
        reader: name of the teacher; may be left out where the run has one reader.
        base: as for `corpus_of_run`.
        session: knows the user's own copies of published corpora.

    Raises:
        InputError: no such run or reader, or as `corpus_of_run`.
    """
    manifest = read_manifest(folder)
    teacher = _reader(manifest, reader, folder)
    tables = read_tables(folder, manifest)
    corpus = corpus_of_run(folder, manifest, data=session.workspace.data, base=base, split="all")
    if corpus.labels.of_question:
        found = f"the questions of {folder} have choices of their own, and a specialist gives the labels of a corpus"
        raise InputError(found, "a run on a corpus with one label set for all questions", "give another run")
    config = manifest["config"]

    def of_teacher(name: str) -> pl.DataFrame:
        return tables[name].filter(pl.col("reader") == teacher.label).drop("reader")

    gold = of_teacher("gold")
    asked = corpus.questions.join(gold.select("question_id"), on="question_id", how="semi", maintain_order="left")
    embedders = config.get("retrieval", {}).get("embedders") or [{}]
    return Source(
        folder.name, teacher, manifest["readers"][teacher.label]["labeler"], corpus, asked, gold,
        of_teacher("votes").select(VOTES.names()),
        ConsensusConfig.model_validate(config.get("consensus", {})),
        ScoringConfig.model_validate(config.get("scoring", {})),
        EmbedderConfig.model_validate(embedders[0]), _seconds(manifest, teacher.label),
    )  # fmt: skip


def teacher_votes(source: Source, questions: pl.DataFrame, session: Session) -> pl.DataFrame:
    """The teacher's votes on some questions' whole documents: from the run, and from the store's ledger.

    Args:
        source: the run.
        questions: frame of schema `QUESTIONS`.
        session: opens the ledger; nothing is asked.

    Returns:
        Frame of schema `VOTES` with the questions that have all their votes.
    """
    corpus = source.corpus.with_questions(questions)
    wanted = pl.DataFrame(
        [(one.hash, one.arm, one.vote, one.seed) for group in document_prompts(corpus, source.reader) for one in group],
        schema=pl.Schema({name: VOTES[name] for name in KEY[1:]}),
        orient="row",
    )
    known = pl.concat([source.votes, session.ledger_of(source.labeler, corpus.labels).votes()])
    votes = known.unique(KEY, keep="first", maintain_order=True).join(wanted, on=list(KEY[1:]), how="semi")
    whole = votes.group_by("question_id").len().filter(pl.col("len") == N_VOTES)
    return votes.join(whole, on="question_id", how="semi").sort("question_id", "vote")


def teacher_pace(source: Source, session: Session) -> Pace | None:
    """How fast the teacher answers a question: as the run says, or at the speed at which it last answered here.

    None where neither is known. Three votes from one prompt take as long as one: the prompt is evaluated once.
    """
    tokens = source.votes["n_prompt_tokens"].mean()
    if not isinstance(tokens, int | float):
        return None
    seconds = _teacher_seconds(source, tokens, session)
    return Pace(seconds, float(tokens)) if seconds else None


def _teacher_seconds(source: Source, tokens: float, session: Session) -> float | None:
    reader = source.reader
    if source.seconds is not None or reader.remote.is_remote or reader.diversity != "resample":
        return source.seconds
    try:
        speed = session.speed(reader)
    except InputError:  # its model is not on this machine
        return None
    return tokens / speed.tokens_per_second if speed else None


def _reader(manifest: Mapping[str, Any], name: str | None, folder: StorePath) -> ReaderConfig:
    sections = manifest.get("config", {}).get("readers", [])
    try:
        readers = {one.label: one for one in (ReaderConfig.model_validate(section) for section in sections)}
    except ValidationError as error:
        found = f"{folder} holds readers as another version wrote them ({str(error).splitlines()[0]})"
        raise InputError(found, "a run of this version", "run the experiment again; its votes are kept") from error
    if name is None and len(readers) == 1:
        return next(iter(readers.values()))
    if name in readers:
        return readers[name]
    listed = ", ".join(readers) or "none"
    found = f"{folder} has no reader {name!r}" if name else f"{folder} has {len(readers)} readers"
    if not readers:
        raise InputError(f"{folder} has no gold set", "a run that asked a reader", NO_READER_YET)
    raise InputError(found, f"one of its readers: {listed}", "name the teacher with --reader")


def _seconds(manifest: Mapping[str, Any], reader: str) -> float | None:
    """Seconds that a question took, over the sessions of a run in which the reader was asked on this machine."""
    asked = [one for one in _label_entries(manifest) if one.get("reader") == reader and one.get("new")]
    prompts = sum(one["new"] for one in asked)
    return N_VOTES * sum(one["seconds"] for one in asked) / prompts if prompts else None


def _label_entries(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for worked in manifest["sessions"]:
        yield from worked.get("asked", {}).get("label", [])
