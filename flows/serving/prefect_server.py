"""The Prefect server that `tercet serve` starts, in a process of its own: `python -m flows.serving.prefect_server FD`.

Prefect asks for the credential. In front of it stand a check of the Host header, without which a page whose name was
made to point to this machine would count as a page from here, and the page that lets a browser in.
"""

from __future__ import annotations

import base64
import os
import secrets
import socket
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.settings import get_current_settings
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.serving.access import CODE, ENTER, OWN_HOSTS, REPORTS_COOKIE, SERVER_CREDENTIAL, is_secret

_PAGE = Path(__file__).with_name("enter.html")
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)


class Door:
    """The page that lets a browser in: with the code of the printed address, which works once, or with the password.

    Args:
        credential: of the API. Prefect's pages keep it in the browser and tell it with each request.
        code: lets in the first browser that tells it.
        cookie: name and value; the browser shows it to the server of the reports.
    """

    def __init__(self, credential: str, code: str, cookie: str) -> None:
        self._credential, self._cookie = credential, cookie
        self._codes = [code]

    def app(self) -> Starlette:
        """The page, and what its script asks for."""
        return Starlette(routes=[Route(ENTER, self._show), Route(ENTER, self._let_in, methods=["POST"])])

    async def _show(self, _: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        page = _PAGE.read_text(encoding="utf-8").replace("NONCE", nonce)
        return HTMLResponse(page, headers=_private(_POLICY.format(nonce=nonce)))

    async def _let_in(self, request: Request) -> Response:
        password = base64.b64encode(self._credential.encode()).decode()
        if not self._is_known(request.headers.get("Authorization", ""), password):
            return JSONResponse({"detail": "Unauthorized"}, 401, headers=_private())
        answer = JSONResponse({"password": password}, headers=_private())
        answer.headers.append("Set-Cookie", f"{self._cookie}; Path=/; HttpOnly; SameSite=Strict")
        return answer

    def _is_known(self, authorization: str, password: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme == "Basic":
            return is_secret(given, password)
        if scheme == "Bearer" and self._codes and is_secret(given, self._codes[0]):
            self._codes.clear()
            return True
        return False


def _private(policy: str = "default-src 'none'") -> dict[str, str]:
    return {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Content-Security-Policy": policy}


def guarded(prefect: ASGIApp, door: Door) -> ASGIApp:
    """Prefect's app behind the checks.

    It is wrapped from outside, as Prefect's services call the app itself in memory, under a Host of their own.
    """
    entrance = door.app()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A page from elsewhere could otherwise show this one under its own buttons.
                message["headers"] = [*message.get("headers", ()), (b"x-frame-options", b"SAMEORIGIN")]
            await send(message)

        is_entrance = scope["type"] == "http" and scope["path"] == ENTER
        await (entrance if is_entrance else prefect)(scope, receive, unframed)

    return TrustedHostMiddleware(app, allowed_hosts=OWN_HOSTS, www_redirect=False)


def lock_at_begin() -> None:
    """Let Prefect's transactions take SQLite's lock for writing when they begin, and wait for it.

    Prefect begins most of them as readers. SQLite lets no reader write once another connection has written: so the API
    refused a form now and then (503), and events, such as a run's sign of life, were dropped after four attempts.
    """
    begin = AioSqliteConfiguration.begin_transaction

    def begin_to_write(
        self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = True
    ) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_to_write  # type: ignore[method-assign, assignment]  # Prefect is pinned


def main() -> None:
    """Serve on the listening socket whose number is the first argument, until terminated."""
    lock_at_begin()
    door = Door(os.environ[SERVER_CREDENTIAL], os.environ.pop(CODE), os.environ.pop(REPORTS_COOKIE))
    settings = get_current_settings().server
    config = uvicorn.Config(
        guarded(create_app(final=True), door),
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
        access_log=False,
        proxy_headers=False,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
