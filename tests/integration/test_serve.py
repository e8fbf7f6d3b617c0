"""`tercet serve`: three flows with forms on a loopback server; runs that end with artifacts; a clean stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.conftest import ROOT, needs_model
from tests.processes import LOOPBACK, command_lines, family, free_port, listening, serving, wait_until

FORM = {"questions": 3, "readers": ["smollm2-135m"], "controls": [], "sizes": [24, 48], "budgets": [48], "threads": 1}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), TERCET_FLUSH_SECONDS="0") as one:
        yield one


@pytest.mark.slow
def test_the_three_flows_are_registered_with_forms_that_explain_themselves(served):
    found = served.deployments()
    assert [one["name"] for one in found.values()] == ["demo-label", "demo-sweep", "demo-compare"]
    schema = found["sweep"]["parameter_openapi_schema"]
    assert [one["title"] for one in schema["properties"].values()] == ["Settings", "Advanced"]
    form = schema["definitions"]["SweepSettings"]["properties"]
    assert "tokens" in form["sizes"]["description"].lower()
    assert form["sizes"]["items"]["minimum"] == 1
    assert "smollm2-135m" in form["readers"]["items"]["enum"]
    given = found["sweep"]["parameters"]["settings"]
    assert given["sizes"] == [16, 32, 64, 128], "the experiment fills the form in"


@pytest.mark.model
@pytest.mark.slow
def test_a_run_shows_its_progress_and_ends_with_verdict_plot_and_cost_all_on_loopback(served):
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    run = served.submit("sweep", name="mine", **FORM)
    served.wait_for_state(run, "Running")
    wait_until(lambda: any(key.startswith("progress-") for key in served.artifacts(run)), 120)
    addresses, words = listening(family(served.process)), command_lines(family(served.process))
    assert addresses, "nothing listens: this test showed nothing"
    assert addresses <= LOOPBACK
    state = served.wait_for_state(run, "Completed", "Failed", "Crashed")
    assert state["name"] == "Completed", served.log.read_text()[-3000:]
    shown = served.artifacts(run)
    shown = {key.rpartition("-")[2]: one for key, one in shown.items()}
    assert set(shown) == {"verdict", "plot", "cost"}, "and no card of a finished stage"
    assert [key for key, one in shown.items() if not one["task_run_id"]] == ["verdict"], "the page lists it first"
    assert "**Which chunk size?**" in shown["verdict"]["description"]
    assert "## Does retrieval find it?" in shown["verdict"]["data"]
    log = served.log.read_text()
    assert "Which chunk size? " in log
    assert "Report and tables: " in log
    assert "data:image/png;base64," in shown["plot"]["data"]
    address = re.search(r"\]\((http\S+)\)", shown["verdict"]["data"])[1]
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Cookie": served.cookie})) as report:
        assert b"<html" in report.read()
    assert status(address) == 403, "the report is shown to whoever asks"
    secrets = {served.credential, served.entry.partition("#")[2], served.cookie.partition("=")[2]}
    assert all(len(one) > 20 for one in secrets)
    assert len(words) > 10, "a served run has three processes or more: this test showed nothing"
    assert not [word for word in words for one in secrets if one in word]
    secrets.remove(served.entry.partition("#")[2])  # it was printed, and is used up
    files = [file for file in served.log.parent.rglob("*") if file.is_file()]
    assert {"prefect.db", "serve.log", "manifest.json"} <= {file.name for file in files}
    assert not [file for file in files for one in secrets if one.encode() in file.read_bytes()]


@pytest.mark.model
@pytest.mark.slow
def test_a_run_that_was_taken_for_dead_shows_as_running_again_and_ends(served):
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    run = served.submit("sweep", **FORM | {"questions": 8})
    wait_until(lambda: any(key.startswith("progress-") for key in served.artifacts(run)), 120)
    # As the automation does when a laptop has slept for longer than three heartbeats.
    served.api(f"flow_runs/{run}/set_state", {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True})
    wait_until(lambda: "Still running" in (served.state(run)["message"] or ""), 120, told=served.log.read_text)
    assert served.wait_for_state(run, "Completed", "Failed", "Crashed")["name"] == "Completed"


@pytest.mark.slow
def test_a_mistake_across_fields_is_one_line_and_a_refused_run(served):
    run = served.submit("sweep", name="wrong", **FORM | {"overlaps": [24]})
    state = served.wait_for_state(run, "Completed", "Failed", "Crashed")
    assert state["message"].startswith("Refused: Overlaps: overlap 24")
    (why,) = served.artifacts(run).values()
    assert "overlap 24" in why["data"]
    assert "refused: Overlaps: overlap 24" in served.api(f"flow_runs/{run}")["name"]
    assert not list((served.log.parent / "runs").glob("wrong*"))


@pytest.mark.slow
def test_what_the_schema_forbids_is_refused_when_it_is_submitted(served):
    with pytest.raises(urllib.error.HTTPError) as refused:
        served.submit("sweep", **FORM | {"sizes": [0]})
    assert refused.value.code in (409, 422)
    assert b"0 is less than the minimum of 1" in refused.value.read()


def status(request) -> int:
    """The status of an answer, an address or a request."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def attack(served, folder, **headers) -> list[int]:
    """What a page of another origin, or another user, would send: a command into a deployment, and a run of it."""
    deployment = served.deployments()["label"]["id"]
    steps = [{"prefect.deployments.steps.run_shell_script": {"script": f"touch {folder / 'pwned'}"}}]
    sent = [("PATCH", f"deployments/{deployment}", {"pull_steps": steps}),
            ("POST", f"deployments/{deployment}/create_flow_run", {})]  # fmt: skip
    return [
        status(
            urllib.request.Request(
                f"{served.address}/api/{path}",
                data=json.dumps(body).encode(),
                headers={"Content-Type": "application/json", "Origin": "https://evil.example"} | headers,
                method=method,
            )
        )
        for method, path, body in sent
    ]


