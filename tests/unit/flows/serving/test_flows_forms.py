"""A form makes the experiment that it shows, on top of the one that is served."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from corpora.errors import InputError
from corpora.load import CorpusConfig
from flows.runners.names import SERVED
from flows.serving.forms import FORMS, CompareForm, LabelForm, SweepForm, filled_in
from flows.session.experiment import EXPERIMENTS, check_experiment, load_experiment

DEMO = load_experiment(Path("demo"))


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_an_untouched_form_makes_the_experiment_that_filled_it_in(kind, file):
    experiment = load_experiment(file)
    form = filled_in(kind, experiment, file.parent)
    corpus = experiment.corpus.resolved(file.parent)
    given = experiment.model_copy(update={"max_cost": experiment.max_cost or 0.0, "corpus": corpus})
    made = form.experiment(given)
    if len(experiment.readers) < {"label": 1, "sweep": 0, "compare": 2}[kind]:
        assert form.readers[: len(experiment.readers)] == [one.label for one in experiment.readers]
        given = given.model_copy(update={"readers": made.readers})
    if corpus.path:
        corpus = corpus.model_copy(update={"path": corpus.path.resolve()})
    assert made == given.model_copy(update={"corpus": corpus})


def test_an_experiment_that_a_form_cannot_show_is_one_line():
    wide = DEMO.model_copy(update={"retrieval": DEMO.retrieval.model_copy(update={"sizes": (40_000,)})})
    with pytest.raises(InputError, match=r"sizes\.0 40000"):
        filled_in("sweep", wide, Path())


def test_what_a_flow_is_about_comes_before_how_it_is_run():
    names = list(SweepForm.model_json_schema()["properties"])
    assert names.index("sizes") < names.index("rule") < names.index("dask")


def test_the_defaults_of_the_forms_run_as_they_are():
    for form in (LabelForm(), SweepForm(), CompareForm()):
        check_experiment(form.experiment(DEMO))


def test_what_the_sweep_form_shows_is_what_runs():
    form = SweepForm(
        name="mine", questions=5, readers=["smollm2-135m"], rule="majority", sizes=[32, 48, 32], overlaps=[4], k=[2],
        budgets=[], splitters=["sentences"], retrievers=["bm25", "hybrid"], controls=[], margin=0.1, threads=2,
        max_cost=3,
    )  # fmt: skip
    made = check_experiment(form.experiment(DEMO))
    assert made.name == "mine"
    assert made.corpus.sample == 5
    assert [(one.model, one.threads, one.num_ctx) for one in made.readers] == [("smollm2-135m", 2, 4096)]
    assert made.consensus.rule == "majority"
    retrieval = made.retrieval
    assert (retrieval.sizes, retrieval.overlaps, retrieval.k, retrieval.budgets) == ((32, 48), (4,), (2,), ())
    assert (retrieval.splitters, retrieval.retrievers, retrieval.controls) == (("sentences",), ("bm25", "hybrid"), ())
    assert (made.scoring.margin, made.max_cost) == (0.1, 3)


def test_a_reader_of_the_experiment_keeps_its_settings():
    (small, large) = LabelForm(readers=["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]).experiment(DEMO).readers
    assert (small, large) == DEMO.readers
    assert large.questions == 6


def test_another_corpus_leaves_the_columns_of_the_one_that_is_served():
    made = LabelForm(source="pubmedqa", path="/data/pubmedqa").experiment(DEMO)
    assert (made.corpus.source, made.corpus.path, made.corpus.sample) == ("pubmedqa", Path("/data/pubmedqa"), None)
    assert made.corpus.split == "auto"


TABLES = CorpusConfig(source="tables", name="mine", documents=Path("/a/docs.csv"), questions=Path("/a/asked.csv"))


def test_another_path_replaces_the_files_that_the_experiment_names_one_by_one():
    served = DEMO.model_copy(update={"corpus": TABLES})
    untouched = filled_in("label", served, Path("/a"))
    assert untouched.experiment(served).corpus == TABLES
    elsewhere = untouched.model_copy(update={"path": "~/other"}).experiment(served).corpus
    assert elsewhere == TABLES.model_copy(
        update={"name": None, "documents": None, "questions": None, "path": Path.home() / "other"}
    )


def test_an_experiment_that_is_being_edited_stops_no_run_of_another(tmp_path):
    (tmp_path / "half.toml").write_text('name = "ha', encoding="utf-8")
    served = os.pathsep.join([str(EXPERIMENTS / "demo.toml"), str(tmp_path / "half.toml")])
    code = "from flows.serving.forms import LabelForm; print(LabelForm().readers)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {SERVED: served}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "['qwen2.5-coder-0.5b']\n"), done.stderr


def test_an_unknown_reader_is_one_line_with_the_nearest_name():
    with pytest.raises(InputError, match=r"smollm2-135"):
        LabelForm(readers=["smollm2-135"]).experiment(DEMO)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"sizes": [32], "overlaps": [32]}, "overlap 32 with chunk size 32"),
        ({"k": [], "budgets": []}, "without k and without budgets"),
        ({"sizes": [256], "budgets": [128]}, "budget"),
        ({"rule": "min_probability", "readers": ["far"]}, "far"),
    ],
    ids=["overlap", "no cut", "budget", "reader"],
)
def test_mistakes_across_fields_are_one_line_before_any_work(changed, told):
    with pytest.raises(InputError, match=told):
        check_experiment(SweepForm(**changed).experiment(DEMO))


@pytest.mark.parametrize(
    "changed",
    [{"sizes": []}, {"sizes": [0]}, {"sizes": ["many"]}, {"k": [0]}, {"margin": 1}, {"max_cost": -1},
     {"questions": -1}, {"name": "../up"}, {"dask": "10.0.0.1"}, {"readers": None}, {"unknown": 1}],
    ids=str,
)  # fmt: skip
def test_every_bound_of_one_field_is_in_the_schema_that_the_browser_checks(changed):
    with pytest.raises(ValidationError):
        SweepForm(**changed)
    schema = SweepForm.model_json_schema()
    (field,) = changed
    if field == "unknown":
        assert schema["additionalProperties"] is False
        return
    bounds = {"minItems", "minimum", "maximum", "exclusiveMaximum", "pattern", "type"}
    told = schema["properties"][field]
    assert bounds & {*told, *told.get("items", {})}


def test_every_field_has_a_title_and_says_what_it_does():
    for form in FORMS.values():
        for name, field in form.model_json_schema()["properties"].items():
            assert field["title"], name
            assert len(field["description"]) > 20, name


def test_readers_are_chosen_from_the_registry_and_from_the_experiments_that_are_served(tmp_path):
    (tmp_path / "far.toml").write_text(
        '[[readers]]\nmodel = "m"\nname = "our server"\n[readers.remote]\nprovider = "server"\n'
        'base_url = "http://127.0.0.1:9/v1"\n',
        encoding="utf-8",
    )
    code = (
        "from flows.serving.forms import SweepForm as F; print(F.model_json_schema()['properties']['readers']['items'])"
    )
    environment = os.environ | {"TERCET_EXPERIMENTS": str(tmp_path / "far.toml")}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "'our server'" in told.stdout
    assert "'smollm2-135m'" in told.stdout
    assert "all-minilm" not in told.stdout
