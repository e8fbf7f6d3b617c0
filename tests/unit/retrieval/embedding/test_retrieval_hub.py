import json

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from corpora.errors import InputError
from retrieval.embedding.hub import hub_folder, is_hub_id


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub and its local cache in one folder each; remembers what was asked."""

    class Hub:
        def __init__(self):
            self.cached, self.remote, self.asked = tmp_path / "cached", tmp_path / "remote", []

        def snapshot(self, repository, **options):
            self.asked.append({"repository": repository, **options})
            folder = self.cached if options["local_files_only"] else self.remote
            if not folder.is_dir():
                raise LocalEntryNotFoundError("nothing there")
            return str(folder)

    made = Hub()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.snapshot)
    return made


def fill(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text(json.dumps({}), encoding="utf-8")


@pytest.mark.parametrize("name", ["org/name", "org/name-v1.5", "org/name@main", "org/name@refs/pr/3"])
def test_a_hub_id_is_an_organisation_and_a_name(name):
    assert is_hub_id(name)


@pytest.mark.parametrize("name", ["all-minilm-l6-v2", "/models/mine", "./models", "../a", "~/a", "a/b/c", "a/", "a/b@"])
def test_paths_and_registry_names_are_no_hub_ids(name):
    assert not is_hub_id(name)


def test_what_the_cache_has_is_not_asked_of_the_hub(hub):
    fill(hub.cached, "tokenizer.json", "model.safetensors")
    assert hub_folder("org/name@abc", onnx=False) == hub.cached
    (asked,) = hub.asked
    assert asked["local_files_only"]
    assert (asked["repository"], asked["revision"]) == ("org/name", "abc")
    assert not any("onnx" in pattern or pattern.endswith((".bin", ".py")) for pattern in asked["allow_patterns"])


@pytest.mark.parametrize("cached", [(), ("tokenizer.json",)])
def test_what_the_cache_lacks_comes_from_the_hub(hub, cached):
    if cached:
        fill(hub.cached, *cached)
    fill(hub.remote, "tokenizer.json", "model.safetensors")
    assert hub_folder("org/name", onnx=True) == hub.remote
    assert [asked["local_files_only"] for asked in hub.asked] == [True, False]
    assert "onnx/model.onnx" in hub.asked[1]["allow_patterns"]


def test_a_hub_that_cannot_be_reached_is_an_input_error(hub):
    with pytest.raises(InputError, match=r"'org/name' is not in the hub cache.*give the path"):
        hub_folder("org/name", onnx=False)


def test_a_model_without_safetensors_is_refused(hub):
    fill(hub.remote, "tokenizer.json")
    with pytest.raises(InputError, match="no safetensors weights"):
        hub_folder("org/name", onnx=False)


def test_a_model_without_a_fast_tokenizer_is_told_how_to_get_one(hub):
    fill(hub.remote, "model.safetensors", "config.json", "vocab.txt")
    with pytest.raises(InputError, match=r"no tokenizer\.json: expected a fast tokenizer.*make it from the vocabulary"):
        hub_folder("org/name", onnx=False)
