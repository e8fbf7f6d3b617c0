"""A finished run: its tables as Polars frames, its manifest, and the first screen of its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from corpora.errors import InputError
from corpora.storage import StorePath, absolute, store_path
from results.advice.summary import Summary, summarise
from results.gold.export.write import Format
from results.store.finished import MANIFEST, check_format, read_manifest, read_tables
from results.store.replacing import current
from tercet.advice import advice_frame
from tercet.first_screen import html_screen, markdown_screen, text_screen

HTML_REPORT = "report.html"
MADE_BY = {"cells": "run or sweep an experiment with a reader", "gold": "run an experiment with a reader"}


class Run:
    """A finished run, as it lies in its folder. Tables are read, and their digests checked, when they are used.

    A cell of a notebook that ends in a run shows the first screen of its report.

    Attributes:
        folder: the run's folder, or its address.
        manifest: the content of `manifest.json`: config, digests of inputs and models, versions, timings.
        tables: frames by name, as in `run.tables["ladder"]`; `list(run.tables)` has the names.
    """

    def __init__(self, folder: StorePath) -> None:
        self.folder = absolute(folder)
        self.manifest: dict[str, Any] = read_manifest(folder)
        check_format(folder, self.manifest)
        self.tables = Tables(self.folder, self.manifest)

    @property
    def advice(self) -> pl.DataFrame:
        """What to use, or that it cannot be told: a row each for all cuts, for each cut, and for retrieval alone."""
        return advice_frame(self.manifest)

    @property
    def cells(self) -> pl.DataFrame:
        """The scores of every cell: setting, cut and reader.

        Raises:
            InputError: the run swept nothing that a reader read.
        """
        return self.tables["cells"]

    @property
    def gold(self) -> pl.DataFrame:
        """The gold sets: a row for each reader and question, kept or not, with the reason.

        Raises:
            InputError: the run had no reader.
        """
        return self.tables["gold"]

    @property
    def reviews(self) -> pl.DataFrame:
        """The labels that people gave on the questions of this run: the last word of each reviewer on each question.

        They are read from the store each time. A label for another text of the question is left out, with a warning.

        Raises:
            InputError: the run had no reader, or its store is not on this machine.
        """
        from flows.run.review.opened import reviews_of_run

        return reviews_of_run(self.folder, self.manifest)

    @property
    def summary(self) -> Summary:
        """A line of facts, the answers that a user comes for, and what to distrust; as at the top of the report."""
        return summarise(self.manifest, self.tables)

    @property
    def report(self) -> StorePath | None:
        """The HTML report; None if the run, made by an older version, has none."""
        file = current(self.folder, MANIFEST) / HTML_REPORT
        return file if file.is_file() else None

    def export(
        self,
        folder: str | Path,
        as_: Format = "datasets",
        *,
        readers: Sequence[str] = (),
        corpus: str | None = None,
        references: bool = False,
        reviews: bool = True,
        force: bool = False,
        data: str | Path | None = None,
        base: str | Path | None = None,
    ) -> Path:
        """Take the gold sets away, in the format of another program; as `tercet export`.

        Args:
            folder: made, with a card that says how the questions were labeled.
            as_: the format: datasets, jsonl, label-studio, argilla or csv.
            readers: names; empty for all.
            corpus: which corpus of a run that has several; the first by default.
            references: refer to documents by ids and offsets, and leave their texts out.
            reviews: take the labels that people gave along, with the names of the reviewers.
            force: replace an earlier export in that folder.
            data: folder of your own copies of published corpora; `$TERCET_DATA`, or the fetched ones, by default.
            base: folder that the paths of the corpus start from; for runs of older versions.

        Returns:
            The folder.

        Raises:
            InputError: the corpus is not here or has changed, or the folder may not be written.
        """
        from flows.run.gold.exporting import Wanted, export_run

        target = Path(folder).expanduser().resolve()
        own, start = (Path(one) if one is not None else None for one in (data, base))
        wanted = Wanted(readers, corpus, not references, own, start, reviews)
        export_run(self.folder, target, as_, wanted, replaces=force)
        return target

    def show(self) -> None:
        """Show the first screen of the report: in a notebook as a cell would, elsewhere as text."""
        from flows.cli.terminal import echo
        from tercet.notebooks import display

        if not display(self):
            echo(self)

    def __repr__(self) -> str:
        return f"tercet.load({str(self.folder)!r})"

    def __str__(self) -> str:
        return text_screen(self._title, self.summary, self.report or self.folder)

    def _repr_html_(self) -> str:
        return html_screen(self._title, self.summary, self.report, self.folder)

    def _repr_markdown_(self) -> str:
        return markdown_screen(self._title, self.summary, self.report or self.folder)

    @property
    def _title(self) -> str:
        return f"{self.manifest['name']} ({self.manifest['kind']})"


class Tables(Mapping[str, pl.DataFrame]):
    """The tables of a run by name, each read when it is first used.

    Args:
        folder: the run's folder.
        manifest: names the tables, with their digests.
    """

    def __init__(self, folder: StorePath, manifest: Mapping[str, Any]) -> None:
        self._folder = folder
        self._digests = {Path(file).stem: {file: digest} for file, digest in manifest["tables"].items()}
        self._read: dict[str, pl.DataFrame] = {}

    def __getitem__(self, name: str) -> pl.DataFrame:
        if name not in self._digests:
            found = f"the run {self._folder.name} has no table {name!r}"
            raise NoTableError(found, f"one of {', '.join(self)}", MADE_BY.get(name, ""))
        if name not in self._read:
            self._read |= read_tables(self._folder, {"tables": self._digests[name]})
        return self._read[name]

    def __contains__(self, name: object) -> bool:  # without reading it
        return name in self._digests

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)

    def __repr__(self) -> str:
        return f"Tables({', '.join(self)})"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


class NoTableError(InputError, KeyError):
    """A run does not have the table of that name; also a `KeyError`, as of any mapping."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show it in quotes


def load(folder: str | Path) -> Run:
    """A finished run, from its folder or its address.

    Args:
        folder: as the commands print it, such as `runs/demo-run-1a2b3c4d`, or an address such as s3://bucket/runs/...

    Raises:
        InputError: not the folder of a finished run, or its tables are those of another version.
    """
    return Run(store_path(folder))
