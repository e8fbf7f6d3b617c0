"""What remote readers are asked before anything is retrieved; it is quoted and submitted together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from corpora.errors import counted
from corpora.loading.load import load_corpus
from corpora.schema import Corpus
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.session import Session
from flows.stages.asking import PromptGroups, document_prompts
from flows.stages.remote_asking import is_answered, submit_batches
from labeling.remote.jobs.desk import NoBatchesError
from labeling.remote.spending import LimitError


class FirstAsk(NamedTuple):
    """What a remote reader is asked before anything is retrieved: a stage, its corpus and its prompts."""

    reader: ReaderConfig
    stage: str
    corpus: Corpus
    groups: PromptGroups


def first_asks(experiment: Experiment, session: Session, *, all_corpora: bool) -> Iterator[FirstAsk]:
    """The votes that the label flow asks of remote readers, on the first corpus or on all."""
    configs = [experiment.corpus, *(experiment.other_corpora if all_corpora else ())]
    for number, config in enumerate(configs):
        space = session.workspace
        corpus = load_corpus(space.corpus(config), space.samples, space.conversions)
        where = f" {corpus.name}" if number else ""
        tune, _ = experiment.tune_of(corpus)
        for reader in experiment.remote_readers:
            mine = reader.corpus_of(corpus, experiment.corpus.seed)
            yield _first_ask(reader, f"label{where}", mine)
            if tune is not None and reader.gives_distributions:
                yield _first_ask(reader, f"calibrate{where}", tune)


def _first_ask(reader: ReaderConfig, stage: str, corpus: Corpus) -> FirstAsk:
    return FirstAsk(reader, stage, corpus, lambda: document_prompts(corpus, reader))


def submit_all(experiment: Experiment, session: Session, *, all_corpora: bool) -> Iterator[str]:
    """Submit the votes of every reader that is asked in batches, so that all of them are under way together.

    What the limit holds back is submitted when its reader's turn comes, once others have cost less than their maximum.

    Yields:
        One line per reader and stage.
    """
    n_sent = 0
    for ask in first_asks(experiment, session, all_corpora=all_corpora):
        if is_answered(ask.reader, ask.corpus.labels, session, ask.groups):
            continue
        if session.providers.find_api(ask.reader.remote) != "batch":
            continue
        try:
            sent = submit_batches(ask.reader, ask.corpus.labels, session, ask.groups)
        except NoBatchesError:
            session.providers.fall_back(ask.reader.remote)
            continue
        except LimitError:
            if not n_sent:  # else there will be room once other readers' batches have cost less than their maximum
                raise
            yield f"{ask.reader.label}, {ask.stage}: held back by the spending limit"
            continue
        n_sent += sent.under_way
        under_way = f"{counted(sent.under_way, 'request')} under way at {ask.reader.remote.provider}"
        line = f"{ask.reader.label}, {ask.stage}: {under_way}"
        yield line + (f", {sent.kept_back} held back by the spending limit" if sent.kept_back else "")
