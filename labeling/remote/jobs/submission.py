"""Creates batches: one for each part, whatever breaks meanwhile.

Creating a batch is the one call that must not be made twice. It is announced on disk, carries the part's tag, and is
made only after the provider's list of batches shows none with that tag.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from labeling.remote.client import TOO_MANY, Provider, ProviderError
from labeling.remote.jobs.parts import REQUESTS, Part
from labeling.remote.pacing import FREE_CALLS_TRIED, LONGEST_WAIT, insist, pause_after
from labeling.remote.requests import ENDPOINT
from labeling.remote.spending import Meter, Usage

LIST_LAG = 10.0  # seconds until the provider's list shows a new batch; `$TERCET_LIST_LAG`
_TAG, _LABELER_TAG = "tercet_part", "tercet_labeler"


def _list_lag() -> float:
    return float(os.environ.get("TERCET_LIST_LAG", LIST_LAG))


class PartCounter:
    """Sets aside the worst case of each batch, once, and settles it, once.

    Args:
        meter: what may be spent.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._counted: dict[str, Usage] = {}  # by tag

    def set_aside(self, part: Part, *, within_limit: bool) -> None:
        """Count a part, unless it is counted already.

        Raises:
            LimitError: the run might exceed its limit.
        """
        if part.tag not in self._counted:
            self._meter.set_aside(part.worst_usage, within_limit=within_limit)
            self._counted[part.tag] = part.worst_usage

    def keep_only(self, parts: Sequence[Part]) -> None:
        """Settle what is set aside for all other parts: another process has ended them."""
        for tag in self._counted.keys() - {part.tag for part in parts}:
            self._meter.settle(self._counted.pop(tag), Usage())

    def settle(self, part: Part, used: Usage) -> None:
        """Replace a part's worst case by what it used."""
        set_aside = self._counted.pop(part.tag, None)
        if set_aside is not None:
            self._meter.settle(set_aside, used)


class Submission:
    """Submits parts to a provider.

    Args:
        labeler: the reader's fingerprint.
        provider: the open provider.
        counter: what may be spent.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, labeler: str, provider: Provider, counter: PartCounter,
        sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._labeler, self._provider = labeler, provider
        self._counter, self._sleep = counter, sleep

    def submit(self, parts: Sequence[Part]) -> None:
        """Create a batch for every part that has none.

        Raises:
            ProviderError: the provider refuses, or does not answer for a long time.
            LimitError: the next part might exceed the spending limit.
        """
        known = self._known()
        files = self._free(self._provider.files)
        for part in parts:
            self._submit(part, known, files)

    def find(self, part: Part, *, is_patient: bool = False) -> bool:
        """Note a part's batch if the provider has one; returns whether it has.

        Args:
            part: a part that may have a batch.
            is_patient: whether to look again after a while, because a new batch may not be listed yet.

        Raises:
            ProviderError: the provider refuses, or does not answer for a long time.
        """
        for pause in (0.0, _list_lag() / 4, _list_lag()) if is_patient else (0.0,):
            if pause:
                self._sleep(pause)
            batch = self._known().get(part.tag)
            if batch is not None:
                self._take_note(part, batch)
                return True
        return False

    def _submit(self, part: Part, known: dict[str, dict[str, Any]], files: dict[str, tuple[str, int]]) -> None:
        """Create the batch of a part, unless it was created already."""
        if part.step == "creating" and self.find(part, is_patient=True):
            return
        while known.get(part.tag, {}).get("status") == "failed":  # from an earlier run: it did nothing
            part.move(part.step, tries=part.tries + 1)
        if part.tag in known:
            self._take_note(part, known[part.tag])
            return
        self._counter.set_aside(part, within_limit=True)
        if part.file_id is None:
            name = f"tercet-{part.id}.jsonl"
            file_id, n_bytes = files.get(name, ("", 0))
            if n_bytes != part.n_bytes:
                file_id = self._free(lambda: self._provider.upload(part.folder / REQUESTS, name))
            part.move("uploaded", file_id=file_id)
        self._create(part)

    def _create(self, part: Part) -> None:
        """Create the batch of an uploaded part; look before a second try, because nothing else prevents two batches."""
        metadata = {_TAG: part.tag, _LABELER_TAG: self._labeler}
        attempt = 0
        while True:
            attempt += 1
            part.move("creating")
            try:
                self._take_note(part, self._provider.create_batch(str(part.file_id), ENDPOINT, metadata))
                return
            except ProviderError as error:
                if not error.is_transient:
                    # Certainly there is none. After an earlier try, or an answer that could not be read, there may be.
                    if attempt == 1 and error.status is not None and not error.sent:
                        part.move("uploaded")
                    raise
                pause = pause_after(attempt, error)
                if attempt >= FREE_CALLS_TRIED or pause > LONGEST_WAIT:
                    raise
                # Whatever came back, the batch may exist: only the list can tell, after a while. After a 429 there is
                # certainly none.
                self._sleep(pause if error.status == TOO_MANY else max(_list_lag(), pause))
                if self.find(part):
                    return

    def _take_note(self, part: Part, batch: dict[str, Any]) -> None:
        self._counter.set_aside(part, within_limit=False)
        facts = {name: batch.get(name) for name in ("status", "created_at")}
        part.move("created", batch_id=self._provider.id_of(batch), **facts)

    def _known(self) -> dict[str, dict[str, Any]]:
        """The provider's batches that are ours, by tag."""
        batches = self._free(lambda: list(self._provider.batches()))
        tagged = ((batch.get("metadata") or {}, batch) for batch in batches)
        return {str(tags[_TAG]): batch for tags, batch in tagged if isinstance(tags, dict) and _TAG in tags}

    def _free(self, call: Callable[[], Any]) -> Any:
        """Repeat a call that costs nothing until it succeeds."""
        return insist(call, sleep=self._sleep)
