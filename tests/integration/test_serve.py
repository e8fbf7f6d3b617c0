"""`tercet serve` registers the three flows with a Prefect server on loopback, and stops cleanly."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def served(tmp_path):
    port = free_port()
    environment = os.environ | {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), "--store", str(tmp_path / "runs")]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: len(deployments(port)) == 3, process, tmp_path / "log")
            yield port, process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def wait_for(condition, process, log):
    deadline = time.monotonic() + 120
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


def deployments(port: int) -> list[dict]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/deployments/filter",
        data=b"{}",
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def test_the_three_flows_are_registered_with_forms_and_the_server_goes_away(served):
    port, process = served
    found = {one["entrypoint"].rpartition(":")[2]: one for one in deployments(port)}
    assert set(found) == {"label", "sweep", "compare"}
    form = found["sweep"]["parameter_openapi_schema"]
    sizes = form["definitions"]["RetrievalConfig"]["properties"]["sizes"]
    assert "tokens" in sizes["description"]
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    with pytest.raises(urllib.error.URLError):
        deployments(port)
