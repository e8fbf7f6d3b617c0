"""What happens on a Dask worker: one shard at a time, its votes on disk when it ends; and what a worker must have."""

from __future__ import annotations

import socket
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

from distributed import get_worker

from corpora.errors import InputError
from corpora.storage import StorePath, forget_listings
from flows.session.embedders import find_embedder
from flows.session.experiment import Experiment, Kind
from flows.session.session import Session
from flows.session.workspace import Workspace
from labeling.engine.local_readers import LocalReaders, Readers
from labeling.models.registry import is_specialist
from retrieval.embedding.embedder_config import EmbedderConfig


class Told(NamedTuple):
    """A user's mistake, in one line; an exception would have to be rebuilt on the other side."""

    line: str


class WorkerState:
    """What a worker keeps open: a session for each store that it has seen, all of which share one loaded model.

    Args:
        readers: opens the readers of the worker's machine; llama.cpp by default.
    """

    def __init__(self, readers: Readers | None = None) -> None:
        self.readers: Readers = readers or LocalReaders()
        self._sessions: dict[str, Session] = {}
        self._one_at_a_time = threading.Lock()  # threads must not share models and ledgers

    def run(self, stage: Callable[..., Any], workspace: Workspace, args: tuple[Any, ...]) -> Any:
        """Run a stage; a user's mistake comes back as its message."""
        with self._one_at_a_time:
            try:
                with self._session(workspace) as session:
                    return stage(session, *args)
            except InputError as error:
                return Told(str(error))

    def free_model(self) -> None:
        """Free the loaded model, unless another run is using it."""
        if self._one_at_a_time.acquire(blocking=False):
            try:
                self.readers.close()
            finally:
                self._one_at_a_time.release()

    @contextmanager
    def _session(self, workspace: Workspace) -> Iterator[Session]:
        """A store's session. Votes are on disk when a shard ends, however it ends: the flow reads them there."""
        # Only what is free is asked here, and the user's price table is on another machine.
        mine = workspace._replace(prices=None)
        store = str(workspace.root)
        if store not in self._sessions:
            self._sessions[store] = Session(mine, self.readers)
        session = self._sessions[store]
        try:
            yield session
        finally:
            try:
                session.release_ledgers()
            except InputError:
                # A worker outlives runs: what it cannot write must not get in the way of the next run.
                session.abandon_ledgers()
                raise


def state_of(worker: Any) -> WorkerState:
    """What a Dask worker keeps open, held by the worker object itself, so that it lasts as long as the worker."""
    state: WorkerState = vars(worker).setdefault("tercet", WorkerState())
    return state


def on_worker(stage: Callable[..., Any], workspace: Workspace, args: tuple[Any, ...]) -> Any:
    """Run a stage on the worker that this is called on."""
    return state_of(get_worker()).run(stage, workspace, args)


def free_model(dask_worker: Any) -> None:
    """Free the model that a worker holds, unless another run is using it."""
    state_of(dask_worker).free_model()


class Worker(NamedTuple):
    """What a worker reported about itself.

    Attributes:
        host: its machine.
        version: of Tercet.
        sees_store: whether it finds what was written into the store.
        models: digest of each model file, or why it cannot be used.
    """

    host: str
    version: str
    sees_store: bool
    models: dict[str, str]


def look_around(sign: StorePath, models: Sequence[str | EmbedderConfig], dask_worker: Any) -> Worker:
    """Describe the worker that this is called on.

    Args:
        sign: a file that was written into the store.
        models: of the experiment's readers, and its embedders.
        dask_worker: filled in by Dask.
    """
    forget_listings(sign)
    readers, found = state_of(dask_worker).readers, {}
    for model in models:
        try:
            found[_name(model)] = _digest(model, readers)
        except InputError as error:
            found[_name(model)] = str(error)
    return Worker(socket.gethostname(), version("tercet"), sign.is_file(), found)


def _name(model: str | EmbedderConfig) -> str:
    return model if isinstance(model, str) else model.model


def _digest(model: str | EmbedderConfig, readers: Readers) -> str:
    return readers.sha256(model) if isinstance(model, str) else find_embedder(model)[1]


def check_workers(
    client: Any, experiment: Experiment, kind: Kind, workspace: Workspace, readers: Readers
) -> Iterator[str]:
    """Reject workers that would answer differently from this machine; yields lines about what may be slow.

    Args:
        client: a Dask client.
        experiment: whose local models are needed.
        kind: how much of it is run.
        workspace: whose store they share.
        readers: of this machine.

    Raises:
        InputError: there is no worker, or one has another version of Tercet, does not share the store, or lacks a model
            or has another file for it.
    """
    # Specialists lie in the store, which every worker is shown to see.
    local = [one for one in experiment.readers if not one.remote.is_remote and not is_specialist(one.model)]
    embedders = experiment.retrieval.embedders if kind in ("sweep", "run") else ()
    needed: list[str | EmbedderConfig] = [*(reader.model for reader in local), *embedders]
    mine = {_name(model): _digest(model, readers) for model in needed}
    workspace.root.mkdir(parents=True, exist_ok=True)
    sign = workspace.root / f".seen-by-workers-{uuid.uuid4().hex}"
    sign.write_text("")
    try:
        workers: dict[str, Worker] = client.run(look_around, sign, needed)
    except ModuleNotFoundError as error:
        raise InputError(
            f"Dask workers that lack a module ({error})",
            "the same version of Tercet on every worker as here",
            "install it there and restart the workers",
        ) from error
    finally:
        sign.unlink(missing_ok=True)
    if not workers:
        raise InputError(
            "a Dask scheduler without workers", "at least one worker", "start `dask worker ADDRESS --nthreads 1`"
        )
    for address, worker in workers.items():
        _check_worker(f"the Dask worker {address} on {worker.host}", worker, mine, workspace)
    yield f"{len(workers)} Dask workers on {len({worker.host for worker in workers.values()})} machines"
    if local and any(reader.threads is None for reader in local):
        for host, n in Counter(worker.host for worker in workers.values()).items():
            if n > 1:
                yield f"{n} workers share {host}, and each reader uses all of its cores: set threads to share them"


def _check_worker(who: str, worker: Worker, mine: dict[str, str], workspace: Workspace) -> None:
    if worker.version != version("tercet"):
        raise InputError(
            f"{who} has Tercet {worker.version}",
            f"Tercet {version('tercet')}, as on this machine",
            "install the same version on both",
        )
    if not worker.sees_store:
        raise InputError(
            f"{who} does not see the store {workspace.root}",
            "a folder that all machines share, or an address such as s3://bucket/runs",
            "choose another --store",
        )
    for model, digest in mine.items():
        if worker.models[model] != digest:
            raise InputError(
                f"{who} has no model {model!r} like the one here ({worker.models[model]:.200})",
                f"a file with sha256 {digest}",
                f"run `tercet models fetch {model}` there",
            )
