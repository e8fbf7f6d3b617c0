"""The JSON Schema of an experiment says what the program itself accepts and refuses."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

from flows.session.experiment import EXPERIMENTS, Experiment
from flows.session.experiment_schema import experiment_schema, schema_text

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = experiment_schema()


def mistakes(text):
    content = json.loads(json.dumps(tomllib.loads(text), default=str))
    return list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(content))


def test_the_published_schema_is_the_one_of_the_program():
    published = (ROOT / "docs" / "experiment.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run `make readme`"


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_bundled_experiment_follows_it(file):
    assert mistakes(file.read_text(encoding="utf-8")) == []


def test_every_example_of_the_documents_follows_it():
    pages = sorted((ROOT / "docs").glob("*.md"))
    blocks = [one for page in pages for one in re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)]
    assert len(blocks) > 5
    assert [block for block in blocks if mistakes(block)] == []


@pytest.mark.parametrize(
    "text",
    [
        "max_cosst = 1",
        "readers = 5",
        "[corpus]\nsource = 'table'",
        "[retrieval]\nsizes = []",
        "[retrieval]\nsizes = ['big']",
        "[retrieval]\nembedders = ['']",
        "[scoring]\nmargin = 1",
        "[[readers]]\ntop_p = 0",
        "[readers]",
        "[[readers]]\n[readers.remote]\nprovider = 'grok'",
        "name = 'my own'",
    ],
)
def test_what_the_program_refuses_an_editor_marks(text):
    assert mistakes(text)
    with pytest.raises(ValueError, match="validation error"):
        Experiment.model_validate(tomllib.loads(text))


def test_every_key_is_described_and_no_default_is_one_that_toml_cannot_hold():
    sections = [SCHEMA, *SCHEMA["$defs"].values()]
    every = [(name, value) for section in sections for name, value in section.get("properties", {}).items()]
    assert len(every) > 90
    assert [name for name, value in every if not value.get("description")] == []
    assert "null" not in schema_text()


def test_defaults_are_those_that_apply():
    reader = SCHEMA["$defs"]["ReaderConfig"]["properties"]
    assert (reader["temperature"]["default"], reader["mode"]["default"]) == (1.0, "label")
    assert "qwen2.5-coder-1.5b" in reader["model"]["examples"]
    assert SCHEMA["$defs"]["RetrievalConfig"]["properties"]["sizes"]["default"] == [32, 64, 128, 256]
