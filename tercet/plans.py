"""What a run would ask, how long it would take and what it would cost, before anything is asked."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from results.report.visible import for_terminal, visible


class Plan(NamedTuple):
    """The plan of a run.

    Attributes:
        text: what each reader would be asked, with time and money, as `tercet plan` prints it; the total first.
        notes: what is left out of the corpora, and what the embedders cannot read; one line each, also in the text.
        seconds: time that local readers would take to answer what they have not answered yet; None if it is not known.
    """

    text: str
    notes: tuple[str, ...]
    seconds: float | None

    def __repr__(self) -> str:
        return for_terminal(self.text)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(visible(self.text))}</pre>"
