"""Reports are shown to browsers that were let in, and nothing else of the store is."""

import http.client
import os
import socket

import pytest
from upath import UPath

from flows.serving.reports_server import read_report, reports_shown


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
    with reports_shown(tmp_path / "runs") as reports:
        yield reports


REPORT = "/demo-run-1234abcd/report.html"


def get(shown, path, cookie=None, **headers):
    """As a browser that was let in, or with another cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", shown.port, timeout=10)
    connection.request("GET", path, headers={"Cookie": shown.cookie if cookie is None else cookie} | headers)
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_report_of_a_finished_run_is_shown_and_may_run_no_script(shown):
    answer, body = get(shown, REPORT)
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
    assert get(shown, REPORT, Host="evil.example")[0].status == 404
    assert get(shown, REPORT, Host=f"evil.example:{shown.port}")[0].status == 404
    assert get(shown, REPORT, Host=f"localhost:{shown.port}")[0].status == 200


@pytest.mark.parametrize("path", [REPORT, "/half/report.html", "/", "/enter", "/enter?token=", "/enter?token=wrong"])
@pytest.mark.parametrize("cookie", ["", "tercet_reports_1=wrong", "a=b; c", "\x80"])
def test_a_browser_that_was_not_let_in_learns_nothing(shown, path, cookie):
    answer, body = get(shown, path, cookie)
    assert answer.status == 403
    assert b"na\xc3\xafve" not in body
    assert shown.token.encode() not in body
    assert "Set-Cookie" not in answer.headers


def test_the_cookie_is_found_among_those_of_other_programs(shown):
    assert get(shown, REPORT, f'broken={{"; {shown.cookie}; a=b')[0].status == 200


def test_the_printed_address_lets_a_browser_in(shown):
    answer, _ = get(shown, shown.entry.removeprefix(shown.address), "")
    assert answer.status == 200
    cookie, *limits = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(limits)
    assert get(shown, REPORT, cookie)[0].status == 200


def test_other_pages_may_neither_frame_nor_read_a_report(shown):
    headers = get(shown, REPORT, Origin="https://evil.example")[0].headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_token_is_in_no_representation(shown):
    assert shown.token not in repr(shown)


def linked_report(runs, secret):
    (runs / "linked").mkdir()
    (runs / "linked" / "manifest.json").write_text("{}", encoding="utf-8")
    (runs / "linked" / "report.html").symlink_to(secret)


def linked_manifest(runs, secret):
    (runs / "linked").mkdir()
    (runs / "linked" / "manifest.json").symlink_to(secret)
    (runs / "linked" / "report.html").write_text("secret", encoding="utf-8")


def linked_run(runs, secret):
    (secret.parent / "report.html").write_text("secret", encoding="utf-8")
    (secret.parent / "manifest.json").write_text("{}", encoding="utf-8")
    (runs / "linked").symlink_to(secret.parent)


def pipe(runs, _):
    (runs / "linked").mkdir()
    (runs / "linked" / "manifest.json").write_text("{}", encoding="utf-8")
    os.mkfifo(runs / "linked" / "report.html")


@pytest.mark.parametrize("plant", [linked_report, linked_manifest, linked_run, pipe])
def test_no_link_leads_out_of_a_run(shown, tmp_path, plant):
    plant(tmp_path / "runs", tmp_path / "secret")
    answer, body = get(shown, "/linked/report.html")
    assert answer.status == 404
    assert b"secret" not in body


def test_a_store_that_is_itself_a_link_is_shown(shown, tmp_path):
    (tmp_path / "store").symlink_to(tmp_path / "runs")
    with reports_shown(tmp_path / "store") as reports:
        assert get(reports, REPORT)[0].status == 200


def test_a_store_elsewhere_is_shown(tmp_path):
    run = UPath("memory://reports-test") / "demo"
    run.mkdir(parents=True)
    assert read_report(run) is None
    (run / "report.html").write_bytes(b"told")
    (run / "manifest.json").write_bytes(b"{}")
    assert read_report(run) == b"told"


def test_it_listens_on_loopback_only_and_stops(tmp_path):
    with reports_shown(tmp_path) as reports:
        host, port = reports.address.removeprefix("http://").split(":")
        assert host == "127.0.0.1"
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
