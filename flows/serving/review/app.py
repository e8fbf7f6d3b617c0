"""The review page as a web application: who is let in, which page is shown, and what is kept.

A label is kept before the next item is shown, and every page is made from what is kept: a closed tab loses nothing.
Without scripts everything can be done by clicking; the script adds the keys.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs, quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corpora.errors import InputError
from flows.serving.access import LOOPBACK, OWN_HOSTS, Access, is_secret
from flows.serving.review.desk import Desk, next_place
from flows.serving.review.pages import Pages

ENTER = "/enter"
MOST_BYTES = 1_000_000  # of a form
MOST_NOTE = 10_000  # characters of a note
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Door:
    """What lets browsers in.

    Attributes:
        port: on this machine.
        access: the code that lets in the first browser, and the password for others; as of `tercet serve`.
        token: in the cookie of a browser that was let in.
    """

    port: int
    access: Access
    token: str = field(repr=False, default_factory=partial(secrets.token_urlsafe, 24))

    @property
    def address(self) -> str:
        """Of the page, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def cookie(self) -> str:
        """Its name; browsers share cookies between ports."""
        return f"tercet_review_{self.port}"

    @property
    def origins(self) -> tuple[str, ...]:
        """Where forms may come from: a page of another server on this machine has the same cookies."""
        return tuple(f"http://{host}:{self.port}" for host in OWN_HOSTS)


def review_app(desk: Desk, door: Door, codes: list[str] | None = None) -> Starlette:
    """The application.

    Args:
        desk: what is reviewed.
        door: who is let in.
        codes: those that each let in one browser; by default the one of the access.
    """
    site = _Site(desk, door, [door.access.code] if codes is None else codes)
    routes = [
        Route(ENTER, site.show_door),
        Route(ENTER, site.let_in, methods=["POST"]),
        Route("/", site.private(site.start)),
        Route("/start", site.private(site.begin), methods=["POST"]),
        Route("/by/{reviewer}", site.private(site.go_on)),
        Route("/by/{reviewer}/skipped", site.private(site.skipped)),
        Route("/by/{reviewer}/{place}", site.private(site.show)),
        Route("/by/{reviewer}/{place}", site.private(site.keep), methods=["POST"]),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=OWN_HOSTS, www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts, Middleware(_Headers, policy=site.pages.policy)])


