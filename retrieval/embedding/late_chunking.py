"""Late chunking: a document is read once as a whole, and each chunk's vector is the mean of its tokens' embeddings.

Source: Günther et al. 2024, arXiv:2409.04701. As in the paper (section 4.1), what comes before the text ([CLS], a
prompt) counts towards the first chunk and what follows it ([SEP]) towards the last, so a document that is one chunk has
the vector that plain embedding gives it. A document longer than the model's window is read in overlapping windows (in
the paper: long late chunking over macro chunks). Two deviations: the windows are spread evenly, so that the last one is
as full as the others; and a token that two windows read is taken from the one where it is farther from an edge. The
paper takes it from the earlier one, and so gives the first tokens of each later window hardly any context before them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.storage import sha256_text
from retrieval.embedding.vector_cache import Vectors
from retrieval.tokens import EmbedderTokenizer, minibatches

# Neighbouring windows share at least this fraction of a window.
OVERLAP = 0.25

EncodeTokens = Callable[[Sequence[Sequence[int]]], list[Vectors]]


class Place(NamedTuple):
    """A chunk by its place in a document; `document.text[start:end]` is its text."""

    document_id: str
    start: int
    end: int


class Window(NamedTuple):
    """A stretch of a document's tokens.

    Attributes:
        start: first token that is read.
        end: token after the last that is read.
        first: first token whose embedding is taken from here.
        last: token after the last whose embedding is taken from here.
    """

    start: int
    end: int
    first: int
    last: int


class ReadDocument(NamedTuple):
    """A document ready to be read.

    Attributes:
        ids: the text's token ids.
        ends: character offset just past each of these tokens, never decreasing.
        before: ids put before the text in every window: special tokens and the prompt.
        behind: ids that follow it.
        windows: the windows it is read in.
    """

    ids: list[int]
    ends: npt.NDArray[np.int64]
    before: list[int]
    behind: list[int]
    windows: list[Window]

    def rows(self) -> list[list[int]]:
        """What the model reads, window by window."""
        return [self.before + self.ids[window.start : window.end] + self.behind for window in self.windows]


def place_key(document_sha256: str, start: int, end: int) -> str:
    """The key of a chunk's vector in its document: equal chunks of equal documents have equal vectors."""
    return sha256_text(f"{document_sha256}:{start}-{end}")


