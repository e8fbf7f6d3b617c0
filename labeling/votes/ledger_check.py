"""Looks through the ledgers of a store for what is damaged, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from corpora.reading.damage import Damage, DamageError
from corpora.storage import StorePath
from labeling.votes.ledger import Ledger, journals_of
from labeling.votes.storage.shards import read_shard, refuse_faults, shards_in


def damaged_votes(folder: StorePath, spool: Path | None = None) -> Iterator[Damage]:
    """The damaged shards of all readers, and the damaged journals that ended processes left.

    Args:
        folder: of the ledgers of a store.
        spool: as in `Ledger`.
    """
    for name in sorted({*_folders(folder), *_folders(spool)}):
        reader = folder / name
        for shard in shards_in(reader):
            try:
                refuse_faults(shard, read_shard(shard, seals=False).frame, name, None)
            except DamageError as error:
                yield error.damage
        journals = journals_of(reader, spool)
        for damage in journals.damaged() if journals else ():
            ledger = Ledger(folder, name, spool=spool)
            yield damage._replace(salvage=partial(ledger.salvage, damage.path))


def _folders(folder: StorePath | None) -> list[str]:
    if folder is None or not folder.is_dir():
        return []
    return [one.name for one in folder.iterdir() if one.is_dir()]
