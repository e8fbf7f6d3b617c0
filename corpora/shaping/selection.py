"""Which questions take part: seeded samples and the tune / held-out split, both decided by hashes of ids."""

from __future__ import annotations

import hashlib

import polars as pl

from corpora.errors import InputError, counted
from corpora.schema import Split
from corpora.shaping.pins import read_pin, write_pin
from corpora.storage import StorePath


def id_hash(seed: int, purpose: str, identifier: str) -> int:
    """A 64-bit hash of an id, the same on every machine; `purpose` keeps two uses of a seed independent."""
    digest = hashlib.blake2b(f"{seed}\x1f{purpose}\x1f{identifier}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def sample_questions(questions: pl.DataFrame, n: int, seed: int, pin: StorePath | None = None) -> pl.DataFrame:
    """Draw `n` questions: the `n` smallest seeded hashes of their ids, kept in the frame's order.

    The draw depends on ids only: the order of the file does not matter, and a question stays drawn unless a newcomer
    displaces it (bottom-k sampling). With `pin`, the first draw is written there and repeated from then on,
    so that the sample stays exactly the same as the file grows.

    Args:
        questions: frame with a `question_id` column.
        n: how many; all of them if the frame has fewer.
        seed: seed of the hash.
        pin: a JSON file that remembers the draw.

    Raises:
        InputError: `n` is below 1, a pinned question is no longer in the frame, or the pin is damaged or cannot be
            written.
    """
    if n < 1:
        raise InputError(f"sample of {n} questions", "at least 1 question", "raise `sample` or leave it out")
    hashes = [id_hash(seed, "sample", i) for i in questions["question_id"]]
    ranked = sorted(range(len(hashes)), key=lambda row: (hashes[row], questions["question_id"][row]))
    drawn = questions[sorted(ranked[:n])]
    if pin is not None and pin.exists():
        return _pinned(questions, pin, drawn)
    if pin is not None and len(drawn) == n:
        write_pin(pin, drawn["question_id"])
    return drawn


def balanced_sample(questions: pl.DataFrame, per_label: int, n_labels: int, seed: int) -> pl.DataFrame:
    """Draw the same number of questions for each reference label, or for all together if no question has one.

    Args:
        questions: frame of schema `QUESTIONS`.
        per_label: how many for each label; all of them if there are fewer.
        n_labels: size of the label set.
        seed: seed of the draw, as in `sample_questions`, for every label.
    """
    known = questions.filter(pl.col("reference").is_not_null())
    if known.is_empty():
        return sample_questions(questions, per_label * n_labels, seed)
    drawn = [sample_questions(of_label, per_label, seed) for of_label in known.partition_by("reference")]
    return questions.filter(pl.col("question_id").is_in(pl.concat(drawn)["question_id"].to_list()))


def _pinned(questions: pl.DataFrame, pin: StorePath, draw: pl.DataFrame) -> pl.DataFrame:
    wanted = read_pin(pin, draw["question_id"])
    drawn = questions.filter(pl.col("question_id").is_in(wanted))
    gone = wanted - set(drawn["question_id"])
    if gone:
        raise InputError(
            f"{len(gone)} questions of the pinned sample {pin} are no longer in the corpus (such as {min(gone)!r})",
            "a corpus that has only grown",
            "restore them, or delete the pin file to draw again",
        )
    return drawn


def hashed_split(document_id: str, held_out_fraction: float, seed: int) -> Split:
    """Split of a question by its first gold document, so that all questions about a document are on one side."""
    return "held_out" if id_hash(seed, "split", document_id) < held_out_fraction * 2**64 else "tune"


def assign_split(questions: pl.DataFrame, held_out_fraction: float = 0.5, seed: int = 0) -> pl.DataFrame:
    """Fill in `split` where the source does not give it; see `hashed_split`."""
    assigned = [
        split or hashed_split(documents[0] if len(documents) else question_id, held_out_fraction, seed)
        for question_id, split, documents in questions.select("question_id", "split", "document_ids").iter_rows()
    ]
    return questions.with_columns(split=pl.Series(assigned, dtype=pl.String))


def describe_split(name: str, given: pl.DataFrame, assigned: pl.DataFrame, asked: str, remedy: str) -> str:
    """How a hash of ids chose the questions that are asked, where the source has no split, in a sentence.

    Args:
        name: of the corpus.
        given: all questions, as the source has them.
        assigned: the same, as `assign_split` returns them.
        asked: which split is asked: `tune`, `held_out` or `all`.
        remedy: how to choose the split.

    Returns:
        The sentence; empty if the source has a split for every question, or all questions are asked.
    """
    if asked == "all":  # so the hash decides nothing in this run
        return ""
    drawn = assigned.filter(given["split"].is_null())["split"]
    if drawn.is_empty():
        return ""
    of_all = "" if len(drawn) == len(given) else f" of {len(given):,}"
    n_tune, n_held_out = int((drawn == "tune").sum()), int((drawn == "held_out").sum())
    return (
        f"{name}: the source gives no split for {counted(len(drawn), 'question')}{of_all}, so a hash of their "
        f"documents' ids put {n_tune:,} into tune and {n_held_out:,} into held-out, and only "
        f"{asked.replace('_', '-')} ones are asked; to choose, {remedy}."
    )
