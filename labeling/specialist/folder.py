"""The specialists of a store: each in a folder that is named by its digest, with a manifest that was written last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from corpora.errors import InputError, did_you_mean
from corpora.storage import StorePath, sha256_file, sha256_text
from labeling.models.registry import SPECIALIST

MANIFEST = "manifest.json"
TRAINED_ON = "trained_on.parquet"  # the questions, one a row
MODEL = "model"  # the folder of what answers
SPECIALISTS = "specialists"  # the folder in a store
SHOWN = 12  # digits of a digest that people see
LEAST_DIGITS = 6  # of a digest by which a specialist may be named
RULE = "specialist/1"  # how passages are found and shown; raised when that changes

Kind = Literal["linear", "encoder"]


class Teaching(BaseModel):
    """What a specialist was trained on.

    Attributes:
        run: name of the run's folder.
        reader: name of the reader whose gold labels these are.
        labeler: its fingerprint.
        corpus: name of the corpus.
        n_questions: how many questions.
        n_documents: on how many documents.
        seed: of everything that was drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    reader: str
    labeler: str
    corpus: str
    n_questions: int
    n_documents: int
    seed: int


class Manifest(BaseModel):
    """What a specialist is, how it was made, and what is known of it.

    Attributes:
        name: the name that experiments may use.
        digest: of everything that changes its answers.
        kind: what answers.
        rule: how passages are found and shown.
        labels: the label set.
        embedder: section of the embedder that finds the passages.
        embedder_digest: of everything that changes its vectors.
        passage_size: most tokens of a passage.
        n_passages: how many passages of a context are seen.
        files: sha256 of the files in `model`, by name.
        teaching: what it was trained on.
        training: how it was trained, and for how long.
        findings: what the scoring found, a sentence each.
        tables: sha256 of the tables, by name.
        packages: versions of what can change a number.
        created: when, in ISO format.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    digest: str
    kind: Kind
    rule: str = RULE
    labels: tuple[str, ...]
    embedder: dict[str, Any]
    embedder_digest: str
    passage_size: int
    n_passages: int
    files: dict[str, str]
    teaching: Teaching
    training: dict[str, Any]
    findings: tuple[str, ...]
    tables: dict[str, str]
    packages: dict[str, str]
    created: str


class Specialist(NamedTuple):
    """A specialist of a store: its folder, and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def n_bytes(self) -> int:
        """Size of what answers."""
        return sum((self.folder / MODEL / name).stat().st_size for name in self.manifest.files)

    def verify(self) -> None:
        """Read the files of what answers, and the list of what it was trained on.

        Raises:
            InputError: one is missing or has changed.
        """
        files = {self.folder / MODEL / name: digest for name, digest in self.manifest.files.items()}
        files[self.folder / TRAINED_ON] = self.manifest.tables.get(TRAINED_ON, "")
        for file, digest in files.items():
            if not file.is_file() or sha256_file(file) != digest:
                state = "is not the file that was trained" if file.is_file() else "is missing"
                raise InputError(f"{file} {state}", f"a file with sha256 {digest}", "train the specialist again")


def files_of(folder: Path) -> dict[str, str]:
    """Sha256 of every file in a folder, by its path in it."""
    found = sorted(one for one in folder.rglob("*") if one.is_file())
    return {one.relative_to(folder).as_posix(): sha256_file(one) for one in found}


def digest_of(kind: Kind, labels: Sequence[str], sight: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Digest of everything that changes a specialist's answers.

    Args:
        kind: what answers.
        labels: the label set.
        sight: embedder_digest, passage_size and n_passages.
        files: as `files_of` the model's folder.
    """
    how = {name: sight[name] for name in ("embedder_digest", "passage_size", "n_passages")}
    identity = {"kind": kind, "rule": RULE, "labels": list(labels), "files": dict(files), **how}
    return sha256_text(json.dumps(identity, sort_keys=True))


def folder_of(store: Path, digest: str) -> Path:
    """The folder of the specialist with this digest."""
    return store / SPECIALISTS / digest[:16]


def read_specialist(folder: Path) -> Specialist:
    """A specialist by its folder.

    Raises:
        InputError: the manifest is damaged, or another version wrote it.
    """
    file = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        found = f"{file} is not the manifest of a specialist of this version ({str(error).splitlines()[0]})"
        raise InputError(found, "a manifest that `tercet specialise` wrote", "train the specialist again") from error
    one = manifest
    if one.digest != digest_of(one.kind, one.labels, one.model_dump(), one.files) or folder.name != one.digest[:16]:
        raise InputError(
            f"{file} is damaged (its content does not have the digest in it)",
            "the manifest as it was written",
            "train the specialist again",
        )
    return Specialist(folder, manifest)


def list_specialists(store: StorePath) -> list[Specialist]:
    """The specialists of a store, in order of their names; none where the store is on another machine.

    Raises:
        InputError: as `read_specialist`.
    """
    folder = store / SPECIALISTS
    if not isinstance(folder, Path) or not folder.is_dir():
        return []
    found = [read_specialist(one) for one in sorted(folder.iterdir()) if (one / MANIFEST).is_file()]
    return sorted(found, key=lambda one: (one.manifest.name, one.manifest.digest))


def find_specialist(store: StorePath, model: str) -> Specialist:
    """The specialist that a reader's `model` names: by its own name, the run it was trained on, or its digest.

    Raises:
        InputError: the store has none like that, or several.
    """
    wanted = model.removeprefix(SPECIALIST)
    known = list_specialists(store)
    for matches in (
        [one for one in known if one.manifest.name == wanted],
        [one for one in known if one.manifest.teaching.run == wanted],
        [one for one in known if len(wanted) >= LEAST_DIGITS and one.manifest.digest.startswith(wanted)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            said = " and ".join(f"{one.manifest.digest[:SHOWN]} ({one.manifest.name})" for one in matches)
            raise InputError(
                f"model {model!r} is the name of {len(matches)} specialists: {said}",
                "the name of one",
                f'write the digest of the one that you mean, as in model = "{SPECIALIST}'
                f'{matches[0].manifest.digest[:SHOWN]}"',
            )
    names = [one.manifest.name for one in known]
    here = f"one of {', '.join(names)}" if names else "a specialist of this store, which has none"
    raise InputError(
        f"no specialist {wanted!r} in {store}{did_you_mean(wanted, names)}",
        here,
        "correct the name, give the --store that it was trained in, or train it with `tercet specialise`",
    )