WRONG = "Basic dGVyY2V0Ondyb25n"


@pytest.mark.slow
def test_a_command_that_others_put_into_a_deployment_is_refused_and_nothing_runs(served, tmp_path):
    before = {run["id"] for run in served.api("flow_runs/filter", {})}
    assert attack(served, tmp_path) == [401, 401]
    assert attack(served, tmp_path, Authorization=WRONG) == [401, 401]
    rebound = {"Host": f"evil.example:{served.port}", "Authorization": served.authorization}
    assert attack(served, tmp_path, **rebound) == [400, 400]
    assert not served.deployments()["label"]["pull_steps"]
    assert {run["id"] for run in served.api("flow_runs/filter", {})} == before
    # The same request with the credential is taken: what was refused above was a real attack.
    deployment = served.deployments()["label"]["id"]
    served.api(f"deployments/{deployment}", {"pull_steps": [{"some.step": {}}]}, "PATCH")
    assert served.deployments()["label"]["pull_steps"]
    served.api(f"deployments/{deployment}", {"pull_steps": None}, "PATCH")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.slow
def test_pages_of_other_origins_are_told_nothing(served):
    def allowed(origin):
        asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH",
                 "Access-Control-Request-Headers": "authorization"}  # fmt: skip
        request = urllib.request.Request(f"{served.address}/api/deployments/filter", headers=asked, method="OPTIONS")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.headers["Access-Control-Allow-Origin"]
        except urllib.error.HTTPError as refused:
            return refused.headers["Access-Control-Allow-Origin"]

    assert allowed(served.address) == served.address
    assert allowed("https://evil.example") is None
    assert allowed(f"http://127.0.0.1:{served.port + 1}") is None, "nor what a report smuggles in"


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    ["events/in", "events/out", "logs/out", "task_runs/subscriptions/scheduled", "work_pools/any/workers/connect"],
)
def test_the_sockets_of_events_and_logs_ask_for_the_credential_too(served, path):
    def said(token, **settings):
        address = f"ws://127.0.0.1:{served.port}/api/{path}"
        with connect(address, subprotocols=["prefect"], **settings) as opened:
            opened.send(json.dumps({"type": "auth", "token": token}))
            return json.loads(opened.recv(timeout=30))

    assert said(served.credential) == {"type": "auth_success"}
    with pytest.raises(ConnectionClosed):
        said("wrong")
    with pytest.raises(InvalidStatus, match="400"):
        said(served.credential, additional_headers={"Host": "evil.example"})


@pytest.mark.slow
def test_the_printed_address_lets_in_one_browser_and_the_password_any(served):
    def entered(authorization):
        door = served.entry.partition("#")[0]
        return status(urllib.request.Request(door, headers={"Authorization": authorization}, method="POST"))

    assert entered(f"Bearer {served.entry.partition('#')[2]}") == 401, "the code was used when this server started"
    assert entered(WRONG) == 401
    assert entered(served.authorization) == 200


