"""The retrieval section of an experiment: which chunkings and cuts a sweep covers."""

from __future__ import annotations

from itertools import product

from pydantic import BaseModel, ConfigDict, Field

from retrieval.context import Cut
from retrieval.splitters import Chunking, Splitter


class RetrievalConfig(BaseModel):
    """Every combination of splitter, size and overlap is indexed; every cut of its ranking is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedder: str = Field(
        "all-minilm-l6-v2", description="an embedder of `tercet models list`, or a sentence-transformers folder"
    )
    splitters: tuple[Splitter, ...] = Field(("tokens",), min_length=1, description="how documents are split")
    sizes: tuple[int, ...] = Field(
        (32, 64, 128, 256), min_length=1, description="in the embedder's tokens, its special tokens included"
    )
    overlaps: tuple[int, ...] = Field((0,), min_length=1, description="tokens that neighbouring chunks may share")
    k: tuple[int, ...] = Field((1, 3, 5), description="read so many chunks")
    budgets: tuple[int, ...] = Field((256,), description="read as many chunks as fit in so many tokens")

    def chunkings(self) -> list[Chunking]:
        """Every splitter, size and overlap, without repeats."""
        return list(dict.fromkeys(Chunking(*one) for one in product(self.splitters, self.sizes, self.overlaps)))

    def cuts(self) -> list[Cut]:
        """Every k and every budget, without repeats."""
        return list(dict.fromkeys([Cut("k", k) for k in self.k] + [Cut("budget", tokens) for tokens in self.budgets]))
