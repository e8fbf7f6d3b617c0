"""Whether a specialist is asked what it was trained on: then its figures flatter it, and the run says so."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from corpora.errors import counted
from corpora.schema import Corpus
from corpora.storage import read_frame, sha256_text
from flows.session.experiment import Experiment
from flows.session.session import Session
from labeling.models.registry import is_specialist
from labeling.specialist.folder import TRAINED_ON, find_specialist


def overlap_warnings(experiment: Experiment, corpus: Corpus, session: Session) -> Iterator[str]:
    """A line for each specialist that has learnt from questions or documents of this corpus that it is asked about."""
    for reader in experiment.readers:
        if not is_specialist(reader.model):
            continue
        specialist = find_specialist(session.workspace.root, reader.model)
        specialist.verify()
        asked = reader.corpus_of(corpus, experiment.corpus.seed).questions
        n_learnt = len(asked.filter(_is_learnt(asked, corpus, read_frame(specialist.folder / TRAINED_ON))))
        if n_learnt:
            yield (
                f"{reader.label} was trained on the documents of {n_learnt} of these "
                f"{counted(len(asked), 'question')}: its figures flatter it. Ask it held-out questions."
            )


def _is_learnt(asked: pl.DataFrame, corpus: Corpus, learnt: pl.DataFrame) -> pl.Series:
    """Which questions are about a text that was learnt from."""
    texts = set(learnt["text_digests"].explode())
    return pl.Series(
        [
            any(sha256_text(corpus.texts[one]) in texts for one in documents)
            for documents in asked["document_ids"].to_list()
        ],
        dtype=pl.Boolean,
    )
