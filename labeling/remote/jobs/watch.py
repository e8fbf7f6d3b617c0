"""Watches batches at the provider: looks at their states, retries those that failed, and stops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from corpora.errors import InputError
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.client import NOT_FOUND, Provider, ProviderError
from labeling.remote.jobs.collection import batch_error
from labeling.remote.jobs.parts import Part
from labeling.remote.jobs.submission import PartCounter, Submission
from labeling.remote.pacing import insist
from labeling.remote.spending import Usage

ENDED = ("completed", "failed", "expired", "cancelled")  # after these, a batch no longer changes


class Watch:
    """Looks after batches, one at a time; the caller holds the job's lock.

    Args:
        config: the reader.
        provider: the open provider.
        submission: knows which batches are ours.
        counter: what may be spent.
        say: called with a line about anything out of the ordinary.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, config: LabelerConfig, provider: Provider, submission: Submission, counter: PartCounter,
        say: Callable[[str], None], sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._config, self._provider, self._submission, self._counter = config, provider, submission, counter
        self._say, self._sleep = say, sleep
        self._failures: Counter[str] = Counter()  # of whole batches in this run, by part

    def find(self, part: Part, *, is_patient: bool = False) -> None:
        """Note the batch of a part that may have one, as in `Submission.find`.

        Raises:
            InputError: the provider refuses.
        """
        try:
            self._submission.find(part, is_patient=is_patient)
        except ProviderError as error:
            raise self._provider.explain(error, self._config.model) from error

    def look(self, part: Part, *, is_alone: bool) -> None:
        """Look at the state of a batch, and write down what changed.

        Args:
            part: a part with a batch.
            is_alone: whether no other batch of the job is under way that it could wait for.

        Raises:
            InputError: the provider refuses, does not know the batch, or has failed it too often.
        """
        self._counter.set_aside(part, within_limit=False)
        try:
            batch = self._free(partial(self._provider.batch, str(part.batch_id)))
        except ProviderError as error:
            raise self.lost(part, error) from error
        status = str(batch.get("status"))
        if status == "failed":
            self._failed(part, batch, is_alone=is_alone)
        elif status in ENDED:
            part.move("finished", status=status)
        elif status != part.status:
            part.move("created", status=status)

    def lost(self, part: Part, error: ProviderError) -> InputError:
        """Why an existing batch cannot be read; its votes are asked for again only if the user says so."""
        if error.status != NOT_FOUND:
            return self._provider.explain(error, self._config.model)
        return InputError(
            f"{self._provider.name} does not know batch {part.batch_id} or its files ({error.message})",
            f"a batch that was submitted with the key in {self._provider.remote.key_name}",
            f"set the key that it was submitted with, or, if the provider has deleted it, run `tercet batches forget "
            f"{part.id}` to ask and pay for its votes again",
        )

    def _failed(self, part: Part, batch: dict[str, Any], *, is_alone: bool) -> None:
        """A batch that failed as a whole did nothing and cost nothing: create it again, if that can help."""
        error = batch_error(batch, self._provider.clean)
        self._counter.settle(part, Usage())
        part.move("uploaded", status="failed", batch_id=None, tries=part.tries + 1)
        if error.is_missing_model:
            raise self._provider.explain(error, self._config.model)
        # A batch that is too much for the account's queue goes through once other batches have ended.
        waits = error.code == "token_limit_exceeded" and not is_alone
        self._failures[part.id] += not waits
        if self._failures[part.id] >= self._config.remote.max_attempts:
            raise InputError(
                f"{self._provider.name} failed a batch {self._failures[part.id]} times ({error.code or 'no code'}: "
                f"{error.message})",
                "a batch that it accepts",
                "correct what it names (lower remote.requests_per_batch if a batch is too large) and run again: "
                "everything so far is kept",
            )
        self._say(f"{self._provider.name} failed a batch ({error.message}); it is submitted again.")

    def is_at_work(self, part: Part) -> bool:
        """Whether a batch is still running; one that the provider does not know counts as ended.

        Raises:
            InputError: the provider refuses.
        """
        try:
            return self._free(partial(self._provider.batch, str(part.batch_id))).get("status") not in ENDED
        except ProviderError as error:
            if error.status == NOT_FOUND:
                return False
            raise self._provider.explain(error, self._config.model) from error

    def stop(self, part: Part) -> bool:
        """Stop a batch, or drop a part that the provider never saw; returns whether there was a batch to stop."""
        if part.step == "creating":
            self.find(part, is_patient=True)
        if part.step in ("planned", "uploaded", "creating"):
            part.drop()
        if part.step != "created":
            return False
        try:
            part.move("created", status=self._free(partial(self._cancel, part)))
        except ProviderError as error:
            raise self.lost(part, error) from error
        return True

    def _cancel(self, part: Part) -> str:
        try:
            return str(self._provider.cancel(str(part.batch_id)).get("status"))
        except ProviderError as error:
            if error.is_transient or error.status == NOT_FOUND:
                raise
            return str(self._provider.batch(str(part.batch_id)).get("status"))  # it had ended before

    def _free(self, call: Callable[[], Any]) -> Any:
        """Repeat a call that costs nothing until it succeeds."""
        return insist(call, sleep=self._sleep)
