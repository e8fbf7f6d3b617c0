"""Serves the flows: starts a loopback Prefect server, and registers label, sweep and compare with it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click

from corpora.errors import InputError
from corpora.storage import StorePath
from flows.runners.names import HEARTBEAT_SECONDS, REPORTS
from flows.serving.access import CREDENTIAL, LOOPBACK, fresh_access, listen
from flows.serving.reports.server import Reports, reports_shown
from flows.session.experiment import experiment_file, load_experiment

START_SECONDS, STOP_SECONDS = 90.0, 20.0
NO_ANALYTICS = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
MOST_PORT = 65_535


def serve_flows(experiments: Sequence[Path], port: int, store: StorePath, limit: int) -> None:
    """Register the three flows and run what is submitted, until interrupted.

    Args:
        experiments: files or bundled names; each gets deployments under its name, with forms filled in from it.
        port: port on 127.0.0.1 of the server that is started, and stopped at the end. If `PREFECT_API_URL` is set, the
            server there is used instead.
        store: folder of runs.
        limit: how many runs at a time.

    Raises:
        InputError: an experiment has a mistake, the server does not start, or the configured one refuses us.
    """
    for end in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends it as Ctrl-C does: nothing is left behind
        if signal.getsignal(end) != signal.SIG_IGN:  # as under nohup
            signal.signal(end, signal.default_int_handler)
    os.environ |= {name: os.environ.get(name, value) for name, value in NO_ANALYTICS.items()}
    files = [experiment_file(one).resolve() for one in experiments]
    loaded = {file: load_experiment(file) for file in files}
    _check_names([one.name for one in loaded.values()])
    with suppress(KeyboardInterrupt), _reports_and_api(store, port) as (reports, api):
        # Set before Prefect is imported, as it reads its settings then; runs are child processes and inherit them.
        os.environ |= {REPORTS: reports.address, **api.environment}
        os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT_SECONDS))
        os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", "2")  # seconds until a submitted run begins
        from flows.runners.heartbeats import watch_heartbeats
        from flows.serving.deployments import deployments_of, remove_old_deployments
        from flows.serving.prefect_flows import check_server
        from flows.serving.running import run_until_told

        check_server()
        watch_heartbeats()
        remove_old_deployments([one.name for one in loaded.values()])
        deployments = [one for file, experiment in loaded.items() for one in deployments_of(file, experiment, store)]
        click.echo(api.told)
        click.echo(f"Deployments: {', '.join(one.name for one in deployments)}.")
        click.echo(run_until_told(deployments, limit))


@contextmanager
def _reports_and_api(store: StorePath, port: int) -> Iterator[tuple[Reports, Api]]:
    after = port + 1 if port < MOST_PORT else 0
    with reports_shown(store, after) as reports, prefect_api(port, reports) as api:
        yield reports, api


def _check_names(names: Sequence[str]) -> None:
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise InputError(
            f"two experiments called {min(doubled)!r}", "a different name for each", "change `name` in one of them"
        )


@dataclass(frozen=True)
class Api:
    """A Prefect API that runs are taken from.

    Attributes:
        environment: what its clients need: its address, and the credential of a server that we started.
        told: how the user gets to it.
    """

    environment: Mapping[str, str] = field(repr=False)
    told: str = field(repr=False)


@contextmanager
def prefect_api(port: int, reports: Reports) -> Iterator[Api]:
    """The Prefect API that `PREFECT_API_URL` names, or one that is started for as long as the context lasts.

    A server that just happens to listen on the port is not used: whoever runs it could run commands as this user.
    """
    configured = os.environ.get("PREFECT_API_URL")
    if not configured:
        with (
            listen(port, other="set PREFECT_API_URL if a Prefect server of yours runs there") as listener,
            _started(listener, port, reports) as api,
        ):
            yield api
        return
    if not answers(configured):
        raise InputError(
            f"PREFECT_API_URL is {configured!r}, but no Prefect server answers there",
            "a running Prefect server",
            "start it, or unset PREFECT_API_URL",
        )
    told = (
        f"Open {configured.removesuffix('/api')}/deployments to run label, sweep and compare; stop with Ctrl-C.\n"
        f"Reports open in a browser that has been at {reports.entry}"
    )
    yield Api({"PREFECT_API_URL": configured}, told)


@contextmanager
def _started(listener: socket.socket, port: int, reports: Reports) -> Iterator[Api]:
    """A server on a socket that listens already: nobody else can take the port before the server is there."""
    access, url = fresh_access(), f"http://{LOOPBACK}:{port}/api"
    # The server needs its own address too, as the port may not be the default one.
    environment = os.environ | {"PREFECT_API_URL": url} | NO_ANALYTICS
    process = subprocess.Popen(  # noqa: S603  (fixed command)
        # Not from the current folder, which may have a folder `flows` of its own.
        [sys.executable, "-P", "-m", "flows.serving.prefect_server", str(listener.fileno())],
        env=environment | access.server_environment(port, reports.cookie),
        stdout=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        # In a process group of its own: Ctrl-C is for the runs, which then tell the server how they ended.
        start_new_session=True,
    )
    try:
        listener.close()  # if the server dies, its port must close
        _wait(url, process)
        told = access.told(f"http://{LOOPBACK}:{port}", to_terminal=sys.stdout.isatty())
        yield Api({"PREFECT_API_URL": url, CREDENTIAL: access.credential}, told)
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
                "read what it printed above, if anything",
            )
        time.sleep(0.5)


def answers(url: str) -> bool:
    """Whether a Prefect API answers at this address."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:  # noqa: S310  (http to a configured address)
            return bool(response.status == 200)
    except (OSError, ValueError, http.client.HTTPException):
        return False
