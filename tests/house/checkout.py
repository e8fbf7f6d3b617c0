"""What the source of a checkout says about its shape: folders, modules, imports, functions, module state.

Nothing is imported and nothing is run: the files are parsed, so that an old checkout can be read too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("corpora", "labeling", "retrieval", "results", "flows", "tercet")
NOT_ENTRIES = {"__init__.py", "py.typed", "__pycache__"}

# Constructors of things that change although nothing assigns to them.
OPEN = {"Lock", "RLock", "Event", "Condition", "Semaphore", "local", "Queue", "SimpleQueue", "ThreadPoolExecutor",
        "ContextVar", "count"}  # fmt: skip
# Calls that make a value nobody changes, under a name that is no constant's: a decorator of the command line.
VALUES = {"option", "argument", "TypeVar", "NewType", "namedtuple"}
MUTATORS = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "clear", "remove", "discard"}
DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


class Function(NamedTuple):
    """A function or method, wherever it is defined."""

    where: str
    n_lines: int
    cached: bool


@dataclass(frozen=True)
class Module:
    """One file of Python."""

    name: str
    file: Path
    is_package: bool

    @cached_property
    def text(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def n_lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def functions(self) -> list[Function]:
        defined = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return [
            Function(f"{self.name}.{one.name}", one.end_lineno - one.lineno + 1, any(map(_caches, one.decorator_list)))
            for one in defined
        ]

    @property
    def state(self) -> list[str]:
        """Names of the module that hold something that changes while the program runs."""
        changed = set(_changed_names(self.tree))
        found = [name for name, value in _bound(self.tree.body) if name in changed or _is_state(name, value)]
        return [f"{self.name}.{name}" for name in dict.fromkeys(found)]

    def imports(self, known: set[str]) -> set[str]:
        """The known modules that this one imports, inside functions too."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                found |= {f"{source}.{alias.name}" for alias in node.names} & known or {source}
        return (found & known) - {self.name}

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        above = node.level - self.is_package
        parts = self.name.split(".")[: -above or None]
        return ".".join([*parts, *([node.module] if node.module else [])])


class Checkout:
    """The packages of a checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def modules(self) -> dict[str, Module]:
        """Every file of Python by its dotted name, packages among them."""
        return {one.name: one for package in PACKAGES for one in _modules(self.root, self.root / package)}

    @property
    def files(self) -> list[Module]:
        """The modules without those that only say what a folder holds."""
        return [one for one in self.modules.values() if not one.is_package]

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """What each module imports of the packages."""
        known = set(self.modules)
        return {name: one.imports(known) for name, one in self.modules.items()}

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """Who imports each module."""
        return {name: {by for by, of in self.imports.items() if name in of} for name in self.modules}

    @property
    def functions(self) -> list[Function]:
        return [function for one in self.modules.values() for function in one.functions]

    @property
    def state(self) -> list[str]:
        return sorted(name for one in self.modules.values() for name in one.state)

    @property
    def cached(self) -> list[str]:
        """Functions that remember what they returned for as long as the process lives."""
        return sorted(one.where for one in self.functions if one.cached)

    @cached_property
    def entries(self) -> dict[str, int]:
        """How many files and folders each folder of the packages holds, by its path."""
        folders = [folder for package in PACKAGES for folder in _folders(self.root / package)]
        return {folder.relative_to(self.root).as_posix(): len(_entries(folder)) for folder in folders}

    def is_data(self, folder: str) -> bool:
        """Whether a folder holds no Python: prompts, templates, tables."""
        return not any((self.root / folder).rglob("*.py"))


def _folders(folder: Path) -> Iterator[Path]:
    yield folder
    for one in _entries(folder):
        if one.is_dir():
            yield from _folders(one)


def _entries(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.name not in NOT_ENTRIES and _is_kept(one))


def _is_kept(path: Path) -> bool:
    """Not a folder that a move left behind with nothing but compiled files in it."""
    if path.is_file():
        return path.suffix != ".pyc"
    return any(one.is_file() and one.suffix != ".pyc" for one in path.rglob("*"))


def _modules(root: Path, package: Path) -> Iterator[Module]:
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        yield Module(".".join(parts[:-1] if is_package else parts), file, is_package)


def _caches(decorator: ast.expr) -> bool:
    return _called(decorator) in {"cache", "lru_cache"}


def _called(node: ast.expr) -> str:
    """The last name of what is called or applied: `Lock` of `threading.Lock()`."""
    node = node.func if isinstance(node, ast.Call) else node
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _bound(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """The names that a module binds outside functions and classes, with their values."""
    for node in body:
        if isinstance(node, ast.Assign):
            yield from ((name.id, node.value) for name in node.targets if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
            yield node.target.id, node.value
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _bound([one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt)])


def _is_state(name: str, value: ast.expr) -> bool:
    """Whether a value changes by nature, or its name does not say that it stays as it is."""
    if isinstance(value, ast.Call) and _called(value) in OPEN:
        return True
    if name.isupper() or name.startswith("__"):
        return False
    return isinstance(value, DISPLAYS) or (isinstance(value, ast.Call) and _called(value) not in VALUES)


def _changed_names(tree: ast.Module) -> Iterator[str]:
    """The names that a function assigns to as `global`, or whose value it changes in place.

    What a module does to a name while it is imported belongs to the making of it.
    """
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in (inner for function in functions for inner in ast.walk(function)):
        if isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield from _named(node.value)
        elif isinstance(node, ast.AugAssign):
            yield from _named(node.target)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            yield from _named(node.func.value)


def _named(node: ast.expr) -> list[str]:
    return [node.id] if isinstance(node, ast.Name) else []
