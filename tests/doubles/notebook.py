"""Runs the code cells of a notebook in their order, as a kernel would: `python -m tests.doubles.notebook FILE`.

The value of a cell's last expression is asked for its HTML, or else its text, as Jupyter does, and printed under the
number of the cell. The first cell that fails ends the process.
"""

import ast
import json
import sys
from pathlib import Path


def code_cells(file: Path) -> list[str]:
    """The source of each code cell."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(cells: list[str]) -> None:
    """Run cells in one namespace."""
    names: dict[str, object] = {"__name__": "__main__"}
    for number, source in enumerate(cells, 1):
        sys.stdout.write(f"## {number}\n")
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        if last is not None:
            show(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names))


def show(value: object) -> None:
    """Print what a notebook would show of a value."""
    if value is not None:
        as_html = getattr(value, "_repr_html_", None)
        sys.stdout.write(f"{as_html() if as_html else repr(value)}\n")


if __name__ == "__main__":
    run(code_cells(Path(sys.argv[1])))
