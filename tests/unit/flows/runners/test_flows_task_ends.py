"""Of tasks of a run, Prefect's log names those that failed, and not each one that ended well."""

import logging
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect import task
from prefect.client.schemas.objects import TaskRun
from prefect.context import FlowRunContext
from prefect.logging import get_logger
from prefect.logging.loggers import task_run_logger
from prefect.states import Completed, Failed
from prefect.task_engine import SyncTaskRunEngine

from flows.runners.task_runner import ends_unsaid

OURS, OTHER = uuid4(), uuid4()


@pytest.fixture
def lines(monkeypatch):
    """What reaches the log of task runs, while the flow run `OURS` is under way."""
    under_way = SimpleNamespace(flow_run=SimpleNamespace(id=OURS, name="ours"), flow=None)
    monkeypatch.setattr(FlowRunContext, "get", lambda: under_way)
    found = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())
    logger = get_logger("prefect.task_runs")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    logger.setLevel(logging.INFO)
    return found


def end(state, flow_run=OURS):
    """A task run that ends, as Prefect's own engine logs it."""
    run = TaskRun(task_key="ask", dynamic_key="0", flow_run_id=flow_run, state=state)
    engine = SyncTaskRunEngine(task=task(lambda: None), task_run=run)
    engine.logger = task_run_logger(run)
    engine.log_finished_message()


def test_only_what_did_not_end_well_has_a_line(lines):
    with ends_unsaid():
        end(Completed())
        end(Failed(name="Refused", message="Refused: a mistake"))
        end(Completed(), OTHER)
        get_logger("prefect.task_runs").info("Half of it is done", extra={"flow_run_id": str(OURS)})
    end(Completed())
    assert lines == [
        "Finished in state Refused('Refused: a mistake', type=FAILED)", "Finished in state Completed()",
        "Half of it is done", "Finished in state Completed()",
    ]  # fmt: skip
