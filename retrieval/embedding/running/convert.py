"""Converts a model in a process of its own: `python -m retrieval.embedding.running.convert FOLDER KEPT CONFIG`.

Torch and sentence-transformers take some 700 MB for it, which the process that embeds would keep until its end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.running.backends import load_encoder


def main(folder: str, kept: str, config: str) -> None:
    """Convert the model in a folder, and keep what comes out.

    Args:
        folder: the model's folder.
        kept: the folder of the converted model.
        config: the embedder's, as JSON.
    """
    load_encoder(EmbedderConfig.model_validate_json(config), Path(folder), Path(kept))


if __name__ == "__main__":
    main(*sys.argv[1:])
