"""The retrieval section of an experiment: the settings and cuts of a sweep, and what else its readers are shown."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from retrieval.chunking.splitters import Chunking, Splitter
from retrieval.context import Cut
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.ranking.retrievers import Retriever

Control = Literal["closed_book", "random", "oracle_chunk"]


class RetrievalConfig(BaseModel):
    """Every combination of splitter, size, overlap and embedder is indexed.

    Every retriever ranks each index, and every cut of each ranking is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    splitters: tuple[Splitter, ...] = Field(("tokens",), min_length=1, description="how documents are cut into chunks")
    sizes: tuple[int, ...] = Field(
        (32, 64, 128, 256), min_length=1, description="chunk sizes in the embedder's tokens, special tokens included"
    )
    overlaps: tuple[int, ...] = Field((0,), min_length=1, description="how many tokens neighbouring chunks may share")
    embedders: tuple[EmbedderConfig, ...] = Field(
        (EmbedderConfig(),),
        min_length=1,
        description="models that embed chunks and questions; sizes and budgets are counted in their tokens",
    )
    retrievers: tuple[Retriever, ...] = Field(
        ("dense",),
        min_length=1,
        description="dense: exact FAISS; bm25; hybrid: both, fused by reciprocal rank; approximate: HNSW",
    )
    k: tuple[int, ...] = Field((1, 3, 5), description="how many chunks the reader sees")
    budgets: tuple[int, ...] = Field((256,), description="token budgets: the reader sees as many chunks as fit")
    controls: tuple[Control, ...] = Field(
        ("closed_book", "random", "oracle_chunk"),
        description="what else each reader is shown, to find out where accuracy is lost; fewer controls take less time",
    )

    @field_validator("embedders", mode="before")
    @classmethod
    def _from_names(cls, given: Any) -> Any:
        """A bare name is a model with the default settings."""
        if not isinstance(given, list | tuple):
            return given
        return [{"model": one} if isinstance(one, str) else one for one in given]

    def chunkings(self) -> list[Chunking]:
        """Every splitter, size and overlap, without repeats."""
        return list(dict.fromkeys(Chunking(*one) for one in product(self.splitters, self.sizes, self.overlaps)))

    def cuts(self) -> list[Cut]:
        """Every k and every budget, without repeats."""
        return list(dict.fromkeys([Cut("k", k) for k in self.k] + [Cut("budget", tokens) for tokens in self.budgets]))
