"""How large a chunk may be: what the embedders on this machine read before they stop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from corpora.errors import InputError
from flows.session.session import open_embedder
from flows.session.workspace import Workspace
from labeling.models.registry import find_model, registry
from retrieval.embedding.embedder_config import EmbedderConfig


def chunk_limits(embedders: Sequence[EmbedderConfig], workspace: Workspace) -> dict[str, int]:
    """Most tokens of a chunk, by the embedder's name; without those that set no limit or are not on this machine."""
    limits = {one.label: _limit(one, workspace) for one in embedders if _is_here(one.model)}
    return {name: limit for name, limit in limits.items() if limit}


def _is_here(model: str) -> bool:
    """Whether looking at a model fetches nothing."""
    return find_model(model).path.is_file() if model in registry() else Path(model).expanduser().is_dir()


def _limit(config: EmbedderConfig, workspace: Workspace) -> int | None:
    try:
        return open_embedder(config, workspace).limit
    except InputError:
        return None  # told when a run needs the embedder
