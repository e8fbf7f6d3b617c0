"""Whether the packages of this distribution are the ones that Python finds.

A wheel puts `flows`, `results`, `labeling`, `retrieval` and `corpora` beside `tercet`. A file `results.py` in the
current folder, or another distribution, may have such a plain name too, and is then imported in its place.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("corpora", "labeling", "retrieval", "results", "flows")


def check_packages(home: Path | None = None) -> None:
    """Refuse to go on with a package of somebody else; nothing is imported for this.

    Args:
        home: the folder that holds the packages; the one that holds `tercet`, unless given.

    Raises:
        ImportError: a package is missing or lies elsewhere, in one line.
    """
    home = home or Path(__file__).resolve().parents[1]
    for name in PACKAGES:
        found = place_of(name)
        if found is None:
            raise ImportError(
                f"there is no package {name!r}: expected the one that Tercet installs in {home}; install tercet again.",
                name=name,
            )
        if found != home / name:
            raise ImportError(
                f"{name!r} is {found}: expected the package of that name that Tercet installs in {home}; rename or "
                "remove the other one, or start Python in another folder.",
                name=name,
                path=str(found),
            )


def place_of(name: str) -> Path | None:
    """The folder or file that the import of a top-level name leads to, or has led to; None if there is none."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None) if module else find_spec(name)
    if spec is None:
        file = getattr(module, "__file__", None)  # made by hand, or run as a script
        return Path(file).resolve() if file else None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.has_location and spec.origin else None
