"""Serves the flows: finds or starts a loopback Prefect server, and registers label, sweep and compare with it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from corpora.errors import InputError
from corpora.storage import StorePath, absolute
from flows.runners.names import HEARTBEAT_SECONDS, REPORTS, SERVED, TAG
from flows.serving.reports_server import LOOPBACK, reports_shown
from flows.session.experiment import Experiment, experiment_file, load_experiment

START_SECONDS, STOP_SECONDS = 90.0, 20.0
NO_ANALYTICS = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
MOST_PORT = 65_535


def serve_flows(experiments: Sequence[Path], port: int, store: StorePath, limit: int) -> None:
    """Register the three flows and run what is submitted, until interrupted.

    Args:
        experiments: files or bundled names; each gets deployments under its name, with forms filled in from it.
        port: port of the server on 127.0.0.1; a server that answers there is used, else one is started, and stopped at
            the end. A configured `PREFECT_API_URL` takes precedence.
        store: folder of runs.
        limit: how many runs at a time.

    Raises:
        InputError: an experiment has a mistake, or the server does not start.
    """
    for end in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends it as Ctrl-C does: nothing is left behind
        if signal.getsignal(end) != signal.SIG_IGN:  # as under nohup
            signal.signal(end, signal.default_int_handler)
    os.environ |= {name: os.environ.get(name, value) for name, value in NO_ANALYTICS.items()}
    files = [experiment_file(one).resolve() for one in experiments]
    loaded = {file: load_experiment(file) for file in files}
    _check_names([one.name for one in loaded.values()])
    with (
        server(os.environ.get("PREFECT_API_URL") or f"http://{LOOPBACK}:{port}/api", port) as url,
        reports_shown(store, port + 1 if port < MOST_PORT else 0) as reports,
    ):
        # Set before Prefect is imported, as it reads its settings then; runs are child processes and inherit them.
        os.environ |= {"PREFECT_API_URL": url, SERVED: os.pathsep.join(map(str, files)), REPORTS: reports}
        os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT_SECONDS))
        os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", "2")  # seconds until a submitted run begins
        from prefect import serve

        from flows.runners.heartbeats import watch_heartbeats

        watch_heartbeats()
        deployments = [one for file, experiment in loaded.items() for one in _deployments(file, experiment, store)]
        click.echo(f"Open {url.removesuffix('/api')}/deployments to run label, sweep and compare; stop with Ctrl-C.")
        with suppress(KeyboardInterrupt):  # if it comes before Prefect is ready for it
            serve(*deployments, limit=limit)


def _deployments(file: Path, experiment: Experiment, store: StorePath) -> list[Any]:
    """A deployment of each flow, named after the experiment."""
    from prefect.types.entrypoint import EntrypointType

    from flows.serving.forms import filled_in
    from flows.serving.prefect_flows import FLOWS

    given = {"experiment": str(file), "store": str(absolute(store))}
    return [
        one.to_deployment(
            name=experiment.name,
            tags=[TAG],
            # By module: a file would be looked for in the current folder.
            entrypoint_type=EntrypointType.MODULE_PATH,
            parameters=given | {"form": filled_in(kind, experiment, file.parent).model_dump(mode="json")},
        )
        for kind, one in FLOWS.items()
    ]


def _check_names(names: Sequence[str]) -> None:
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise InputError(
            f"two experiments called {min(doubled)!r}", "a different name for each", "change `name` in one of them"
        )


@contextmanager
def server(url: str, port: int) -> Iterator[str]:
    """The address of a Prefect API: the one that answers at `url`, or one started for as long as the context lasts."""
    if answers(url):
        yield url
        return
    if os.environ.get("PREFECT_API_URL"):
        raise InputError(
            f"PREFECT_API_URL is {url!r}, but no Prefect server answers there",
            "a running Prefect server",
            "start it, or unset PREFECT_API_URL",
        )
    # The server needs its own address too, as the port may not be the default one.
    environment = os.environ | {"PREFECT_API_URL": url} | NO_ANALYTICS
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
    # In a process group of its own: Ctrl-C is for the runs, which then tell the server how they ended.
    process = subprocess.Popen(  # noqa: S603  (fixed command)
        command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError(
                f"no Prefect server came up at {url}",
                f"a server that answers within {START_SECONDS:.0f} s",
                "try another --port",
            )
        time.sleep(0.5)


def answers(url: str) -> bool:
    """Whether a Prefect API answers at this address."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:  # noqa: S310  (http to a configured address)
            return bool(response.status == 200)
    except (OSError, ValueError, http.client.HTTPException):
        return False
