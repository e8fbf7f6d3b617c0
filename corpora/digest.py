"""Digests of files and texts: what a run read is named by its sha256."""

from __future__ import annotations

import hashlib

from corpora.storage import StorePath

_BLOCK = 1 << 20  # bytes read at a time


def sha256_file(path: StorePath) -> str:
    """Hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    """Hex sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
