"""What a sweep varies: settings, cuts and cells, as types and as columns of tables, and the names that reports use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import polars as pl

from retrieval.chunking.splitters import Chunking, Splitter
from retrieval.context import Cut

CHUNKING = ("splitter", "size", "overlap")
SETTING = (*CHUNKING, "embedder", "retriever")
CUT = ("cut", "amount")
CELL = ("reader", *SETTING, *CUT)

SETTING_SCHEMA = pl.Schema(
    {
        "splitter": pl.String(),
        "size": pl.Int64(),
        "overlap": pl.Int64(),
        "embedder": pl.String(),
        "retriever": pl.String(),
    }
)
CUT_SCHEMA = pl.Schema({"cut": pl.String(), "amount": pl.Int64()})
CELL_SCHEMA = pl.Schema({"reader": pl.String(), **SETTING_SCHEMA, **CUT_SCHEMA})


def with_interval(*names: str) -> dict[str, pl.DataType]:
    """Columns of estimates, each with the two ends of its interval."""
    return {name + end: pl.Float64() for name in names for end in ("", "_low", "_high")}


class Setting(NamedTuple):
    """How chunks are made and ranked; in the order of the columns `SETTING`."""

    splitter: Splitter
    size: int
    overlap: int
    embedder: str
    retriever: str

    @property
    def chunking(self) -> Chunking:
        """How its documents are split."""
        return Chunking(self.splitter, self.size, self.overlap)

    def name(self, varying: Collection[str] = ()) -> str:
        """Name in reports, as in `tokens(size=64,overlap=0)` or `tokens(size=64,overlap=0) bge-small bm25`.

        Args:
            varying: which of `embedder` and `retriever` differ within the run, and so belong to the name.
        """
        return " ".join([self.chunking.name, *(str(getattr(self, one)) for one in varying)])


class Cell(NamedTuple):
    """What is scored: a reader under a setting and a cut; no reader where retrieval is scored by itself."""

    reader: str | None
    setting: Setting
    cut: Cut

    def name(self, names: Mapping[Setting, str]) -> str:
        """As in `tokens(size=64,overlap=0) at budget=256`.

        Args:
            names: of the settings of the run.
        """
        return f"{names[self.setting]} at {self.cut.name}"


def setting_of(row: Mapping[str, Any]) -> Setting:
    """The setting of a table's row."""
    return Setting(*(row[name] for name in SETTING))


def cut_of(row: Mapping[str, Any]) -> Cut:
    """The cut of a table's row."""
    return Cut(row["cut"], row["amount"])


def cell_of(row: Mapping[str, Any]) -> Cell:
    """The cell of a table's row; without a reader where the table has none."""
    return Cell(row.get("reader"), setting_of(row), cut_of(row))


def cuts_in(frame: pl.DataFrame) -> list[Cut]:
    """The cut of every row of a table."""
    return [Cut(*cut) for cut in frame.select(CUT).iter_rows()]


def names_in(frame: pl.DataFrame) -> dict[Setting, str]:
    """The name of every setting of a table, as its column `setting` has it."""
    return {setting_of(row): row["setting"] for row in frame.select(*SETTING, "setting").iter_rows(named=True)}


def name_settings(frame: pl.DataFrame) -> pl.DataFrame:
    """The distinct settings of a frame with their names.

    A name is the chunking's, followed by the embedder and the retriever where the frame holds more than one.

    Args:
        frame: with the columns `SETTING`.

    Returns:
        Columns `SETTING` and `setting`, sorted.
    """
    distinct = frame.select(SETTING).unique().sort(SETTING)
    varying = [column for column in ("embedder", "retriever") if distinct[column].n_unique() > 1]
    names = [Setting(*setting).name(varying) for setting in distinct.iter_rows()]
    return distinct.with_columns(setting=pl.Series(names, dtype=pl.String))


SPLITTERS: Mapping[str, str] = {"tokens": "token", "sentences": "sentence"}  # said otherwise than written


class Spoken(NamedTuple):
    """Settings as people say them; the names in tables and manifests stay as they are.

    Attributes:
        varying: which columns of `SETTING` differ within the run; the splitter, the embedder and the retriever are
            named only where they do, or where the splitter is not the usual one.
    """

    varying: Collection[str] = ()

    def setting(self, setting: Setting) -> str:
        """As in `64-token chunks`, or `128-token chunks with 32 overlap, recursive splitter`."""
        return f"{setting.size}-token chunks{self._details(setting)}"

    def cell(self, cell: Cell) -> str:
        """As in `64-token chunks, 256 tokens read`, or `best 3 chunks of 128 tokens`; for the start of a line."""
        setting, cut = cell.setting, cell.cut
        if cut.kind == "budget":
            return f"{self.setting(setting)}, {cut.amount} tokens read"
        chunks = "best single chunk" if cut.amount == 1 else f"best {cut.amount} chunks"
        return f"{chunks} of {setting.size} tokens{self._details(setting)}"

    def the_cell(self, cell: Cell) -> str:
        """The same inside a sentence, as in `the best 3 chunks of 128 tokens`."""
        return f"{'the ' if cell.cut.kind == 'k' else ''}{self.cell(cell)}"

    def names(self, frame: pl.DataFrame) -> dict[str, str]:
        """How the settings of a table are said, by the name in its column `setting`."""
        return {name: self.setting(setting) for setting, name in names_in(frame).items()}

    def _details(self, setting: Setting) -> str:
        said = f" with {setting.overlap} overlap" if setting.overlap else ""
        if setting.splitter != "tokens" or "splitter" in self.varying:
            said += f", {SPLITTERS.get(setting.splitter, setting.splitter)} splitter"
        said += f", {setting.embedder} embedder" if "embedder" in self.varying else ""
        return said + (f", {setting.retriever} retriever" if "retriever" in self.varying else "")


def say_cut(cut: Cut) -> str:
    """As in `256 tokens read`, `the best chunk read` or `the best 3 chunks read`."""
    if cut.kind == "budget":
        return f"{cut.amount} tokens read"
    return "the best chunk read" if cut.amount == 1 else f"the best {cut.amount} chunks read"


def spoken_in(frame: pl.DataFrame) -> Spoken:
    """How the settings of a table are said, which should hold all settings of the run."""
    return Spoken([name for name in SETTING if frame[name].n_unique() > 1])
