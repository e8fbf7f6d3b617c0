"""What a run would ask, how long it would take and what it would cost, before anything is asked."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from flows.planning.plan import plan
from flows.planning.plan_text import render_plan
from flows.planning.quote import quote
from flows.session.experiment import Experiment, Kind
from flows.session.session import Session
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


def make_plan(experiment: Experiment, kind: Kind, session: Session, *, measures: bool) -> Plan:
    """Plan a run; sends nothing.

    Args:
        experiment: what would be run.
        kind: how much of it.
        session: opens readers, and ledgers whose votes are not asked for again.
        measures: whether local readers are asked a few questions, to measure their speed anew.

    Raises:
        InputError: something is wrong with the input, as when it is run.
    """
    quotes = quote(experiment, session, all_corpora=kind in ("run", "compare"), reads=kind in ("run", "sweep"))
    planned = plan(experiment, kind, session, measures=measures)
    seconds = [one.seconds for one in planned.readers]
    known = [one for one in seconds if one is not None]
    text = render_plan(planned, quotes, session.prices)
    return Plan(text, tuple(planned.notes), float(sum(known)) if len(known) == len(seconds) else None)
