"""Experiments built in code: checked as a file is, with paths that mean what they meant, and back into a file."""

import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet
from flows.session.experiment import EXPERIMENTS, Experiment, load_experiment
from tercet.toml_text import toml_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
TABLES = st.recursive(
    st.dictionaries(TEXTS, st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=3),
    lambda inner: st.dictionaries(TEXTS, st.one_of(VALUES, inner, st.lists(inner, min_size=1, max_size=2)), max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(TABLES)
def test_toml_reads_back_what_was_written(content):
    assert tomllib.loads(toml_text(content)) == content


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_bundled_experiments_load_back_equal(file, tmp_path):
    experiment = tercet.Experiment.from_toml(file)
    (tmp_path / "again.toml").write_text(experiment.to_toml(), encoding="utf-8")
    again = tercet.Experiment.from_toml(tmp_path / "again.toml")
    assert again == experiment == load_experiment(file)
    assert again.model_dump() == load_experiment(file).model_dump()  # what a run's folder is named after
    assert again != experiment.replace(name="other")


def test_what_was_built_in_code_loads_back_equal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built = tercet.Experiment(
        name="mine",
        corpus={"source": "tables", "path": "corpus", "labels": ["oui", 'n"on'], "question_columns": {"id": "number"}},
        retrieval={"sizes": np.array([16, 32]), "embedders": ["all-minilm-l6-v2"], "budgets": [64]},
        readers=[{"model": "smollm2-135m", "questions": 4}, {"name": "far", "remote": {"provider": "groq"}}],
        max_cost=None,
    )
    (tmp_path / "mine.toml").write_text(built.to_toml(), encoding="utf-8")
    again = tercet.Experiment.from_toml("mine.toml")
    assert again == built
    assert again.folder == built.folder == tmp_path
    assert built.retrieval.sizes == (16, 32)
    assert eval(repr(built), {"Experiment": tercet.Experiment}) == built


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"retreival": {}}, "tercet.Experiment: unknown key 'retreival'"),
        ({"retrieval": {"size": [64]}}, "tercet.Experiment: unknown key 'retrieval.size'"),
        ({"retrieval": {"sizes": ["64"]}}, "tercet.Experiment: retrieval.sizes.0 is '64': expected a number"),
        ({"max_cost": float("nan")}, "tercet.Experiment: max_cost"),
        ({"retrieval": {"sizes": [512], "budgets": [64]}}, "budget"),
        ({"readers": [{"temperature": 0}]}, "votes that can differ"),
    ],
)
def test_mistakes_are_one_line(sections, line):
    for make in (tercet.Experiment, tercet.Experiment().replace):
        with pytest.raises(tercet.InputError) as refused:
            make(**sections)
        assert line in str(refused.value)
        assert "\n" not in str(refused.value)


def test_paths_start_where_the_experiment_was_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built = tercet.Experiment(corpus={"source": "tables", "path": "corpus"})
    monkeypatch.chdir("/")
    assert built.folder == built.replace(name="other").folder == tmp_path
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "my.toml").write_text(built.to_toml(), encoding="utf-8")
    assert tercet.Experiment.from_toml(str(tmp_path / "deep" / "my.toml")).folder == tmp_path / "deep"


def test_replace_keeps_the_other_keys_of_a_section():
    demo = tercet.Experiment.from_toml("demo")
    other = demo.replace(retrieval={"sizes": range(16, 49, 16)}, readers=[])
    assert other.retrieval.sizes == (16, 32, 48)
    assert other.retrieval.k == demo.retrieval.k == (1,)
    assert other.readers == ()
    assert other.corpus == demo.corpus
    assert demo.retrieval.sizes == (16, 32, 64, 128)
    assert len(demo.readers) == 2


def test_it_is_the_experiment_of_the_flows():
    built = tercet.Experiment()
    assert isinstance(built, Experiment)
    assert built == Experiment()
    assert built.with_settings(max_cost=1.0).max_cost == 1.0
    assert tercet.Experiment.from_settings(Experiment(name="x"), built.folder).name == "x"


def test_no_setting_has_a_value_that_toml_lacks():
    """`to_toml` leaves out None, which is right only where None is the default."""

    def optional(model, path=""):
        for name, field in model.model_fields.items():
            inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
            if type(None) in inner:
                yield f"{path}{name}", field.default
            for one in inner:
                if hasattr(one, "model_fields"):
                    yield from optional(one, f"{path}{name}.")

    found = dict(optional(Experiment))
    assert {"max_cost", "corpus.path", "readers.threads", "readers.remote.base_url"} <= set(found)
    assert {name: default for name, default in found.items() if default is not None} == {}
