"""Watches over batches at the provider: looks at them, retries those that failed as a whole, and stops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from corpora.errors import InputError
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.client import NOT_FOUND, Provider, ProviderError
from labeling.remote.jobs.collection import Collection, Judged
from labeling.remote.jobs.final_word import Verdict, read_look
from labeling.remote.jobs.parts import Part, Step
from labeling.remote.jobs.patience import LOOKS, UNKNOWN_LOOKS, Patience
from labeling.remote.jobs.results import Results
from labeling.remote.jobs.submission import PartCounter, Submission
from labeling.remote.pacing import insist
from labeling.remote.spending import Usage


class StuckError(InputError):
    """A batch from which nothing more comes in this run; the other batches of the job are not concerned."""


class Watch:
    """Looks after batches, one at a time; the caller holds the job's lock.

    Args:
        config: the reader.
        provider: the open provider.
        submission: knows which batches are ours.
        collection: looks at batches and reads their files.
        counter: what may be spent.
        say: called with a line about anything out of the ordinary.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, config: LabelerConfig, provider: Provider, submission: Submission, collection: Collection,
        counter: PartCounter, say: Callable[[str], None], sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._config, self._provider, self._submission, self._counter = config, provider, submission, counter
        self._collection, self._say, self._sleep = collection, say, sleep
        self.patience = Patience(config.remote.poll_seconds)
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

    def look(self, part: Part, *, is_alone: Callable[[], bool], is_patient: bool) -> Judged | None:
        """Look at a part's batch and its files, and write down what changed.

        Args:
            part: a part with a batch.
            is_alone: says whether no other batch of the job is under way that it could wait for.
            is_patient: whether to look again before it counts as unknown to the provider.

        Returns:
            What follows; None if the provider does not know the batch, which may change.

        Raises:
            StuckError: the provider does not know the batch.
            InputError: the provider refuses, or has failed the batch too often.
        """
        self._counter.set_aside(part, within_limit=False)
        try:
            judged = self._collection.judge(part, str(part.batch_id))
        except ProviderError as error:
            is_unknown = error.status == NOT_FOUND
            if is_unknown and is_patient and self.patience.note_look(part.id) < UNKNOWN_LOOKS:
                return None
            raise self.lost(part, error) from error
        step: Step = "created" if judged.word.verdict is Verdict.AT_WORK else "finished"
        if judged.word.verdict is Verdict.VOID:
            self._failed(part, judged.error, is_alone=is_alone())
        elif (part.step, part.status) != (step, judged.look.status):
            part.move(step, status=judged.look.status)
        return judged

    def look_last(self, part: Part) -> Judged | None:
        """Look at the batch of a part that is to be given up; None if the provider does not know it.

        Raises:
            InputError: the batch is still running, or has all of its results, or the provider refuses.
        """
        try:
            judged = self._collection.judge(part, str(part.batch_id))
        except ProviderError as error:
            if error.status == NOT_FOUND:
                return None
            raise self._provider.explain(error, self._config.model) from error
        if judged.word.verdict is Verdict.AT_WORK:
            found, remedy = "is still running", "run `tercet batches cancel` first"
            raise InputError(f"batch {part.batch_id} {found}", "a batch that has ended", remedy)
        if judged.word.verdict is Verdict.FINAL:
            found, remedy = "has its results", "run `tercet batches collect`, which costs nothing"
            raise InputError(f"batch {part.batch_id} {found}", "a batch whose results are missing", remedy)
        return judged

    def is_enough(self, part: Part, judged: Judged, *, is_patient: bool) -> bool:
        """Count a look at a batch that ended without a final word; returns whether its counts must do in the end.

        Raises:
            StuckError: it was looked at often enough, or may only be looked at once.
            InputError: the provider refuses.
        """
        if self.patience.note_look(part.id) < LOOKS and is_patient:
            return False
        if is_patient and judged.word.is_enough and self._says_again(part, judged):
            return True
        results, counted = judged.results, judged.look.counts.completed
        raise StuckError(
            f"{self._provider.name} says that batch {part.batch_id} is {judged.look.status} and counts "
            f"{'no' if counted is None else counted} answers, but its files have {len(results.answered)} answers and "
            f"{len(results.named - results.answered)} errors for {part.n_requests} requests"
            f"{self.patience.told(part.id)}",
            "a line for each request, or counts that say which have no answer (nothing was submitted again)",
            f"run `tercet batches collect` later, or run `tercet batches forget {part.id}` to give the rest up "
            f"({self.loss(part, judged)})",
        )

    def _says_again(self, part: Part, judged: Judged) -> bool:
        try:
            return self._collection.says_again(str(part.batch_id), judged.look, 2)
        except ProviderError as error:
            raise self.lost(part, error) from error

    def loss(self, part: Part, judged: Judged | None = None) -> str:
        """What a part lacks, and what it may cost to ask for that again."""
        results = judged.results if judged else Results()
        lacking = part.vote_keys().keys() - {vote.id for vote in (*results.votes, *results.refused)}
        price = self._counter.price(part.worst_of(self._config, lacking))
        return f"asking for {len(lacking)} of its {part.n_requests} votes again {price}"

    def lost(self, part: Part, error: ProviderError) -> InputError:
        """Why an existing batch cannot be read; its votes are asked for again only if the user says so."""
        if error.status != NOT_FOUND:
            return self._provider.explain(error, self._config.model)
        return StuckError(
            f"{self._provider.name} does not know batch {part.batch_id} ({error.message})",
            f"a batch that was submitted with the key in {self._provider.remote.key_name}",
            f"set the key that it was submitted with, or, if the provider has deleted it, run `tercet batches forget "
            f"{part.id}` ({self.loss(part)})",
        )

    def _failed(self, part: Part, error: ProviderError, *, is_alone: bool) -> None:
        """A batch that failed as a whole did nothing and cost nothing: create it again, if that can help."""
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

    def stop(self, part: Part) -> bool:
        """Stop a batch, or drop a part that the provider never saw; returns whether there was a batch to stop."""
        if part.step == "creating":
            self.find(part, is_patient=True)
        if part.step in ("planned", "uploaded", "creating"):
            part.drop()
        if not part.is_under_way:
            return False
        try:
            part.move("created", status=self._free(partial(self._cancel, part)))
        except ProviderError as error:
            raise self.lost(part, error) from error
        return True

    def _cancel(self, part: Part) -> str:
        try:
            return read_look(self._provider.cancel(str(part.batch_id))).status
        except ProviderError as error:
            if error.is_transient or error.status == NOT_FOUND:
                raise
            return read_look(self._provider.batch(str(part.batch_id))).status  # it had ended before

    def _free(self, call: Callable[[], Any]) -> Any:
        """Repeat a call that costs nothing until it succeeds."""
        return insist(call, sleep=self._sleep)
