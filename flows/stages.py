"""The stages of the sweep flow: from documents to contexts, from contexts to answers, from hits to scores."""

from __future__ import annotations

import polars as pl

from corpora.schema import Corpus, iter_questions
from flows.experiment import Experiment, ReaderConfig
from flows.runner import Runner
from flows.workspace import Workspace, open_embedder
from labeling.labeler import PromptWriter
from labeling.votes import Prompt
from results.retrieval_metrics import SpanScorer, document_scores
from results.scoring import ANSWERS, CHUNKING, CUT
from retrieval.chunks import chunk_documents
from retrieval.context import assemble, cut_ranking, depth_for
from retrieval.embedder_config import EmbedderConfig
from retrieval.index import DenseIndex
from retrieval.splitters import Chunking, check_chunking

TEXTS_A_SHARD = 1024


def check_sizes(experiment: Experiment, workspace: Workspace) -> None:
    """Refuse sizes that this embedder would cut short, before anything is computed."""
    embedder = open_embedder(EmbedderConfig(model=experiment.retrieval.embedder), workspace.embeddings)
    for chunking in experiment.retrieval.chunkings():
        check_chunking(chunking, embedder.limit or chunking.size, embedder.tokenizer.n_special)


def split(experiment: Experiment, corpus: Corpus, chunking: Chunking, workspace: Workspace) -> pl.DataFrame:
    """The chunks of one chunking: schema `CHUNKS` with texts and with the chunking's parameters."""
    embedder = open_embedder(EmbedderConfig(model=experiment.retrieval.embedder), workspace.embeddings)
    chunks = chunk_documents(corpus.documents, chunking, embedder.tokenizer)
    named = dict(zip(CHUNKING, chunking, strict=True))
    return chunks.with_columns(**{name: pl.lit(value) for name, value in named.items()})


def embed_all(
    experiment: Experiment, corpus: Corpus, chunked: list[pl.DataFrame], workspace: Workspace, runner: Runner
) -> None:
    """Fill the embedding cache with every distinct text of all chunkings and of the questions, longest first."""
    texts = pl.concat([*(chunks["text"] for chunks in chunked), corpus.questions["text"]]).unique()
    ordered = sorted(texts.to_list(), key=lambda text: (-len(text), text))
    parts = [ordered[at : at + TEXTS_A_SHARD] for at in range(0, len(ordered), TEXTS_A_SHARD)]
    calls = ((len(part), (experiment, part, workspace)) for part in parts)
    runner.each("embed distinct texts", len(ordered), embed, calls)


def embed(experiment: Experiment, texts: list[str], workspace: Workspace) -> None:
    """Embed those texts that the cache lacks."""
    open_embedder(EmbedderConfig(model=experiment.retrieval.embedder), workspace.embeddings).fill(texts, "passage")


def rank(experiment: Experiment, corpus: Corpus, chunks: pl.DataFrame, workspace: Workspace) -> pl.DataFrame:
    """Index one chunking and rank it once for each question, as deep as the deepest cut needs.

    Returns:
        Schema `HITS` with what is known of each chunk: its place, text, number of tokens, and chunking.
    """
    embedder = open_embedder(EmbedderConfig(model=experiment.retrieval.embedder), workspace.embeddings)
    index = DenseIndex(chunks, embedder.embed(chunks["text"].to_list(), "passage"))
    question_ids, texts = (corpus.questions[column].to_list() for column in ("question_id", "text"))
    hits = index.rank(question_ids, embedder.embed(texts, "query"), depth_for(experiment.retrieval.cuts(), chunks))
    facts = chunks.select("chunk_id", "document_id", "start", "end", "n_tokens", "text", *CHUNKING)
    return hits.join(facts, on="chunk_id", how="left", maintain_order="left")


def build_contexts(experiment: Experiment, hits: pl.DataFrame) -> pl.DataFrame:
    """The context of every chunking, cut and question: its text, number of chunks and of the embedder's tokens."""
    parts = []
    for key, of_chunking in hits.group_by(CHUNKING, maintain_order=True):
        named = dict(zip(CHUNKING, key, strict=True))
        for cut in experiment.retrieval.cuts():
            grouped = cut_ranking(of_chunking, cut).group_by("question_id", maintain_order=True)
            context = grouped.agg(texts="text", n_chunks=pl.len().cast(pl.Int64), n_context_tokens=pl.sum("n_tokens"))
            places = named | dict(zip(CUT, cut, strict=True))
            parts.append(context.select(*(pl.lit(v).alias(k) for k, v in places.items()), pl.all()))
    return pl.concat(parts).with_columns(pl.col("n_context_tokens").cast(pl.Int64))


def reading_prompts(
    corpus: Corpus, reader: ReaderConfig, contexts: pl.DataFrame
) -> tuple[pl.DataFrame, list[list[Prompt]]]:
    """What a reader is asked: one row a cell and question with the prompt's hash, and the prompts by question."""
    writer = PromptWriter(reader, corpus.labels)
    by_question = contexts.partition_by("question_id", as_dict=True)
    rows, prompts = [], []
    for question in iter_questions(corpus.questions):
        group = []
        for row in by_question[(question.id,)].iter_rows(named=True):
            prompt = writer.single(question, "retrieved", assemble(row.pop("texts")))
            rows.append({"reader": reader.label, **row, "prompt_hash": prompt.hash})
            group.append(prompt)
        prompts.append(group)
    return pl.DataFrame(rows), prompts


def join_answers(requests: pl.DataFrame, votes: pl.DataFrame) -> pl.DataFrame:
    """Each cell's answer to each question; frame of schema `ANSWERS`. A prompt of two cells was asked once."""
    given = votes.select("question_id", "prompt_hash", "label", "failure", "margin")
    answers = requests.join(given, on=["question_id", "prompt_hash"], how="left")
    return answers.select(ANSWERS.names()).cast(ANSWERS).sort(*ANSWERS.names()[:7])


def score_retrieval(experiment: Experiment, corpus: Corpus, hits: pl.DataFrame, workspace: Workspace) -> pl.DataFrame:
    """Retrieval scores by chunking, cut and question; span scores are null where a question has no evidence."""
    embedder = open_embedder(EmbedderConfig(model=experiment.retrieval.embedder), workspace.embeddings)
    spans = SpanScorer(corpus, embedder.tokenizer)
    parts = []
    for key, of_chunking in hits.group_by(CHUNKING, maintain_order=True):
        for cut in experiment.retrieval.cuts():
            shown = cut_ranking(of_chunking, cut)
            scores = document_scores(corpus, shown).join(spans.scores(shown), on="question_id", how="left")
            places = dict(zip((*CHUNKING, *CUT), (*key, *cut), strict=True))
            parts.append(scores.select(*(pl.lit(v).alias(k) for k, v in places.items()), pl.all()))
    return pl.concat(parts).sort(*CHUNKING, *CUT, "question_id")
