"""`--fail-if`: a command ends with exit code 1 where a run does not hold what a CI job wants of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from flows.cli.options import UNTOLD, WORSE

if TYPE_CHECKING:
    import polars as pl

    from corpora.storage import StorePath
    from flows.run.pipeline import Outcome
    from results.advice.cards.record import RunRecord

EXIT_FAILED = 1  # what --fail-if guards against was found; wrong input ends with 2


class Guards(NamedTuple):
    """What must not be found.

    Attributes:
        fail_if: any of `untold` and `worse`.
        against: the folder of the earlier run that `worse` compares with.
    """

    fail_if: tuple[str, ...] = ()
    against: StorePath | None = None

    def check(self) -> None:
        """Refuse options that do not fit together.

        Raises:
            click.UsageError: as said.
        """
        if WORSE in self.fail_if and self.against is None:
            raise click.UsageError("--fail-if worse needs an earlier run: name its folder with --against.")
        if self.against is not None and WORSE not in self.fail_if:
            raise click.UsageError("--against is for --fail-if worse: add that.")

    def earlier(self) -> tuple[Mapping[str, Any], Mapping[str, pl.DataFrame]] | None:
        """Manifest and tables of the earlier run; None where none is compared with.

        Raises:
            InputError: no such run, or one with tables of another format.
        """
        if self.against is None:
            return None
        from results.store.finished import check_format, read_manifest, read_tables

        manifest = read_manifest(self.against)
        check_format(self.against, manifest)
        return manifest, read_tables(self.against, manifest)

    def failures(
        self, outcome: Outcome, earlier: tuple[Mapping[str, Any], Mapping[str, pl.DataFrame]] | None,
        *, reads_next: bool = False,
    ) -> tuple[str, ...]:  # fmt: skip
        """What was found of it, a sentence each.

        Args:
            outcome: the run.
            earlier: what `earlier` returned before the run.
            reads_next: whether this run only compared retrieval, and the next one asks the reader.

        Raises:
            InputError: the two runs cannot be compared.
        """
        record = outcome.record
        found = _untold(record, reads_next=reads_next) if UNTOLD in self.fail_if else []
        if earlier is not None:
            from results.advice.drops.drop import drop_lines
            from results.advice.drops.find import find_drops
            from results.store.finished import read_manifest, read_tables

            manifest = read_manifest(outcome.folder)
            drops = find_drops(earlier, (manifest, read_tables(outcome.folder, manifest)))
            found += drop_lines([one for one in drops if one.is_shown]) if any(one.is_shown for one in drops) else []
        return tuple(found)


def _untold(record: RunRecord, *, reads_next: bool) -> list[str]:
    """That nothing is recommended for the first reader, which the headline is about, or for retrieval under any cut."""
    if record.recommendations:
        first = record.recommendations[0]
        return [] if first.told else [f"Nothing is recommended for {first.reader}."]
    if any(one.told for one in record.retrieval):
        return []
    if reads_next:
        return [
            "Nothing is recommended by retrieval alone, all that this run compares: run it again to ask the reader."
        ]
    return ["Nothing is recommended under any cut; no reader was asked."]
