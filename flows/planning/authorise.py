"""The question whether to spend it: asked before the first paid label, and the limit that follows from the answer."""

from __future__ import annotations

from collections.abc import Callable

from corpora.errors import InputError
from flows.planning.quote import money, quote, render_quotes
from flows.session.experiment import Experiment
from flows.session.providers import find_api
from flows.session.workspace import Workspace


def authorise(
    experiment: Experiment, workspace: Workspace, confirm: Callable[[str], bool], *, all_corpora: bool, reads: bool
) -> Workspace:
    """The workspace with the limit of what the run may spend, after asking where the user has not said.

    Args:
        experiment: its `max_cost` is what may be spent without asking.
        workspace: without a limit.
        confirm: asks the user; false where nobody can be asked.
        all_corpora: as `quote`.
        reads: as `quote`.

    Raises:
        InputError: it would cost more than was allowed, or nobody knows what.
    """
    quotes = [one for one in quote(experiment, workspace, all_corpora=all_corpora, reads=reads) if not one.is_free]
    if not quotes:
        return workspace
    left = [one for one in quotes if one.worst.requests]
    unknown = {one.reader.label for one in left if one.price is None}
    limit = experiment.max_cost
    # What is under way was allowed before: should it expire unanswered and unbilled, it may be submitted again.
    held = {one.labeler: one.price.cost(*one.under_way[1:], batch=True) for one in quotes if one.price and one.labeler}
    allowed = sum(held.values())
    # What is read shows only after retrieval: a run whose labels are all there is stopped then, if it costs anything.
    if not unknown and all(one.stage == "read" for one in left):
        return workspace._replace(max_cost=allowed if limit is None else limit)
    asked = [(one, find_api(one.reader.remote)) for one in left]
    expected, worst = (sum(one.usd(api, worst=is_worst) for one, api in asked) for is_worst in (False, True))
    if not unknown and limit is not None and expected <= limit:
        return workspace._replace(max_cost=limit)
    found = f"a cost of about {money(expected)}, at most {money(worst)}"
    found += f", and an unknown one of {', '.join(sorted(unknown))}" if unknown else ""
    if confirm(f"{render_quotes(quotes)}\nThat is {found}. Go on?"):
        # Who confirms an unknown price has no limit for it, and keeps the one given for the others.
        return workspace._replace(max_cost=limit if unknown else max(worst + allowed, limit or 0.0))
    raise InputError(
        found,
        "a price of every model" if unknown else f"at most {money(limit or 0)}",
        "add the price to a file named as `prices`"
        if unknown
        else "allow more with --max-cost, or see `tercet plan` for what costs what",
    )
