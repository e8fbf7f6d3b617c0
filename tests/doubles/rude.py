"""A server on this machine that says whatever a test writes, byte by byte, for as long as anybody listens."""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat

PAUSE = 0.002  # seconds between two pieces that are dripped


def head(status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """The start of a reply; without a length its body goes on until the connection is closed.

    Each reply says that the connection closes after it. Unsaid, a client that asks again may send its request into a
    connection that is just being closed.
    """
    lines = [f"HTTP/1.1 {status} x", "Content-Type: application/json", "Connection: close", *headers]
    lines += [f"Content-Length: {length}"] if length is not None else []
    return "\r\n".join([*lines, "", ""]).encode()


def whole(body: bytes, status: int = 200, *headers: str) -> list[bytes]:
    """A reply with its length."""
    return [head(status, *headers, length=len(body)), body]


def endless(piece: bytes) -> Iterable[bytes]:
    """The same piece for ever."""
    return repeat(piece)


class Rude:
    """`with Rude(say) as server` answers every request with the pieces that `say(path)` gives.

    Args:
        say: gives the pieces of a reply, its head included, from the path that was asked for.
        pause: seconds between two pieces.
    """

    def __init__(self, say: Callable[[str], Iterable[bytes]], pause: float = 0.0) -> None:
        ended = self._ended = threading.Event()
        asked = self.asked = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked.append(self.path)
                self.close_connection = True
                with suppress(OSError):
                    for piece in say(self.path):
                        self.wfile.write(piece)
                        if ended.wait(pause):
                            return

            do_POST = do_GET  # noqa: N815 - the name that the base class looks for

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Rude":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        self._server.server_close()
