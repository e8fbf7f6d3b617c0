"""The example notebook: its cells run in their order in a fresh process, and it is stored without outputs."""

import ast
import json
import os
import subprocess
import sys

import pytest

import tercet
from tests.conftest import ROOT, needs_model
from tests.doubles.notebook import code_cells

NOTEBOOK = ROOT / "docs" / "example.ipynb"
CELLS = code_cells(NOTEBOOK)


def test_it_is_stored_without_outputs():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * len(code)


def test_it_uses_nothing_but_the_interface():
    """The fast cousin of running it: a name that is gone is found here."""
    nodes = [node for cell in CELLS for node in ast.walk(ast.parse(cell))]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tercet"
    }
    assert imported == {"tercet"}
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {"Experiment", "run", "load", "plan"} <= used <= set(tercet.__all__)


@pytest.mark.slow
@pytest.mark.model
def test_its_cells_run(tmp_path):
    needs_model("all-minilm-l6-v2")
    done = subprocess.run(
        [sys.executable, "-m", "tests.doubles.notebook", NOTEBOOK],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = done.stdout.split("## ")[1:]
    assert len(shown) == len(CELLS)
    assert tercet.__version__ in shown[0]
    assert "Which chunk size?" in shown[2]
    assert "report.html" in shown[2]
    assert len(list((tmp_path / "runs").glob("handbook-run-*"))) == 2
    (tmp_path / "handbook.toml").write_text(shown[6].partition("\n")[2], encoding="utf-8")
    written = tercet.Experiment.from_toml(tmp_path / "handbook.toml")
    assert (written.name, written.readers, written.retrieval.sizes) == ("handbook", (), (16, 32, 64, 128))
