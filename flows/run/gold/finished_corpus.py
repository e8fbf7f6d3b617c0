"""The corpus of a finished run as it was when the run was made: its manifest names the files, and their digests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpora.errors import InputError, listed
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.published.registry import data_folder
from corpora.schema import Corpus
from corpora.sources.folder.conversions import Conversions
from corpora.storage import StorePath
from flows.session.experiment import Experiment
from flows.session.workspace import CONVERTED

PATHS = ("path", "documents", "questions", "distractors")  # of a corpus section
FOLDER = "experiment_folder"  # of a session in the manifest
# The first run on drafted questions asks none, although its experiment names one.
NO_READER_YET = (
    "run the experiment again if this was its first run on drafted questions, which asks none; otherwise add a "
    "[[readers]] section and run it"
)


def experiment_folder(experiment: Experiment, base: Path, run: StorePath) -> str | None:
    """The folder that the corpora's paths start from, seen from the run's folder; None where no path needs it.

    It is kept in the manifest, relative so that a project can be moved as a whole.
    """
    sections = (experiment.corpus, *experiment.other_corpora)
    given = [path for one in sections if not one.published for name in PATHS if (path := getattr(one, name))]
    if not isinstance(run, Path) or all(path.is_absolute() for path in given):
        return None
    try:
        return Path(os.path.relpath(base.resolve(), run.resolve())).as_posix()
    except ValueError:  # on another drive
        return None


def corpus_of_run(
    folder: StorePath, manifest: Mapping[str, Any], name: str | None = None, *,
    data: Path | None = None, base: Path | None = None, split: str | None = None,
) -> Corpus:  # fmt: skip
    """Load the corpus of a finished run again, all questions of a split, and check that it has not changed.

    Args:
        folder: of the run.
        manifest: of the run.
        name: of the corpus, where the run has several; the first by default.
        data: folder of the user's own copies of published corpora; by default `$TERCET_DATA`.
        base: folder of the experiment's file, from which the paths of the corpus start; by default the recorded one.
        split: which questions, such as `all`; by default those of the run's split.

    Raises:
        InputError: the run has no such corpus, it is not here, or it is not what the run read.
    """
    described, section = corpus_section(folder, manifest, name)
    start = base or _recorded_base(folder, manifest)
    try:
        # Only documents are wanted; a sample would be pinned in the store.
        chosen = {"sample": None, **({"split": split} if split else {})}
        config = CorpusConfig.model_validate(section).model_copy(update=chosen)
        conversions = Conversions(folder.parent / CONVERTED, writes=False)
        corpus = load_corpus(config.resolved(start).located(data or data_folder()), None, conversions)
    except ValidationError as error:
        raise InputError(
            f"{folder} describes its corpus in the way of another version", "a corpus section", "run it again"
        ) from error
    except InputError as error:
        paths = "" if section.get("published") else f"paths start from {start}, or from --base FOLDER"
        raise InputError(
            f"the corpus {described['name']!r} of {folder} cannot be read: {error.found}",
            error.expected,
            "; ".join(filter(None, (error.remedy, paths))),
        ) from error
    _check_unchanged(folder, described["inputs"], corpus)
    return corpus


def corpus_section(
    folder: StorePath, manifest: Mapping[str, Any], name: str | None = None
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What a manifest says of a corpus, and the section of the experiment that it came from.

    Raises:
        InputError: the run has no corpus of that name.
    """
    config = manifest["config"]
    described = [manifest["corpus"], *manifest.get("other_corpora", ())]
    sections = [config["corpus"], *config.get("other_corpora", ())]
    known = [one["name"] for one in described]
    if name is not None and name not in known:
        raise InputError(f"{folder} has no corpus {name!r}", listed(known), "correct the name")
    number = known.index(name) if name is not None else 0
    return described[number], sections[number]


def _recorded_base(folder: StorePath, manifest: Mapping[str, Any]) -> Path:
    """The folder that the last session recorded; otherwise the current one."""
    recorded = [session[FOLDER] for session in manifest["sessions"] if session.get(FOLDER)]
    return Path(folder) / recorded[-1] if recorded and isinstance(folder, Path) else Path()


def _check_unchanged(folder: StorePath, was: Mapping[str, str], corpus: Corpus) -> None:
    """Refuse a corpus whose files are not those that the run read."""
    for file in sorted({*was, *corpus.inputs}):
        then, now = was.get(file), corpus.inputs.get(file)
        if then != now:
            found = f"{file} has sha256 {now}" if now and then else f"{file} is {'new' if now else 'gone'}"
            raise InputError(
                f"the corpus {corpus.name!r} has changed since {folder} was made: {found}",
                f"a file with sha256 {then}" if then else "the files that the run read",
                "bring that file back, or run the experiment again; votes on what did not change are kept",
            )
