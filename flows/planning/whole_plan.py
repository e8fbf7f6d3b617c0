"""The plan of a whole run, for the command line and for Python: local and remote readers, and their text."""

from __future__ import annotations

from typing import NamedTuple

from flows.planning.plan import Planned, plan
from flows.planning.plan_text import render_plan
from flows.planning.quote import quote
from flows.session.experiment import Experiment, Kind
from flows.session.session import Session


class WholePlan(NamedTuple):
    """The plan of a run.

    Attributes:
        local: what the readers of this machine would be asked.
        text: that, and what the remote ones would be asked; the total first.
    """

    local: Planned
    text: str

    @property
    def seconds(self) -> float | None:
        """Time that the readers of this machine would take; None if the speed of one of them is not known."""
        known = [one.seconds for one in self.local.readers if one.seconds is not None]
        return float(sum(known)) if len(known) == len(self.local.readers) else None


def whole_plan(experiment: Experiment, kind: Kind, session: Session, *, measures: bool) -> WholePlan:
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
    local = plan(experiment, kind, session, measures=measures)
    return WholePlan(local, render_plan(local, quotes, session.prices))
