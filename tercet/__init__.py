"""Tercet in a notebook or a script: which chunk size should a RAG system use, and why?

    import tercet

    run = tercet.run("my.toml")  # label, sweep and compare
    run.advice                   # what to use, or that it cannot be told: a Polars frame
    run.tables["ladder"]         # every table of the run, by its name
    run.show()                   # the first screen of its report

What stands in `__all__` is the public interface, and is kept stable; the packages below it are not. Importing this
module loads nothing heavy: each name is imported where it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tercet.installed import check_packages

if TYPE_CHECKING:
    from corpora.errors import InputError
    from tercet.commands import compare, demo, label, plan, run, sweep
    from tercet.experiments import Experiment
    from tercet.plans import Plan
    from tercet.runs import Run, load

__all__ = [
    "Experiment",
    "InputError",
    "Plan",
    "Run",
    "__version__",
    "compare",
    "demo",
    "label",
    "load",
    "plan",
    "run",
    "sweep",
]

__version__ = "0.1.0"

HOMES = {
    "corpora.errors": ("InputError",),
    "tercet.commands": ("compare", "demo", "label", "plan", "run", "sweep"),
    "tercet.experiments": ("Experiment",),
    "tercet.plans": ("Plan",),
    "tercet.runs": ("Run", "load"),
}

check_packages()
importlib.import_module("corpora")  # says how OpenMP waits, before a notebook loads torch or llama.cpp by itself


def imported(name: str) -> Any:
    """A name of the interface, imported when it is asked for."""
    for home, names in HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'tercet' has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker that sees it takes any name for one that is there
    __getattr__ = imported


def __dir__() -> list[str]:
    """The interface, for whoever completes a name."""
    return __all__
