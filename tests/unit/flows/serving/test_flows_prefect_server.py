"""The Prefect server that `tercet serve` starts."""

import asyncio

from prefect.server.database import provide_database_interface
from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration

from flows.serving.prefect_server import lock_at_begin


def begun() -> str | None:
    """How a transaction of Prefect's API begins."""

    async def begin():
        async with provide_database_interface().session_context(begin_transaction=True):
            return SQLITE_BEGIN_MODE.get()

    return asyncio.run(begin())


def test_transactions_take_the_lock_for_writing_at_once_as_by_themselves_they_do_not(monkeypatch):
    assert begun() == "DEFERRED", "Prefect has changed: is our own way still needed?"
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    lock_at_begin()
    assert begun() == "IMMEDIATE"
