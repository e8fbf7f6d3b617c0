"""The layers inside the packages, and the imports that point up."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.house.checkout import PACKAGES, Checkout

# From the lowest to the highest; modules in one line do not import each other.
LAYERS: dict[str, list[str]] = {
    "corpora": ["errors", "storage | schema | reading", "validate", "sources", "shaping", "load"],
    "labeling": ["votes", "models", "prompting", "engine | remote"],
    "retrieval": ["tokens | context", "embedding | random_context", "chunking | ranking", "oracle | config"],
    "results": [
        "config | settings | store", "stats", "evidence", "readers", "comparing", "sweep", "advice", "report"
    ],
    "flows": [
        "session", "stages", "label", "sweep | compare", "planning", "run", "runners", "serving", "cli"
    ],
    "tercet": [
        "installed | __main__", "advice | first_screen | notebooks | toml_text", "runs | plans | experiments",
        "commands",
    ],
}  # fmt: skip

Order = list[list[str]]  # layers from the lowest to the highest, each the dotted names of its modules


def imports_up(checkout: Checkout) -> list[str]:
    """The imports between two layers of one package that point from the lower to the higher one."""
    return sorted({line for order in orders(checkout.root) for line in _up(checkout, order)})


def orders(root: Path) -> list[Order]:
    """The layers of a checkout: its contracts', or, where it has none inside its packages, those of the table."""
    inner = [order for order in _contracts(root) if not {name for layer in order for name in layer} & set(PACKAGES)]
    return inner or [_order(list(reversed(layers)), package) for package, layers in LAYERS.items()]


def has_layers(checkout: Checkout) -> bool:
    """Whether every package of a checkout has folders: a flat one has no layers to point up from."""
    rooms = {name.split(".")[0] for name in checkout.modules if name.count(".") > 1}
    return rooms >= set(PACKAGES) - {"tercet"}  # which is small


def _contracts(root: Path) -> Iterator[Order]:
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in config.get("tool", {}).get("importlinter", {}).get("contracts", []):
        if contract["type"] == "layers":
            for container in contract.get("containers", [""]):
                yield _order(contract["layers"], container)


def _order(layers: list[str], container: str) -> Order:
    """Layers as import-linter writes them: the highest first, siblings apart by `|` or `:`, optional ones in ()."""
    named = [[name.strip(" ()") for name in layer.replace(":", "|").split("|")] for layer in reversed(layers)]
    return [[f"{container}.{name}".lstrip(".") for name in layer] for layer in named]


def _up(checkout: Checkout, order: Order) -> Iterator[str]:
    height = {name: at for at, layer in enumerate(order) for name in layer}
    for name, imported in checkout.imports.items():
        for other in imported:
            low, high = _place(name, height), _place(other, height)
            if low and high and height[low] < height[high]:
                yield f"{name} -> {other}"


def _place(name: str, height: dict[str, int]) -> str | None:
    """The layer that a module lies in."""
    return next((layer for layer in height if name == layer or name.startswith(f"{layer}.")), None)
