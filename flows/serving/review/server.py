"""Serves the review page on this machine, until it is stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from flows.serving.access import SERVER_CREDENTIAL, fresh_access, listen
from flows.serving.review.app import ENTER, Door, review_app
from flows.serving.review.desk import Desk

CLOSING_SECONDS = 2  # that requests may take to end


def serve_review(desk: Desk, port: int, say: Callable[[str], None]) -> None:
    """Show the page until Ctrl-C or SIGTERM.

    Args:
        desk: what is reviewed.
        port: on 127.0.0.1.
        say: prints a line.

    Raises:
        InputError: the port cannot be opened.
    """
    with listen(port) as listener:
        door = Door(listener.getsockname()[1], fresh_access())
        config = uvicorn.Config(
            review_app(desk, door), log_level="warning", access_log=False, proxy_headers=False, server_header=False,
            lifespan="off", timeout_graceful_shutdown=CLOSING_SECONDS,
        )  # fmt: skip
        for line in told(door, to_terminal=sys.stdout.isatty()):
            say(line)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    reviewed = [f"{one.reviewer} {one.done}" for one in desk.progress()]
    say(f"Stopped. Reviewed so far, of {len(desk)}: {', '.join(reviewed) or 'nothing'}. All of it is kept.")


def told(door: Door, *, to_terminal: bool) -> list[str]:
    """How to get in; see `Access.told`."""
    access = door.access
    if access.is_chosen:
        others = f"Others enter the password in {SERVER_CREDENTIAL} at {door.address}{ENTER}."
    elif to_terminal:
        others = f"Others enter this password at {door.address}{ENTER}: {access.credential}"
    else:
        others = f"To let in others too, choose a password: set {SERVER_CREDENTIAL} before you start."
    return [
        f"Open {door.address}{ENTER}#{access.code} to review; stop with Ctrl-C.",
        f"This address lets in the first browser that opens it. {others}",
    ]
