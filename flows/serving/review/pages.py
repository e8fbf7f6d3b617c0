"""What the review pages look like: templates of this package, filled in with every text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from flows.serving.review.desk import Decision, Desk, Progress, progress_of
from results.report.visible import visible

_HOME = "flows.serving.review"


class Pages:
    """The pages of a review.

    Args:
        desk: what is reviewed.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._templates = Environment(
            loader=PackageLoader(_HOME), autoescape=True, finalize=_finalize, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters["path"] = lambda text: quote(text, safe="")
        scripts = {name: "\n" + _file(f"{name}.js") for name in ("keys", "door")}
        # Files of this package, not text from a corpus.
        shown = {name: Markup(text) for name, text in scripts.items()}  # noqa: S704
        self._templates.globals |= {"scripts": shown, "style": Markup(_file("style.css")), "desk": desk}  # noqa: S704
        sources = " ".join(_source(text) for text in scripts.values())
        self.policy = (
            f"default-src 'none'; style-src 'unsafe-inline'; script-src {sources}; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    def door(self, told: str = "") -> HTMLResponse:
        """The page that lets a browser in."""
        return self._page("door", 403 if told else 200, told=told)

    def start(self, progress: Sequence[Progress], name: str = "", problem: str = "") -> HTMLResponse:
        """The page that asks for the reviewer's name."""
        return self._page("start", 400 if problem else 200, progress=progress, name=name, problem=problem)

    def item(
        self, reviewer: str, place: int, mine: Mapping[int, Decision], note: str | None = None, problem: str = ""
    ) -> HTMLResponse:
        """An item, with what the reviewer said of it before.

        Args:
            reviewer: their name.
            place: of the item.
            mine: their decisions.
            note: what stands in the note; by default what it was before.
            problem: why it was not kept.
        """
        said = mine.get(place)
        return self._page(
            "item", 500 if problem else 200, reviewer=reviewer, item=self._desk.item(place), said=said, problem=problem,
            note=note if note is not None else said.note if said else "", progress=progress_of(reviewer, mine),
        )  # fmt: skip

    def done(self, reviewer: str, mine: Mapping[int, Decision]) -> HTMLResponse:
        """The page after the last item."""
        return self._page("done", reviewer=reviewer, progress=progress_of(reviewer, mine))

    def message(self, title: str, text: str, status: int) -> HTMLResponse:
        """A page that says what went wrong."""
        return self._page("message", status, title=title, text=text)

    def _page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(f"{template}.html.j2").render(values), status)


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _file(name: str) -> str:
    return files(_HOME).joinpath("templates", name).read_text("utf-8")


def _source(script: str) -> str:
    """A script as a content security policy allows it: this one and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
