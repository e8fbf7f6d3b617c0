"""Opens the model of an embedder: without torch where it is converted already and that is enough."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.model_folder import fingerprint, is_static
from retrieval.embedding.running import graph
from retrieval.embedding.running.converted import is_intact
from retrieval.embedding.running.plain_encoder import TextEncoder, open_plain
from retrieval.embedding.running.static import open_static
from retrieval.tokens import EmbedderTokenizer


def open_model(config: EmbedderConfig, folder: Path, weights: str, converted: Path) -> TextEncoder:
    """Load a model from its local folder; the network is never used.

    Args:
        config: gives backend and precision.
        folder: the model's folder.
        weights: digest of its weights.
        converted: folder for converted models, each under a name that identifies its content.

    Raises:
        InputError: the folder's files do not make up a model, or the backend cannot run this kind of model.
    """
    if is_static(folder):
        return open_static(folder, EmbedderTokenizer(folder).raw)
    kept = converted / _name(config, folder, weights)
    if config.backend == "openvino":
        if not is_intact(kept):
            convert_elsewhere(config, folder, kept)
        plain = open_plain(kept, EmbedderTokenizer(folder).raw, config.arithmetic)
        if plain:
            return plain
    # Imported here: torch takes seconds to import.
    from retrieval.embedding.running.backends import load_encoder

    return load_encoder(config, folder, kept)


def convert_elsewhere(config: EmbedderConfig, folder: Path, kept: Path) -> None:
    """Convert a model in a process of its own; if that fails, it is converted here, and the error is said."""
    module = "retrieval.embedding.running.convert"
    command = [sys.executable, "-m", module, str(folder), str(kept), config.model_dump_json()]
    with suppress(OSError):
        subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)  # noqa: S603  # ours


def _name(config: EmbedderConfig, folder: Path, weights: str) -> str:
    """A name that says what was converted and for what; one graph serves every precision."""
    model = fingerprint(folder, config.model_copy(update={"precision": "float32"}), weights)
    return f"{model[:16]}-{config.backend}" + (f"-{graph.version()}" if config.backend == "openvino" else "")
