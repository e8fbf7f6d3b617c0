"""A folder that `datasets.load_dataset` reads: Parquet files, and the card that says which reader and split each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from corpora.storage import write_frame
from results.gold.export.items import Items

SPLITS = {"gold": True, "excluded": False}
_TYPES = {pl.String(): "string", pl.Float64(): "float64", pl.Boolean(): "bool", pl.Int64(): "int64"}


def write_hub(items: Sequence[Items], names: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Write the Parquet files of every reader, a folder each.

    Args:
        items: of every reader.
        names: a name for files and configurations, by reader.
        folder: where to write.

    Returns:
        The metadata that the card begins with: configurations, and the features of each.
    """
    configs, features = [], []
    for number, one in enumerate(items):
        name = names[one.reader]
        (folder / name).mkdir()
        splits = {split: one.only(kept=kept) for split, kept in SPLITS.items()}
        # The library fails on a split without rows.
        files = [_write_split(rows, folder, name, split) for split, rows in splits.items() if len(rows.rows)]
        configs.append({"config_name": name, "data_files": files, **({"default": True} if number == 0 else {})})
        features.append({"config_name": name, "features": describe_features(one)})
    return {"configs": configs, "dataset_info": features}


def _write_split(items: Items, folder: Path, name: str, split: str) -> dict[str, str]:
    """Write the Parquet files of a split; returns how the card names it and them."""
    for number, part in enumerate(items.parts()):
        write_frame(folder / name / f"{split}-{number:05d}.parquet", part)
    return {"split": split, "path": f"{name}/{split}-*.parquet"}


def describe_features(items: Items) -> list[dict[str, Any]]:
    """The columns in the words of a dataset card; `label` is of classes, as training wants it."""
    schema = next(items._replace(rows=items.rows[:0]).parts()).schema
    classes = {"class_label": {"names": {str(at): label for at, label in enumerate(items.labels)}}}
    described = []
    for name, kind in schema.items():
        one = {"name": name, **_feature(kind)}
        described.append({"name": name, "dtype": classes} if name == "label" else one)
    return described


def _feature(kind: pl.DataType) -> dict[str, Any]:
    if isinstance(kind, pl.Struct):
        return {"struct": [{"name": field.name, **_feature(_made(field.dtype))} for field in kind.fields]}
    if isinstance(kind, pl.List):
        inner = _feature(_made(kind.inner))
        return {"list": inner["dtype"] if set(inner) == {"dtype"} else inner["struct"]}
    return {"dtype": _TYPES[kind]}


def _made(kind: Any) -> pl.DataType:
    """An instance of a type that may be given as its class."""
    made: pl.DataType = kind() if isinstance(kind, type) else kind
    return made
