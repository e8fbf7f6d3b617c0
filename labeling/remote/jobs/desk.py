"""A batch job: submit tonight, collect tomorrow, never pay twice.

Each step of a part is written to disk before it is taken at the provider: a run that was killed at any point finds out
where it was, and another machine with the same store can continue.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from filelock import FileLock, Timeout

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.jobs.collection import Collection
from labeling.remote.jobs.job import batch_folder, direct_lock, write_labeler
from labeling.remote.jobs.parts import Part, load_parts, plan_parts
from labeling.remote.jobs.results import Results
from labeling.remote.jobs.submission import PartCounter, Submission
from labeling.remote.jobs.watch import Watch
from labeling.remote.spending import LimitError, Meter, Usage
from labeling.votes.ledger import Ledger
from labeling.votes.vote import Prompt

CANCELLED = ("cancelling", "cancelled")
STAMP = "cancelled"  # file that says when somebody cancelled
FIRST_PAUSE = 2.0
LOCK_SECONDS = 5.0  # before the user hears that another run is working on the same job
TOLD_SECONDS = 600.0  # between two lines that say what the run is waiting for
MANY_REJECTED = 10  # rejected questions of one batch, without a single answer in it
LOOKS = 3  # at a batch whose files lack answers that it counts
_PROMPTS_AT_ONCE = 512


class NoBatchesError(Exception):
    """The plan of this key does not include batches."""


class BatchDesk:
    """The batch job of one reader, in its ledger's folder.

    Args:
        config: the reader.
        labels: the allowed answers.
        ledger: where its votes go.
        provider: the open provider.
        meter: what may be spent.
        say: called with a line about anything out of the ordinary.
        sleep: waits for a number of seconds.

    Attributes:
        last_error: the last error of a request that got no answer.
        problems: why a part's results cannot be fetched, by part.
    """

    def __init__(
        self, config: LabelerConfig, labels: LabelSet, ledger: Ledger, provider: Provider, meter: Meter,
        say: Callable[[str], None] = lambda _: None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.config, self.labels, self.ledger, self.provider = config, labels, ledger, provider
        self.folder = batch_folder(ledger.folder)
        self.say = say
        self.last_error: ProviderError | None = None
        self.problems: dict[str, InputError] = {}
        self._sleep = sleep
        self._lock = FileLock(self.folder / ".lock")
        self._counter = PartCounter(meter)
        self._submission = Submission(ledger.fingerprint, provider, self._counter, sleep)
        self._collection = Collection(config, labels, ledger.fingerprint, provider, sleep)
        self._cancelled_before = self._cancelled()
        self._watch = Watch(config, provider, self._submission, self._counter, self._tell, sleep)
        self._short: Counter[str] = Counter()  # looks at files that lack answers, by part

    def _tell(self, line: str) -> None:
        self.say(line)  # looked up at each call, because it changes from stage to stage

    def plan(self, prompts: Iterable[Prompt]) -> int:
        """Write what the ledger lacks and no open part asks for into new parts; returns the number of requests.

        Args:
            prompts: all prompts that are wanted; the same one may come twice.

        Raises:
            InputError: a request is larger than a file may be, or the disk cannot be written.
        """
        # Nobody may ask call by call meanwhile: the same votes would be planned here.
        with self._locked(), direct_lock(self.ledger):
            for stale in (*self.folder.glob(".making-*"), *self.folder.glob(".dropped-*")):
                shutil.rmtree(stale, ignore_errors=True)
            write_labeler(self.folder, self.config, self.labels)
            # This run must not pay for parts that another run planned and never submitted; if they are wanted again,
            # the same parts are planned again.
            self._withdraw()
            parts = self.parts()
            asked = {name for part in parts if part.is_open for name in part.vote_keys()}
            attempt = 1 + max((part.attempt for part in parts), default=0)
            missing = self._missing(prompts, asked)
            return sum(part.n_requests for part in plan_parts(self.folder, self.config, missing, attempt))

    def _missing(self, prompts: Iterable[Prompt], asked: set[str]) -> Iterator[Prompt]:
        upcoming = iter(prompts)
        while block := list(islice(upcoming, _PROMPTS_AT_ONCE)):
            for prompt in self.ledger.missing(block):
                if prompt.key.id not in asked:
                    asked.add(prompt.key.id)
                    yield prompt

    def parts(self) -> list[Part]:
        """All parts as they are on disk."""
        return load_parts(self.folder)

    def open_parts(self) -> list[Part]:
        """The parts from which votes may still come."""
        return [part for part in self.parts() if part.is_open]

    def submit(self) -> None:
        """Submit every part that the provider does not have yet; a part that it already has is only noted.

        Raises:
            NoBatchesError: the plan of this key does not include batches; nothing was submitted.
            LimitError: the next part might exceed the spending limit, and nothing is under way that might cost less
                than was set aside for it.
            InputError: the provider refuses.
        """
        with self._locked():
            parts = self.open_parts()
            self._counter.keep_only(parts)  # another process may have collected some
            for part in parts:
                if part.is_under_way:
                    self._counter.set_aside(part, within_limit=False)
            # Parts that may have a batch already come first: the limit does not stop these.
            waiting = sorted((part for part in parts if not part.is_under_way), key=lambda one: one.step != "creating")
            if not waiting:
                return
            try:
                self._submission.submit(waiting)
            except LimitError:
                if not any(part.is_under_way for part in self.parts()):
                    raise
            except ProviderError as error:
                if error.is_plan_gate:
                    self._withdraw()
                    raise NoBatchesError(error.message) from error
                raise self.provider.explain(error, self.config.model) from error

    def _withdraw(self) -> None:
        """Take back planned parts that certainly have no batch."""
        for part in self.parts():
            if part.step in ("planned", "uploaded"):
                self._counter.settle(part, Usage())
                part.drop()

    def poll(self) -> list[Part]:
        """Look at every batch under way; returns the parts whose results can be collected now.

        Raises:
            InputError: nothing can be collected, and the provider refuses, no longer knows a batch, or has failed one
                too often.
        """
        problem: InputError | None = None
        with self._locked():
            parts = self.parts()
            for part in parts:
                try:
                    if part.step == "creating":  # a run was killed there, and the batch may be running
                        self._watch.find(part)
                    if part.step == "created":
                        self._watch.look(part, is_alone=sum(one.is_under_way for one in parts) == 1)
                except InputError as error:  # of this batch only: the others are still looked at
                    problem = problem or error
            ready = [part for part in parts if part.step == "finished" and part.id not in self.problems]
        if problem is not None and not ready:
            raise problem
        return ready

    def collect(self, part_id: str) -> Results:
        """Fetch the results of a finished part and put its votes into the ledger.

        If the provider does not deliver the results, that is kept in `problems` for this part, and the others are still
        collected.

        Raises:
            InputError: the provider does not deliver all of them, or refuses every request, or the disk cannot be
                written.
        """
        with self._locked():
            part = next(one for one in self.parts() if one.id == part_id)
            if part.step != "finished":  # another run has collected it
                return Results()
            try:
                results = self._collection.fetch(part)
            except ProviderError as error:
                self.problems[part.id] = self._watch.lost(part, error)
                return Results()
            if not results.n_lacking:
                self._refuse_hopeless(part, results)
            # If a run was killed between this step and the next, the ledger has them already.
            results.new = self.ledger.unknown([*results.votes, *results.refused])
            self.ledger.append(results.new)
            self.ledger.flush()
            if results.n_lacking:
                self._refuse_short(part, results)
                results.used = Usage()  # counted only once, when all of them are there
                return results
            part.move("collected", counts=results.counts)
            part.forget_requests()
            self._counter.settle(part, results.used_at_most(part.worst_usage))
            self._note(part, results)
            return results

    def _refuse_hopeless(self, part: Part, results: Results) -> None:
        """Keep no refusals if nothing was answered: they concern the settings or the account, not the questions."""
        questions = {vote.question_id for vote in results.refused if vote.failure == "rejected"}
        is_hopeless = self.ledger.is_empty or len(questions) >= MANY_REJECTED
        if results.refused and not results.votes and is_hopeless:
            part.move("collected", counts=results.counts)
            self._counter.settle(part, Usage())
            raise self.provider.explain(ProviderError(str(results.refused[0].text), status=400), self.config.model)

    def _refuse_short(self, part: Part, results: Results) -> None:
        """Note that files lack answers that the provider counts; they may come later.

        Raises:
            InputError: they have not come after `LOOKS` looks.
        """
        self._short[part.id] += 1
        if self._short[part.id] < LOOKS:
            return
        raise InputError(
            f"{self.provider.name} counts {results.promised} answers in batch {part.batch_id}, but its files have "
            f"{results.promised - results.n_lacking}",
            "all answers that were paid for (those that came are kept)",
            f"run again later, or run `tercet batches forget {part.id}` to ask and pay again for what is missing",
        )

    def _note(self, part: Part, results: Results) -> None:
        odd = {name: n for name, n in results.counts.items() if n and name != "votes"}
        if odd:
            listed = ", ".join(f"{n} {name}" for name, n in odd.items())
            self.say(f"batch {part.batch_id} ({part.status}): {len(results.votes)} votes; {listed}.")
        self.last_error = results.error or self.last_error
        if results.error is not None and results.error.is_about_account:
            raise self.provider.explain(results.error, self.config.model)

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled batches of this job since the desk was opened."""
        return self._cancelled() != self._cancelled_before

    def _cancelled(self) -> tuple[str, frozenset[str]]:
        stamp = self.folder / STAMP
        when = stamp.read_text(encoding="utf-8") if stamp.is_file() else ""
        return when, frozenset(part.id for part in self.parts() if part.status in CANCELLED)

    def finished(self, *, submits: bool = True) -> Iterator[Part]:
        """Submit and wait, longer each time, until every part is collected; yields each part as it finishes.

        The caller collects a part before it asks for the next one.

        Args:
            submits: whether to submit parts that are not under way yet, or to leave them.

        Raises:
            NoBatchesError, InputError: as in `submit` and `poll`.
        """
        pause, told = FIRST_PAUSE, time.monotonic()
        while True:
            if submits:
                self.submit()
            ready = self.poll()
            yield from ready
            left = [part for part in self.open_parts() if submits or part.is_under_way]
            if self.problems and all(part.id in self.problems for part in left):
                raise next(iter(self.problems.values()))
            if not left:
                return
            if time.monotonic() - told > TOLD_SECONDS:
                told = time.monotonic()
                self.say(f"{self.config.label}: waiting for {len(left)} batches at {self.provider.name}.")
            pause = min(FIRST_PAUSE if ready else pause * 1.5, self.config.remote.poll_seconds)
            self._wait(pause, len(left))

    def _wait(self, seconds: float, n_left: int) -> None:
        try:
            self._sleep(seconds)
        except KeyboardInterrupt:
            self.say(f"{n_left} batches continue at {self.provider.name}; `tercet batches cancel` would stop them.")
            raise

    def forget(self, part_id: str) -> bool:
        """Give up a part from which nothing more will come; returns whether there was such an open part.

        Raises:
            InputError: its batch is still running.
        """
        with self._locked():
            found = [part for part in self.open_parts() if part.id == part_id]
            for part in found:
                if part.step == "creating":
                    self._watch.find(part, is_patient=True)
                if part.step == "created" and self._watch.is_at_work(part):
                    raise InputError(
                        f"batch {part.batch_id} is still running",
                        "a batch that has ended",
                        "run `tercet batches cancel` first",
                    )
                # Its folder stays, so that the same requests, asked again, get another name.
                part.move("forgotten")
                part.forget_requests()
            return bool(found)

    def cancel(self) -> int:
        """Ask the provider to stop all batches under way, drop the parts that it never saw, and count those it stops.

        What was answered before still comes with the next collection.

        Raises:
            InputError: the provider refuses, or no longer knows a batch.
        """
        n_stopped, problem = 0, None
        with self._locked():
            for part in self.open_parts():
                try:
                    n_stopped += self._watch.stop(part)
                except InputError as error:  # of this batch only: the others are still stopped
                    problem = problem or error
            (self.folder / STAMP).write_text(f"{time.time_ns()}", encoding="utf-8")
        if problem is not None:
            raise problem
        return n_stopped

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep everybody else from changing the parts; the lock ends with the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            self.say(f"{self.config.label}: another run is working on its batches; waiting for it.")
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()
