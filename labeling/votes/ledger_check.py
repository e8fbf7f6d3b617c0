"""Looks through the ledgers of a store for what is damaged, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from corpora.damage import Damage, DamageError
from corpora.storage import StorePath
from labeling.votes.shards import read_shard, refuse_faults, shards_in


def damaged_votes(folder: StorePath) -> Iterator[Damage]:
    """The damaged shards of all readers.

    Args:
        folder: of the ledgers of a store.
    """
    for reader in sorted(folder.iterdir()) if folder.is_dir() else ():
        for shard in shards_in(reader):
            try:
                refuse_faults(shard, read_shard(shard, seals=False).frame, reader.name, None)
            except DamageError as error:
                yield error.damage
