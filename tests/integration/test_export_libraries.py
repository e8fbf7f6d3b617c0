"""The libraries of other programs read the exports, and what they write is read back: the real ones, without a network.

`make test-slow` installs them (the extra `export`).
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from flows.run.gold.exporting import Wanted, export_run, labels_from_file
from results.gold.review.storage import ReviewFolder, reviews_folder
from results.store.finished import read_manifest
from tests.conftest import ROOT
from tests.doubles.argilla_server import ArgillaServer
from tests.doubles.labeled_run import ASKED, LABELS, TEXTS, label_run
from tests.doubles.reviews import reviews_of

NOTE = 'He wrote "no";\nand 🦜.'
ANSWERS = {"q/1": ("no", NOTE), "q/3": ("not said", ""), "q/5": ("yes", "")}
SKIPPED = "q/2"


def needs(library):
    missing = find_spec(library) is None
    return pytest.mark.skipif(missing, reason=f"{library} is not installed: pip install 'tercet[export]'")


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two readers, one of which has a name that no file can have, with somebody's label on a question."""
    folder = label_run(tmp_path_factory.mktemp("labeled"), "sure", "org/sure too")
    digests = dict(pl.read_parquet(folder / "gold.parquet").select("question_id", "text_digest").iter_rows())
    said = reviews_of(("q/1", "eve", "no")).with_columns(text_digest=pl.lit(digests["q/1"]), note=pl.lit(NOTE))
    ReviewFolder(reviews_folder(folder.parent, read_manifest(folder)["corpus"]["name"])).append(said)
    return folder


@pytest.fixture
def export(run, tmp_path):
    def export(kind, *readers):
        export_run(run, tmp_path / kind, kind, Wanted(readers))
        return tmp_path / kind

    return export


def in_another_process(script, *arguments):
    """Run a script where the library is imported afresh, offline; returns what it prints as JSON."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, check=False,
        env=os.environ | offline,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def given(found):
    """Labels and notes by question."""
    rows = found.select("question_id", "label", "note").iter_rows()
    return {one: (label, note or "") for one, label, note in rows}


DATASETS = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
folder, without_gold, cache = sys.argv[1:]
told = {"configs": get_dataset_config_names(folder)}
for name in (None, *told["configs"]):
    loaded = load_dataset(folder, name, cache_dir=cache)
    told[name or "default"] = {split: list(loaded[split]) for split in loaded}
told["labels"] = loaded["gold"].features["label"].names
streamed = load_dataset(folder, split="gold", streaming=True)
told["streamed"] = [one["question_id"] for one in streamed]
loaded = load_dataset(without_gold, cache_dir=cache)
told["without_gold"] = {split: len(loaded[split]) for split in loaded}
print(json.dumps(told))
"""


@needs("datasets")
def test_datasets_loads_every_reader_split_text_and_distribution(export, tmp_path):
    rule = {"rule": "min_probability", "min_probability": 1.0}
    export_run(label_run(tmp_path / "none", "sure", consensus=rule), tmp_path / "without", "datasets", Wanted())
    told = in_another_process(DATASETS, export("datasets"), tmp_path / "without", tmp_path / "cache")
    assert told["without_gold"] == {"excluded": 5}  # the library cannot load a split without rows
    assert told["configs"] == ["sure", "org-sure-too"]
    assert told["default"] == told["sure"]
    assert told["labels"] == list(LABELS)
    gold, excluded = told["sure"]["gold"], told["sure"]["excluded"]
    assert told["streamed"] == [one["question_id"] for one in gold] == ["q/1", "q/2", "q/3"]
    assert [one["question_id"] for one in excluded] == ["q/4", "q/5"]
    for one in gold + excluded:
        text, of, reference, chances = next(known[1:] for known in ASKED if known[0] == one["question_id"])
        assert one["question"] == text
        assert one["documents"] == [{"document_id": name, "text": TEXTS[name]} for name in of]
        assert one["evidence"] == [{"document_id": of[0], "start": 3, "end": 7}]
        assert one["reference"] == reference
        assert list(one["probabilities"]) == list(LABELS)
        assert list(one["probabilities"].values()) == pytest.approx(chances)
        said = {"reviewer": "eve", "label": "no", "note": NOTE, "reviewed_at": None}
        assert one["reviews"] == ([said] if one["question_id"] == "q/1" else [])
    assert {one["label"] for one in gold} == {LABELS.index("yes")}
    assert {one["label"] for one in excluded} == {None}


