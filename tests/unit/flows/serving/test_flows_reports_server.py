"""Reports are shown to browsers that were let in, and nothing else of the store is."""

import http.client
import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest
from upath import UPath

from flows.serving.reports.files import read_of_run
from flows.serving.reports.runs_page import RunList, runs_page
from flows.serving.reports.server import reports_shown
from results.advice.summary import summarise
from results.store.finished import read_manifest, read_tables


def write_manifest(run, finished, headline):
    manifest = {
        "name": "demo",
        "tables": {},
        "kind": "sweep",
        "headline": headline,
        "sessions": [{"finished": finished}],
    }
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.fixture
def shown(tmp_path):
    run = tmp_path / "runs" / "demo-run-1234abcd"
    run.mkdir(parents=True)
    (run / "report.html").write_text("<p>naïve</p>", encoding="utf-8")
    write_manifest(run, "2026-11-29T21:43:00+00:00", "64-token chunks are <best> here")
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
    ["/demo-run-1234abcd", "/demo-run-1234abcd/", "/demo-run-1234abcd/manifest.json", "/half/report.html", "/../secret",
     "/demo-run-1234abcd/../../secret", "/%2e%2e/secret", "/.hidden/report.html", "//etc/passwd"],
)  # fmt: skip
def test_nothing_else_is(shown, path):
    answer, body = get(shown, path)
    assert answer.status == 404
    assert b"secret" not in body


def test_the_root_lists_the_finished_runs_newest_first_with_what_they_found(shown, tmp_path):
    for folder, finished in (("older", "2026-11-01T08:00:00+00:00"), ("newest", "2026-11-30T08:00:00+01:00")):
        run = tmp_path / "runs" / folder
        run.mkdir()
        (run / "report.html").write_text("x", encoding="utf-8")
        write_manifest(run, finished, f"what {folder} found")
    answer, body = get(shown, "/")
    page = body.decode()
    assert answer.status == 200
    assert re.findall(r'href="([^"]+)"', page) == ["/newest/report.html", REPORT, "/older/report.html"]
    assert "sweep, 29 November 2026, 21:43 UTC" in page
    assert "sweep, 30 November 2026, 07:00 UTC" in page, "in one time zone"
    assert "64-token chunks are &lt;best&gt; here" in page
    assert "half" not in page
    assert get(shown, "/older/report.html")[1] == b"x"


PUBLISHED = Path(__file__).parents[4] / "results" / "published"


def test_what_a_run_found_is_the_first_answer_of_its_summary_until_the_run_changes(tmp_path):
    shutil.copytree(PUBLISHED / "pubmedqa-sizes", tmp_path / "sizes")
    runs = RunList(tmp_path)
    (listed,) = runs.newest_first()
    manifest = read_manifest(tmp_path / "sizes")
    told = summarise(manifest, read_tables(tmp_path / "sizes", manifest)).answers[0].sentence
    assert (listed.folder, listed.kind, listed.finding) == ("sizes", "run", told)
    write_manifest(tmp_path / "sizes", "2026-11-01T08:00:00+00:00", "another finding")
    assert [one.finding for one in runs.newest_first()] == ["another finding"], "tables of another format"


def test_a_run_with_a_damaged_table_says_so(tmp_path):
    shutil.copytree(PUBLISHED / "pubmedqa-sizes", tmp_path / "sizes")
    with (tmp_path / "sizes" / "cells.parquet").open("ab") as file:
        file.write(b"?")
    (listed,) = RunList(tmp_path).newest_first()
    assert (listed.kind, listed.finding.split("sizes/")[1]) == (
        "damaged", "cells.parquet is not the file that the manifest names",
    )  # fmt: skip


def test_a_manifest_names_no_file_outside_of_its_run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    assert read_of_run(tmp_path / "run", "../secret") is None
    assert read_of_run(tmp_path / "run", str(tmp_path / "secret")) is None


def test_a_store_without_runs_says_so(tmp_path):
    for store in (tmp_path, tmp_path / "not-there"):
        with reports_shown(store) as reports:
            answer, body = get(reports, "/")
        assert answer.status == 200
        assert b"No run has finished yet" in body


def test_a_manifest_that_does_not_parse_hides_no_other_run(shown, tmp_path):
    (tmp_path / "runs" / "broken").mkdir()
    for name in ("report.html", "manifest.json"):
        (tmp_path / "runs" / "broken" / name).write_text("{", encoding="utf-8")
    page = get(shown, "/")[1].decode()
    assert "damaged, date unknown" in page
    assert "manifest.json does not parse" in page
    assert REPORT in page


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
    assert b"secret" not in body + get(shown, "/")[1]


def test_a_store_that_is_itself_a_link_is_shown(shown, tmp_path):
    (tmp_path / "store").symlink_to(tmp_path / "runs")
    with reports_shown(tmp_path / "store") as reports:
        assert get(reports, REPORT)[0].status == 200


def test_a_store_elsewhere_is_shown(tmp_path):
    run = UPath("memory://reports-test") / "demo"
    run.mkdir(parents=True)
    assert read_of_run(run, "report.html") is None
    (run / "report.html").write_bytes(b"told")
    (run / "manifest.json").write_bytes(b"{}")
    assert read_of_run(run, "report.html") == b"told"
    assert b"demo" in runs_page(RunList(run.parent).newest_first()).encode()


def test_it_listens_on_loopback_only_and_stops(tmp_path):
    with reports_shown(tmp_path) as reports:
        host, port = reports.address.removeprefix("http://").split(":")
        assert host == "127.0.0.1"
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
