"""The templates: everything that is put into one is made visible and escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from results.report.visible import visible


@cache
def environment() -> Environment:
    """The environment of the report's templates."""
    return Environment(
        loader=PackageLoader("results.report.html"), autoescape=True, finalize=_finalize, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
