"""A batch job: submit tonight, collect tomorrow, never pay twice.

Each step of a part is written to disk before it is taken at the provider: a run that was killed at any point finds out
where it was, and another machine with the same store can continue.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from filelock import FileLock, Timeout

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.jobs.collection import Collection, Judged
from labeling.remote.jobs.final_word import Verdict
from labeling.remote.jobs.intake import Intake
from labeling.remote.jobs.job import batch_folder, direct_lock, write_labeler
from labeling.remote.jobs.parts import Part, load_parts, plan_parts
from labeling.remote.jobs.patience import FIRST_PAUSE, GROWTH
from labeling.remote.jobs.results import Results
from labeling.remote.jobs.submission import PartCounter, Submission
from labeling.remote.jobs.watch import StuckError, Watch
from labeling.remote.spending import LimitError, Meter, Usage
from labeling.votes.ledger import Ledger
from labeling.votes.vote import Prompt

CANCELLED = ("cancelling", "cancelled")
STAMP = "cancelled"  # file that says when somebody cancelled
LOCK_SECONDS = 5.0  # before the user hears that another run is working on the same job
TOLD_SECONDS = 600.0  # between two lines that say what the run is waiting for
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
        problems: why nothing more comes from a part in this run, by part; its batch is left as it is.
    """

    def __init__(
        self, config: LabelerConfig, labels: LabelSet, ledger: Ledger, provider: Provider, meter: Meter,
        say: Callable[[str], None] = lambda _: None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.config, self.labels, self.ledger, self.provider = config, labels, ledger, provider
        self.folder = batch_folder(ledger.folder)
        self.say = say
        self.problems: dict[str, InputError] = {}
        self._sleep = sleep
        self._lock = FileLock(self.folder / ".lock")
        self._counter = PartCounter(meter)
        collection = Collection(config, labels, ledger.fingerprint, provider, sleep)
        self._submission = Submission(ledger.fingerprint, provider, self._counter, collection.is_void, sleep)
        self._watch = Watch(config, provider, self._submission, collection, self._counter, self._tell, sleep)
        self._intake = Intake(config.model, ledger, provider, self._counter, self._tell)
        self._cancelled_before = self._cancelled()
        self._ready: dict[str, Results] = {}  # results after a final word that were not collected yet, by part
        self._told: set[str] = set()  # parts whose problem was said

    @property
    def last_error(self) -> ProviderError | None:
        """The last error of a request that got no answer."""
        return self._intake.last_error

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
                if not any(part.is_under_way and part.id not in self.problems for part in self.parts()):
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

    def poll(self, *, is_patient: bool = False) -> Iterator[Part]:
        """Look at every batch under way; yields the parts after whose final word the results can be collected.

        A part from which nothing more will come is noted in `problems`, and the others are still looked at. The caller
        collects a part before it asks for the next one.

        Args:
            is_patient: whether a batch that ended is looked at later again if its results are not all there.

        Raises:
            InputError: the provider refuses, or has failed a batch too often.
        """
        for known in self.parts():
            if known.id in self.problems or not self._watch.patience.is_due(known.id):
                continue
            with self._locked():
                part = known.reload()  # another run may have got further
                is_ready = part is not None and self._look(part, is_patient=is_patient)
            if part is not None and is_ready:
                yield part

    def _look(self, part: Part, *, is_patient: bool) -> bool:
        """Look at a part's batch; returns whether its results can be collected."""
        try:
            if part.step == "creating":  # a run was killed there, and the batch may be running
                self._watch.find(part)
            if not part.is_under_way:
                return False
            judged = self._watch.look(part, is_alone=self._is_alone, is_patient=is_patient)
            if judged is None or not self._is_ready(part, judged, is_patient=is_patient):
                return False
        except StuckError as problem:
            self.problems[part.id] = problem
            return False
        self._ready[part.id] = judged.results
        return True

    def _is_alone(self) -> bool:
        """Whether at most one batch is under way."""
        return sum(part.is_under_way for part in self.parts()) <= 1

    def _is_ready(self, part: Part, judged: Judged, *, is_patient: bool) -> bool:
        if judged.word.verdict is Verdict.WAITS:
            self._intake.keep_early(part, judged.results)
            return self._watch.is_enough(part, judged, is_patient=is_patient)
        return judged.word.verdict is Verdict.FINAL

    def collect(self, part_id: str) -> Results:
        """Put the votes of a part into the ledger after its final word; no results if that has not come yet.

        Raises:
            InputError: every request was refused, or the disk cannot be written, or as `poll`.
        """
        with self._locked():
            part = next(one for one in self.parts() if one.id == part_id)
            # Where another run has collected it, it is not under way.
            if not part.is_under_way or (part_id not in self._ready and not self._look(part, is_patient=True)):
                return Results()
            results = self._ready.pop(part_id)
            self._intake.take(part, results)
            return results

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
                self._submit_unless_stuck()
            n_ready = 0
            for part in self.poll(is_patient=True):
                n_ready += 1
                yield part
            left = [part for part in self.open_parts() if submits or part.is_under_way]
            self._tell_problems(left)
            if not left:
                return
            if time.monotonic() - told > TOLD_SECONDS:
                told = time.monotonic()
                self.say(f"{self.config.label}: waiting for {len(left)} batches at {self.provider.name}.")
            pause = min(FIRST_PAUSE if n_ready else pause * GROWTH, self.config.remote.poll_seconds)
            self._wait(pause, len(left))

    def _submit_unless_stuck(self) -> None:
        """Submit; if the limit leaves no room beside parts from which nothing more comes, these are the problem."""
        try:
            self.submit()
        except LimitError:
            for problem in self.problems.values():
                raise problem from None
            raise

    def _tell_problems(self, left: list[Part]) -> None:
        """Say at once what is wrong with a part, and stop when nothing else is left."""
        if left and all(part.id in self.problems for part in left):
            raise next(iter(self.problems.values()))
        for name in self.problems.keys() - self._told:
            self._told.add(name)
            self.say(str(self.problems[name]))

    def _wait(self, seconds: float, n_left: int) -> None:
        try:
            self._sleep(seconds)
            self._watch.patience.pass_time(seconds)
        except KeyboardInterrupt:
            self.say(f"{n_left} batches continue at {self.provider.name}; `tercet batches cancel` would stop them.")
            raise

    def forget(self, part_id: str, confirm: Callable[[str], bool] = lambda _: True) -> str:
        """Give up a part from which nothing more will come; the answers that it has are kept.

        Args:
            part_id: the part.
            confirm: asked with what would be lost; if it says no, nothing is given up.

        Returns:
            What was given up; empty if there is no such open part, or it was not to be given up.

        Raises:
            InputError: its batch is still running, or has all of its results.
        """
        with self._locked():
            part = next((part for part in self.open_parts() if part.id == part_id), None)
            if part is None:
                return ""
            if part.step == "creating":
                self._watch.find(part, is_patient=True)
            judged = self._watch.look_last(part) if part.is_under_way else None
            if judged is not None:
                self._intake.keep_early(part, judged.results)
            loss = self._watch.loss(part, judged)
            if not confirm(loss):
                return ""
            # Its folder stays, so that the same requests, asked again, get another name.
            part.move("forgotten")
            part.forget_requests()
            return loss

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
