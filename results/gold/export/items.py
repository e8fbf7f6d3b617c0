"""What is taken away: a row for each question that a reader was asked, put together from the tables of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from corpora.choices import labels_lacking, with_asked_texts
from corpora.errors import InputError, did_you_mean, listed
from corpora.schema import QUESTIONS
from labeling.votes.vote_law import distributions
from results.gold.shown import ShownQuestion, text_digest
from retrieval.context import assemble

# One part of an export, and what is in memory at a time.
CHARACTERS_PER_PART = 50_000_000
DOCUMENT = pl.Struct({"document_id": pl.String(), "text": pl.String()})


class Items(NamedTuple):
    """What one reader's gold set has to say.

    Attributes:
        reader: its name in the run.
        labels: the label set.
        rows: frame of `item_schema`, a row for each question that the reader was asked, kept or not.
        texts: document text by document id; None where documents are only referred to.
        lacking: labels that a question cannot have, by its id: places of choices that only other questions have.
    """

    reader: str
    labels: tuple[str, ...]
    rows: pl.DataFrame
    texts: Mapping[str, str] | None
    lacking: Mapping[str, Sequence[str]] = MappingProxyType({})

    def labels_of(self, question_id: str) -> tuple[str, ...]:
        """The labels that a question can have."""
        return tuple(label for label in self.labels if label not in self.lacking.get(question_id, ()))

    def only(self, *, kept: bool) -> Items:
        """The questions of the gold set, or those that are excluded."""
        return self._replace(rows=self.rows.filter(pl.col("kept") == kept))

    def parts(self, most_characters: int = CHARACTERS_PER_PART) -> Iterator[pl.DataFrame]:
        """The rows in parts of bounded size, with the column `documents` where texts are taken along; one at least.

        Args:
            most_characters: of documents in one part, unless a single row has more.
        """
        if self.texts is None:
            yield self.rows
            return
        start = n_characters = 0
        for number, document_ids in enumerate(self.rows["document_ids"]):
            more = sum(len(self.texts[one]) for one in document_ids)
            if number > start and n_characters + more > most_characters:
                yield self._with_documents(self.rows[start:number])
                start, n_characters = number, 0
            n_characters += more
        yield self._with_documents(self.rows[start:])

    def shown(self) -> Iterator[tuple[dict[str, object], ShownQuestion]]:
        """Each row, and its question as a person is shown it."""
        for row in self.rows.iter_rows(named=True):
            texts = self.texts
            document = None if texts is None else assemble([texts[one] for one in row["document_ids"]])
            yield row, ShownQuestion(row["question"], document, row["text_digest"], self.labels_of(row["question_id"]))

    def _with_documents(self, rows: pl.DataFrame) -> pl.DataFrame:
        texts = self.texts or {}
        documents = [[{"document_id": one, "text": texts[one]} for one in ids] for ids in rows["document_ids"]]
        column = pl.Series("documents", documents, dtype=pl.List(DOCUMENT))
        return rows.insert_column(rows.get_column_index("document_ids") + 1, column)


def item_schema(labels: Sequence[str]) -> pl.Schema:
    """The columns of an export, in their order.

    Args:
        labels: the label set.
    """
    return pl.Schema(
        {
            "question_id": pl.String(),
            "question": pl.String(),
            "document_ids": pl.List(pl.String()),
            "evidence": QUESTIONS["evidence"],
            "label": pl.String(),  # null where the question is excluded
            "kept": pl.Boolean(),
            "reason": pl.String(),  # why it is kept or excluded
            "votes": pl.List(pl.String()),  # null for a vote that failed
            "probabilities": pl.Struct(dict.fromkeys(labels, pl.Float64())),  # null where they are not known
            "outside_mass": pl.Float64(),  # probability outside of the labels
            "p_unanimous": pl.Float64(),  # that three votes agree
            "reference": pl.String(),
            "annotators": QUESTIONS["annotators"],
            "split": pl.String(),
            "tags": QUESTIONS["tags"],
            "origin": pl.String(),  # drafted by a reader, accepted or rejected by people; null for the others
            "text_digest": pl.String(),
        }
    )


def take_items(
    tables: Mapping[str, pl.DataFrame], reader: str, labels: Sequence[str], texts: Mapping[str, str] | None,
    corpus: str = "",
) -> Items:  # fmt: skip
    """Put together what is taken away of one reader.

    Args:
        tables: of a run.
        reader: its name.
        labels: the label set of the corpus.
        texts: document text by document id; None to refer to documents by id and offsets only.
        corpus: the name of another corpus of the run, whose tables are named after it; empty for the first one.

    Raises:
        InputError: the run has no gold set of that reader, or the texts are not those that the reader saw.
    """
    at = f"@{corpus}" if corpus else ""
    gold = _of(reader, tables[f"gold{at}"])
    law = _of(reader, tables[f"vote_law{at}"]) if f"vote_law{at}" in tables else None
    questions = with_asked_texts(tables[f"questions{at}"]).rename({"text": "question"}).drop("reference")
    told = gold.select(
        "question_id", "votes", "label", "kept", "reason", "reference",
        *(name for name in ("p_unanimous", "text_digest") if name in gold.columns),
    )  # fmt: skip
    if "p_unanimous" not in told.columns and law is not None:  # of an older version
        told = told.join(law.select("question_id", "p_unanimous"), on="question_id", how="left", maintain_order="left")
    rows = told.join(questions, on="question_id", how="left", maintain_order="left")
    votes = _of(reader, tables[f"votes{at}"]).filter(pl.col("arm") == "document")
    rows = rows.join(_probabilities(votes, labels), on="question_id", how="left", maintain_order="left")
    schema = item_schema(labels)
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in rows.columns]
    told = _with_digests(rows.with_columns(missing), texts).select(*schema)
    return Items(reader, tuple(labels), told, texts, labels_lacking(tables[f"questions{at}"], labels))


def choose_readers(gold: pl.DataFrame, wanted: Sequence[str]) -> list[str]:
    """The readers that a gold table is about, or those of them that are wanted.

    Args:
        gold: the table of a run.
        wanted: their names; empty for all.

    Raises:
        InputError: one of them has no gold set in the run.
    """
    known = gold["reader"].unique(maintain_order=True).to_list()
    for name in wanted:
        if name not in known:
            found = f"the run has no gold set of a reader {name!r}{did_you_mean(name, known)}"
            raise InputError(found, listed(known), "correct the name")
    return [one for one in known if not wanted or one in wanted]


def _of(reader: str, table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("reader") == reader)


def _probabilities(votes: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
    """The mean of the three distributions of each question, each normalised, and the mean mass outside the labels."""
    known = distributions(votes, len(labels))
    total = known.probabilities.sum(axis=-1, keepdims=True)
    mean = (known.probabilities / total).mean(axis=1)
    each = pl.DataFrame(
        {"question_id": known.question_ids, **{f"{at}": mean[:, at] for at in range(len(labels))}},
        schema={"question_id": pl.String(), **{f"{at}": pl.Float64() for at in range(len(labels))}},
    )
    named = pl.struct(pl.col(f"{at}").alias(label) for at, label in enumerate(labels))
    outside = votes.group_by("question_id").agg(pl.mean("outside_mass"))
    return each.select("question_id", probabilities=named).join(outside, on="question_id", how="left")


def _with_digests(rows: pl.DataFrame, texts: Mapping[str, str] | None) -> pl.DataFrame:
    """The rows with the digest of what is shown; the texts must be those of the run, where it recorded them."""
    if texts is None:
        return rows
    digests = []
    for question_id, question, document_ids, then in rows.select(
        "question_id", "question", "document_ids", "text_digest"
    ).iter_rows():
        now = text_digest(question, [_text_of(one, texts, question_id) for one in document_ids])
        if then is not None and now != then:
            raise _other_texts(f"the question {question_id!r} and its documents are not the texts that the run saw")
        digests.append(now)
    return rows.with_columns(pl.Series("text_digest", digests, dtype=pl.String))


def _text_of(document_id: str, texts: Mapping[str, str], question_id: str) -> str:
    if document_id not in texts:
        raise _other_texts(f"the corpus has no document {document_id!r}, which question {question_id!r} is about")
    return texts[document_id]


def _other_texts(found: str) -> InputError:
    return InputError(
        found, "the corpus as the run read it",
        "run the experiment again with this corpus; votes on what did not change are kept",
    )  # fmt: skip
