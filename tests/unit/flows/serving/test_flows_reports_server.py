"""Reports are shown to browsers of this machine, and nothing else of the store is."""

import http.client
import socket

import pytest

from flows.serving.reports_server import reports_shown


@pytest.fixture
def shown(tmp_path):
    run = tmp_path / "runs" / "demo-run-1234abcd"
    run.mkdir(parents=True)
    (run / "report.html").write_text("<p>naïve</p>", encoding="utf-8")
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    unfinished = tmp_path / "runs" / "half"
    unfinished.mkdir()
    (unfinished / "report.html").write_text("half", encoding="utf-8")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    with reports_shown(tmp_path / "runs") as address:
        yield address.removeprefix("http://")


def get(address, path, **headers):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_report_of_a_finished_run_is_shown_and_may_run_no_script(shown):
    answer, body = get(shown, "/demo-run-1234abcd/report.html")
    assert (answer.status, body) == (200, "<p>naïve</p>".encode())
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    ["/", "/demo-run-1234abcd/", "/demo-run-1234abcd/manifest.json", "/half/report.html", "/../secret",
     "/demo-run-1234abcd/../../secret", "/%2e%2e/secret", "/.hidden/report.html", "//etc/passwd"],
)  # fmt: skip
def test_nothing_else_is(shown, path):
    answer, body = get(shown, path)
    assert answer.status == 404
    assert b"secret" not in body


def test_a_foreign_name_for_this_machine_is_refused(shown):
    assert get(shown, "/demo-run-1234abcd/report.html", Host="evil.example")[0].status == 404


def test_it_listens_on_loopback_only_and_stops(tmp_path):
    with reports_shown(tmp_path) as address:
        host, port = address.removeprefix("http://").split(":")
        assert host == "127.0.0.1"
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
