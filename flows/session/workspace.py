"""Where runs keep what they compute: the folders of a store, and the files that an experiment names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from corpora.loading.config import CorpusConfig
from corpora.loading.folder import questions_file
from corpora.published.pinned import cache_folder
from corpora.published.registry import data_folder
from corpora.sources.folder.conversions import Conversions
from corpora.storage import StorePath, is_folder, sha256_text
from flows.session.experiment import Experiment

CONVERTED, LEDGER = "converted", "ledger"  # folders of a store


class Workspace(NamedTuple):
    """The store's folders; the ledger, the embeddings and the pinned samples are shared by all runs.

    Attributes:
        root: the store.
        base: folder that relative paths of an experiment start from: the one of its file.
        prices: the user's price table; None for the bundled one alone.
        recorded: digest of the recording that votes come from; empty where readers are asked.
        recorded_line: what a report says about it.
        data: folder of the user's own copies of published corpora; None for the fetched ones.
    """

    root: StorePath
    base: Path = Path()
    prices: Path | None = None
    recorded: str = ""
    recorded_line: str = ""
    data: Path | None = None

    def corpus(self, config: CorpusConfig, *, digests: bool = True) -> CorpusConfig:
        """A corpus section with the paths of its files on this machine.

        Args:
            config: the section.
            digests: whether the files of a published corpus are read to verify them, as before they are used.

        Raises:
            InputError: it names a published corpus that is not here, or a fetched file of it has changed; or a folder
                without questions.
        """
        found = config.resolved(self.base).located(self.data, digests=digests)
        if found.source == "folder":
            questions_file(found)
        return found

    @property
    def votes(self) -> StorePath:
        """Folder of the ledger, and of what its votes were read with; each recording has its own beside the store's."""
        return self.root / "recorded" / self.recorded[:16] if self.recorded else self.root

    @property
    def ledger(self) -> StorePath:
        """Folder of the votes of all readers."""
        return self.votes / LEDGER

    @property
    def spool(self) -> Path | None:
        """Folder of this machine for what cannot be appended to a store at an address; None if the store is a folder.

        It lies with the fetched models: the next run on this machine finds it there. None too if it cannot be written.
        """
        if is_folder(self.root):
            return None
        folder = cache_folder() / "spool" / sha256_text(str(self.votes))[:16]
        there = next(one for one in (folder, *folder.parents) if one.exists())
        return folder if os.access(there, os.W_OK) else None

    @property
    def embeddings(self) -> StorePath:
        """Folder of the embedding cache."""
        return self.root / "embeddings"

    @property
    def conversions(self) -> Conversions:
        """What the files of folders were converted to."""
        return Conversions(self.converted)

    @property
    def converted(self) -> StorePath:
        """Folder of the texts that files were converted to."""
        return self.root / CONVERTED

    @property
    def samples(self) -> StorePath:
        """Folder of pinned samples."""
        return self.root / "samples"


def workspace_of(experiment: Experiment, store: StorePath, base: Path, data: Path | None = None) -> Workspace:
    """The workspace of an experiment.

    Args:
        experiment: may name a price table.
        store: folder of runs.
        base: folder of the experiment's file, which its relative paths start from.
        data: folder of the user's own copies of published corpora; by default `$TERCET_DATA`.
    """
    prices = base / experiment.prices if experiment.prices else None
    return Workspace(store, base, prices, data=data or data_folder())
