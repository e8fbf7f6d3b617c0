"""What lets browsers and runs in: secrets that are drawn for one `tercet serve`, and are worth nothing after it.

Processes get them in their environment, which no other user of the machine can read; never on a command line or in a
file.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field

from corpora.errors import InputError

LOOPBACK = "127.0.0.1"
OWN_HOSTS = (LOOPBACK, "localhost")
ENTER = "/tercet/enter"  # the page that lets a browser in

# Environment variables: Prefect's own, and those for the process that serves its API.
SERVER_CREDENTIAL = "PREFECT_SERVER_API_AUTH_STRING"  # what the server asks for
CREDENTIAL = "PREFECT_API_AUTH_STRING"  # what runs and other clients tell it
ORIGINS = "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"  # of all its names, the one that Prefect looks for first
UI_API = "PREFECT_SERVER_UI_API_URL"  # to which Prefect's pages tell the credential
CODE = "TERCET_ENTRY_CODE"
REPORTS_COOKIE = "TERCET_REPORTS_COOKIE"


@dataclass(frozen=True)
class Access:
    """The secrets of one server; no representation shows them.

    Attributes:
        credential: opens the whole API.
        code: lets in the first browser that tells it, and no other.
        is_chosen: whether the user chose the credential.
    """

    credential: str = field(repr=False)
    code: str = field(repr=False)
    is_chosen: bool

    def server_environment(self, port: int, cookie: str) -> dict[str, str]:
        """What the process that serves the API must know.

        Args:
            port: that it listens on; pages from there may use it, and no others.
            cookie: name and value; it opens the reports, and each browser that is let in gets it.
        """
        origins = ",".join(f"http://{host}:{port}" for host in OWN_HOSTS)
        settings = {ORIGINS: origins, UI_API: f"http://{LOOPBACK}:{port}/api"}
        return {SERVER_CREDENTIAL: self.credential, CODE: self.code, REPORTS_COOKIE: cookie, **settings}

    def told(self, address: str, *, to_terminal: bool) -> str:
        """How to get in, in two lines.

        Args:
            address: of the server, without a trailing slash.
            to_terminal: whether only the user sees the lines. A file that the output goes into may be open to others,
                and the password would stay in it.
        """
        door = f"{address}{ENTER}"
        if self.is_chosen:
            others = f"Others enter the password in {SERVER_CREDENTIAL} at {door}."
        elif to_terminal:
            others = f"Others enter this password at {door}: {self.credential}"
        else:
            others = f"To let in others too, choose a password: set {SERVER_CREDENTIAL} before you start."
        return (
            f"Open {door}#{self.code} to run label, sweep and compare; stop with Ctrl-C.\n"
            f"This address lets in the first browser that opens it. {others}"
        )


def fresh_access() -> Access:
    """Access with a new credential, or with the one that the user has chosen in the environment."""
    chosen = os.environ.get(SERVER_CREDENTIAL)
    return Access(chosen or fresh_credential(), secrets.token_urlsafe(16), bool(chosen))


def fresh_credential() -> str:
    """A new credential, in the form `user:password` that Prefect's settings describe."""
    return f"tercet:{secrets.token_urlsafe(24)}"


def is_secret(given: str, secret: str) -> bool:
    """Whether a secret was given; how long the answer takes says nothing about it."""
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode("utf-8", "surrogatepass"))


def listen(port: int, *, other: str = "") -> socket.socket:
    """A socket on a port of this machine, which nobody else can take any more.

    Args:
        port: of loopback only.
        other: what else helps than another port.

    Raises:
        InputError: the port cannot be opened.
    """
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise InputError(
            f"port {port} of {LOOPBACK} cannot be opened ({os.strerror(error.errno or 0)})",
            "a free port",
            f"choose another --port{f', or {other}' if other else ''}",
        ) from error
