"""Embedders that are open, and how one is found: by registry name, folder or hub id, with the digest of its weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from corpora.errors import InputError
from corpora.storage import sha256_text
from flows.session.workspace import Workspace
from labeling.models.registry import file_digest, find_model, registry, resolve_model, verify_again
from labeling.specialist.look import Look, Sight
from retrieval.config import reranker_label
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import Arithmetic, EmbedderConfig
from retrieval.embedding.hub import hub_folder, is_hub_id
from retrieval.passages import Passages
from retrieval.reranking.reranker import Reranker


class Embedders:
    """The embedders that a session keeps open, each opened once; specialists see with them too.

    Args:
        open_one: opens an embedder.
    """

    def __init__(self, open_one: Callable[[EmbedderConfig], Embedder]) -> None:
        self._open_one = open_one
        self._opened: dict[EmbedderConfig, Embedder] = {}
        self._settled: dict[EmbedderConfig, Arithmetic] = {}

    def settle(self, config: EmbedderConfig, precision: Arithmetic) -> None:
        """Say in which precision an embedder runs that leaves it open."""
        self._settled[config] = precision

    def settled(self, config: EmbedderConfig) -> EmbedderConfig:
        """The config with the precision in which it runs, under its own name; as it is if nothing was settled."""
        if config not in self._settled:
            return config
        return config.model_copy(update={"precision": self._settled[config], "name": config.label})

    def open(self, config: EmbedderConfig) -> Embedder:
        """An embedder, in the precision that was settled for it.

        Headings before chunks change what is embedded, and not the embedder.
        """
        config = self.settled(config)
        config = config.model_copy(update={"headings": False}) if config.headings else config
        if config not in self._opened:
            self._opened[config] = self._open_one(config)
        return self._opened[config]

    def look(self, sight: Sight) -> Look:
        """What a specialist sees with: an embedder, and the passages that it finds."""
        embedder = self.open(EmbedderConfig.model_validate(sight.embedder))
        return Passages(embedder, sight.passage_size, sight.n_passages)


def find_reranker(name: str, workspace: Workspace) -> Reranker:
    """A cross-encoder by folder or hub id; the hub is asked only for what is not here yet.

    Raises:
        InputError: there is no such folder or model, or it is no cross-encoder.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if not is_hub_id(name):
            raise InputError(
                f"no folder {name!r}, which retrieval.rerankers names",
                "the folder of a cross-encoder, a hub id like org/name, or none",
                "check the path",
            )
        folder = hub_folder(name, onnx=False, what="reranker")
    sha256 = weights_digest(folder)
    return Reranker(reranker_label(name), folder, sha256, workspace.embeddings, partial(verify_weights, folder, sha256))


def find_embedder(config: EmbedderConfig) -> tuple[Path, str]:
    """The folder of an embedder, and the digest of its weights; the hub is asked only for what is not here yet.

    Raises:
        InputError: the name is unknown, the model is not fetched, or it is not an embedder.
    """
    name = config.model
    if name in registry():
        model = find_model(name)
        if model.kind != "embedder":
            raise InputError(f"model {name!r} is a {model.kind}", "an embedder", "see `tercet models list`")
        found = resolve_model(name)
        return found.path.parent, found.sha256
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if not is_hub_id(name):
            find_model(name)  # raises, with the nearest name
        folder = hub_folder(name, onnx=config.backend == "onnx")
    return folder, weights_digest(folder)


def with_prompts(config: EmbedderConfig) -> EmbedderConfig:
    """The config with the prompts that the registry knows of its model, where the user gives none."""
    model = registry().get(config.model)
    if model is None or not (model.query_prompt or model.passage_prompt):
        return config
    known = {"query_prompt": model.query_prompt, "passage_prompt": model.passage_prompt}
    return config.model_copy(update={name: text for name, text in known.items() if getattr(config, name) is None})


def verify_weights(folder: Path, sha256: str) -> None:
    """Read the weights again before they are used; see `verify_again`.

    Raises:
        InputError: they do not have the digest any more.
    """
    files = weight_files(folder)
    if len(files) == 1:
        verify_again(files[0], sha256)
        return
    for file in files:
        verify_again(file, file_digest(file))


def weight_files(folder: Path) -> list[Path]:
    """The files of a model folder's weights."""
    return sorted(folder.glob("model*.safetensors"))


def weights_digest(folder: Path) -> str:
    """Digest of a model folder's weights; of several files, the digest of their digests.

    Raises:
        InputError: the folder holds no weights.
    """
    files = weight_files(folder)
    if not files:
        raise InputError(
            f"no {folder / 'model.safetensors'}", "a sentence-transformers folder", "check the path of the embedder"
        )
    digests = [file_digest(file) for file in files]
    return digests[0] if len(digests) == 1 else sha256_text(" ".join(digests))
