"""A form makes the experiment that it shows, on top of the one that is served; its mistakes are told all at once."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from flows.serving.forms import mistakes
from flows.serving.forms.making import experiment_of, filled_in
from flows.serving.forms.mistakes import FormError, checked_experiment
from flows.serving.forms.models import (
    FORMS,
    Advanced,
    CompareSettings,
    Form,
    LabelSettings,
    SweepAdvanced,
    SweepSettings,
    advanced_of,
)
from flows.session.experiment import EXPERIMENTS, ReaderConfig, check_experiment, load_experiment
from flows.session.workspace import Workspace

BUNDLED = load_experiment(Path("demo"))
# The demonstration with a number of questions for all, and a smaller one for the second reader.
DEMO = BUNDLED.model_copy(
    update={
        "corpus": BUNDLED.corpus.model_copy(update={"sample": 24}),
        "readers": tuple(
            one.model_copy(update={"questions": n}) for one, n in zip(BUNDLED.readers, (None, 6), strict=True)
        ),
    }
)
FILE = EXPERIMENTS / "demo.toml"
WORKSPACE = Workspace(Path("/nowhere"))


@pytest.fixture(autouse=True)
def embedders(monkeypatch):
    """Every embedder reads 256 tokens; no model is opened."""
    monkeypatch.setattr(mistakes, "chunk_limits", lambda embedders, _: {one.label: 256 for one in embedders})


def label_form(**changed) -> Form:
    """A form of label with values changed, whichever section they are in."""
    return filled(LabelSettings, Advanced, changed)


def sweep_form(**changed) -> Form:
    return filled(SweepSettings, SweepAdvanced, changed)


def filled(settings, advanced, changed) -> Form:
    parts = [
        model(**{name: value for name, value in changed.items() if name in model.model_fields})
        for model in (settings, advanced)
    ]
    assert set(changed) <= {*settings.model_fields, *advanced.model_fields}
    return Form(*parts)


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_an_untouched_form_makes_the_experiment_that_filled_it_in(kind, file):
    experiment = load_experiment(file)
    form = filled_in(kind, experiment, file, "/runs")
    corpus = experiment.corpus.resolved(file.parent)
    given = experiment.model_copy(update={"max_cost": experiment.max_cost or 0.0, "corpus": corpus})
    made = experiment_of(form, given)
    if len(experiment.readers) < {"label": 1, "sweep": 0, "compare": 2}[kind]:
        assert form.settings.readers[: len(experiment.readers)] == [one.label for one in experiment.readers]
        given = given.model_copy(update={"readers": made.readers})
    if corpus.path:
        corpus = corpus.model_copy(update={"path": corpus.path.resolve()})
    assert made == given.model_copy(update={"corpus": corpus})
    assert (
        Form(FORMS[kind](**form.parameters()["settings"]), advanced_of(kind)(**form.parameters()["advanced"])) == form
    )


def test_an_experiment_that_a_form_cannot_show_is_one_line():
    wide = DEMO.model_copy(update={"retrieval": DEMO.retrieval.model_copy(update={"sizes": (40_000,)})})
    with pytest.raises(InputError, match=r"sizes\.0 40000"):
        filled_in("sweep", wide, FILE, "/runs")


def test_the_defaults_of_the_forms_run_as_they_are():
    for form in (label_form(), sweep_form(), filled(CompareSettings, Advanced, {})):
        made = check_experiment(experiment_of(form, BUNDLED))
        assert made.readers == BUNDLED.readers[: len(made.readers)]
        assert (made.scoring, made.reading) == (BUNDLED.scoring, BUNDLED.reading)


def test_what_the_sweep_form_shows_is_what_runs():
    form = sweep_form(
        name="mine", questions=5, readers=["smollm2-135m"], rule="majority", sizes=[32, 48, 32], overlaps=[4], k=[2],
        budgets=[], splitters=["sentences"], retrievers=["bm25", "hybrid"], controls=[], margin=0.1, threads=2,
        max_cost=3, until_told=True,
    )  # fmt: skip
    made = checked_experiment(form, DEMO, WORKSPACE)
    assert made.name == "mine"
    assert made.corpus.sample == 5
    assert [(one.model, one.threads, one.num_ctx) for one in made.readers] == [("smollm2-135m", 2, 4096)]
    assert made.consensus.rule == "majority"
    retrieval = made.retrieval
    assert (retrieval.sizes, retrieval.overlaps, retrieval.k, retrieval.budgets) == ((32, 48), (4,), (2,), ())
    assert (retrieval.splitters, retrieval.retrievers, retrieval.controls) == (("sentences",), ("bm25", "hybrid"), ())
    assert (made.scoring.margin, made.max_cost, made.reading.stop) == (0.1, 3, "told")


def test_a_list_that_was_emptied_in_the_browser_is_empty_and_has_no_default():
    sent = sweep_form(budgets=[64]).parameters()
    for section, name in (("settings", "k"), ("settings", "readers"), ("advanced", "controls")):
        assert sent[section].pop(name)  # the browser leaves such a list out
    settings, advanced = SweepSettings(**sent["settings"]), SweepAdvanced(**sent["advanced"])
    assert (settings.k, settings.readers, settings.budgets, advanced.controls) == ([], [], [64], [])


def test_a_reader_of_the_experiment_keeps_its_settings():
    (small, large) = experiment_of(label_form(readers=["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]), DEMO).readers
    assert (small, large) == DEMO.readers
    assert large.questions == 6


@pytest.mark.parametrize(
    ("sample", "own", "shown", "given", "asked"),
    [
        (24, (None, 6), 24, 24, (24, None, 6)),
        (24, (None, 6), 24, 4, (4, None, 6)),
        (None, (8, 8), 8, 8, (None, 8, 8)),
        (None, (8, 8), 8, 20, (None, 20, 20)),
        (None, (8, 6), 8, 20, (None, 20, 6)),
        (None, (8, 6), 8, 5, (None, 5, 5)),
        (None, (8, 8), 8, 0, (None, None, None)),
        (10, (8, 8), 8, 20, (20, 20, 20)),
        (4, (8, 8), 4, 4, (4, 8, 8)),
        (4, (8, 8), 4, 0, (None, None, None)),
        (4, (8, 8), 4, 100, (100, None, None)),
        (4, (8, 3), 4, 100, (100, None, 3)),
        (4, (None, 8), 4, 100, (100, None, None)),
        (None, (None, 6), 0, 100, (100, None, 6)),
        (None, (None, None), 0, 3, (3, None, None)),
    ],
)
def test_the_number_of_questions_is_the_one_that_applies(sample, own, shown, given, asked):
    readers = tuple(one.model_copy(update={"questions": n}) for one, n in zip(DEMO.readers, own, strict=True))
    corpus = DEMO.corpus.model_copy(update={"sample": sample})
    base = DEMO.model_copy(update={"readers": readers, "corpus": corpus})
    form = filled_in("label", base, FILE, "/runs")
    assert form.settings.questions == shown
    made = experiment_of(form._replace(settings=form.settings.model_copy(update={"questions": given})), base)
    assert (made.corpus.sample, *(one.questions for one in made.readers)) == asked


def test_a_reader_that_is_added_is_asked_as_many_questions_as_the_form_says():
    base = DEMO.model_copy(update={"readers": (ReaderConfig(model="qwen2.5-coder-0.5b", questions=8),),
                                   "corpus": DEMO.corpus.model_copy(update={"sample": None})})  # fmt: skip
    made = experiment_of(label_form(readers=["qwen2.5-coder-0.5b", "smollm2-135m"], questions=8), base)
    assert [one.questions for one in made.readers] == [8, 8]


def test_another_corpus_leaves_the_columns_of_the_one_that_is_served():
    made = experiment_of(label_form(source="pubmedqa", path="/data/pubmedqa", questions=0), DEMO)
    assert (made.corpus.source, made.corpus.path, made.corpus.sample) == ("pubmedqa", Path("/data/pubmedqa"), None)
    assert made.corpus.split == "auto"


def test_a_folder_of_documents_is_a_corpus_too():
    made = experiment_of(label_form(source="folder", path="/data/docs", questions=0), DEMO)
    assert (made.corpus.source, made.corpus.path, made.corpus.questions) == ("folder", Path("/data/docs"), None)


TABLES = CorpusConfig(source="tables", name="mine", documents=Path("/a/docs.csv"), questions=Path("/a/asked.csv"))


def test_another_path_replaces_the_files_that_the_experiment_names_one_by_one():
    served = DEMO.model_copy(update={"corpus": TABLES})
    untouched = filled_in("label", served, Path("/a/my.toml"), "/runs")
    assert experiment_of(untouched, served).corpus == TABLES
    moved = untouched._replace(advanced=untouched.advanced.model_copy(update={"path": "~/other"}))
    assert experiment_of(moved, served).corpus == TABLES.model_copy(
        update={"name": None, "documents": None, "questions": None, "path": Path.home() / "other"}
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"sizes": [32], "overlaps": [32]}, ["Overlaps: overlap 32 with chunk size 32"]),
        ({"k": [], "budgets": []}, ["Token budgets: no token budget"]),
        ({"sizes": [64, 200], "budgets": [128]}, ["Token budgets: token budget 128 with chunks of up to 200"]),
        ({"readers": ["smollm2-135"]}, ["Readers: model 'smollm2-135' is not in the registry", "'smollm2-135m'"]),
        ({"embedders": ["smollm2-135m"]}, ["Embedders: 'smollm2-135m', which is a model of the kind reader"]),
        ({"sizes": [300], "budgets": [300]}, ["Chunk sizes: chunk size 300", "at most 256"]),
        ({"source": "pubmedqa", "path": ""}, []),
        (
            {"readers": ["far"], "overlaps": [16, 99], "budgets": [8], "embedders": ["near"]},
            ["5 mistakes.", "Readers: model 'far'", "Overlaps: overlap 16", "Overlaps: overlap 99",
             "Token budgets: token budget 8", "Embedders: model 'near'"],
        ),
    ],
    ids=["overlap", "no cut", "budget", "reader", "embedder", "size", "a corpus that may be there", "all at once"],
)  # fmt: skip
def test_mistakes_across_fields_are_told_at_once_by_the_titles_of_their_fields(changed, told):
    form = sweep_form(**changed)
    if not told:
        assert checked_experiment(form, DEMO, WORKSPACE).corpus.source == "pubmedqa"
        return
    with pytest.raises(FormError) as refused:
        checked_experiment(form, DEMO, WORKSPACE)
    assert [part for part in told if part not in str(refused.value)] == []
    assert "\n" not in str(refused.value)
    n = int(told[0].split()[0]) if told[0].endswith("mistakes.") else 1
    assert len(refused.value.mistakes) == n


def test_sizes_have_no_limit_where_nothing_is_embedded():
    changed = {"sizes": [300], "budgets": [300], "retrievers": ["bm25"], "controls": []}
    assert checked_experiment(sweep_form(**changed), DEMO, WORKSPACE).retrieval.sizes == (300,)


def test_a_rule_that_a_reader_cannot_follow_is_a_mistake_of_the_rule():
    generating = tuple(one.model_copy(update={"mode": "generate"}) for one in DEMO.readers)
    form = label_form(readers=[one.label for one in generating], rule="confident")
    with pytest.raises(FormError, match="Gold set: rule 'confident' with reader 'qwen2"):
        checked_experiment(form, DEMO.model_copy(update={"readers": generating}), WORKSPACE)


@pytest.mark.parametrize(
    "changed",
    [{"sizes": []}, {"sizes": [0]}, {"sizes": ["many"]}, {"k": [0]}, {"margin": 1}, {"max_cost": -1},
     {"questions": -1}, {"name": "../up"}, {"dask": "10.0.0.1"}, {"readers": None}],
    ids=str,
)  # fmt: skip
def test_every_bound_of_one_field_is_in_the_schema_that_the_browser_checks(changed):
    with pytest.raises(ValidationError):
        sweep_form(**changed)
    (field,) = changed
    (section,) = (one for one in (SweepSettings, SweepAdvanced) if field in one.model_fields)
    bounds = {"minItems", "minimum", "maximum", "exclusiveMaximum", "pattern", "type"}
    told = section.model_json_schema()["properties"][field]
    assert bounds & {*told, *told.get("items", {})}


def test_an_unknown_field_is_refused():
    for section in (SweepSettings, SweepAdvanced):
        assert section.model_json_schema()["additionalProperties"] is False
        with pytest.raises(ValidationError):
            section(unknown=1)