class _Headers:
    """Adds what every answer has."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        told = {
            "Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
            # Not `no-referrer`, under which a browser does not say where a form comes from.
            "Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
        }  # fmt: skip
        self._told = [(name.lower().encode(), value.encode()) for name, value in told.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._told]
            await send(message)

        await self._app(scope, receive, with_headers)


class _Site:
    def __init__(self, desk: Desk, door: Door, codes: list[str]) -> None:
        self._desk, self._door, self._codes = desk, door, codes
        self.pages = Pages(desk)

    def private(self, handler: Handler) -> Handler:
        """The same for browsers that were let in, and for forms that come from our own pages."""

        async def guarded(request: Request) -> Response:
            if not is_secret(request.cookies.get(self._door.cookie, ""), self._door.token):
                return self.pages.message("This browser has not been let in", "Open the address that `tercet review` "
                                          "printed, and then this one again.", 403)  # fmt: skip
            if request.method == "POST" and request.headers.get("Origin") not in self._door.origins:
                return self.pages.message("This form is not from here", "Open the page again.", 403)
            try:
                return await handler(request)
            except InputError as error:
                return self.pages.message("This did not work", str(error), 400)

        return guarded

    async def show_door(self, _: Request) -> Response:
        return self.pages.door()

    async def let_in(self, request: Request) -> Response:
        try:
            form = await _form(request)
        except InputError as error:
            return self.pages.message("This did not work", str(error), 400)
        if not self._is_known(form.get("code", ""), form.get("password", "")):
            used = "This address was used before, or belongs to a server that has stopped. Enter the password that "
            return self.pages.door(
                f"{used if form.get('code') else 'Enter the password that '}`tercet review` printed."
            )
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._door.cookie, self._door.token, httponly=True, samesite="strict", path="/")
        return answer

    def _is_known(self, code: str, password: str) -> bool:
        if self._codes and is_secret(code, self._codes[0]):
            self._codes.clear()
            return True
        return is_secret(password.strip(), self._door.access.credential)

    async def start(self, _: Request) -> Response:
        return self.pages.start(await run_in_threadpool(self._desk.progress))

    async def begin(self, request: Request) -> Response:
        name = (await _form(request)).get("reviewer", "")
        try:
            return RedirectResponse(_of(await run_in_threadpool(self._desk.reviewer, name)), 303)
        except InputError as error:
            return self.pages.start(await run_in_threadpool(self._desk.progress), name, str(error))

    async def go_on(self, request: Request) -> Response:
        """The first item that this reviewer has not decided on, or the last page."""
        reviewer = await run_in_threadpool(self._desk.reviewer, request.path_params["reviewer"])
        mine = (await run_in_threadpool(self._desk.decisions)).get(reviewer, {})
        place = next_place(mine, len(self._desk))
        return self.pages.done(reviewer, mine) if place is None else RedirectResponse(f"{_of(reviewer)}/{place}", 303)

    async def skipped(self, request: Request) -> Response:
        """The first item that this reviewer skipped."""
        reviewer = await run_in_threadpool(self._desk.reviewer, request.path_params["reviewer"])
        mine = (await run_in_threadpool(self._desk.decisions)).get(reviewer, {})
        places = [place for place, one in sorted(mine.items()) if one.label is None]
        return RedirectResponse(f"{_of(reviewer)}/{places[0]}" if places else _of(reviewer), 303)

    async def show(self, request: Request) -> Response:
        reviewer, place = await run_in_threadpool(self._asked, request)
        mine = (await run_in_threadpool(self._desk.decisions)).get(reviewer, {})
        return await run_in_threadpool(self.pages.item, reviewer, place, mine)

    async def keep(self, request: Request) -> Response:
        """Keep a label, and then show the next item."""
        reviewer, place = await run_in_threadpool(self._asked, request)
        form = await _form(request)
        if form.get("digest") != self._desk.digest(place):
            told = "The command was started anew with other questions. What you labelled before is kept."
            return self.pages.message("This is another queue", told, 409)
        labels = self._desk.labels_at(place)
        number, note = form.get("label", ""), form.get("note", "").replace("\r\n", "\n").strip()
        is_label = re.fullmatch("[0-9]{1,3}", number) and 1 <= int(number) <= len(labels)
        if not (is_label or number == "skip") or len(note) > MOST_NOTE:
            return self.pages.message("This label was not kept", f"A form has one of the labels, and a note of at most "
                                      f"{MOST_NOTE:,} characters. Go back and try again.", 400)  # fmt: skip
        label = labels[int(number) - 1] if is_label else None
        try:
            await run_in_threadpool(self._desk.keep, reviewer, place, label, note)
        except InputError as error:
            mine = (await run_in_threadpool(self._desk.decisions)).get(reviewer, {})
            return self.pages.item(reviewer, place, mine, note=note, problem=str(error))
        mine = (await run_in_threadpool(self._desk.decisions)).get(reviewer, {})
        after = next_place(mine, len(self._desk), place)
        return RedirectResponse(_of(reviewer) if after is None else f"{_of(reviewer)}/{after}", 303)

    def _asked(self, request: Request) -> tuple[str, int]:
        """The reviewer and the place that an address names.

        Raises:
            InputError: the name cannot be kept, or there is no such item.
        """
        given = request.path_params["place"]
        place = int(given) if re.fullmatch("[0-9]{1,9}", given) else 0
        if not 1 <= place <= len(self._desk):
            raise InputError(
                f"there is no item {given:.20}", f"an item from 1 to {len(self._desk)}", "open the first page"
            )
        return self._desk.reviewer(request.path_params["reviewer"]), place


def _of(reviewer: str) -> str:
    """The address of a reviewer's next item."""
    return f"/by/{quote(reviewer, safe='')}"


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a form.

    Raises:
        InputError: it is too large, or not in UTF-8.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise InputError("a form of more than 1 MB", "a label and a short note", "write a shorter note")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError as error:
        raise InputError("a form that is not in UTF-8", "what our own pages send", "open the page again") from error
    return {name: values[-1] for name, values in fields.items()}
