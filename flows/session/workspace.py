"""Where runs keep what they compute: the folders of a store, and the files that an experiment names."""

from __future__ import annotations

import os
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
        recorded: digest of the recording that votes come from; empty where readers are asked.
        recorded_line: what a report says about it.
    """

    root: StorePath
    base: Path = Path()
    prices: Path | None = None
    recorded: str = ""
    recorded_line: str = ""

    @property
    def votes(self) -> StorePath:
        """Folder of the ledger, and of what its votes were read with; a recording's lies apart from the store's own."""
        return self.root / "recorded" if self.recorded else self.root

    @property
    def ledger(self) -> StorePath:
        """Folder of the votes of all readers."""
        return self.votes / "ledger"

    @property
    def spool(self) -> Path | None:
        """Folder of this machine for what cannot be appended to a store at an address; None if the store is a folder.

        It lies with the fetched models: the next run on this machine finds it there. None too if it cannot be written.
        """
        if is_folder(self.root):
            return None
        folder = cache_folder() / "spool" / sha256_text(str(self.root))[:16]
        there = next(one for one in (folder, *folder.parents) if one.exists())
        return folder if os.access(there, os.W_OK) else None

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
