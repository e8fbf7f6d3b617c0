"""The shape of a checkout as a table of figures, and beside it that of another: before and after.

`python -m tests.house.figures [CHECKOUT] [--vs CHECKOUT]` prints Markdown. The first checkout is this one unless given;
`--vs` names the one from before. `--time` also runs the tests of each, by its own Makefile: the seconds mean something
only on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from statistics import median

from tests.house.checkout import Checkout
from tests.house.layers import has_layers, imports_up

SHORT = 60  # lines of a module that may belong into another


def figures(checkout: Checkout) -> dict[str, str]:
    """Each figure in words, by what it counts."""
    files = checkout.files
    n_importers = [len(checkout.importers[one.name]) for one in files]
    code, data = ({name: n for name, n in checkout.entries.items() if checkout.is_data(name) is is_data}
                  for is_data in (False, True))  # fmt: skip
    return {
        "entries of a folder, most": _largest(code),
        "entries of a data folder, most": _largest(data),
        "folders with Python": str(len(code)),
        "modules": str(len(files)),
        f"modules under {SHORT} lines": str(sum(one.n_lines < SHORT for one in files)),
        "modules with exactly one importer": str(n_importers.count(1)),
        "lines of a module, median and p90": _spread([one.n_lines for one in files]),
        "lines of a function, median and p90": _spread([one.n_lines for one in checkout.functions]),
        "functions above 60 lines": str(sum(one.n_lines > 60 for one in checkout.functions)),
        "module-level names that change": _listed(checkout.state),
        "functions with @cache or @lru_cache": _listed(checkout.cached),
        "imports that point up": _listed(imports_up(checkout)) if has_layers(checkout) else "no layers",
        "bytes of README.md": f"{(checkout.root / 'README.md').stat().st_size:,}",
    }


def seconds_of_tests(root: Path) -> dict[str, str]:
    """Run `make test` and `make test-slow`, where a checkout has them; wall-clock seconds and how they ended."""
    targets = re.findall(r"^(test|test-slow):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    found = {"seconds of make test": "no such target", "seconds of make test-slow": "no such target"}
    for target in targets:
        started = time.monotonic()
        done = subprocess.run(["make", target], cwd=root, stdout=subprocess.DEVNULL, check=False)
        ended = "" if done.returncode == 0 else f" (exit code {done.returncode})"
        found[f"seconds of make {target}"] = f"{time.monotonic() - started:.0f}{ended}"
    return found


def table(checkouts: dict[str, Checkout], *, timed: bool = False) -> str:
    """The figures of some checkouts in Markdown, one column each."""
    columns = [figures(one) | (seconds_of_tests(one.root) if timed else {}) for one in checkouts.values()]
    rows = [["figure", *checkouts], ["---"] * (1 + len(columns))]
    rows += [[name, *(column[name] for column in columns)] for name in columns[0]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _largest(entries: dict[str, int]) -> str:
    most = max(entries.values(), default=0)
    return f"{most} ({', '.join(f'{name}/' for name, n in entries.items() if n == most)})"


def _spread(lengths: Sequence[int]) -> str:
    return f"{median(lengths):g} and {sorted(lengths)[ceil(0.9 * len(lengths)) - 1]}"


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(f'`{name}`' for name in names)}" if names else "0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--vs", type=Path, help="the checkout from before")
    parser.add_argument("--time", action="store_true", help="run the tests too")
    given = parser.parse_args()
    shown = {"before": Checkout(given.vs)} if given.vs else {}
    shown |= {"after" if given.vs else "now": Checkout(given.checkout)}
    sys.stdout.write(table(shown, timed=given.time) + "\n")


if __name__ == "__main__":
    main()
