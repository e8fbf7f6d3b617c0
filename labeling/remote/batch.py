"""A batch job: submit tonight, collect tomorrow, never pay twice.

Each part of a job takes its steps on disk before it takes them at the provider, so that a run that is killed anywhere
finds out where it was. The one call that must not be made twice, the creation of a batch, is announced on disk, carries
the part's tag, and is made only after the provider's list of batches shows none with that tag.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from filelock import FileLock

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.labeler import LabelerConfig
from labeling.ledger import Ledger
from labeling.remote.client import Provider, ProviderError
from labeling.remote.pacing import insist
from labeling.remote.parts import Part, load_parts, plan_parts, write_json
from labeling.remote.results import Results, read_lines, read_results
from labeling.remote.spending import LimitError, Meter, Usage
from labeling.remote.submission import PartCounter, Submission
from labeling.votes import Prompt

ENDED = ("completed", "failed", "expired", "cancelled")  # a batch changes no more
NOT_FOUND = 404
FIRST_PAUSE = 2.0
DOWNLOADS = 3  # of a file with broken lines, before they count as what the provider has
LABELER = "labeler.json"
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
    """

    def __init__(
        self, config: LabelerConfig, labels: LabelSet, ledger: Ledger, provider: Provider, meter: Meter,
        say: Callable[[str], None] = lambda _: None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.config, self.labels, self.ledger, self.provider = config, labels, ledger, provider
        self.folder = batch_folder(ledger.folder)
        self.say = say
        self.last_error: ProviderError | None = None  # of a request without an answer
        self._sleep = sleep
        self._lock = FileLock(self.folder / ".lock")
        self._counter = PartCounter(meter)
        self._submission = Submission(ledger.fingerprint, provider, self._counter, sleep)

    def plan(self, prompts: Iterable[Prompt], refused: frozenset[str] = frozenset()) -> int:
        """Write what the ledger lacks, and no open part asks for, into new parts; how many requests that makes.

        Args:
            prompts: all that is wanted; the same one may come twice.
            refused: custom ids that the provider refused in this run.

        Raises:
            InputError: a request larger than a file may be, or a disk that cannot be written.
        """
        with self._locked():
            for stale in self.folder.glob(".making-*"):
                shutil.rmtree(stale, ignore_errors=True)
            description = {"config": self.config.model_dump(mode="json"), "labels": list(self.labels)}
            write_json(self.folder / LABELER, description)
            # What another run wanted and never had made is not this run's to pay for; where it is wanted again, the
            # same part comes out again.
            self._withdraw()
            parts = self.parts()
            asked = {name for part in parts if part.is_open for name in part.vote_keys()} | refused
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
            InputError: the provider refuses, or the next part might pass the limit of what may be spent.
        """
        with self._locked():
            waiting = [part for part in self.parts() if part.step in ("planned", "uploaded", "creating")]
            if not waiting:
                return
            try:
                self._submission.submit(waiting)
            except LimitError:
                # What is under way was reckoned at its worst: once it is here, there may be room for more.
                if not any(part.step == "created" for part in self.parts()):
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
        """Look at every batch under way; the parts whose results can be collected now."""
        with self._locked():
            parts = self.parts()
            for part in parts:
                if part.step == "created":
                    self._counter.set_aside(part, within_limit=False)
                    self._look(part)
            return [part for part in parts if part.step == "finished"]

    def _look(self, part: Part) -> None:
        try:
            batch = self._free(lambda: self.provider.batch(str(part.batch_id)))
        except ProviderError as error:
            raise self._lost(part, error) from error
        status = str(batch.get("status"))
        if status == "failed":
            self._failed(part, batch)
        elif status in ENDED:
            part.move("finished", status=status)
        elif status != part.status:
            part.move("created", status=status)

    def _lost(self, part: Part, error: ProviderError) -> InputError:
        """Why a batch that was made cannot be looked at; what it would give is never asked for again unbidden."""
        if error.status != NOT_FOUND:
            return self.provider.explain(error, self.config.model)
        return InputError(
            f"{self.provider.name} does not know batch {part.batch_id} or its files ({error.message})",
            f"what was submitted with the key in {self.provider.remote.key_name}",
            f"set that key; or, where the provider has deleted it, `tercet batches forget {part.id}`, and its votes "
            "are asked for and paid again",
        )

    def _failed(self, part: Part, batch: dict[str, Any]) -> None:
        """A batch that failed as a whole did nothing and cost nothing: it is made again, if that can help."""
        error = batch_error(batch, self.provider.clean)
        waits = error.code == "token_limit_exceeded"  # for other batches of this account to finish
        self._counter.settle(part, Usage())
        if error.is_missing_model:
            part.move("uploaded", status="failed", batch_id=None)
            raise self.provider.explain(error, self.config.model)
        if part.tries >= self.config.remote.max_attempts and not waits:
            part.move("uploaded", status="failed", batch_id=None, tries=part.tries + 1)
            raise InputError(
                f"{self.provider.name} failed a batch {part.tries} times ({error.code or 'no code'}: {error.message})",
                "one that it works on",
                "correct what it says and run again: everything so far is kept",
            )
        self.say(f"{self.provider.name} failed batch {part.batch_id} ({error.message}); it is submitted again.")
        part.move("uploaded", status="failed", batch_id=None, tries=part.tries + 1)

    def collect(self, part_id: str) -> Results:
        """Fetch the results of a finished part and put its votes into the ledger.

        Raises:
            InputError: the provider does not give them, or the disk cannot be written.
        """
        with self._locked():
            part = next(one for one in self.parts() if one.id == part_id)
            if part.step != "finished":  # another run has collected it
                return Results()
            try:
                results = self._fetch(part)
            except ProviderError as error:
                raise self._lost(part, error) from error
            # A run that was killed after this step and before the next has them in the ledger already.
            self.ledger.append(self.ledger.unknown(results.votes))
            self.ledger.flush()
            part.move("collected", counts=results.counts)
            part.forget_requests()
            self._counter.settle(part, results.used)
            self._tell(part, results)
            self.last_error = results.error or self.last_error
            if results.error is not None and results.error.is_missing_model:
                raise self.provider.explain(results.error, self.config.model)
            return results

    def _fetch(self, part: Part) -> Results:
        """Download and read both files of a batch; `completed` may come with either of them missing."""
        batch = self._free(lambda: self.provider.batch(str(part.batch_id)))
        kinds = [kind for kind in ("output", "error") if batch.get(f"{kind}_file_id")]
        files = {str(batch[f"{kind}_file_id"]): part.folder / f"{kind}.jsonl" for kind in kinds}
        keys = part.vote_keys()
        for _ in range(DOWNLOADS):
            for file_id, target in files.items():
                self._free(partial(self.provider.download, file_id, target))
            lines = chain.from_iterable(read_lines(file) for file in files.values())
            results = read_results(lines, keys, self.config, self.labels, self.ledger.fingerprint, self.provider.clean)
            # A line that ends in its middle may be the download's fault; asking again costs nothing.
            if not results.broken:
                break
        return results

    def _tell(self, part: Part, results: Results) -> None:
        odd = {name: n for name, n in results.counts.items() if n and name != "votes"}
        if odd:
            listed = ", ".join(f"{n} {name}" for name, n in odd.items())
            self.say(f"batch {part.batch_id} ({part.status}): {len(results.votes)} votes; {listed}.")

    def finished(self, *, submits: bool = True) -> Iterator[Part]:
        """Submit and wait, ever longer, until every part is collected; gives out each part as it finishes.

        The caller collects a part before it asks for the next one.

        Args:
            submits: whether parts that are not under way yet are submitted, or left.

        Raises:
            NoBatchesError, InputError: as `submit`, `poll`.
        """
        pause = FIRST_PAUSE
        while True:
            if submits:
                self.submit()
            ready = self.poll()
            yield from ready
            if not any(submits or part.is_under_way for part in self.open_parts()):
                return
            pause = min(FIRST_PAUSE if ready else pause * 1.5, self.config.remote.poll_seconds)
            self._sleep(pause)

    def forget(self, part_id: str) -> bool:
        """Drop a part of which the provider will give nothing more; whether there was such an open part."""
        with self._locked():
            found = [part for part in self.open_parts() if part.id == part_id]
            for part in found:
                part.drop()
            return bool(found)

    def cancel(self) -> list[Part]:
        """Ask the provider to stop all batches under way, and drop the parts that it never saw; the parts concerned.

        What was answered before still comes with the next collection.
        """
        with self._locked():
            concerned = self.open_parts()
            for part in concerned:
                if part.step in ("planned", "uploaded") or (
                    part.step == "creating" and not self._submission.find(part)
                ):
                    part.drop()
                if part.step == "created":
                    try:
                        status = self._free(partial(self._cancel, part))
                    except ProviderError as error:
                        raise self._lost(part, error) from error
                    part.move("created", status=status)
            return concerned

    def _cancel(self, part: Part) -> str:
        try:
            return str(self.provider.cancel(str(part.batch_id)).get("status"))
        except ProviderError as error:
            if error.is_transient or error.status == NOT_FOUND:
                raise
            return str(self.provider.batch(str(part.batch_id)).get("status"))  # it had ended before

    def _free(self, call: Callable[[], Any]) -> Any:
        """A call that costs nothing, made until it goes well."""
        return insist(call, sleep=self._sleep)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes the parts meanwhile; the lock ends with the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            yield


def batch_folder(ledger_folder: Path) -> Path:
    """Where the batch job of a labeler lies, in its ledger's folder."""
    return ledger_folder / "batch"


def batch_error(batch: dict[str, Any], clean: Callable[[str], str]) -> ProviderError:
    """The first error of a failed batch; its `errors` are a bare list, or a list under `data`."""
    errors = batch.get("errors") or []
    listed = errors.get("data") if isinstance(errors, dict) else errors
    first = next((one for one in listed or () if isinstance(one, dict)), {})
    where = f" (line {first['line']})" if first.get("line") is not None else ""
    message = clean(f"{first.get('message') or 'no reason given'}{where}")
    return ProviderError(message, status=None, code=clean(str(first.get("code") or "")))


def read_labeler(folder: Path) -> tuple[LabelerConfig, LabelSet]:
    """Whose batch job lies in a folder, as the run that submitted it wrote it down.

    Raises:
        InputError: nothing that Tercet wrote.
    """
    file = folder / LABELER
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        config = {name: value for name, value in content["config"].items() if name in LabelerConfig.model_fields}
        return LabelerConfig.model_validate(config), LabelSet(tuple(content["labels"]))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{file} is not a labeler ({error})", "what Tercet wrote", "submit the job again") from error
