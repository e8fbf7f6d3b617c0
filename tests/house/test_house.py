"""The shape of the packages, held: folders that say what they hold and stay small, no hidden state, no dead file."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.house.checkout import PACKAGES, Checkout
from tests.house.figures import seconds_of_tests, table
from tests.house.layers import imports_up

HOUSE = Checkout(ROOT)

MOST_ENTRIES = 11  # what a reader takes in at a glance; a folder without Python holds as much data as there is
# May hold more: why.
WIDER: dict[str, str] = {
    "corpora": "records and words that all sources share, beside the folders that make a corpus of them",
    "results": "a folder for each layer of numbers, from their settings to the report",
}

# What may be remembered for as long as the process lives, and why: values that nothing outside can change.
REMEMBERED = {
    "corpora.languages._identifier": "read from a file of a package",
    "corpora.published.registry.published": "read from files of the package",
    "labeling.drafting.templates._parts": "read from files of the package",
    "labeling.models.families.presets": "read from a file of the package",
    "labeling.models.registry.registry": "read from files of the package, and of a folder that is part of the key",
    "results.report.html.page.environment": "templates of the package, compiled once",
    "results.stats.looks._share": "a number",
    "results.report.html.furniture.furniture": "the page's own files, which do not change",
    "results.stats.resampling.student_quantile": "a number",
    "retrieval.chunking.markdown._parser": "a parser, which keeps nothing of what it read",
    "retrieval.chunking.markdown._splitter": "a copy of the tokenizer, which takes longer to make than to use",
    "retrieval.chunking.recursive._splitter": "a copy of the tokenizer, which takes longer to make than to use",
}

LONGEST_FUNCTION = 60

# Run, not imported: why.
ENTRY_POINTS = {
    "flows.cli.__main__": "python -m flows.cli",
    "retrieval.embedding.running.convert": "a process that embedding starts",
    "flows.cli.main": "the command itself",
    "flows.cli.readme": "make readme",
    "flows.serving.prefect_server": "the process that tercet serve starts",
    "tercet.__main__": "python -m tercet, and the command tercet",
}


def test_every_folder_says_what_lives_there():
    folders = {name for name in HOUSE.entries if not HOUSE.is_data(name)}
    said = {
        name.replace(".", "/") for name, one in HOUSE.modules.items() if one.is_package and ast.get_docstring(one.tree)
    }
    assert folders - said == set()


def test_folders_stay_small():
    too_wide = {name: n for name, n in HOUSE.entries.items() if n > MOST_ENTRIES and not HOUSE.is_data(name)}
    assert set(too_wide) == set(WIDER), too_wide


def test_no_module_keeps_state():
    assert HOUSE.state == []  # what a process keeps open belongs to its Session


def test_only_values_are_remembered():
    assert set(HOUSE.cached) == set(REMEMBERED)


def test_no_module_is_dead():
    dead = {one.name for one in HOUSE.files if not HOUSE.importers[one.name]}
    assert dead - set(ENTRY_POINTS) == set()
    assert set(ENTRY_POINTS) <= set(HOUSE.modules)


def test_functions_stay_short():
    assert [(one.where, one.n_lines) for one in HOUSE.functions if one.n_lines > LONGEST_FUNCTION] == []


# The measures themselves, on a checkout whose figures are known.


@pytest.fixture
def checkout(tmp_path):
    def build(**sources: str) -> Checkout:
        (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
        (tmp_path / "README.md").write_text("x" * 1234, encoding="utf-8")
        for package in PACKAGES:
            write(tmp_path / package / "__init__.py", '"""A package."""')
        for name, source in sources.items():
            write(tmp_path / f"{name.replace('__', '/')}.py", source)
        return Checkout(tmp_path)

    return build


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "source",
    [
        "x = []",
        "x: dict[str, int] = {}",
        "x = {one for one in range(3)}",
        "x = threading.Lock()",
        "X = threading.Lock()",
        "x = defaultdict(list)",
        "X = []\ndef f():\n    X.append(1)",
        "X = {}\ndef f():\n    X['a'] = 1",
        "X = {}\ndef f():\n    del X['a']",
        "X = 0\ndef f():\n    global X\n    X += 1",
        "try:\n    x = []\nexcept OSError:\n    pass",
    ],
)
def test_state_of_a_module_is_found(checkout, source):
    assert [name.lower() for name in checkout(flows__a=source).state] == ["flows.a.x"]


@pytest.mark.parametrize(
    "source",
    [
        "X = []",
        "X = {1: 2}\nX |= {2: 3}",
        "x = 1",
        "x = ('a', 'b')",
        "x = click.option('--quiet')",
        "__all__ = ['f']",
        "def f():\n    x = []\n    x.append(1)",
    ],
)
def test_what_never_changes_is_not_state(checkout, source):
    assert checkout(flows__a=source).state == []


def test_remembering_functions_are_listed(checkout):
    source = "@cache\ndef a(): ...\n@functools.lru_cache(maxsize=1)\ndef b(): ...\ndef c(): ..."
    assert checkout(flows__a=source).cached == ["flows.a.a", "flows.a.b"]


def test_imports_are_found_in_functions_and_by_relative_names(checkout):
    house = checkout(
        results__stats__a="def f():\n    from results.advice import b",
        results__advice__b="from ..stats.a import f",
        results__advice__c="import results.advice.b",
    )
    assert house.imports["results.stats.a"] == {"results.advice.b"}
    assert house.imports["results.advice.b"] == {"results.stats.a"}
    assert house.importers["results.advice.b"] == {"results.stats.a", "results.advice.c"}


def test_imports_that_point_up_are_those_from_a_lower_layer(checkout):
    house = checkout(
        results__stats__a="from results.advice import b",
        results__advice__b="import results.stats.a",
        flows__stages__a="import results.stats.a",
    )
    assert imports_up(house) == ["results.stats.a -> results.advice.b"]


def test_layers_come_from_the_contracts_where_a_checkout_has_them(checkout, tmp_path):
    house = checkout(results__stats__a="from results.advice import b", results__advice__b="import results.stats.a")
    contract = '[[tool.importlinter.contracts]]\ntype = "layers"\n'
    write(tmp_path / "pyproject.toml", contract + 'containers = ["results"]\nlayers = ["stats", "(report) | advice"]')
    assert imports_up(house) == ["results.advice.b -> results.stats.a"]
    write(tmp_path / "pyproject.toml", contract + 'layers = ["results.stats", "results.advice"]')
    assert imports_up(house) == ["results.advice.b -> results.stats.a"]


def test_folders_of_compiled_files_are_no_entries(checkout, tmp_path):
    house = checkout(results__a="", results__stats__b="")
    write(tmp_path / "results/html/__pycache__/page.cpython-311.pyc", "")
    write(tmp_path / "results/prompts/one.txt", "")
    assert house.entries["results"] == 3
    assert [name for name in house.entries if house.is_data(name)] == ["results/prompts"]


def test_the_table_has_a_column_a_checkout(checkout):
    lines = table(
        {"before": checkout(flows__a="def f():\n    return 1\n", flows__b="from flows.a import f"), "after": HOUSE}
    )
    cells = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in lines.splitlines()}
    assert cells["figure"] == "before"
    assert cells["modules"] == "2"
    assert cells["modules with exactly one importer"] == "1"
    assert cells["lines of a function, median and p90"] == "2 and 2"
    assert cells["bytes of README.md"] == "1,234"
    assert cells["imports that point up"] == "no layers"


def test_tests_are_timed_by_the_targets_that_a_checkout_has(tmp_path):
    (tmp_path / "Makefile").write_text("test:\n\t@true\ntest-slow:\n\t@false\n", encoding="utf-8")
    timed = seconds_of_tests(tmp_path)
    assert timed["seconds of make test"].isdigit()
    assert timed["seconds of make test-slow"].endswith("(exit code 2)")
    (tmp_path / "Makefile").write_text("test:\n\t@true\n", encoding="utf-8")
    assert seconds_of_tests(tmp_path)["seconds of make test-slow"] == "no such target"
