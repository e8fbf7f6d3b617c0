"""What tests of several processes share: free ports, waiting, listening sockets, and a served Tercet."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = {"127.0.0.1", "::1"}


def free_port() -> int:
    """A port that is free, and the one after it."""
    while True:
        with socket.socket() as probe, socket.socket() as after:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            try:
                after.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def wait_until(condition, seconds=120.0, every=0.3, told=lambda: ""):
    """Wait for a condition and return what it gave; `told` explains a timeout."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, told()
        time.sleep(every)
    return found


def family(process) -> list[psutil.Process]:
    """A process with all its descendants, as far as they still live."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def listening(processes) -> set[str]:
    """The addresses that processes listen on."""
    found = set()
    for process in processes:
        try:
            found |= {one.laddr.ip for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN}
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def command_lines(processes) -> list[str]:
    """What others see of processes: the words of their command lines."""
    words = []
    for process in processes:
        try:
            words += process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return words


class Served(NamedTuple):
    """A running `tercet serve`.

    Attributes:
        entry: the address that it printed.
        credential: of its API.
        cookie: of its reports; empty until a browser was let in.
    """

    port: int
    process: subprocess.Popen
    log: Path
    entry: str = ""
    credential: str = ""
    cookie: str = ""

    @property
    def address(self) -> str:
        """Of the server, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> str:
        """The header of a request that may do everything."""
        return f"Basic {base64.b64encode(self.credential.encode()).decode()}"

    def api(self, path, body=None, method=None):
        """Ask the Prefect API, again where it says that its database is busy, as Prefect's own clients do."""
        request = urllib.request.Request(
            f"{self.address}/api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": self.authorization},
            method=method or ("GET" if body is None else "POST"),
        )
        for is_last in (False, False, False, True):
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return json.loads(response.read() or "null")
            except urllib.error.HTTPError as error:
                if is_last or error.code != 503:
                    raise
                time.sleep(1)
        return None

    def deployments(self, experiment="demo") -> dict[str, dict]:
        """Those of an experiment that are registered, by the name of their flow."""
        found = {one["name"]: one for one in self.api("deployments/filter", {})}
        named = {flow: found.get(f"{experiment}-{flow}") for flow in ("label", "sweep", "compare")}
        return {flow: one for flow, one in named.items() if one}

    def submit(self, flow: str, experiment="demo", **form) -> str:
        """Start a run with a form changed so; returns its id."""
        deployment = self.deployments(experiment)[flow]
        given = {
            section: values | {name: value for name, value in form.items() if name in values}
            for section, values in deployment["parameters"].items()
        }
        return self.api(f"deployments/{deployment['id']}/create_flow_run", {"parameters": given})["id"]

    def state(self, run: str) -> dict:
        """The state of a run."""
        return self.api(f"flow_runs/{run}")["state"]

    def wait_for_state(self, run: str, *names: str, seconds=300.0) -> dict:
        """Wait until a run is in one of these states."""
        wait_until(
            lambda: self.state(run)["name"] in names,
            seconds,
            told=lambda: f"{self.state(run)} {self.log.read_text()[-3000:]}",
        )
        return self.state(run)

    def artifacts(self, run: str) -> dict[str, dict]:
        """The artifacts of a run by key."""
        found = self.api("artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}, "limit": 200})
        return {one["key"]: one for one in found}

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=90)


def start_serving(folder: Path, *arguments: str, port: int | None = None, **environment: str) -> Served:
    """Start `tercet serve` in `folder`, with its store and Prefect's own files there, and wait for its deployments."""
    port = port or free_port()
    settings = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    command = [sys.executable, "-m", "flows.cli", "serve", *arguments]
    command += ["--port", str(port), "--store", str(folder / "runs")]
    log = folder / "serve.log"
    since = log.stat().st_size if log.exists() else 0  # what an earlier one printed is not this one's
    with log.open("a") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | settings, stdout=output, stderr=subprocess.STDOUT
        )
    served = Served(port, process, log)
    n_flows = 3 * max(1, sum(not one.startswith("-") for one in arguments))
    try:
        served = served._replace(entry=wait_until(lambda: _entry(served, since), 180, told=log.read_text))
        served = _let_in(served, environment)
        wait_until(lambda: _is_ready(served, n_flows), 180, told=log.read_text)
    except BaseException:
        served.stop()
        raise
    return served


def _entry(served: Served, since: int) -> str:
    assert served.process.poll() is None, served.log.read_text()
    text = served.log.read_bytes()[since:].decode()
    printed = re.search(r"^Open (http\S+)", text, flags=re.MULTILINE)
    return printed[1] if printed else ""


def _let_in(served: Served, environment: dict[str, str]) -> Served:
    """With the credential: one that the test chose, so that a browser can use the address, or as a browser gets it."""
    for name in ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"):
        if name in environment:
            return served._replace(credential=environment[name])
    door, _, code = served.entry.partition("#")
    with urllib.request.urlopen(
        urllib.request.Request(door, headers={"Authorization": f"Bearer {code}"}, method="POST"), timeout=30
    ) as answer:
        credential = base64.b64decode(json.load(answer)["password"]).decode()
        return served._replace(credential=credential, cookie=answer.headers["Set-Cookie"].partition(";")[0])


def _is_ready(served: Served, n_flows: int) -> bool:
    assert served.process.poll() is None, served.log.read_text()
    try:
        return len(served.api("deployments/filter", {})) >= n_flows
    except OSError:
        return False


@contextmanager
def serving(folder: Path, *arguments: str, port: int | None = None, **environment: str):
    """A served Tercet for as long as the context lasts."""
    served = start_serving(folder, *arguments, port=port, **environment)
    try:
        yield served
    finally:
        served.stop()
