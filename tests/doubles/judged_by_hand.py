"""A reader's answers in every arm and cell, whose right and wrong ones a test chooses."""

from collections.abc import Mapping, Sequence

import polars as pl

from corpora.schema import Corpus, LabelSet, Question, documents_frame, questions_frame
from labeling.votes.consensus import GOLD, ReaderVotes
from labeling.votes.sampling import Sampling
from labeling.votes.vote import votes_frame
from results.readers.answers import ANSWERS

Flags = Sequence[bool | int]
LABELS = LabelSet()
RIGHT, WRONG = ("yes", "no", "maybe"), ("no", "maybe", "yes")


def questions_by_hand(n: int, questions_per_document: int = 1) -> Corpus:
    """Questions q000, q001, ... whose reference labels are yes, no, maybe in turn."""
    asked = [
        Question(f"q{number:03d}", "?", (f"d{number // questions_per_document:03d}",), RIGHT[number % 3])
        for number in range(n)
    ]
    return Corpus("by hand", documents_frame([]), questions_frame(asked), LABELS)


def reader_by_hand(name: str, corpus: Corpus, kept: Flags | None = None) -> ReaderVotes:
    """A reader whose gold labels, where kept, are the references; nothing is known of its votes."""
    rows = [
        {"question_id": one, "votes": [label] * 3, "label": label if keep else None, "kept": bool(keep), "reason": "",
         "reference": label}
        for (one, label), keep in zip(
            corpus.questions.select("question_id", "reference").iter_rows(), kept or [1] * len(corpus.questions),
            strict=True,
        )
    ]  # fmt: skip
    gold = pl.DataFrame(rows, schema=GOLD)
    return ReaderVotes(name, Sampling(), "resample", corpus.questions, votes_frame([]), gold, None)


def answers_by_hand(
    reader: str, right: Mapping[tuple[str, int], Flags], cut: tuple[str, int] = ("k", 3)
) -> pl.DataFrame:
    """`right[arm, size][n]` says whether the answer to question n is right; size 0 where no cell changes the arm."""
    rows = []
    for (arm, size), flags in right.items():
        place = {"splitter": "tokens", "size": size, "overlap": 0, "embedder": "e", "retriever": "dense"}
        place |= {"cut": cut[0], "amount": cut[1], "n_context_tokens": size, "n_chunks": 3}
        for number, flag in enumerate(flags):
            label = RIGHT[number % 3] if flag else WRONG[number % 3]
            told = {"reader": reader, "arm": arm, "question_id": f"q{number:03d}", "label": label, "margin": 0.5}
            rows.append(told | (place if size else {}))
    return pl.DataFrame(rows, schema=ANSWERS)


def first(n_right: int, n: int) -> list[bool]:
    """The first so many of n are right."""
    return [number < n_right for number in range(n)]
