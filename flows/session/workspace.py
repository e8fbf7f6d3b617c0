"""Where runs keep what they compute: the folders of a store, and the files that an experiment names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from corpora.storage import StorePath, is_folder, sha256_text
from flows.session.experiment import Experiment
from labeling.models.registry import cache_folder


class Workspace(NamedTuple):
    """The store's folders; the ledger, the embeddings and the pinned samples are shared by all runs.

    Attributes:
        root: the store.
        base: folder that relative paths of an experiment start from: the one of its file.
        prices: the user's price table; None for the bundled one alone.
    """

    root: StorePath
    base: Path = Path()
    prices: Path | None = None

    @property
    def ledger(self) -> StorePath:
        """Folder of the votes of all readers."""
        return self.root / "ledger"

    @property
    def spool(self) -> Path | None:
        """Folder of this machine for what cannot be appended to a store at an address; None if the store is a folder.

        It lies with the fetched models: the next run on this machine finds it there.
        """
        if is_folder(self.root):
            return None
        return cache_folder() / "spool" / sha256_text(str(self.root))[:16]

    @property
    def embeddings(self) -> StorePath:
        """Folder of the embedding cache."""
        return self.root / "embeddings"

    @property
    def samples(self) -> StorePath:
        """Folder of pinned samples."""
        return self.root / "samples"


def workspace_of(experiment: Experiment, store: StorePath, base: Path) -> Workspace:
    """The workspace of an experiment.

    Args:
        experiment: may name a price table.
        store: folder of runs.
        base: folder of the experiment's file, which its relative paths start from.
    """
    return Workspace(store, base, base / experiment.prices if experiment.prices else None)
