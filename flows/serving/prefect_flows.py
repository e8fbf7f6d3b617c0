"""The flows label, sweep and compare in Prefect: a form for each, stages as tasks, results as artifacts.

A task is a shard of work, never a single question, and keeps no result: the ledger is the only source of truth, so a
retried run asks only what is missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import Flow, flow, get_client
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from corpora.errors import InputError
from corpora.storage import StorePath, absolute, open_store
from flows.run.pipeline import Outcome, execute, refuse_to_ask
from flows.runners.artifacts import forget_refusal, show_refusal
from flows.runners.heartbeats import end_signs_of_life
from flows.runners.live import clear_progress
from flows.runners.task_runner import TaskRunner, ends_unsaid, refusal
from flows.serving.access import CREDENTIAL, ORIGINS, SERVER_CREDENTIAL, fresh_credential
from flows.serving.forms.mistakes import checked_experiment
from flows.serving.forms.models import (
    Advanced,
    CompareSettings,
    Form,
    FormKind,
    LabelSettings,
    SweepAdvanced,
    SweepSettings,
)
from flows.session.experiment import Experiment, Kind, experiment_file, load_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace, workspace_of


def _execute(kind: Kind, form: Form) -> Any:
    """The verdict in one line, or a failed state that says what the user can fix."""
    advanced = form.advanced
    forget_refusal()
    try:
        file = experiment_file(Path(advanced.experiment)).resolve()
        base = load_experiment(file)
        base = base.model_copy(update={"corpus": base.corpus.resolved(file.parent)})
        workspace = workspace_of(base, _lasting(open_store(advanced.store), advanced.store), file.parent)
        made = checked_experiment(form, base, workspace)
        with Session(workspace) as session, runner_on(advanced.dask, made, kind, session) as runner:
            return execute(made, kind, session, runner).line
    except InputError as error:
        # Prefect logs a traceback of every failure; for a mistake in a form it would bury the one line that helps.
        logging.getLogger("prefect.flow_runs").addFilter(lambda record: not record.exc_info)
        show_refusal(error)
        return refusal(error)
    finally:
        clear_progress()
        end_signs_of_life()


def _lasting(path: StorePath, given: str) -> StorePath:
    """Reject a folder relative to where a flow happens to run: a work pool's folder may be gone after the run."""
    if isinstance(path, Path) and not path.is_absolute():
        raise InputError(
            f"the store {given!r}",
            "an absolute path, or an address such as s3://bucket/runs",
            "start the path with / or ~",
        )
    return path


# Their sections are immutable, and Prefect shows their values in its forms.
@flow(name="label", persist_result=False)
def label(settings: LabelSettings = LabelSettings(), advanced: Advanced = Advanced()) -> Any:  # noqa: B008  (as above)
    """Ask every reader three times, showing it the whole document, and keep the questions on which the votes agree.

    Args:
        settings: which readers vote, and which questions are kept.
        advanced: the corpus, and where and how the run works.
    """
    return _execute("label", Form(settings, advanced))


@flow(name="sweep", persist_result=False)
def sweep(settings: SweepSettings = SweepSettings(), advanced: SweepAdvanced = SweepAdvanced()) -> Any:  # noqa: B008  (as above)
    """Chunk at every size, retrieve, let the readers answer, and say which size to use.

    Args:
        settings: which chunk sizes to try, and what the readers see.
        advanced: how chunks are cut and found, which questions are kept, and where and how the run works.
    """
    return _execute("sweep", Form(settings, advanced))


@flow(name="compare", persist_result=False)
def compare(settings: CompareSettings = CompareSettings(), advanced: Advanced = Advanced()) -> Any:  # noqa: B008  (as above)
    """Compare readers on the same questions.

    Args:
        settings: which readers to compare, and which questions are kept.
        advanced: the corpus, and where and how the run works.
    """
    return _execute("compare", Form(settings, advanced))


FLOWS: dict[FormKind, Flow[..., Any]] = {"label": label, "sweep": sweep, "compare": compare}


@contextmanager
def runner_on(dask: str, experiment: Experiment, kind: Kind, session: Session) -> Iterator[TaskRunner]:
    """What runs the stages: this process, or the workers of a Dask scheduler.

    Raises:
        InputError: as `dask_runner`, or its package is missing.
    """
    if not dask:
        with ends_unsaid():
            yield TaskRunner()
        return
    try:
        # Imported here: only users with a cluster have the package.
        from flows.runners.dask_runner import dask_runner
    except ModuleNotFoundError as error:
        raise InputError(
            f"a Dask scheduler without the package {error.name}",
            "that package to be installed",
            "run `pip install -e '.[dask]'`",
        ) from error
    with ends_unsaid(), dask_runner(dask, experiment, kind, session) as runner:
        yield runner


def execute_as_flow(
    experiment: Experiment, kind: Kind, workspace: Workspace, confirm: Callable[[str], bool] = refuse_to_ask,
    dask: str = "",
) -> Outcome:  # fmt: skip
    """Run an experiment as a flow, on the configured Prefect API or on one that lasts as long as the run.

    Args:
        experiment: what to run.
        kind: how much of it to run.
        workspace: where its store and caches are.
        confirm: asks the user whether to spend more on remote readers than the experiment allows.
        dask: address of a Dask scheduler; empty for this process alone.

    Raises:
        InputError: as `execute` and `runner_on`; or the configured API does not answer.
    """
    check_server()
    _guard_own_server()
    done: list[Outcome | InputError] = []
    if dask:  # the workers' current folders are different
        workspace = workspace._replace(root=absolute(workspace.root))

    @flow(name=kind, persist_result=False)
    def started_here() -> Any:
        try:
            with Session(workspace) as session, runner_on(dask, experiment, kind, session) as runner:
                done.append(execute(experiment, kind, session, runner, confirm))
        except InputError as error:
            done.append(error)
            show_refusal(error)
            return refusal(error)
        finally:
            clear_progress()

    state: Any = started_here(return_state=True)
    if not done:
        state.result()
    if isinstance(done[-1], InputError):
        raise done[-1]
    return done[-1]


def check_server() -> None:
    """Check that the configured Prefect API answers and lets us in; there is nothing to check if none is configured.

    Raises:
        InputError: it does not.
    """
    url = get_current_settings().api.url
    if not url:
        return  # one that lasts as long as the run
    with get_client(sync_client=True) as client:
        if error := client.api_healthcheck():
            raise InputError(
                f"PREFECT_API_URL is {url!r}, but no Prefect server answers there ({type(error).__name__})",
                "a running Prefect server",
                "start it, or unset PREFECT_API_URL in the environment and in the Prefect profile",
            ) from error
        try:
            client.read_flow_runs(limit=1)  # anybody may ask for its health
        except PrefectHTTPStatusError as error:
            if error.response.status_code not in (401, 403):
                raise
            raise InputError(
                f"the Prefect server at {url} refuses this key or password",
                "a key or password that it accepts",
                "set PREFECT_API_KEY, or PREFECT_API_AUTH_STRING for a server of your own",
            ) from error


def _guard_own_server() -> None:
    """Let nobody else use a server that Prefect starts for this run.

    It shares its database with `tercet serve`: whoever changes a deployment there chooses what runs here. Set for the
    process, as the server lasts as long, and before Prefect starts it.
    """
    if get_current_settings().api.url:
        return
    credential = os.environ.get(SERVER_CREDENTIAL) or fresh_credential()
    os.environ |= {SERVER_CREDENTIAL: credential, CREDENTIAL: credential, ORIGINS: ""}
    refresh_global_settings_context()
