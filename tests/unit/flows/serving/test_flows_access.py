"""Who is let in, without any server: secrets, what is told to whom, and the door in front of Prefect's app."""

import base64
import os
import socket

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from corpora.errors import InputError
from flows.serving import serve
from flows.serving.access import (
    CODE,
    CREDENTIAL,
    ENTER,
    ORIGINS,
    REPORTS_COOKIE,
    SERVER_CREDENTIAL,
    UI_API,
    fresh_access,
)
from flows.serving.prefect_server import Door, guarded
from flows.serving.reports.server import Reports

PASSWORD = "tercet:ünsäglich"
BASIC = f"Basic {base64.b64encode(PASSWORD.encode()).decode()}"
COOKIE = "tercet_reports_4201=token"


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.delenv(SERVER_CREDENTIAL, raising=False)
    monkeypatch.delenv(CREDENTIAL, raising=False)


def test_secrets_are_long_new_each_time_and_in_no_representation():
    drawn = [fresh_access() for _ in range(3)]
    secrets = {one.credential for one in drawn} | {one.code for one in drawn}
    assert len(secrets) == 6
    assert all(len(one) >= 22 for one in secrets)
    assert not [one for one in secrets if one in repr(drawn)]


def test_only_pages_of_the_servers_own_address_may_use_it():
    environment = fresh_access().server_environment(4200, COOKIE)
    assert environment[ORIGINS] == "http://127.0.0.1:4200,http://localhost:4200"
    assert environment[UI_API] == "http://127.0.0.1:4200/api", "its pages tell the password to nobody else"


def test_a_terminal_is_told_the_password_and_a_file_is_not(monkeypatch):
    access = fresh_access()
    assert access.credential in access.told("http://127.0.0.1:4200", to_terminal=True)
    kept = access.told("http://127.0.0.1:4200", to_terminal=False)
    assert access.credential not in kept
    assert f"http://127.0.0.1:4200{ENTER}#{access.code} " in kept
    monkeypatch.setenv(SERVER_CREDENTIAL, PASSWORD)
    chosen = fresh_access()
    assert chosen.credential == PASSWORD
    assert PASSWORD not in chosen.told("http://127.0.0.1:4200", to_terminal=True)


@pytest.fixture
def client():
    """A browser before a server whose only page, of Prefect's, says so."""
    prefect = Starlette(routes=[Route("/deployments", lambda _: PlainTextResponse("Prefect's"))])
    return TestClient(guarded(prefect, Door(PASSWORD, "code", COOKIE)), base_url="http://127.0.0.1:4200")


def test_the_code_lets_in_one_browser(client):
    answer = client.post(ENTER, headers={"Authorization": "Bearer code"})
    assert answer.json() == {"password": BASIC.removeprefix("Basic ")}
    assert answer.headers["Set-Cookie"] == f"{COOKIE}; Path=/; HttpOnly; SameSite=Strict"
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.post(ENTER, headers={"Authorization": "Bearer code"}).status_code == 401


def test_a_wrong_guess_does_not_use_the_code_up(client):
    assert client.post(ENTER, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.post(ENTER, headers={"Authorization": "Bearer code"}).status_code == 200


def test_the_password_lets_in_any_number(client):
    assert [client.post(ENTER, headers={"Authorization": BASIC}).status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(
    "told", [None, "", "Basic", "Basic ", "Bearer ", "Basic code", "Bearer token", f"Digest {BASIC}"]
)
def test_nothing_else_does(client, told):
    answer = client.post(ENTER, headers={} if told is None else {"Authorization": told})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert BASIC.removeprefix("Basic ") not in answer.text


def test_the_page_says_no_secret_and_runs_its_own_script_only(client):
    page = client.get(ENTER)
    assert page.status_code == 200
    assert not [one for one in (PASSWORD, BASIC[6:], "token") if one in page.text]
    nonce = page.text.partition('<script nonce="')[2].partition('"')[0]
    assert f"script-src 'nonce-{nonce}'" in page.headers["Content-Security-Policy"]
    assert nonce not in client.get(ENTER).text, "a nonce is used once"


@pytest.mark.parametrize("path", [ENTER, "/deployments"])
def test_only_its_own_names_are_answered_and_no_other_page_may_frame_it(client, path):
    for host in ("127.0.0.1:4200", "localhost:4200"):
        answer = client.get(path, headers={"Host": host})
        assert (answer.status_code, answer.headers["X-Frame-Options"]) == (200, "SAMEORIGIN")
    for host in ("evil.example", "evil.example:4200", "127.0.0.1.evil.example", "www.127.0.0.1", ""):
        assert client.get(path, headers={"Host": host}).status_code == 400


def test_the_port_is_taken_before_the_server_starts_and_never_shared(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(serve, "_started", lambda *_: pytest.fail("started beside another server"))
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1"), serve.prefect_api(port, Reports(1, "t")):
            pytest.fail("taken")


def test_secrets_go_into_the_environment_of_the_server_and_nowhere_else(monkeypatch):
    started = []

    class Process:
        returncode = None

        def __init__(self, command, env, **_):
            started.append((command, env))

        def terminate(self):
            """Nothing runs."""

        def wait(self, timeout=None):
            return 0

    monkeypatch.setattr(serve.subprocess, "Popen", Process)
    monkeypatch.setattr(serve, "_wait", lambda *_: None)
    monkeypatch.setenv("PREFECT_API_KEY", "theirs")
    reports = Reports(4201, "the-token")
    with serve.prefect_api(0, reports) as api:
        ((command, environment),) = started
        secrets = [environment[SERVER_CREDENTIAL], environment[CODE], reports.token]
        assert api.environment[CREDENTIAL] == environment[SERVER_CREDENTIAL]
        assert not [one for one in secrets if one in " ".join(command) + repr(api)]
        assert environment[REPORTS_COOKIE] == reports.cookie
        assert CODE not in api.environment, "runs need no way in for browsers"
    assert SERVER_CREDENTIAL not in os.environ


def test_a_server_of_the_users_own_is_used_as_it_is(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://10.0.0.5:4200/api")
    monkeypatch.setattr(serve, "answers", lambda _: True)
    with serve.prefect_api(4200, Reports(4201, "the-token")) as api:
        assert api.environment == {"PREFECT_API_URL": "http://10.0.0.5:4200/api"}
        assert "http://10.0.0.5:4200/deployments" in api.told
