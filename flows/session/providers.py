"""What a process keeps open of remote providers: clients, their limits, batch jobs, and what the run spends."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from corpora.errors import InputError
from corpora.schema import LabelSet
from flows.session.workspace import Workspace, labeler_fingerprint, open_ledger
from labeling.models.prices import load_prices
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import Api, RemoteConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.jobs.desk import BatchDesk
from labeling.remote.pacing import Pacer, insist
from labeling.remote.spending import Meter, Spending


class _Run(NamedTuple):
    """What the run that this process works on spends, and the batch jobs that it has open."""

    workspace: Workspace
    spending: Spending
    desks: dict[str, BatchDesk]


_runs: list[_Run] = []  # at most one
_apis: dict[RemoteConfig, Api] = {}  # how each labeler is asked, as far as that was found out


def begin_spending(workspace: Workspace) -> None:
    """Count from nothing: a run begins."""
    _runs[:] = [_Run(workspace, Spending(workspace.max_cost), {})]


def _run_of(workspace: Workspace) -> _Run:
    # A free server is asked without the price table, which other machines lack: it is the same run.
    if not _runs or _runs[0].workspace._replace(prices=None) != workspace._replace(prices=None):
        begin_spending(workspace)
    return _runs[0]


@cache
def open_provider(remote: RemoteConfig) -> Provider:
    """A provider, open for the life of the process."""
    return Provider(remote)


@cache
def open_pacer(remote: RemoteConfig, model: str) -> Pacer:
    """The limits of a provider's model, known to all who ask it from this process."""
    return Pacer(open_provider(remote).name)


def find_api(remote: RemoteConfig) -> Api:
    """How a remote labeler is asked; whether its plan has batches is found out once.

    Raises:
        InputError: only batches are wanted and the plan has none, or the provider cannot be asked.
    """
    if remote not in _apis:
        _apis[remote] = remote.api_first
        if remote.api_first == "batch":
            _probe(remote)
    return _apis[remote]


def _probe(remote: RemoteConfig) -> None:
    provider = open_provider(remote)
    try:
        has_batches = insist(provider.has_batches, sleep=time.sleep)
    except ProviderError as error:
        raise provider.explain(error, "") from error
    if not has_batches:
        fall_back(remote)


def fall_back(remote: RemoteConfig) -> None:
    """Ask call by call from now on, as the plan has no batches.

    Raises:
        InputError: only batches are wanted.
    """
    if remote.api == "batch":
        raise _no_batches(open_provider(remote))
    _apis[remote] = "direct"


def _no_batches(provider: Provider) -> InputError:
    return InputError(
        f"the plan of {provider.remote.key_name} has no batches at {provider.name}",
        "a plan that has, for remote.api = 'batch'",
        "use 'auto' or 'direct', which is dearer (`tercet plan` says how much)",
    )


def meter_of(config: LabelerConfig, workspace: Workspace, api: Api) -> Meter:
    """Spending at the price of a labeler; nothing where its price is unknown, which the run asked about before."""
    price = load_prices(workspace.prices).find(config.remote.provider, config.model)
    return Meter(_run_of(workspace).spending, price, config.label, batch=api == "batch")


def open_desk(
    config: LabelerConfig, labels: LabelSet, workspace: Workspace, say: Callable[[str], None] | None = None
) -> BatchDesk:
    """The batch job of a labeler, open as long as the run; `say` is told what is out of the ordinary from now on."""
    desks, labeler = _run_of(workspace).desks, labeler_fingerprint(config, labels)
    if labeler not in desks:
        ledger, meter = open_ledger(workspace.ledger, labeler), meter_of(config, workspace, "batch")
        desks[labeler] = BatchDesk(config, labels, ledger, open_provider(config.remote), meter)
    desks[labeler].say = say or desks[labeler].say
    return desks[labeler]


def known_api(remote: RemoteConfig) -> Api | None:
    """How a remote labeler was asked in this process; None where it was not."""
    return _apis.get(remote)
