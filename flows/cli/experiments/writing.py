"""A first experiment as TOML, with a comment on what was found and on what one may want to change."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from pydantic import BaseModel

from corpora.errors import counted
from corpora.loading.config import OWN, CorpusConfig
from corpora.loading.folder import QUESTIONS
from corpora.reading.strict_toml import as_toml
from corpora.schema import Corpus
from flows.planning.lengths import CUTS, Lengths, measure_lengths
from flows.run.questions.fitting import ROOM, context_for
from flows.session.experiment import DraftingConfig, ReaderConfig
from flows.session.experiment_schema import FILE
from labeling.models.registry import Model, registry
from results.config import ScoringConfig
from results.stats.worst_case import fewest_documents
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.tokens import EmbedderTokenizer

SIZES = (8, 16, 32, 64, 128, 256)  # all-minilm-l6-v2 reads no more
MOST_SIZES = 4
FIRST_QUESTIONS = 100  # so that a first run takes minutes
FEW_MARGIN = 0.1  # where there are too few documents for the usual one
# Smaller readers hardly beat always giving the most frequent label (results/published/pubmedqa-labelers).
LEAST_READER_BYTES = 1_000_000_000
DEFAULT_CONTEXT = int(ReaderConfig.model_fields["num_ctx"].default)
MORE_TOKENS = 1.3  # a reader's tokens are other ones than those of an embedder
# These have passages to find, and no answers that are labels.
WITHOUT_LABELS = ("squad", "beir", "chroma")
_PATHS = ("path", "documents", "questions")


def lengths_of(corpus: Corpus) -> Lengths:
    """How long the documents of a corpus are, in tokens of the default embedder."""
    embedder = registry()[str(EmbedderConfig.model_fields["model"].default)]
    return measure_lengths(
        corpus.documents, EmbedderTokenizer(embedder.path.parent) if embedder.path.is_file() else None
    )


def suggest_sizes(middle: int) -> list[int]:
    """Chunk sizes that cut most documents: up to two thirds of the middle one, or else up to all of it."""
    fitting = [size for size in SIZES if CUTS * size <= middle]
    if len(fitting) < 2:
        fitting = [size for size in SIZES[:2] if size <= middle]
    return fitting[-MOST_SIZES:] or [SIZES[0]]


def suggest_reader() -> tuple[Model, bool]:
    """A reader for a first run, and whether it is on this machine: the smallest that is likely to be any good."""
    known = [one for one in registry().values() if one.kind == "reader" and one.bytes]
    readers = sorted(known, key=lambda one: one.bytes)
    here = [one for one in readers if one.path.is_file()]
    good = [one for one in here if one.bytes >= LEAST_READER_BYTES]
    if good or here:
        return (good or here[-1:])[0], True
    # Whoever could install Tercet can fetch from a mirror, and not everyone can reach the hub.
    absent = sorted(readers, key=lambda one: one.mirror is None)
    return next(one for one in absent if one.bytes >= LEAST_READER_BYTES), False


def name_of(folder: Path) -> str:
    """A name for an experiment on a folder."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-._").lower() or "experiment"


def draft(
    name: str, config: CorpusConfig, corpus: Corpus, lengths: Lengths, notes: tuple[str, ...], base: Path
) -> str:  # fmt: skip
    """The text of an experiment's file.

    Args:
        name: of the experiment.
        config: the corpus section, with paths as they were given.
        corpus: what it reads.
        lengths: of its documents.
        notes: what was found besides.
        base: folder of the experiment's file, which its paths are relative to.
    """
    reads = config.source not in WITHOUT_LABELS
    sections = [_head(name, reads), _corpus(config, corpus, notes, base)]
    if reads:
        sections.append(_consensus(corpus))
    sections.append(_retrieval(lengths))
    sections.append(_scoring(corpus, suggest_sizes(lengths.middle)))
    if reads:
        sections.append(_reader(lengths))
    if corpus.questions.is_empty():
        sections.append(_drafting())
    texts = ["\n".join(section) for section in sections]
    return "\n".join(f"{text}\n" for text in texts if text)


def facts(corpus: Corpus) -> str:
    """What a corpus holds, in a few words."""
    n_references = len(corpus.questions) - corpus.questions["reference"].null_count()
    known = f"{n_references} with a reference label" if n_references else "none with a reference label"
    documents = counted(len(corpus.documents), "document")
    if corpus.questions.is_empty():
        return f"{documents}, no questions yet"
    own = " with choices of their own" if corpus.labels.of_question else ""
    return f"{documents}, {counted(len(corpus.questions), 'question')}{own}, {known}"


def say_context(lengths: Lengths) -> str:
    """That documents are longer than what a reader reads unless it is told to read more; empty if they are not."""
    needed, given = _context(lengths)
    if needed <= DEFAULT_CONTEXT:
        return ""
    longest = f"the longest document has {lengths.about}{counted(lengths.longest, 'token')}"
    takes = f"num_ctx of the reader is {given:,}, which takes more memory"
    if needed <= given:
        return f"{longest}, so {takes}"
    return f"{longest}, and {takes}; questions on documents that do not fit are left out and listed"


