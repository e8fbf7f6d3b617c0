"""The schema of a form as it is served: what a person sees and can choose, and what the browser checks."""

from pathlib import Path

import jsonschema
import pytest
from prefect.utilities.callables import parameter_schema

from flows.serving.forms.making import filled_in
from flows.serving.forms.models import FORMS
from flows.serving.forms.schema import form_schema
from flows.serving.prefect_flows import FLOWS
from flows.session.experiment import EXPERIMENTS, load_experiment, parse_experiment

DEMO = load_experiment(Path("demo"))
FAR = parse_experiment(
    {"readers": [{"model": "m", "name": "our server",
                  "remote": {"provider": "server", "base_url": "http://127.0.0.1:9/v1"}}]}, "far.toml"
)  # fmt: skip
LIMITS = {"all-minilm-l6-v2": 256}


def served(kind, experiment=DEMO, limits=LIMITS):
    return form_schema(parameter_schema(FLOWS[kind]).model_dump(), kind, experiment, limits)


def sections(schema):
    """The two sections of a form."""
    return [
        schema["definitions"][schema["properties"][name]["$ref"].rpartition("/")[2]]
        for name in ("settings", "advanced")
    ]


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_has_six_to_eight_fields_and_one_section_for_the_rest(kind):
    schema = served(kind)
    assert [one["title"] for one in schema["properties"].values()] == ["Settings", "Advanced"]
    assert schema["required"] == ["settings", "advanced"], "or the browser calls them optional"
    settings, advanced = sections(schema)
    assert 6 <= len(settings["properties"]) <= 8
    assert not set(settings["properties"]) & set(advanced["properties"])
    assert "default" not in str(schema), "a value of the demonstration"


def test_chunk_sizes_come_first_and_what_every_run_needs_is_not_called_optional():
    settings, advanced = sections(served("sweep"))
    assert next(iter(settings["properties"])) == "sizes"
    assert "until_told" in settings["properties"]
    optional = {name for one in (settings, advanced) for name in set(one["properties"]) - set(one["required"])}
    assert optional == {"budgets", "k", "readers", "controls", "path", "dask"}


@pytest.mark.parametrize("kind", FORMS)
def test_every_field_has_a_title_and_says_what_it_does(kind):
    for section in sections(served(kind)):
        for name, field in section["properties"].items():
            assert field["title"], name
            assert len(field["description"]) > 20, name


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_form_that_was_filled_in_is_valid(kind, file):
    experiment = load_experiment(file)
    jsonschema.validate(filled_in(kind, experiment, file, "/runs").parameters(), served(kind, experiment, {}))


def test_readers_are_chosen_from_the_registry_and_from_the_experiment_that_is_served():
    (settings, _) = sections(served("sweep", FAR))
    offered = settings["properties"]["readers"]["items"]["enum"]
    assert offered[0] == "our server"
    assert "smollm2-135m" in offered
    assert "all-minilm-l6-v2" not in offered


def problems(schema, **changed):
    """What the browser says of sizes and embedders."""
    form = filled_in("sweep", DEMO, EXPERIMENTS / "demo.toml", "/runs").parameters()
    form["settings"] |= changed
    return [one.message for one in jsonschema.Draft202012Validator(schema).iter_errors(form)]


def test_the_embedders_limit_is_in_the_schema_and_in_words():
    schema = served("sweep")
    assert problems(schema, sizes=[256]) == []
    assert problems(schema, sizes=[257]) == ["257 is greater than the maximum of 256"]
    assert "all-minilm-l6-v2 reads at most 256." in sections(schema)[0]["properties"]["sizes"]["description"]


def test_of_several_embedders_the_chosen_one_that_reads_least_sets_the_limit():
    named = [one.model_copy(update={"name": name}) for name in ("long", "short") for one in DEMO.retrieval.embedders]
    retrieval = DEMO.retrieval.model_copy(update={"embedders": tuple(named)})
    schema = served("sweep", DEMO.model_copy(update={"retrieval": retrieval}), {"long": 512, "short": 128})
    assert problems(schema, sizes=[500], embedders=["long"]) == []
    assert problems(schema, sizes=[500], embedders=["long", "short"]) == ["500 is greater than the maximum of 128"]
    assert problems(schema, sizes=[600], embedders=["long"]) == ["600 is greater than the maximum of 512"]
    assert problems(schema, sizes=[600], embedders=["all-minilm-l6-v2"]) == []


def test_a_reader_that_is_asked_fewer_questions_is_named():
    small, large = DEMO.readers
    readers = (small, large.model_copy(update={"questions": 6}))
    (settings, _) = sections(served("label", DEMO.model_copy(update={"readers": readers})))
    told = settings["properties"]["questions"]["description"]
    assert told.endswith("As the experiment says, qwen2.5-coder-1.5b is asked 6 at most.")
