"""Looks at a batch and reads the files that it names, as often as it takes to get them whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.client import NOT_FOUND, Provider, ProviderError
from labeling.remote.jobs.final_word import ENDED, Found, Look, Verdict, Word, judge, listed_errors, read_look
from labeling.remote.jobs.parts import Part
from labeling.remote.jobs.patience import list_lag
from labeling.remote.jobs.results import Results, read_lines, read_results
from labeling.remote.pacing import insist

DOWNLOADS = 3  # of files with broken lines, before these count as all that the provider has
KINDS = ("output", "error")


class Judged(NamedTuple):
    """A look at a part's batch, what its files hold, and what follows.

    Attributes:
        word: what follows.
        look: what the provider says.
        results: what the files hold; nothing while the batch is at work.
        error: why the whole batch failed, if it says so.
    """

    word: Word
    look: Look
    results: Results
    error: ProviderError


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

    def judge(self, part: Part, batch_id: str) -> Judged:
        """Look at a batch and its files, and say what follows; see `final_word`.

        Args:
            part: whose requests they are.
            batch_id: the batch.

        Raises:
            ProviderError: the provider does not know the batch, refuses, or does not answer for a long time.
        """
        batch = self._batch(batch_id)
        look, error = read_look(batch), batch_error(batch, self._provider.clean)
        if look.status not in ENDED:
            return Judged(Word(Verdict.AT_WORK), look, Results(), error)
        results, found = self._read(part, look)
        word = judge(look, part.n_requests, found)
        if not self.says_again(batch_id, look, word.n_more):
            word = Word(Verdict.WAITS)
        return Judged(word, look, results, error)

    def is_void(self, part: Part, batch: Mapping[str, Any]) -> bool:
        """Whether a listed batch of a part has failed as a whole, so that another one may be created."""
        if read_look(batch).status != "failed":
            return False
        return self.judge(part, self._provider.id_of(batch)).word.verdict is Verdict.VOID

    def says_again(self, batch_id: str, look: Look, times: int) -> bool:
        """Whether so many later looks all say the same: one at once, two over the time that answers may lag behind.

        Raises:
            ProviderError: as `judge`.
        """
        pauses = (0.0,) * times if times < 2 else (list_lag() / 4, *(list_lag(),) * (times - 1))
        for pause in pauses:
            if pause:
                self._sleep(pause)
            if read_look(self._batch(batch_id)) != look:
                return False
        return True

    def _batch(self, batch_id: str) -> dict[str, Any]:
        """What the provider says about a batch, and about no other."""

        def ask() -> dict[str, Any]:
            batch = self._provider.batch(batch_id)
            if batch.get("id", batch_id) != batch_id:
                told = self._provider.clean(f"asked about batch {batch_id}, it tells of {batch['id']!r:.60}")
                raise ProviderError(told, status=None, sent=True)
            return batch

        return insist(ask, sleep=self._sleep)

    def _read(self, part: Part, look: Look) -> tuple[Results, Found]:
        """What the files hold that a look names."""
        named = {kind: file_id for kind, file_id in zip(KINDS, (look.output_id, look.error_id), strict=True) if file_id}
        keys = part.vote_keys()
        for _ in range(DOWNLOADS):
            files = {kind: file for kind, file_id in named.items() if (file := self._download(part, kind, file_id))}
            lines = {kind: read_lines(file) for kind, file in files.items()}
            results = read_results(
                lines.get("output", ()), lines.get("error", ()), keys,
                self._config, self._labels, self._labeler, self._provider.clean,
            )  # fmt: skip
            has_all = len(results.named) == part.n_requests
            whole = {
                kind for kind, file in files.items()
                if not results.broken and (has_all or self._is_whole(named[kind], file))
            }  # fmt: skip
            # What breaks off may be the download's fault; asking again costs nothing.
            if has_all or whole == set(files):
                break
        return results, Found(
            n_named=len(results.named),
            n_done=len(results.done),
            n_answers=len(results.answered),
            has_output="output" in whole,
            is_whole=whole == set(named),
        )

    def _download(self, part: Part, kind: str, file_id: str) -> Path | None:
        """A result file; None if it is not there, or not there yet."""
        file = part.folder / f"{kind}.jsonl"
        try:
            insist(partial(self._provider.download, file_id, file), sleep=self._sleep)
        except ProviderError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return file

    def _is_whole(self, file_id: str, file: Path) -> bool:
        """Whether a download has as many bytes as the provider says; a provider that does not say is believed."""
        try:
            size = insist(partial(self._provider.file, file_id), sleep=self._sleep).get("bytes")
        except ProviderError as error:
            return not error.is_transient
        return not isinstance(size, int) or isinstance(size, bool) or size == file.stat().st_size


def batch_error(batch: Mapping[str, Any], clean: Callable[[str], str]) -> ProviderError:
    """The first error of a failed batch."""
    first = next(iter(listed_errors(batch)), {})
    where = f" (line {first['line']})" if first.get("line") is not None else ""
    message = clean(f"{first.get('message') or 'no reason given'}{where}")
    return ProviderError(message, status=None, code=clean(str(first.get("code") or "")))
