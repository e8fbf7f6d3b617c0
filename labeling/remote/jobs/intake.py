"""Puts the results of a part into the ledger: early answers as they come, the rest after the provider's final word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from labeling.remote.client import Provider, ProviderError
from labeling.remote.jobs.parts import Part
from labeling.remote.jobs.results import Results
from labeling.remote.jobs.submission import PartCounter
from labeling.remote.spending import Usage
from labeling.votes.ledger import Ledger
from labeling.votes.vote import Vote

MANY_REJECTED = 10  # rejected questions of one batch, without a single answer in it


class Intake:
    """Takes results in; the caller holds the job's lock.

    Args:
        model: the reader's model, for messages.
        ledger: where its votes go.
        provider: the open provider.
        counter: what may be spent.
        say: called with a line about anything out of the ordinary.

    Attributes:
        last_error: the last error of a request that got no answer.
    """

    def __init__(
        self, model: str, ledger: Ledger, provider: Provider, counter: PartCounter, say: Callable[[str], None]
    ) -> None:
        self._model, self._ledger, self._provider = model, ledger, provider
        self._counter, self._say = counter, say
        self._early: defaultdict[str, list[Vote]] = defaultdict(list)  # kept before a final word, by part
        self.last_error: ProviderError | None = None

    def keep_early(self, part: Part, results: Results) -> None:
        """Keep the answers that have come before the final word, whatever becomes of the others.

        Raises:
            InputError: the disk cannot be written.
        """
        self._early[part.id] += self._append(results.votes)

    def take(self, part: Part, results: Results) -> None:
        """Keep all results of a part after the final word, and note that it is collected.

        Raises:
            InputError: every request was refused, or the account, or the disk cannot be written.
        """
        self._refuse_hopeless(part, results)
        # If a run was killed between this step and the next, the ledger has them already.
        new = self._append([*results.votes, *results.refused])
        results.new = [*self._early.pop(part.id, ()), *new]
        part.move("collected", counts=results.counts)
        part.forget_requests()
        self._counter.settle(part, results.used_at_most(part.worst_usage))
        self._note(part, results)

    def _append(self, votes: list[Vote]) -> list[Vote]:
        new = self._ledger.unknown(votes)
        self._ledger.append(new)
        self._ledger.flush()
        return new

    def _refuse_hopeless(self, part: Part, results: Results) -> None:
        """Keep no refusals if nothing was answered: they concern the settings or the account, not the questions."""
        questions = {vote.question_id for vote in results.refused if vote.failure == "rejected"}
        is_hopeless = self._ledger.is_empty or len(questions) >= MANY_REJECTED
        if results.refused and not results.votes and is_hopeless:
            part.move("collected", counts=results.counts)
            self._counter.settle(part, Usage())
            raise self._provider.explain(ProviderError(str(results.refused[0].text), status=400), self._model)

    def _note(self, part: Part, results: Results) -> None:
        odd = {name: n for name, n in results.counts.items() if n and name != "votes"}
        if odd:
            listed = ", ".join(f"{n} {name}" for name, n in odd.items())
            self._say(f"batch {part.batch_id} ({part.status}): {len(results.votes)} votes; {listed}.")
        self.last_error = results.error or self.last_error
        if results.error is not None and results.error.is_about_account:
            raise self._provider.explain(results.error, self._model)
