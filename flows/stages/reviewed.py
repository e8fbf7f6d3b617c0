"""What people settled on about the questions of a corpus, for the consensus rule `reviewed`."""

from __future__ import annotations

import json
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError
from corpora.schema import ACCEPTED, DRAFTED, REJECTED, Corpus
from corpora.storage import is_folder, sha256_text
from flows.session.session import Session
from labeling.votes.consensus import NOT_REVIEWED, ConsensusConfig, Reviewed, check_rule
from results.gold.review.reviews import counted_reviews
from results.gold.review.settled import settled_labels
from results.gold.shown import with_texts


class ReviewedCorpus(NamedTuple):
    """People's labels on a corpus.

    Attributes:
        labels: what they settled on, by question; None where they looked at it and did not settle.
        notes: what does not count of their labels, a sentence each.
    """

    labels: Reviewed
    notes: list[str]

    @property
    def digest(self) -> str:
        """sha256 of the labels: with others, the gold set is another one."""
        return sha256_text(json.dumps(dict(self.labels), sort_keys=True))


def reviewed_corpus(config: ConsensusConfig, corpus: Corpus, session: Session) -> ReviewedCorpus:
    """People's labels on the questions of a corpus; none where the consensus rule does not go by them."""
    if config.rule != "reviewed":
        return ReviewedCorpus(NOT_REVIEWED, [])
    return _settled(corpus, session)


def with_accepted(corpus: Corpus, session: Session) -> Corpus:
    """The corpus with its drafted questions marked as accepted or rejected, as far as people settled on an answer."""
    drafted = pl.col("origin") == DRAFTED
    if corpus.questions.filter(drafted).is_empty() or not is_folder(session.workspace.root):
        return corpus
    settled = dict(_settled(corpus, session).labels)
    given = pl.col("question_id").replace_strict(settled, default=None, return_dtype=pl.String())
    mark = pl.when(given == pl.col("reference")).then(pl.lit(ACCEPTED)).when(given.is_not_null()).then(pl.lit(REJECTED))
    marked = pl.when(drafted).then(mark.otherwise(pl.lit(DRAFTED))).otherwise(pl.col("origin"))
    return corpus.with_questions(corpus.questions.with_columns(origin=marked))


def _settled(corpus: Corpus, session: Session) -> ReviewedCorpus:
    """People's labels on the questions of a corpus."""
    reviews = session.reviews(corpus.name)
    asked = corpus.questions.filter(pl.col("question_id").is_in(reviews["question_id"].unique().to_list()))
    shown = with_texts(asked.select("question_id"), asked, corpus.texts)
    digests = dict(shown.select("question_id", "text_digest").iter_rows())
    counted = counted_reviews(reviews, digests, corpus.labels.labels)
    settled = settled_labels(counted.reviews).sort("question_id")
    return ReviewedCorpus(dict(settled.select("question_id", "label").iter_rows()), counted.notes)


def check_consensus(config: ConsensusConfig, corpus: Corpus, session: Session) -> None:
    """Refuse a rule that cannot be applied to a corpus, before anything is asked.

    Raises:
        InputError: it needs reference labels or people's labels, and there are none.
    """
    check_rule(config, corpus.questions)
    if config.rule == "reviewed" and not any(reviewed_corpus(config, corpus, session).labels.values()):
        raise InputError(
            f"rule 'reviewed' on the corpus {corpus.name!r}, on which nobody has settled a label in this store",
            "people's labels on its questions",
            "run it with rule = 'unanimous', then give labels with `tercet review RUN`",
        )
