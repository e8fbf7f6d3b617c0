"""The files of a folder and of all folders in it, in a stable order, and what was passed over there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corpora.errors import InputError, counted
from corpora.storage import refuse_loop

NO_ENDING = "without an ending"
_NAMED = 3  # of what a note counts
# What Tercet writes itself is no document: a store, if people run it in their own folder, and a finished run.
_OF_TERCET = (
    {"ledger", "samples"},
    {"manifest.json", "report.html"},
    {"ledger", "embeddings"},
    {"converted", "embeddings"},
)


@dataclass
class Files:
    """The files of a folder.

    Attributes:
        found: files with one of the wanted endings by their path from the folder, with `/` between its parts; sorted.
        others: how many files of other kinds there are, by ending.
        hidden: files and folders that begin with a dot, and what office programs leave beside an open file.
        links: links to folders; they are not followed, because they may lead in a circle or to what is there anyway.
        stores: folders that Tercet wrote.
        closed: folders that cannot be listed, with the reason.
    """

    found: dict[str, Path] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    hidden: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """What was passed over, a sentence each."""
        kinds = sorted(self.others.items(), key=lambda one: (-one[1], one[0]))
        by_ending = ", ".join(f"{n:,} {ending}" for ending, n in kinds)
        n_others = sum(self.others.values())
        notes = [f"{counted(n_others, 'file')} of other kinds not read: {by_ending}"] if n_others else []
        for names, one, several in (
            (self.hidden, "hidden file or folder", "hidden files or folders"),
            (self.links, "link to a folder", "links to folders"),
            (self.stores, "folder that Tercet wrote", "folders that Tercet wrote"),
        ):
            what = one if len(names) == 1 else several
            notes += [f"{len(names):,} {what} not read: {some_of(names)}"] if names else []
        return notes


def files_below(folder: Path, endings: Collection[str], but: Iterable[Path] = ()) -> Files:
    """Everything in a folder and in its folders.

    Args:
        folder: the folder.
        endings: which files are wanted, in lower case, such as `.md`.
        but: files that are neither wanted nor counted.

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """
    refuse_loop(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"the folder {folder} {what}", "a folder of documents", "check the path")
    files = Files()
    _look(folder, "", frozenset(endings), {one.resolve() for one in but}, files)
    if "" in files.closed:
        raise InputError(f"cannot list {folder} ({files.closed['']})", "a folder that can be read", "check permissions")
    files.found = dict(sorted(files.found.items()))
    return files


def _look(folder: Path, path: str, endings: frozenset[str], but: Collection[Path], files: Files) -> None:
    try:
        entries = sorted(folder.iterdir(), key=lambda one: one.name)
    except OSError as error:
        files.closed[path] = error.strerror or str(error)
        return
    if path and any(names <= {one.name for one in entries} for names in _OF_TERCET):
        files.stores.append(path)
        return
    for one in entries:
        name = f"{path}/{one.name}" if path else one.name
        if one.name.startswith((".", "~$")):
            files.hidden.append(name)
        elif one.is_dir():
            files.links.append(name) if one.is_symlink() else _look(one, name, endings, but, files)
        elif one.suffix.lower() in endings:
            files.found[name] = one
        elif one.resolve() not in but:
            files.others[one.suffix.lower() or NO_ENDING] += 1


def some_of(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
