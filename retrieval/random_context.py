"""Text unrelated to a question, as long as what was retrieved for it: the floor for every cell."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from retrieval.context import assemble
from retrieval.tokens import EmbedderTokenizer, TokenSpans


class _Piece(NamedTuple):
    text: str
    spans: TokenSpans

    def head(self, length: int) -> str:
        """The first `length` tokens; one or two fewer where a character would be split."""
        starts, ends = self.spans.starts, self.spans.ends
        if length >= len(ends):
            return self.text
        while length > 0 and starts[length] < ends[length - 1]:
            length -= 1
        return self.text[: ends[length - 1]] if length > 0 else ""


class RandomContexts:
    """Cuts texts of any length out of documents other than the question's own.

    Args:
        texts: document texts by id.
        tokenizer: counts the tokens.
        seed: seed for drawing the documents.
    """

    def __init__(self, texts: Mapping[str, str], tokenizer: EmbedderTokenizer, seed: int) -> None:
        self._texts, self._tokenizer, self._seed = texts, tokenizer, seed
        self._ids = sorted(texts)

    def cut(self, question_id: str, gold: Collection[str], lengths: Sequence[int]) -> list[str]:
        """Texts of the given lengths from documents drawn for this question, each a prefix of the longer ones.

        As shorter texts are prefixes, a reader evaluates only the longest. If all other documents together are shorter
        than a text should be, it is as long as they are; it is empty if there is no other document. A character made
        of several tokens is shown only if all of them fit.

        Args:
            question_id: seeds the draw.
            gold: ids of the question's own documents; neither they nor copies of them are shown.
            lengths: in the embedder's tokens.
        """
        own = {self._texts[one] for one in gold if one in self._texts}
        pieces: list[_Piece] = []
        longest, n_tokens = max(lengths, default=0), 0
        for document_id in self._drawn(question_id, gold):
            if n_tokens >= longest:
                break
            text = self._texts[document_id]
            spans = self._tokenizer.spans(text)
            if spans.ends and text not in own:
                pieces.append(_Piece(text, spans))
                n_tokens += len(spans.ends)
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
    def _head(pieces: Sequence[_Piece], length: int) -> str:
        shown = []
        for piece in pieces:
            head = piece.head(length)
            if not head:
                break
            shown.append(head)
            length -= len(piece.spans.ends)
        return assemble(shown)
