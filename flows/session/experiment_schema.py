"""The JSON Schema of an experiment, with which an editor completes its keys and marks what is wrong."""

from __future__ import annotations

import json
from typing import Any

from flows.session.experiment import Experiment
from labeling.models.registry import registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "An experiment of Tercet"
FILE = "tercet.schema.json"  # beside an experiment, which names it in its first line


def experiment_schema() -> dict[str, Any]:
    """What a TOML file of an experiment may hold: keys with their descriptions, and the defaults that apply."""
    made = Experiment.model_json_schema()
    sections = {name: _plain(section) for name, section in made["$defs"].items()}
    for name, kind in (("ReaderConfig", "reader"), ("EmbedderConfig", "embedder")):
        known = [model.name for model in registry().values() if model.kind == kind]
        sections[name]["properties"]["model"]["examples"] = known
    properties = {name: _plain(value) for name, value in made["properties"].items()}
    _shorten(properties["readers"], sections["ReaderConfig"])
    embedders = sections["RetrievalConfig"]["properties"]["embedders"]
    _shorten(embedders, sections["EmbedderConfig"])
    # A bare name is a model with the default settings.
    embedders["items"] = {"anyOf": [{"type": "string", "minLength": 1}, embedders["items"]]}
    return {
        "$schema": DIALECT,
        "title": TITLE,
        "description": _first_line(made["description"]),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": sections,
    }


def schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(experiment_schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """A part of pydantic's schema without what TOML does not have: null, and titles that only repeat a key."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {
        key: _plain(one)
        for key, one in value.items()
        if not (key == "title" and isinstance(one, str))
        and not (key == "default" and one is None)
        and not (key == "format" and one == "path")
    }
    if isinstance(plain.get("description"), str):
        plain["description"] = _first_line(plain["description"])
    choices = plain.get("anyOf")
    if isinstance(choices, list):
        kept = [one for one in choices if one != {"type": "null"}]
        plain = {key: one for key, one in plain.items() if key != "anyOf"}
        plain |= kept[0] if len(kept) == 1 else {"anyOf": kept}
    return plain


def _shorten(field: dict[str, Any], section: dict[str, Any]) -> None:
    """Leave out of a default list of sections what is the default of each key anyway."""
    properties = section["properties"]
    field["default"] = [
        {key: value for key, value in one.items() if key == "model" and value == properties[key].get("default")}
        for one in field["default"]
    ]


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
