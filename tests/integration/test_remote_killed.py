"""A batch run that is killed twenty times pays once and ends with the same votes."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from labeling.votes.ledger import Ledger
from tests.doubles.provider import Fault, Faults, ProviderDouble

pytestmark = pytest.mark.slow

KILLS = 20
QUESTIONS = 200
EXPERIMENT = f"""
name = "killed"
[corpus]
source = "generated"
sample = {QUESTIONS}
generator = {{ n_documents = {QUESTIONS // 3 + 1}, words = 210 }}
[[readers]]
model = "openai/gpt-oss-20b"
[readers.remote]
provider = "groq"
requests_per_batch = 20
poll_seconds = 0.3
"""
LOST = Faults(rate=0.1, kinds=frozenset({Fault.MISSING_LINE, Fault.ERROR_LINE, Fault.DUPLICATE_LINE}), seed=3)


def start(folder, double):
    experiment = folder / "killed.toml"
    experiment.write_text(EXPERIMENT, encoding="utf-8")
    command = [sys.executable, "-m", "flows.cli", "label", str(experiment), "--store", str(folder / "store")]
    environment = os.environ | {"GROQ_API_KEY": "sk-killed", "GROQ_BASE_URL": double.url}
    return subprocess.Popen(
        [*command, "--max-cost", "10", "--quiet"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def votes_of(folder) -> pl.DataFrame:
    (ledger,) = (folder / "store" / "ledger").iterdir()
    shards = pl.concat([pl.read_parquet(shard) for shard in ledger.glob("*.parquet")])
    votes = Ledger(ledger.parent, ledger.name).votes()
    assert len(shards) == len(votes), "a vote stands in the ledger twice"
    return votes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The ledger of the same job, never killed, at a provider that loses nothing."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with ProviderDouble(latency=0.5) as double:
        process = start(folder, double)
        assert process.wait(timeout=300) == 0, process.stderr.read()
    return votes_of(folder)


class Killer:
    """Kills the running client some random time after a random one of its requests."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.process = None
        self.moments = []

    def aim(self, process) -> None:
        with self._lock:
            self.process = process
            self._left = self._random.randint(1, 14)
            self._when = self._random.choice(["before", "after"])
            self._delay = self._random.choice([0.0, self._random.uniform(0.0, 0.3)])

    def __call__(self, when, method, path):
        with self._lock:
            if self.process is None or when != self._when:
                return None
            self._left -= 1
            if self._left:
                return None
            victim, self.process = self.process, None
        time.sleep(self._delay)
        if victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            self.moments.append((when, method, path))
            return False if when == "before" and not self._delay else None
        return None


def test_twenty_kills_cost_nothing_and_lose_nothing(undisturbed, tmp_path):
    killer = Killer(seed=5)
    with ProviderDouble(latency=2.0, faults=LOST, on_request=killer) as double:
        lives = 0
        while len(killer.moments) < KILLS:
            process = start(tmp_path, double)
            killer.aim(process)
            code = process.wait(timeout=120)
            lives += 1
            assert code == -signal.SIGKILL, f"the job ended after {lives} lives, too early: {process.stderr.read()}"
        killer.process = None
        process = start(tmp_path, double)
        assert process.wait(timeout=300) == 0, process.stderr.read()
        double.settle()
        assert set(double.tags.values()) == {1}, "a part has two batches at the provider"
        assert len(double.billed) == 3 * QUESTIONS
        assert set(double.billed.values()) == {1}, "a request was paid twice"
    assert votes_of(tmp_path).equals(undisturbed)
    assert len(set(killer.moments)) > 4  # at different steps
