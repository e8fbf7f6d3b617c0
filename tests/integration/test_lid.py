"""The laptop's lid, or a power cut: run, runner and server are killed; a new server says so, and Retry goes on."""

import polars as pl
import pytest

from labeling.votes.vote import KEY
from tests.conftest import needs_model
from tests.processes import family, free_port, start_serving, wait_until

pytestmark = [pytest.mark.model, pytest.mark.slow]

FORM = {"questions": 10, "readers": ["smollm2-135m"], "controls": [], "sizes": [24, 48], "budgets": [48], "threads": 1}


def votes(store) -> pl.DataFrame:
    shards = sorted(store.glob("ledger/*/*.parquet"))
    return pl.concat([pl.read_parquet(one) for one in shards]) if shards else pl.DataFrame()


def test_a_run_whose_process_is_gone_is_marked_and_retry_asks_only_what_is_missing(tmp_path):
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    port, store, flush = free_port(), tmp_path / "runs", {"TERCET_FLUSH_SECONDS": "0"}
    first = start_serving(tmp_path, port=port, **flush)
    try:
        run = first.submit("sweep", **FORM)
        wait_until(lambda: len(votes(store)) >= 3, 180, told=first.log.read_text)
    finally:
        for one in family(first.process):
            one.kill()
        first.process.wait(timeout=30)
    answered = votes(store)
    assert len(answered) < 30, "it was killed when all was labeled: this test showed nothing"
    second = start_serving(tmp_path, port=port, **flush)
    try:
        # Three heartbeats of 30 s are missed, and the server looks now and then.
        state = second.wait_for_state(run, "Crashed", seconds=240)
        assert "No sign of life" in state["message"]
        # What the button Retry sends.
        retry = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}}
        second.api(f"flow_runs/{run}/set_state", retry)
        state = second.wait_for_state(run, "Completed", "Failed", "Crashed")
        assert state["name"] == "Completed", second.log.read_text()[-3000:]
    finally:
        assert second.stop() == 0
    ended = votes(store)
    assert len(ended) == len(ended.unique(KEY))
    assert len(answered.join(ended, on=answered.columns, nulls_equal=True)) == len(answered)