def _head(name: str, reads: bool) -> Iterator[str]:
    runs = "run" if reads else "sweep"
    yield f"#:schema ./{FILE}"
    yield f"# `tercet check` looks for mistakes, `tercet plan` says what it costs, and `tercet {runs}` runs it."
    yield f"name = {as_toml(name)}"
    if not reads:
        yield _key("readers", [], "this corpus has no labels, only passages to find: retrieval alone is compared")


def _corpus(config: CorpusConfig, corpus: Corpus, notes: tuple[str, ...], base: Path) -> Iterator[str]:
    yield f"# {facts(corpus)}."
    for note in notes:
        yield f"# Note: {' '.join(note.split())}."
    yield "[corpus]"
    if config.name:
        yield _key("name", config.name, "what reports call it")
    yield f"source = {as_toml(config.source)}"
    for key in _PATHS:
        path = getattr(config, key)
        if path is not None:
            yield f"{key} = {as_toml(Path(os.path.relpath(path, base)).as_posix())}"
    if corpus.questions.is_empty():
        yield _key("questions", f"{QUESTIONS}.jsonl", "not there yet: a run drafts it first, as [drafting] says")
    if config.source in OWN:
        yield from _tables(config, corpus)
    if len(corpus.questions) > FIRST_QUESTIONS:
        yield _key("sample", FIRST_QUESTIONS, "of the questions, drawn by seed; without this line, all are asked")


def _tables(config: CorpusConfig, corpus: Corpus) -> Iterator[str]:
    """The labels and the columns of the user's own tables."""
    if corpus.labels.of_question:
        yield f"# Each question is asked with its own answers, of the column {config.question_columns.choices!r}."
    else:
        yield _key("labels", list(config.labels), "the allowed answers, as the prompt lists them")
    for key in ("document_columns", "question_columns"):
        changed = [f"{name} = {as_toml(value)}" for name, value in _changed(getattr(config, key)).items()]
        if changed:
            yield f"{key} = {{ {', '.join(changed)} }}"


def _consensus(corpus: Corpus) -> Iterator[str]:
    has_references = corpus.questions["reference"].null_count() < len(corpus.questions)
    yield "# Which questions are kept: those on which three votes on the whole document agree."
    yield "[consensus]"
    if has_references or corpus.questions.is_empty():  # drafted questions have a reference
        yield _key("rule", "unanimous_and_correct", 'and match the reference; "unanimous" does without references')
    else:
        yield _key("rule", "unanimous", '"unanimous_and_correct" needs reference labels')


def _retrieval(lengths: Lengths) -> Iterator[str]:
    sizes, about = suggest_sizes(lengths.middle), lengths.about
    yield f"# The middle document has {about}{lengths.middle} tokens, the longest {about}{lengths.longest}."
    yield "[retrieval]"
    yield _key("sizes", sizes, "in tokens of the embedder, which reads 256 at most")
    yield _key("k", [1, 3], "read this many chunks ...")
    yield _key("budgets", [sizes[-1]], "... or as many as fit in this many tokens, which compares sizes fairly")


def _scoring(corpus: Corpus, sizes: list[int]) -> Iterator[str]:
    """A wider margin where there are too few documents for the usual one."""
    about = (
        corpus.documents if corpus.questions.is_empty() else corpus.questions.select(pl.col("document_ids").explode())
    )
    n, usual = about.select(pl.first().n_unique()).item(), ScoringConfig()
    if fewest_documents(len(sizes), usual.margin, 1 - usual.confidence) > n:
        few = f"{counted(n, 'document')} cannot tell whether two sizes are within {usual.margin:g} of each other"
        enough = math.ceil(fewest_documents(len(sizes), FEW_MARGIN, 1 - usual.confidence))
        few += f"; even {FEW_MARGIN:g} takes about {enough}" if enough > n else ""
        yield "[scoring]"
        yield _key("margin", FEW_MARGIN, few)


def _reader(lengths: Lengths) -> Iterator[str]:
    model, is_here = suggest_reader()
    yield "# Add a [[readers]] section for each reader to compare; `tercet models list` names them."
    yield "[[readers]]"
    yield _key("model", model.name, "" if is_here else f"fetch it first: tercet models fetch {model.name}")
    needed, given = _context(lengths)
    if given != DEFAULT_CONTEXT:
        why = "the longest document must fit; more takes more memory"
        yield _key("num_ctx", given, f"tokens: {why if needed <= given else 'what is longer cannot be read whole'}")


def _context(lengths: Lengths) -> tuple[int, int]:
    """The tokens that the longest document takes in a prompt, and the size of the context that is suggested for it."""
    longest = int(lengths.longest * MORE_TOKENS)
    return longest + ROOM, context_for(longest)


def _drafting() -> Iterator[str]:
    yield "# The first run drafts questions with the first reader, into the table that [corpus] names. To write that"
    yield "# table yourself, remove this section and `question_columns`."
    yield "[drafting]"
    yield _key("n", int(DraftingConfig.model_fields["n"].default), "how many to keep; half of them have the answer yes")


def _key(key: str, value: object, comment: str) -> str:
    """A line with a comment, which begins in one column for all that are short."""
    line = f"{key} = {as_toml(value)}"
    return f"{line:<30}  # {comment}" if comment else line


def _changed(section: BaseModel) -> dict[str, object]:
    """The values of a section that differ from the defaults."""
    default = type(section)().model_dump()
    return {name: value for name, value in section.model_dump().items() if value != default[name]}
