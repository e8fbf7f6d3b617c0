"""The retrieval section of an experiment: the settings and cuts of a sweep, and what else its readers are shown."""

from __future__ import annotations

from itertools import product
from pathlib import PurePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from retrieval.chunking.splitters import Chunking, Splitter
from retrieval.context import Cut
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.ranking.retrievers import Retriever

NO_RERANKER = "none"
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
    rerankers: tuple[str, ...] = Field(
        (NO_RERANKER,),
        min_length=1,
        description="cross-encoders that put the best chunks of each ranking into a new order: the path of a "
        "sentence-transformers folder, or a hub id like `org/name`; none: the ranking as it is",
    )
    rerank_depth: int = Field(50, ge=2, description="how many of the best chunks a reranker reads with each question")
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

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the rerankers where there are none: what is made of this names a run, and older ones had none."""
        made: dict[str, Any] = dump(self)
        if not self.reranks:
            made = {key: value for key, value in made.items() if key not in ("rerankers", "rerank_depth")}
        return made

    @property
    def reranks(self) -> bool:
        """Whether any ranking gets a new order."""
        return set(self.rerankers) != {NO_RERANKER}

    def chunkings(self) -> list[Chunking]:
        """Every splitter, size and overlap, without repeats."""
        return list(dict.fromkeys(Chunking(*one) for one in product(self.splitters, self.sizes, self.overlaps)))

    def cuts(self) -> list[Cut]:
        """Every k and every budget, without repeats."""
        return list(dict.fromkeys([Cut("k", k) for k in self.k] + [Cut("budget", tokens) for tokens in self.budgets]))


def reranker_label(model: str) -> str:
    """A reranker's name in reports and tables: the last part of its path or hub id."""
    return PurePath(model).name
