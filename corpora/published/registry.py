"""The registry of published corpora, and where the files of one are on this machine."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from corpora.errors import InputError, did_you_mean
from corpora.published.pinned import Pin, cache_folder, check_pinned, check_size

REGISTRY = Path(__file__).with_name("published.toml")
DATA = "TERCET_DATA"  # the environment variable that names a folder of one's own corpora


class Download(BaseModel):
    """A file that a corpus is fetched as.

    Attributes:
        path: the file below each address; also its name while it is not in its place.
        at: the addresses to try, in order; those of the corpus if it has none of its own.
        keep: its name in the corpus; empty if the corpus is made from it.
        sha256: its digest; empty if unknown.
        bytes: its size; 0 if unknown.
        otherwise: another file with the same content, for when no address delivers this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    at: tuple[str, ...] = ()
    keep: str = ""
    sha256: str = ""
    bytes: int = 0
    otherwise: Download | None = None


class CorpusFile(BaseModel):
    """A file of a corpus as it is read; two entries with one path are two forms of it, either of which will do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str = ""
    bytes: int = 0


class PublishedCorpus(BaseModel):
    """A corpus of the registry.

    Attributes:
        name: what users call it.
        source: which source reads its files.
        folder: its folder in the cache, and in a folder of the user's own corpora.
        what: what it is, in a line.
        licence: the licence that its publishers name.
        at: the addresses of its downloads.
        about_bytes: roughly how much is downloaded, where the sizes are unknown; otherwise 0.
        make: how files are made of the downloads that are not kept; empty if all are kept.
        listing: a file beside the registry that lists further downloads; empty for none.
        listed_in: the folder of these, below `at`.
        downloads: what is fetched, without what the listing names.
        files: the files that are made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    folder: str
    what: str
    licence: str
    at: tuple[str, ...]
    about_bytes: int = 0
    make: Literal["", "zip", "boolq", "evidence_inference"] = ""
    listing: str = ""
    listed_in: str = ""
    downloads: tuple[Download, ...]
    files: tuple[CorpusFile, ...] = ()

    @property
    def path(self) -> Path:
        """Where its files are once they are fetched."""
        return cache_folder() / "corpora" / self.folder

    @property
    def all_downloads(self) -> tuple[Download, ...]:
        """What is fetched."""
        return (*self.downloads, *self._listed())

    @property
    def pins(self) -> dict[str, tuple[Pin, ...]]:
        """What each of its files must be, by path in its folder: one of these."""
        kept = [CorpusFile(path=one.keep, sha256=one.sha256, bytes=one.bytes) for one in self.all_downloads if one.keep]
        found: dict[str, tuple[Pin, ...]] = {}
        for one in (*self.files, *kept):
            found[one.path] = (*found.get(one.path, ()), self.pin(one))
        return found

    @property
    def n_bytes(self) -> int:
        """How much is downloaded, roughly where sizes are unknown."""
        return self.about_bytes or sum(one.bytes for one in self.all_downloads)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that may be asked for its files, in order."""
        addresses = list(self.at)
        for one in self.all_downloads:
            addresses += one.at
            while one.otherwise:
                one = one.otherwise
                addresses += one.at
        return tuple(dict.fromkeys(at.split("/")[2] for at in addresses))

    @property
    def is_pinned(self) -> bool:
        """Whether the digest of every file is known before it comes."""
        return all(pin.sha256 for pins in self.pins.values() for pin in pins)

    def pin(self, one: Download | CorpusFile) -> Pin:
        """What a file must be."""
        return Pin(self.name, f"tercet corpora fetch {self.name}", one.sha256, one.bytes)

    def _listed(self) -> Iterator[Download]:
        if not self.listing:
            return
        for line in REGISTRY.with_name(self.listing).read_text(encoding="utf-8").splitlines():
            sha256, size, name = line.split()
            yield Download(path=f"{self.listed_in}{name}", keep=name, sha256=sha256, bytes=int(size))


@cache
def published() -> Mapping[str, PublishedCorpus]:
    """All published corpora that are known by name."""
    entries = tomllib.loads(REGISTRY.read_text(encoding="utf-8"))["corpora"]
    return {entry["name"]: PublishedCorpus.model_validate(entry) for entry in entries}


def find_published(name: str) -> PublishedCorpus:
    """The published corpus of that name.

    Raises:
        InputError: there is none; the nearest name is suggested.
    """
    corpus = published().get(name)
    if corpus is None:
        found = f"no published corpus is called {name!r}{did_you_mean(name, published())}"
        raise InputError(found, f"one of {', '.join(published())}", "correct the name")
    return corpus


def data_folder() -> Path | None:
    """The folder of the user's own corpora that the environment names; None if it names none."""
    given = os.environ.get(DATA)
    return Path(given).expanduser() if given else None


def own_copy(corpus: PublishedCorpus, data: Path | None) -> Path | None:
    """The folder of a corpus among the user's own; None if there is none.

    Raises:
        InputError: the folder of the user's own corpora does not exist.
    """
    if data is None:
        return None
    if not data.is_dir():
        raise InputError(
            f"no folder {data} (from --data or ${DATA})", "a folder that holds corpora", "correct the path"
        )
    return data / corpus.folder if (data / corpus.folder).is_dir() else None


def locate(name: str, data: Path | None, *, digests: bool = True) -> Path:
    """The folder of a published corpus on this machine: the user's own copy, or the fetched one, verified.

    Args:
        name: the corpus's name.
        data: folder of the user's own corpora, such as `data/pubmedqa`; their files may differ from the published ones.
        digests: whether fetched files are read for it; otherwise only their sizes are checked.

    Raises:
        InputError: there is no such corpus, it is not on this machine, or a fetched file has changed.
    """
    corpus = find_published(name)
    if own := own_copy(corpus, data):
        return own
    if not corpus.path.is_dir():
        places = [str(folder) for folder in (data and data / corpus.folder, corpus.path) if folder]
        raise InputError(
            f"corpus {name!r} is not on this machine ({' or '.join(places)})",
            "its files",
            f"fetch it with `tercet corpora fetch {name}`, or name a folder that holds {corpus.folder}/ with --data",
        )
    verify(corpus, corpus.path, digests=digests)
    return corpus.path


def missing(corpus: PublishedCorpus, folder: Path) -> list[str]:
    """The files of a corpus that are not in its folder."""
    return [path for path in corpus.pins if not (folder / path).is_file()]


def verify(corpus: PublishedCorpus, folder: Path, *, digests: bool = True) -> None:
    """Check every file of a fetched corpus.

    Args:
        corpus: a corpus of the registry.
        folder: where its files are.
        digests: whether to read them; otherwise only their sizes are checked.

    Raises:
        InputError: a file is missing, or it has another size or digest.
    """
    absent = missing(corpus, folder)
    if absent:
        raise InputError(
            f"{folder / absent[0]} is missing",
            f"all files of the corpus {corpus.name!r}",
            f"run `tercet corpora fetch {corpus.name}`",
        )
    for path, pins in corpus.pins.items():
        size = (folder / path).stat().st_size
        check = check_pinned if digests else check_size
        check(folder / path, next((pin for pin in pins if pin.bytes == size), pins[0]))
