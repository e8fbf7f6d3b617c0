"""Shows the runs of a store and their HTML reports, and nothing else of it, to browsers that the user has let in."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from corpora.storage import StorePath
from flows.serving.access import LOOPBACK, OWN_HOSTS, is_secret
from flows.serving.reports.files import RUN_NAME, read_of_run
from flows.serving.reports.runs_page import RunList, runs_page
from results.report.html.furniture import furniture
from results.report.html.page import HTML_REPORT

_PATH = re.compile(rf"/({RUN_NAME.pattern})/{re.escape(HTML_REPORT)}")
_LET_IN = b'<!doctype html><title>Reports</title><p>This browser may open the reports now: <a href="/">all runs</a>.'
_ENTER = "/enter"
_HEADERS = {
    # A report runs its own script and loads nothing from elsewhere: what a corpus smuggles into it can do nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; "
    f"script-src {furniture().policy}",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Reports:
    """Where reports are shown, and what opens them.

    Attributes:
        port: on this machine.
        token: opens every report of the store, as long as they are shown.
    """

    port: int
    token: str = field(repr=False)

    @property
    def address(self) -> str:
        """The address, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def cookie(self) -> str:
        """Name and value of the cookie of a browser that was let in. Browsers share cookies between ports."""
        return f"tercet_reports_{self.port}={self.token}"

    @property
    def entry(self) -> str:
        """The address that lets a browser in."""
        return f"{self.address}{_ENTER}?token={self.token}"


@contextmanager
def reports_shown(store: StorePath, port: int = 0) -> Iterator[Reports]:
    """Show the reports of a store for as long as the context lasts.

    Args:
        store: folder of runs.
        port: port to listen on, so that links in earlier runs still work; any free one if it is taken, or for 0.
    """

    class Handler(_Handler):
        root = store
        runs = RunList(store)

    with _listen(port, Handler) as server:
        server.daemon_threads = True
        Handler.shown = Reports(server.server_port, secrets.token_urlsafe(24))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Handler.shown
        finally:
            server.shutdown()


def _listen(port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((LOOPBACK, port), handler)
    except OSError:
        return ThreadingHTTPServer((LOOPBACK, 0), handler)


class _Handler(BaseHTTPRequestHandler):
    root: StorePath
    runs: RunList
    shown: Reports

    def do_GET(self) -> None:
        # A request under another host name comes from a foreign page whose name was made to point here.
        if self.headers.get("Host", "").rpartition(":")[0] not in OWN_HOSTS:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        door, _, token = self.path.partition("?token=")
        if door == _ENTER and is_secret(token, self.shown.token):
            self._answer(_LET_IN, cookie=self.shown.cookie)
        elif not self._is_let_in():
            told = "Open the address that `tercet serve` printed, and then this one again."
            self.send_error(HTTPStatus.FORBIDDEN, "This browser has not been let in", told)
        elif self.path == "/":
            self._answer(runs_page(self.runs.newest_first()).encode())
        else:
            self._show()

    def _is_let_in(self) -> bool:
        told = ";".join(self.headers.get_all("Cookie", ()))
        return any(is_secret(one.strip(), self.shown.cookie) for one in told.split(";"))

    def _show(self) -> None:
        found = _PATH.fullmatch(self.path)
        body = read_of_run(self.root / found[1], HTML_REPORT) if found else None
        if body is None:
            self.send_error(HTTPStatus.NOT_FOUND, "No finished run with this name")
        else:
            self._answer(body)

    def _answer(self, body: bytes, cookie: str = "") -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if cookie:
            self.send_header("Set-Cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Strict")
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        """Send what every answer has, errors too."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to the flows."""
