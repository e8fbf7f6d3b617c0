"""Arguments that the shell completes: experiments by name or file, and the runs of a store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem


class ExperimentType(click.Path):
    """A TOML file, or the name of a bundled experiment."""

    name = "experiment"

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The bundled names, and the TOML files and the folders that begin like this."""
        # The folder of the package is known without importing it.
        bundled = sorted(one.stem for one in (Path(__file__).parents[2] / "experiments").glob("*.toml"))
        return [*_beginning(bundled, incomplete), *_files(incomplete, ".toml")]


class RunType(click.ParamType[Any]):
    """The folder of a run: a path, an address, or a name in the store."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As `store_path`; a file is refused, because a run is a folder."""
        from corpora.errors import InputError
        from corpora.storage import open_store, store_path

        if not str(value).strip():
            raise InputError("an empty path", "the folder of a run", "name a folder, see `tercet runs list`")
        path = store_path(value)
        if not isinstance(path, Path):
            return open_store(value)  # which says so if the address does not answer
        # A command that is given its store looks there itself: options may come after arguments.
        if not _has_store(ctx) and isinstance(path, Path) and len(path.parts) == 1 and not path.exists():
            named = _store_of(ctx) / path
            return named if named.is_dir() else path
        if isinstance(path, Path) and path.is_file():
            raise InputError(f"{path} is a file", "the folder of a run", "name the folder that holds the file")
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The finished runs of the store, and the folders that begin like this."""
        store = _store_of(ctx)
        runs = sorted(one.parent for one in store.glob("*/manifest.json")) if store.is_dir() else []
        found = {str(one): CompletionItem(str(one)) for one in runs if str(one).startswith(incomplete)}
        named = _beginning((one.name for one in runs), incomplete)
        return [*named, *(found or {item.value: item for item in _files(incomplete, "")}).values()]


experiment_argument = click.argument("experiment", type=ExperimentType())
run_argument = click.argument("run", type=RunType())


def usual_store() -> Path:
    """The store of a command that is given none."""
    return Path(os.environ.get("TERCET_STORE") or "runs")


def _store_of(ctx: click.Context | None) -> Path:
    given = ctx.params.get("store") if ctx else None
    return Path(str(given)) if given else usual_store()


def _has_store(ctx: click.Context | None) -> bool:
    return ctx is not None and any(one.name == "store" for one in ctx.command.params)


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _files(incomplete: str, ending: str) -> list[CompletionItem]:
    """The folders, and the files with this ending, that a path that is not complete may mean; none without ending."""
    given = Path(incomplete)
    parent = given if incomplete.endswith("/") else given.parent
    if not parent.is_dir():
        return []
    there = sorted(one for one in parent.iterdir() if str(one).startswith(incomplete) and not one.name.startswith("."))
    return [
        CompletionItem(f"{one}/" if one.is_dir() else str(one))
        for one in there
        if one.is_dir() or (ending and one.suffix == ending)
    ]
