"""Text that has nothing to do with a question, as long as what was retrieved for it: a floor for every cell."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence

from retrieval.context import assemble
from retrieval.tokens import EmbedderTokenizer


class RandomContexts:
    """Cuts texts of any length out of documents that are no question's own.

    Args:
        texts: document texts by id.
        tokenizer: counts.
        seed: of the draw of the documents.
    """

    def __init__(self, texts: Mapping[str, str], tokenizer: EmbedderTokenizer, seed: int) -> None:
        self._texts, self._tokenizer, self._seed = texts, tokenizer, seed
        self._ids = sorted(texts)

    def cut(self, question_id: str, gold: Collection[str], lengths: Sequence[int]) -> list[str]:
        """Texts of so many tokens from documents drawn for this question, each a beginning of the longer ones.

        Shorter ones are prefixes, so that a reader evaluates the longest only. Where all other documents together are
        shorter, the text is as long as they are; empty where there is no other document.

        Args:
            question_id: seeds the draw.
            gold: ids of the question's own documents.
            lengths: in the embedder's tokens.
        """
        pieces: list[tuple[str, list[int]]] = []
        longest, n_tokens = max(lengths), 0
        for document_id in self._drawn(question_id, gold):
            if n_tokens >= longest:
                break
            text = self._texts[document_id]
            ends = self._tokenizer.spans(text).ends
            pieces.append((text, ends))
            n_tokens += len(ends)
        return [self._head(pieces, length) for length in lengths]

    def _drawn(self, question_id: str, gold: Collection[str]) -> Iterator[str]:
        others = len(self._ids) - len(set(gold) & self._texts.keys())
        chance = random.Random(f"{self._seed}\x1f{question_id}")  # noqa: S311  # a draw, not a secret
        seen: set[str] = set(gold)
        while others:
            drawn = self._ids[chance.randrange(len(self._ids))]
            if drawn not in seen:
                seen.add(drawn)
                others -= 1
                yield drawn

    @staticmethod
    def _head(pieces: Sequence[tuple[str, list[int]]], length: int) -> str:
        shown = []
        for text, ends in pieces:
            if length <= 0:
                break
            shown.append(text if length >= len(ends) else text[: ends[length - 1]])
            length -= len(ends)
        return assemble(shown)