@pytest.mark.slow
def test_a_second_one_uses_the_server_that_it_is_told_of_and_leaves_it(served, tmp_path):
    known = {"PREFECT_API_URL": f"{served.address}/api", "PREFECT_API_AUTH_STRING": served.credential}
    with serving(tmp_path, "pubmedqa", port=served.port, **known) as second:
        wait_until(lambda: len(served.deployments("pubmedqa-sizes")) == 3, told=second.log.read_text)
        (reports,) = re.findall(r"http\S+/enter\?token=\S+", second.log.read_text())
        assert status(reports) == 200
    assert len(served.deployments()) == 3
    refused = serve(PREFECT_API_URL=known["PREFECT_API_URL"], PREFECT_API_AUTH_STRING="tercet:wrong")
    assert refused.returncode == 2
    assert "refuses this key or password" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_leaves_no_process_and_no_server_and_says_how_the_runs_ended(tmp_path, ending):
    with serving(tmp_path) as served:
        served.wait_for_state(served.submit("sweep", overlaps=[24]), "Failed")
        everyone = family(served.process)
        served.process.send_signal(ending)
        assert served.process.wait(timeout=90) == 0
    _, alive = psutil.wait_procs(everyone, timeout=30)
    assert not alive
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", served.port)) != 0
    first, *_, last = served.log.read_text().splitlines()
    assert first.startswith(f"Open http://127.0.0.1:{served.port}/")
    assert last == "stopped; 0 runs finished, 1 run refused or failed"
    said = served.log.read_text()
    assert not [word for word in ("Traceback", "never awaited", "WARNING", "prefect deployment run") if word in said]


def serve(*arguments, **environment):
    command = [sys.executable, "-m", "flows.cli", "serve", *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)


def test_a_server_that_is_configured_and_not_there_is_one_line(tmp_path):
    done = serve(PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api", PREFECT_HOME=str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no Prefect server answers there" in line


@pytest.mark.slow
def test_a_flow_on_a_server_that_is_not_there_is_one_line(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/api"
    command = [sys.executable, "-m", "flows.cli", "label", "demo", "--prefect", "--store", str(tmp_path / "runs")]
    done = subprocess.run(
        command, env=os.environ | {"PREFECT_API_URL": url}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    assert f"PREFECT_API_URL is '{url}', but no Prefect server answers there" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_something_else_listens_on_is_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve("--port", str(port), PREFECT_HOME=str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"port {port} of 127.0.0.1 cannot be opened (Address already in use)" in line


def test_an_experiment_that_is_not_there_is_one_line_before_any_server_starts(tmp_path):
    done = serve("nowhere.toml", PREFECT_HOME=str(tmp_path / "prefect"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "prefect").exists()


@pytest.mark.model
@pytest.mark.slow
def test_prefect_yaml_registers_the_flows_and_a_worker_elsewhere_runs_them(served, tmp_path):
    needs_model("smollm2-135m")
    environment = os.environ | {
        "PREFECT_API_URL": f"{served.address}/api",
        "PREFECT_API_AUTH_STRING": served.credential,
        "PREFECT_HOME": str(served.log.parent / "prefect"),
        "PYTHONPATH": str(ROOT),
    }

    def prefect(*arguments, cwd=ROOT):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    prefect("work-pool", "create", "tercet", "--type", "process")
    prefect("deploy", "--all")
    found = served.deployments("tercet")
    assert set(found) == {"label", "sweep", "compare"}
    settings = {"questions": 2, "readers": ["smollm2-135m"]}
    given = {"settings": settings, "advanced": {"threads": 1, "store": str(tmp_path / "runs"), "experiment": "demo"}}
    run = served.api(f"deployments/{found['label']['id']}/create_flow_run", {"parameters": given})["id"]
    told = prefect("worker", "start", "--pool", "tercet", "--run-once", cwd=tmp_path)
    assert served.state(run)["name"] == "Completed", told
    assert list((tmp_path / "runs").glob("demo-label-*/manifest.json"))


@pytest.mark.slow
def test_a_store_that_may_be_gone_after_the_run_is_refused(served):
    state = served.wait_for_state(served.submit("label", store="runs"), "Completed", "Failed", "Crashed")
    assert state["message"].startswith("Refused: ")
    assert "the store 'runs'" in state["message"]


@pytest.mark.slow
def test_a_closed_terminal_leaves_no_process_though_a_run_is_under_way(tmp_path):
    with serving(tmp_path) as served:
        run = served.submit("label", questions=5, readers=["smollm2-135m"])
        served.wait_for_state(run, "Running")
        everyone = family(served.process)
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(timeout=90)
        last = served.log.read_text().splitlines()[-1]
        assert last == "stopped; 0 runs finished, 1 run broken off (Retry in the UI continues)"
    _, alive = psutil.wait_procs(everyone, timeout=30)
    assert not alive