def spread_windows(n_tokens: int, room: int) -> list[Window]:
    """Windows over a document, each as long as the model allows, evenly spread.

    Args:
        n_tokens: how many tokens the document has.
        room: how many tokens one window holds.

    Returns:
        One window if it holds all; else as many as are needed for neighbours to share `OVERLAP` of a window. Each
        token is taken from exactly one of them: of two, from the one whose middle it is nearer to.
    """
    if n_tokens <= room:
        return [Window(0, n_tokens, 0, n_tokens)]
    step = room - math.floor(room * OVERLAP)
    count = 1 + math.ceil((n_tokens - room) / step)
    starts = [(n_tokens - room) * at // (count - 1) for at in range(count)]
    # Windows are equally long: the border halfway through what two of them share is equally far from both middles.
    borders = [(left + room + right) // 2 for left, right in pairwise(starts)]
    taken = zip([0, *borders], [*borders, n_tokens], strict=True)
    return [Window(start, start + room, first, last) for start, (first, last) in zip(starts, taken, strict=True)]


def read_document(text: str, prompt: str, tokenizer: EmbedderTokenizer, limit: int) -> ReadDocument:
    """Tokenize a document after its prompt, and spread windows over it.

    Args:
        text: the document's.
        prompt: put before the text in every window; empty for none.
        tokenizer: the embedder's.
        limit: tokens of the model's window, special tokens included.
    """
    encoded = tokenizer.raw.encode(prompt + text, add_special_tokens=False)
    ends = np.array([end for _, end in encoded.offsets], dtype=np.int64) - len(prompt)
    # A token that reaches past the prompt's end into the text belongs to the text.
    n_prompt = int(np.count_nonzero(ends <= 0)) if prompt else 0
    specials_before, behind = _specials(tokenizer)
    before, ids = specials_before + encoded.ids[:n_prompt], encoded.ids[n_prompt:]
    windows = spread_windows(len(ids), limit - len(before) - len(behind))
    return ReadDocument(ids, np.maximum.accumulate(ends[n_prompt:]), before, behind, windows)


def pool_chunks(
    document: ReadDocument, embeddings: Sequence[Vectors], chunks: Sequence[tuple[int, int]], pools_prompt: bool
) -> npt.NDArray[np.float64]:
    """Mean token embedding of each chunk.

    Args:
        document: the document that was read.
        embeddings: for each of its windows, the token embeddings, shape (tokens read, dimensions).
        chunks: start and end of each in characters.
        pools_prompt: whether what comes before the text counts towards the first chunk.

    Returns:
        Shape (chunks, dimensions), not yet of unit length.
    """
    n_before = len(document.before)
    # One more row than tokens: the sum of any stretch is a difference of two rows, whatever the chunking.
    sums = np.cumsum(np.concatenate([np.zeros((1, embeddings[0].shape[1])), *_taken(document, embeddings)]), axis=0)
    bounds = np.array([token_range(document.ends, start, end) for start, end in chunks])
    first, last = bounds[:, 0], bounds[:, 1]
    lower = np.where(first == 0, 0 if pools_prompt else n_before, first + n_before)
    upper = np.where(last == len(document.ids), len(sums) - 1, last + n_before)
    means: npt.NDArray[np.float64] = (sums[upper] - sums[lower]) / (upper - lower)[:, None]
    return means


def token_range(ends: npt.NDArray[np.int64], start: int, end: int) -> tuple[int, int]:
    """The tokens of a chunk: those whose last character is in it, so that neighbouring chunks share none.

    Args:
        ends: character offset just past each token, never decreasing.
        start: the chunk's first character.
        end: just past its last.

    Returns:
        The first token and the one after the last; a chunk that lies inside a single token gets that token.
    """
    first, last = np.searchsorted(ends, [start, end], side="right")
    first = min(int(first), len(ends) - 1)
    return first, max(int(last), first + 1)


def pool_documents(
    documents: Iterable[tuple[ReadDocument, Sequence[tuple[int, int]]]],
    encode_tokens: EncodeTokens,
    pools_prompt: bool,
    budget: int,
) -> Iterator[npt.NDArray[np.float64]]:
    """Read documents and pool their chunks; short documents share a forward pass, a long one takes several.

    Token embeddings are held for as many documents as fit the budget, or for one longer document, never for more.

    Args:
        documents: what to read, with the start and end of each chunk in it; best sorted by length.
        encode_tokens: the model, as `Encoder.encode_tokens`.
        pools_prompt: as `pool_chunks`.
        budget: tokens per forward pass, padding included; a single window with more is read all the same.

    Yields:
        For each document, the result of `pool_chunks`.
    """
    for group in minibatches(documents, lambda one: sum(map(len, one[0].rows())), budget):
        rows = [row for document, _ in group for row in document.rows()]
        embeddings = [read for batch in minibatches(rows, len, budget) for read in encode_tokens(batch)]
        for document, chunks in group:
            own, embeddings = embeddings[: len(document.windows)], embeddings[len(document.windows) :]
            yield pool_chunks(document, own, chunks, pools_prompt)


def _taken(document: ReadDocument, embeddings: Sequence[Vectors]) -> list[Vectors]:
    """The embeddings that are taken from each window; the outer two keep what surrounds the text."""
    n_before, parts = len(document.before), []
    for window, read in zip(document.windows, embeddings, strict=True):
        lower = 0 if window.first == 0 else n_before + window.first - window.start
        upper = len(read) if window.last == len(document.ids) else n_before + window.last - window.start
        parts.append(read[lower:upper])
    return parts


def _specials(tokenizer: EmbedderTokenizer) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and after a text."""
    encoded = tokenizer.raw.encode("a")
    inside = [at for at, special in enumerate(encoded.special_tokens_mask) if not special]
    return encoded.ids[: inside[0]], encoded.ids[inside[-1] + 1 :]
