"""Serving the flows: a loopback Prefect server, found or started, with label, sweep and compare registered."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from corpora.errors import InputError

START_SECONDS = 90.0


def serve_flows(port: int, store: Path) -> None:
    """Register the three flows and run what is asked for, until interrupted.

    Args:
        port: of the server on 127.0.0.1; one that answers there is used, else one is started and stopped again. A
            configured `PREFECT_API_URL` has precedence.
        store: folder of runs.

    Raises:
        InputError: the server does not come up.
    """
    with server(os.environ.get("PREFECT_API_URL") or f"http://127.0.0.1:{port}/api", port) as url:
        os.environ["PREFECT_API_URL"] = url
        # Imported here, after the address is set: Prefect reads its settings when it is imported.
        from prefect import serve

        from flows.prefect_flows import FLOWS

        parameters = {"store": str(store.resolve()), "base": str(Path.cwd())}
        deployments = [one.to_deployment(name="tercet", parameters=parameters) for one in FLOWS.values()]
        click.echo(f"Open {url.removesuffix('/api')}/deployments to run label, sweep and compare; stop with Ctrl-C.")
        serve(*deployments)  # type: ignore[arg-type]  # to_deployment is sync here, async elsewhere


@contextmanager
def server(url: str, port: int) -> Iterator[str]:
    """The address of a Prefect API: the one that answers at `url`, or one started for as long as the context lasts."""
    if answers(url):
        yield url
        return
    if os.environ.get("PREFECT_API_URL"):
        raise InputError(
            f"PREFECT_API_URL is {url!r}, but no Prefect server answers there", "one", "start it or unset the variable"
        )
    # The server needs its own address too where the port is not the default one.
    environment = os.environ | {
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603  (fixed command)
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError(
                f"no Prefect server came up at {url}", f"one within {START_SECONDS:.0f} s", "try another --port"
            )
        time.sleep(0.5)


def answers(url: str) -> bool:
    """Whether a Prefect API answers at this address."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:  # noqa: S310  (http to a configured address)
            return bool(response.status == 200)
    except (OSError, ValueError, http.client.HTTPException):
        return False
