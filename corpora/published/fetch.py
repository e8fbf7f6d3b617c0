"""Fetches a published corpus, and accepts it only if every digest is right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from corpora.errors import InputError
from corpora.published.download import download, opened_client
from corpora.published.making import make_files
from corpora.published.pinned import admit, check_recorded, record_digest, recorded_digest
from corpora.published.registry import Download, PublishedCorpus, missing, verify
from corpora.storage import sha256_file

Progress = Callable[[str], None]
_TOLD_EVERY = 25  # files


def fetch_corpus(corpus: PublishedCorpus, progress: Progress) -> Path:
    """Fetch a corpus unless its verified files are there already; a broken-off fetch continues.

    Args:
        corpus: a corpus of the registry.
        progress: called with a line for each step.

    Returns:
        Its folder, which appears when all files are there.

    Raises:
        InputError: no address delivers a file, a file has the wrong digest (it is then deleted), or another process
            is fetching the same corpus.
    """
    corpus.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(corpus.path.with_name(f".{corpus.folder}.lock"), blocking=False):
            return _fetch(corpus, progress)
    except Timeout as error:
        found = f"another process is fetching the corpus {corpus.name!r}"
        raise InputError(found, "a single process that fetches it", "wait until it has ended") from error


def _fetch(corpus: PublishedCorpus, progress: Progress) -> Path:
    if corpus.path.is_dir() and not missing(corpus, corpus.path):
        verify(corpus, corpus.path)
        progress(f"{corpus.name}: already here, digests verified")
        return corpus.path
    working = corpus.path.with_name(f".{corpus.folder}.partial")
    downloads, made = working / "downloads", working / "made"
    shutil.rmtree(made, ignore_errors=True)
    with opened_client() as client:
        wanted = corpus.all_downloads
        for number, one in enumerate(wanted, 1):
            if number % _TOLD_EVERY == 0 or number <= 3 or number == len(wanted):
                progress(f"{corpus.name}: {one.path} ({number} of {len(wanted)})")
            _get(client, corpus, one, downloads, progress)
    _make(corpus, downloads, made, progress)
    shutil.rmtree(corpus.path, ignore_errors=True)  # where a file was missing
    made.replace(corpus.path)
    shutil.rmtree(working)
    n_bytes = sum((corpus.path / path).stat().st_size for path in corpus.pins)
    progress(f"{corpus.name}: {n_bytes} bytes, digests verified, in {corpus.path}")
    return corpus.path


def _get(
    client: httpx.Client, corpus: PublishedCorpus, wanted: Download, folder: Path, progress: Progress
) -> None:  # fmt: skip
    """Download a file from the first address that delivers the right one; one that is here already is kept."""
    target = folder / wanted.path
    home = corpus.path / wanted.keep if wanted.keep else target
    if target.is_file():
        admit(target, home, corpus.pin(wanted))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    refused: list[InputError] = []
    for at in wanted.at or corpus.at:
        if refused:
            progress(f"{refused[-1]} Trying the next address.")
        try:
            download(client, f"{at}{wanted.path}", target, wanted.bytes)
            admit(target, home, corpus.pin(wanted))
            return
        except InputError as error:
            refused.append(error)
    if wanted.otherwise is None:
        raise refused[-1]
    progress(f"{refused[-1]} Trying another file.")
    _get(client, corpus, wanted.otherwise, folder, progress)


def _make(corpus: PublishedCorpus, downloads: Path, made: Path, progress: Progress) -> None:
    """Make the corpus, check it as a whole before it appears, and record the digests that nobody knew."""
    unknown = [path for path, pins in corpus.pins.items() if not any(pin.sha256 for pin in pins)]
    try:
        make_files(corpus, downloads, made)
        _verify(corpus, made)
        digests = {path: sha256_file(made / path) for path in unknown}
        for path, digest in digests.items():
            check_recorded(path, digest, corpus.path / path)
    except InputError:
        # What this was made from is not what the registry means, and the next try must not start from it.
        shutil.rmtree(downloads.parent)
        raise
    for path, digest in digests.items():
        is_new = not recorded_digest(corpus.path / path)
        record_digest(made / path, digest)
        if is_new:
            progress(f"{corpus.name}: no digest was known; recorded the sha256 {digest} of {path}")


def _verify(corpus: PublishedCorpus, made: Path) -> None:
    try:
        verify(corpus, made)
    except InputError as error:
        remedy = "run again, and update Tercet if it comes out the same"
        raise InputError(error.found, error.expected, remedy) from error
