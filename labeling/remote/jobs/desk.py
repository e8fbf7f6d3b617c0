"""A batch job: submit tonight, collect tomorrow, never pay twice.

Each part of a job takes its steps on disk before it takes them at the provider, so that a run that is killed anywhere
finds out where it was, and another machine with the same store can go on.
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
STAMP = "cancelled"  # when somebody did
FIRST_PAUSE = 2.0
LOCK_SECONDS = 5.0  # before another run that is at work on the same job is mentioned
TOLD_SECONDS = 600.0  # between two lines about what is waited for
MANY_REJECTED = 10  # questions of one batch, with no answer among them
LOOKS = 3  # at a batch whose files lack what it counts as answered
_PROMPTS_AT_ONCE = 512


class NoBatchesError(Exception):
    """The plan of this key has no batches."""


class BatchDesk:
    """The batch job of one labeler, in its ledger's folder.

    Args:
        config: the labeler.
        labels: the allowed answers.
        ledger: where its votes go.
        provider: the open provider.
        meter: what may be spent.
        say: told about what is found or done beyond the ordinary.
        sleep: waits so many seconds.

    Attributes:
        last_error: of a request that got no answer.
        problems: why a part's results cannot be had, by part.
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
        self.say(line)  # to whom, changes from stage to stage

    def plan(self, prompts: Iterable[Prompt]) -> int:
        """Write what the ledger lacks, and no open part asks for, into new parts; how many requests that makes.

        Args:
            prompts: all that is wanted; the same one may come twice.

        Raises:
            InputError: a request larger than a file may be, or a disk that cannot be written.
        """
        # Nobody asks call by call meanwhile: what is asked there would be planned here.
        with self._locked(), direct_lock(self.ledger):
            for stale in (*self.folder.glob(".making-*"), *self.folder.glob(".dropped-*")):
                shutil.rmtree(stale, ignore_errors=True)
            write_labeler(self.folder, self.config, self.labels)
            # What another run wanted and never had made is not this run's to pay for; where it is wanted again, the
            # same part comes out again.
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
        """The parts of which votes may still come."""
        return [part for part in self.parts() if part.is_open]

    def submit(self) -> None:
        """Bring every part that is not there yet to the provider; what is there already is only taken note of.

        Raises:
            NoBatchesError: the plan of this key has no batches; nothing was submitted.
            LimitError: the next part might pass the limit of what may be spent, and nothing is under way that might
                cost less than was set aside for it.
            InputError: the provider refuses.
        """
        with self._locked():
            parts = self.open_parts()
            self._counter.keep_only(parts)  # another process may have collected some
            for part in parts:
                if part.is_under_way:
                    self._counter.set_aside(part, within_limit=False)
            # First those that may have a batch already: the limit does not stop these.
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
        """Take back what was planned and certainly has no batch."""
        for part in self.parts():
            if part.step in ("planned", "uploaded"):
                self._counter.settle(part, Usage())
                part.drop()

    def poll(self) -> list[Part]:
        """Look at every batch under way; the parts whose results can be collected now.

        Raises:
            InputError: nothing can be collected, and the provider refuses, does not know a batch any more, or has
                failed one too often.
        """
        problem: InputError | None = None
        with self._locked():
            parts = self.parts()
            for part in parts:
                try:
                    if part.step == "creating":  # a run was killed there, and the batch may be at work
                        self._watch.find(part)
                    if part.step == "created":
                        self._watch.look(part, is_alone=sum(one.is_under_way for one in parts) == 1)
                except InputError as error:  # of this batch: the others are looked at all the same
                    problem = problem or error
            ready = [part for part in parts if part.step == "finished" and part.id not in self.problems]
        if problem is not None and not ready:
            raise problem
        return ready

    def collect(self, part_id: str) -> Results:
        """Fetch the results of a finished part and put its votes into the ledger.

        Results that the provider does not give are a problem of this part, which `problems` tells, so that the others
        are collected all the same.

        Raises:
            InputError: the provider does not give them all, refuses every request, or the disk cannot be written.
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
            # A run that was killed after this step and before the next has them in the ledger already.
            results.new = self.ledger.unknown([*results.votes, *results.refused])
            self.ledger.append(results.new)
            self.ledger.flush()
            if results.n_lacking:
                self._refuse_short(part, results)
                results.used = Usage()  # counted once, when they are all there
                return results
            part.move("collected", counts=results.counts)
            part.forget_requests()
            self._counter.settle(part, results.used_at_most(part.worst_usage))
            self._note(part, results)
            return results

    def _refuse_hopeless(self, part: Part, results: Results) -> None:
        """Keep no refusals where nothing was answered: they are about settings or account, not about the questions."""
        questions = {vote.question_id for vote in results.refused if vote.failure == "rejected"}
        is_hopeless = self.ledger.is_empty or len(questions) >= MANY_REJECTED
        if results.refused and not results.votes and is_hopeless:
            part.move("collected", counts=results.counts)
            self._counter.settle(part, Usage())
            raise self.provider.explain(ProviderError(str(results.refused[0].text), status=400), self.config.model)

    def _refuse_short(self, part: Part, results: Results) -> None:
        """Note that files lack answers which the provider counts; they may come later.

        Raises:
            InputError: they did not.
        """
        self._short[part.id] += 1
        if self._short[part.id] < LOOKS:
            return
        raise InputError(
            f"{self.provider.name} counts {results.promised} answers in batch {part.batch_id}, and its files have "
            f"{results.promised - results.n_lacking}",
            "all that was paid for (what is there is kept)",
            f"run again later; or `tercet batches forget {part.id}`, and what is missing is asked for and paid again",
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
        """Submit and wait, ever longer, until every part is collected; gives out each part as it finishes.

        The caller collects a part before it asks for the next one.

        Args:
            submits: whether parts that are not under way yet are submitted, or left.

        Raises:
            NoBatchesError, InputError: as `submit`, `poll`.
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
            self.say(f"{n_left} batches go on at {self.provider.name}; `tercet batches cancel` would stop them.")
            raise

    def forget(self, part_id: str) -> bool:
        """Give up a part of which the provider will give nothing more; whether there was such an open part.

        Raises:
            InputError: its batch is at work.
        """
        with self._locked():
            found = [part for part in self.open_parts() if part.id == part_id]
            for part in found:
                if part.step == "creating":
                    self._watch.find(part, is_patient=True)
                if part.step == "created" and self._watch.is_at_work(part):
                    raise InputError(
                        f"batch {part.batch_id} is at work", "one that has ended", "use `tercet batches cancel` first"
                    )
                # Its folder stays, so that what is asked for again gets another name.
                part.move("forgotten")
                part.forget_requests()
            return bool(found)

    def cancel(self) -> int:
        """Ask the provider to stop all batches under way, and drop the parts that it never saw; how many it stops.

        What was answered before still comes with the next collection.

        Raises:
            InputError: the provider refuses, or does not know a batch any more.
        """
        n_stopped, problem = 0, None
        with self._locked():
            for part in self.open_parts():
                try:
                    n_stopped += self._watch.stop(part)
                except InputError as error:  # of this batch: the others are stopped all the same
                    problem = problem or error
            (self.folder / STAMP).write_text(f"{time.time_ns()}", encoding="utf-8")
        if problem is not None:
            raise problem
        return n_stopped

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes the parts meanwhile; the lock ends with the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            self.say(f"{self.config.label}: another run is at work on its batches; waiting for it.")
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()
