"""Whether whole documents fit into what a reader on this machine reads; those that do not are never cut short."""

from __future__ import annotations

import polars as pl

from corpora.errors import counted
from corpora.schema import Corpus
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from flows.stages.asking import document_prompts
from labeling.models.registry import is_specialist


def room_note(reader: ReaderConfig, corpus: Corpus, session: Session, seed: int) -> str:
    """That the longest documents do not fit into a reader's `num_ctx`, in a sentence; empty if they do.

    Only the prompts of the question with the longest documents are counted, in the model's own tokens.

    Args:
        reader: the reader, whose model is there.
        corpus: the corpus.
        session: opens the model's vocabulary, without its weights.
        seed: of the draw of the reader's questions.

    Raises:
        InputError: the vocabulary cannot be read.
    """
    if reader.remote.is_remote or is_specialist(reader.model):
        return ""
    lengths = _lengths(reader.corpus_of(corpus, seed))
    longest = lengths.sort("length", descending=True).head(1)
    written = reader.num_predict if reader.mode == "generate" else 0
    if longest.is_empty() or longest["length"][0] + written < reader.num_ctx / 2:
        return ""  # a token has a byte at least, and a prompt's frame is short
    asked = corpus.with_questions(corpus.questions.filter(pl.col("question_id") == longest["question_id"][0]))
    tokenize = session.readers.tokenizer(reader)
    n_tokens = max(len(tokenize(prompt)) for prompts in document_prompts(asked, reader) for prompt in prompts)
    if n_tokens + written <= reader.num_ctx:
        return ""
    too_long = longest["length"][0] * (reader.num_ctx - written) / n_tokens
    n = max(1, lengths.filter(pl.col("length") > too_long).height)
    beside = f" and writes up to {written:,}" if written else ""
    return (
        f"{corpus.name}: {reader.label} reads {n_tokens:,} tokens with the longest document{beside}, and num_ctx is "
        f"{reader.num_ctx:,}; about {n:,} of {counted(len(lengths), 'question')} will fail as prompt_too_long. Raise "
        "num_ctx, which takes memory."
    )


def _lengths(corpus: Corpus) -> pl.DataFrame:
    """The bytes of all documents of each question; columns `question_id` and `length`."""
    of_document = corpus.documents.select("document_id", length=pl.col("text").str.len_bytes())
    named = corpus.questions.select("question_id", document_id="document_ids").explode("document_id")
    joined = named.join(of_document, on="document_id", maintain_order="left")
    return joined.group_by("question_id", maintain_order=True).agg(pl.col("length").sum())
