"""Text that has nothing to do with a question, as long as what was retrieved for it: a floor for every cell."""

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
        """The first so many tokens; one less or two where a character would be parted."""
        starts, ends = self.spans.starts, self.spans.ends
        if length >= len(ends):
            return self.text
        while length > 0 and starts[length] < ends[length - 1]:
            length -= 1
        return self.text[: ends[length - 1]] if length > 0 else ""


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
        shorter, the text is as long as they are; empty where there is no other document. A character of several tokens
        is shown only where all of them fit.

        Args:
            question_id: seeds the draw.
            gold: ids of the question's own documents, which are not shown, nor are copies of them.
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
