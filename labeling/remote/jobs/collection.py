"""Fetches the results of a finished batch: both its files, as often as it takes to get them complete."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.jobs.parts import Part
from labeling.remote.jobs.results import Results, read_lines, read_results
from labeling.remote.pacing import insist

DOWNLOADS = 3  # downloads of a file with broken lines, before it counts as all that the provider has


class Collection:
    """Fetches the results of parts.

    Args:
        config: the reader.
        labels: the allowed answers.
        labeler: the reader's fingerprint.
        provider: the open provider.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, config: LabelerConfig, labels: LabelSet, labeler: str, provider: Provider,
        sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._config, self._labels, self._labeler = config, labels, labeler
        self._provider, self._sleep = provider, sleep

    def fetch(self, part: Part) -> Results:
        """The results of a part whose batch has ended; a `completed` batch may lack either of its files.

        Raises:
            ProviderError: the provider does not deliver them.
        """
        batch = insist(lambda: self._provider.batch(str(part.batch_id)), sleep=self._sleep)
        for _ in range(DOWNLOADS):
            results = self._read(part, batch)
            # A line that breaks off may be the download's fault; asking again costs nothing.
            if not results.broken:
                break
        results.promised = _promised(batch)
        return results

    def _read(self, part: Part, batch: dict[str, Any]) -> Results:
        files = []
        for kind in ("output", "error"):
            file_id = batch.get(f"{kind}_file_id")
            if file_id:
                files.append(part.folder / f"{kind}.jsonl")
                insist(partial(self._provider.download, str(file_id), files[-1]), sleep=self._sleep)
        lines = chain.from_iterable(read_lines(file) for file in files)
        keys = part.vote_keys()
        return read_results(lines, keys, self._config, self._labels, self._labeler, self._provider.clean)


def _promised(batch: dict[str, Any]) -> int:
    """How many requests the provider counts as answered; 0 if it does not say."""
    counts = batch.get("request_counts")
    completed = counts.get("completed") if isinstance(counts, dict) else None
    return completed if isinstance(completed, int) else 0


def batch_error(batch: dict[str, Any], clean: Callable[[str], str]) -> ProviderError:
    """The first error of a failed batch; its `errors` are a bare list, or a list under `data`."""
    errors = batch.get("errors") or []
    listed = errors.get("data") if isinstance(errors, dict) else errors
    first = next((one for one in listed or () if isinstance(one, dict)), {})
    where = f" (line {first['line']})" if first.get("line") is not None else ""
    message = clean(f"{first.get('message') or 'no reason given'}{where}")
    return ProviderError(message, status=None, code=clean(str(first.get("code") or "")))
