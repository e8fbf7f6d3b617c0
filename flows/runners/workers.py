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

from corpora.errors import InputError
from corpora.storage import StorePath, forget_listings
from flows.run.manifest import Kind
from flows.session.experiment import Experiment
from flows.session.workspace import Workspace, find_embedder, forget_ledgers, model_file, release_ledgers
from flows.stages.asking import close_model
from retrieval.embedding.embedder_config import EmbedderConfig

_one_at_a_time = threading.Lock()  # models and ledgers are not shared by threads


class Told(NamedTuple):
    """A user's mistake, in its one line; an exception would have to be built again on the other side."""

    line: str


def on_worker(stage: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Run a stage on a worker; a user's mistake comes back as what it tells."""
    with _one_at_a_time:
        try:
            with _votes_kept():
                return stage(*args)
        except InputError as error:
            return Told(str(error))


@contextmanager
def _votes_kept() -> Iterator[None]:
    """What was asked is on disk when a shard ends, however it ends: the flow's own process reads it there."""
    try:
        yield
    finally:
        try:
            release_ledgers()
        except InputError:
            # A worker outlives runs: what it cannot write must not stand in the way of the next one.
            forget_ledgers()
            raise


def free_model() -> None:
    """Free the model that a worker holds, unless another run is using it."""
    if _one_at_a_time.acquire(blocking=False):
        try:
            close_model()
        finally:
            _one_at_a_time.release()


class Worker(NamedTuple):
    """What a worker told about itself.

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


def look_around(sign: StorePath, models: Sequence[str | EmbedderConfig]) -> Worker:
    """Describe the worker that this runs on.

    Args:
        sign: a file that was written into the store.
        models: of the experiment's readers, and its embedders.
    """
    forget_listings(sign)
    found = {}
    for model in models:
        try:
            found[_name(model)] = _digest(model)
        except InputError as error:
            found[_name(model)] = str(error)
    return Worker(socket.gethostname(), version("tercet"), sign.is_file(), found)


def _name(model: str | EmbedderConfig) -> str:
    return model if isinstance(model, str) else model.model


def _digest(model: str | EmbedderConfig) -> str:
    return model_file(model).sha256 if isinstance(model, str) else find_embedder(model)[1]


def check_workers(client: Any, experiment: Experiment, kind: Kind, workspace: Workspace) -> Iterator[str]:
    """Refuse workers that would answer otherwise than this machine; gives lines about what may be slow.

    Args:
        client: a Dask client.
        experiment: whose local models are needed.
        kind: how much of it is run.
        workspace: whose store they share.

    Raises:
        InputError: no worker, another version of Tercet, a store that is not shared, a model that is not there or
            another file.
    """
    local = [reader for reader in experiment.readers if not reader.remote.is_remote]
    embedders = experiment.retrieval.embedders if kind in ("sweep", "run") else ()
    needed: list[str | EmbedderConfig] = [*(reader.model for reader in local), *embedders]
    mine = {_name(model): _digest(model) for model in needed}
    workspace.root.mkdir(parents=True, exist_ok=True)
    sign = workspace.root / f".seen-by-workers-{uuid.uuid4().hex}"
    sign.write_text("")
    try:
        workers: dict[str, Worker] = client.run(look_around, sign, needed)
    except ModuleNotFoundError as error:
        raise InputError(
            f"Dask workers that lack a module ({error})", "Tercet on each", "install it there and start them again"
        ) from error
    finally:
        sign.unlink(missing_ok=True)
    if not workers:
        raise InputError("a Dask scheduler without workers", "one or more", "start `dask worker ADDRESS --nthreads 1`")
    for address, worker in workers.items():
        _check_worker(f"the Dask worker {address} on {worker.host}", worker, mine, workspace)
    yield f"{len(workers)} Dask workers on {len({worker.host for worker in workers.values()})} machines"
    if local and any(reader.threads is None for reader in local):
        for host, n in Counter(worker.host for worker in workers.values()).items():
            if n > 1:
                yield f"{n} workers share {host}, and each reader takes all of its cores: set threads to share them"


def _check_worker(who: str, worker: Worker, mine: dict[str, str], workspace: Workspace) -> None:
    if worker.version != version("tercet"):
        raise InputError(
            f"{who} has Tercet {worker.version}", f"{version('tercet')}, as here", "install the same version on both"
        )
    if not worker.sees_store:
        raise InputError(
            f"{who} does not see the store {workspace.root}",
            "a folder that all machines share, or an address such as s3://bucket/runs",
            "give another --store",
        )
    for model, digest in mine.items():
        if worker.models[model] != digest:
            raise InputError(
                f"{who} has no model {model!r} like the one here ({worker.models[model]:.200})",
                f"sha256 {digest}",
                f"run `tercet models fetch {model}` there",
            )