LABEL_STUDIO = """
import json, sys
from pathlib import Path
from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
folder, answers, skipped = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
config = (folder / "label-studio.xml").read_text(encoding="utf-8")
interface = LabelInterface(config)
interface.validate()
tasks = json.loads((folder / "sure.tasks.json").read_text(encoding="utf-8"))
predicted = 0
for number, task in enumerate(tasks, 1):
    assert interface.validate_task({"data": task["data"]}), task
    for prediction in task["predictions"]:
        assert interface.validate_prediction(prediction), interface.validate_prediction(prediction, return_errors=True)
        predicted += 1
    task["id"], task["annotations"] = number, []
    asked = task["data"]["question_id"]
    if asked in answers or asked == skipped:
        label, note = answers.get(asked, ("yes", ""))
        regions = interface.create_regions({"human_label": label, **({"human_note": note} if note else {})})
        annotation = {
            "id": 100 + number, "completed_by": {"id": 1, "email": "ann@example.org"},
            "was_cancelled": asked == skipped,
            "created_at": f"2026-11-30T01:0{number}:00.123456Z", "updated_at": f"2026-11-30T02:0{number}:00.123456Z",
            "lead_time": 1.5, "result": json.loads(json.dumps([one._dict() for one in regions])),
        }
        assert interface.validate_annotation(annotation)
        task["annotations"] = [annotation]
(folder / "project.json").write_text(json.dumps(tasks), encoding="utf-8")
converter = Converter(config, str(folder), download_resources=False)
for kind in ("JSON", "JSON_MIN"):
    converter.convert(str(folder / "project.json"), str(folder / kind), kind, is_dir=False)
print(json.dumps({"predicted": predicted, "tasks": len(tasks)}))
"""


@needs("label_studio_sdk")
def test_label_studio_takes_the_tasks_and_both_its_exports_come_back(run, export):
    folder = export("label-studio", "sure")
    told = in_another_process(LABEL_STUDIO, folder, json.dumps(ANSWERS), SKIPPED)
    assert told["tasks"] == 5
    assert told["predicted"] >= 3
    whole = labels_from_file(run, folder / "JSON" / "result.json", "label-studio", Wanted())
    assert given(whole) == ANSWERS | {SKIPPED: (None, "")}
    assert set(whole["reviewer"]) == {"ann@example.org"}
    least = labels_from_file(run, folder / "JSON_MIN" / "result.json", "label-studio", Wanted())
    assert given(least) == ANSWERS  # Label Studio leaves skipped tasks out of it
    assert least.equals(whole.filter(pl.col("label").is_not_null()))


@needs("argilla")
def test_argilla_makes_the_dataset_and_its_answers_come_back(run, export, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    import argilla

    server = ArgillaServer()
    client = argilla.Argilla(api_url="http://argilla.test", api_key="any", mounts={"all://": server.transport})
    folder = export("argilla")
    dataset = argilla.Dataset.from_disk(str(folder / "org-sure-too"), workspace="argilla", client=client)
    assert dataset.settings.questions["label"].labels == list(LABELS)
    texts = {one["external_id"]: one["fields"] for one in server.records}
    assert texts["q/1"] == {"question": ASKED[0][1], "document": TEXTS["a"]}
    told = {one["external_id"]: one["metadata"] for one in server.records}
    assert (told["q/1"]["reviewer_labels"], told["q/1"]["reviewer_notes"]) == (["no"], [NOTE])
    suggested = {one["external_id"]: one["suggestions"] for one in server.records}
    assert suggested["q/1"][0]["value"] == "yes"
    for asked, (label, note) in ANSWERS.items():
        server.respond(asked, server.user, **({"label": label, "note": note} if note else {"label": label}))
    server.respond(SKIPPED, server.user, status="discarded", label="yes")
    (tmp_path / "answered").mkdir()
    dataset.to_disk(str(tmp_path / "answered"))
    found = labels_from_file(run, tmp_path / "answered", "argilla", Wanted())
    assert given(found) == ANSWERS | {SKIPPED: (None, "")}
    assert set(found["reviewer"]) == {server.user}
    assert server.refused == []


def test_the_libraries_are_no_part_of_what_writes_the_files():
    """Whoever exports needs none of them."""
    script = (
        "import json, sys; import flows.run.gold.exporting; from results.gold.export.write import write_export; "
        "print(json.dumps(sorted({'datasets', 'argilla', 'label_studio_sdk', 'pyarrow'} & set(sys.modules))))"
    )
    assert in_another_process(script) == []
    assert Path(ROOT / "pyproject.toml").read_text(encoding="utf-8").count('"argilla') == 1
