"""A server on this machine that publishes files: it can break off, deliver another file, or refuse to continue."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Publisher:
    """Serves bytes by path, and notes what was asked for.

    Attributes:
        files: what is served.
        breaks_after: how many bytes of a path are sent before the connection breaks, the next time it is asked for.
        continues: whether a request for the rest of a file is understood.
        says_length: whether the size is told before the content.
        asked: the path and the range of each request, in order.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks_after: dict[str, int] = {}
        self.continues, self.says_length = True, True
        self.asked: list[tuple[str, str | None]] = []

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Where it is, with a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}/"


def _handler(publisher: Publisher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, wanted = self.path.lstrip("/"), self.headers.get("Range")
            publisher.asked.append((path, wanted))
            content = publisher.files.get(path)
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and publisher.continues else 0
            if start and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self._send(path, content, start)

        def _send(self, path: str, content: bytes, start: int) -> None:
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if publisher.says_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : publisher.breaks_after.pop(path, len(content))])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler
