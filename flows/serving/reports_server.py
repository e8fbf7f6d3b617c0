"""Shows the HTML reports of a store, and nothing else of it, to browsers on this machine only."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from corpora.storage import StorePath
from results.report.html.page import HTML_REPORT
from results.store.finished import MANIFEST

LOOPBACK = "127.0.0.1"
_PATH = re.compile(rf"/([A-Za-z0-9][A-Za-z0-9_.-]*)/{re.escape(HTML_REPORT)}")
# A report needs no script and loads nothing from elsewhere: what a corpus smuggles into it can do nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@contextmanager
def reports_shown(store: StorePath, port: int = 0) -> Iterator[str]:
    """Show the reports of a store for as long as the context lasts; yields the address, without a trailing slash.

    Args:
        store: folder of runs.
        port: port to listen on, so that links in earlier runs still work; any free one if it is taken, or for 0.
    """

    class Handler(_Reports):
        root = store

    with _listen(port, Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()


def _listen(port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((LOOPBACK, port), handler)
    except OSError:
        return ThreadingHTTPServer((LOOPBACK, 0), handler)


class _Reports(BaseHTTPRequestHandler):
    root: StorePath

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").rpartition(":")[0]
        found = _PATH.fullmatch(self.path)
        # A request under another host name comes from a foreign page whose name was made to point here.
        if host not in (LOOPBACK, "localhost") or not found:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        folder = self.root / found[1]
        if not (folder / MANIFEST).is_file() or not (folder / HTML_REPORT).is_file():
            self.send_error(HTTPStatus.NOT_FOUND, "No finished run with this name")
            return
        body = (folder / HTML_REPORT).read_bytes()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to the flows."""
