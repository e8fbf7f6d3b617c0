"""The Prefect server that `tercet serve` starts."""

import asyncio

import pytest
from prefect.server.database.configurations import SQLITE_BEGIN_MODE
from prefect.server.events import triggers

from flows.serving.prefect_server import writing_session


def begun(session) -> str | None:
    """How a transaction of this kind begins."""

    async def begin():
        async with session(begin_transaction=True):
            return SQLITE_BEGIN_MODE.get()

    return asyncio.run(begin())


def test_automations_take_the_lock_for_writing_at_once_as_prefect_does_not():
    assert begun(writing_session) == "IMMEDIATE"
    if begun(triggers.automations_session) != "DEFERRED":
        pytest.fail("Prefect has changed: is our own session still needed?")
