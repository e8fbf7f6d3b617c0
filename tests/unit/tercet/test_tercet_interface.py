"""`import tercet`: what it offers, what it loads, and that its page says the same."""

import ast
import importlib
import inspect
import re

import pytest

import tercet
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
LIBRARIES = {"torch", "faiss", "llama_cpp", "polars", "pydantic", "prefect", "numpy", "transformers"}
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_importing_it_loads_no_library(python):
    """Not even Polars: a notebook answers at once, and what is heavy comes with the first call."""
    done = python("-c", "import tercet, sys; dir(tercet); print(*sys.modules)")
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "tercet" in loaded
    assert loaded & {*LIBRARIES, "flows"} == set()
    # Of the package below, only what says how OpenMP waits: a notebook may load torch next.
    assert [name for name in done.stdout.split() if name.startswith("corpora")] == ["corpora"]


def test_an_error_can_be_caught_without_any_library(python):
    done = python("-c", "import tercet, sys; tercet.InputError; tercet.run; print(*sys.modules)")
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "corpora" in loaded
    assert loaded & LIBRARIES == set()


def test_every_name_is_there_and_typed():
    late = {name for names in tercet.HOMES.values() for name in names}
    assert late | {"__version__"} == set(tercet.__all__) == set(dir(tercet))
    for home, names in tercet.HOMES.items():
        for name in names:
            assert getattr(tercet, name) is getattr(importlib.import_module(home), name)
    assert (ROOT / "tercet" / "py.typed").is_file()


def test_type_checkers_see_no_other_name():
    """A `__getattr__` that they see would make every misspelt name an `Any`."""
    tree = ast.parse((ROOT / "tercet" / "__init__.py").read_text(encoding="utf-8"))
    assert "__getattr__" not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    (checked,) = (node.body for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    seen = {alias.name for node in checked for alias in node.names}
    assert seen | {"__version__"} == set(tercet.__all__)


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="'tercet' has no attribute 'sweeps'"):
        tercet.sweeps  # noqa: B018  # the look-up is what is tested


def test_the_module_is_the_command(python):
    done = python("-m", "tercet", "--version")
    assert done.stdout == f"tercet, version {tercet.__version__}\n"


def test_the_functions_agree_on_their_settings():
    settings = {name: list(inspect.signature(getattr(tercet, name)).parameters) for name in ("run", "sweep", "label")}
    assert settings["run"] == settings["sweep"]
    assert set(settings["label"]) < set(settings["run"])
    rows = re.findall(r"^\| (`.*?) \|", PAGE.partition("| setting |")[2].partition("\n\n")[0], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(["experiment", *named]) == sorted(settings["run"])


def test_the_page_names_what_there_is():
    """Every name of the interface is on the page; every name and keyword in its code exists."""
    assert len(BLOCKS) >= 3
    assert [name for name in tercet.__all__ if f"tercet.{name}" not in PAGE] == []
    assert {fault for block in BLOCKS for fault in unknown(block)} == set()
    attributes = set(re.findall(r"\brun\.(\w+)", "\n".join(BLOCKS)))
    assert attributes - {*dir(tercet.Run), "manifest", "tables", "folder"} == set()


def unknown(code):
    """Attributes of `tercet` that it lacks, and keywords that its functions do not take."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tercet":
            if node.attr not in tercet.__all__:
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            function = getattr(tercet, node.func.attr) if node.func.attr in tercet.__all__ else None
            known = inspect.signature(function).parameters if function else {}
            yield from (f"{node.func.attr}({one.arg}=)" for one in node.keywords if function and one.arg not in known)


def test_an_unknown_name_on_the_page_is_found():
    assert set(unknown("tercet.runs('x')\ntercet.run('demo', size=3)")) == {"runs", "run(size=)"}
