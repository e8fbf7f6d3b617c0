"""Creates batches: one for each part, whatever breaks meanwhile.

Creating a batch is the one call that must not be made twice. It is announced on disk, carries the part's tag, and is
made only after the provider's list of batches shows none with that tag, or with the part's file if it lists no tags.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from labeling.remote.client import TOO_MANY, Provider, ProviderError
from labeling.remote.jobs.final_word import read_look
from labeling.remote.jobs.parts import REQUESTS, Part
from labeling.remote.jobs.patience import list_lag
from labeling.remote.pacing import FREE_CALLS_TRIED, LONGEST_WAIT, insist, pause_after
from labeling.remote.requests import ENDPOINT
from labeling.remote.spending import Meter, Usage

_TAG, _LABELER_TAG = "tercet_part", "tercet_labeler"
_LAST_SECOND = 2**33  # of the times that a calendar can show


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

    def price(self, usage: Usage) -> str:
        """What some requests may cost, to be said after what they are for."""
        known = self._meter.price is not None
        return f"may cost up to {self._meter.usd(usage):.4f} USD" if known else "costs an unknown amount"

    def settle(self, part: Part, used: Usage) -> None:
        """Replace a part's worst case by what it used."""
        set_aside = self._counted.pop(part.tag, None)
        if set_aside is not None:
            self._meter.settle(set_aside, used)


class Listed:
    """A provider's list of batches, by the part that each was created from.

    Args:
        batches: the list, newest first.
    """

    def __init__(self, batches: Iterable[dict[str, Any]]) -> None:
        self._by_tag = defaultdict[str, list[dict[str, Any]]](list)
        self._by_file = defaultdict[str, list[dict[str, Any]]](list)
        for batch in batches:
            tags = batch.get("metadata")
            if isinstance(tags, dict) and _TAG in tags:
                self._by_tag[str(tags[_TAG])].append(batch)
            elif not tags:  # some lists leave the tags out
                self._by_file[str(batch.get("input_file_id"))].append(batch)

    def of(self, part: Part) -> dict[str, Any] | None:
        """The batch of a part's present try: one that has not failed, where there is such a one."""
        tagged = self._by_tag.get(part.tag, [])
        # Earlier tries have the same file, and had failed.
        untagged = self._by_file.get(str(part.file_id), []) if part.file_id else []
        alive = [batch for batch in (*tagged, *untagged) if batch.get("status") != "failed"]
        return next(iter(alive or tagged), None)


class Submission:
    """Submits parts to a provider.

    Args:
        labeler: the reader's fingerprint.
        provider: the open provider.
        counter: what may be spent.
        is_void: whether a part's listed batch has failed as a whole, so that another one may be created.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, labeler: str, provider: Provider, counter: PartCounter,
        is_void: Callable[[Part, Mapping[str, Any]], bool], sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._labeler, self._provider = labeler, provider
        self._counter, self._is_void, self._sleep = counter, is_void, sleep

    def submit(self, parts: Sequence[Part]) -> None:
        """Create a batch for every part that has none.

        Raises:
            ProviderError: the provider refuses, or does not answer for a long time.
            LimitError: the next part might exceed the spending limit.
        """
        listed = self._listed()
        files = self._free(self._provider.files)
        for part in parts:
            self._submit(part, listed, files)

    def find(self, part: Part, *, is_patient: bool = False) -> bool:
        """Note a part's batch if the provider has one; returns whether it has.

        Args:
            part: a part that may have a batch.
            is_patient: whether to look again after a while, because a new batch may not be listed yet.

        Raises:
            ProviderError: the provider refuses, or does not answer for a long time.
        """
        for pause in (0.0, list_lag() / 4, list_lag()) if is_patient else (0.0,):
            if pause:
                self._sleep(pause)
            batch = self._listed().of(part)
            if batch is not None:
                self._take_note(part, batch)
                return True
        return False

    def _submit(self, part: Part, listed: Listed, files: dict[str, tuple[str, int]]) -> None:
        """Create the batch of a part, unless it was created already."""
        if part.step == "creating" and self.find(part, is_patient=True):
            return
        while (batch := listed.of(part)) is not None:
            if not self._is_void(part, batch):
                self._take_note(part, batch)
                return
            part.move(part.step, tries=part.tries + 1)  # it is from an earlier run, and did nothing
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
                self._sleep(pause if error.status == TOO_MANY else max(list_lag(), pause))
                if self.find(part):
                    return

    def _take_note(self, part: Part, batch: dict[str, Any]) -> None:
        self._counter.set_aside(part, within_limit=False)
        made = batch.get("created_at")
        part.move(
            "created",
            batch_id=self._provider.id_of(batch),
            status=read_look(batch).status,
            created_at=made if isinstance(made, int) and 0 < made < _LAST_SECOND else None,
        )

    def _listed(self) -> Listed:
        """The provider's batches that may be ours."""
        return Listed(self._free(lambda: list(self._provider.batches())))

    def _free(self, call: Callable[[], Any]) -> Any:
        """Repeat a call that costs nothing until it succeeds."""
        return insist(call, sleep=self._sleep)
