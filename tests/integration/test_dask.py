"""The same run on a Dask cluster: same tables, though a worker dies; clear lines where a cluster cannot work."""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import polars as pl
import pytest

from corpora.errors import InputError
from labeling.votes.vote import KEY
from tests.conftest import ROOT, SHORT_TEXTS, needs_model, write_experiment, write_remote
from tests.doubles.provider import ProviderDouble
from tests.processes import LOOPBACK, family, free_port, listening, serving, wait_until

pytestmark = [pytest.mark.model, pytest.mark.slow]
pytest.importorskip("distributed")


def dask(*arguments, log, **environment):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERCET_FLUSH_SECONDS": "0"} | environment
    command = [sys.executable, "-m", "distributed.cli." + arguments[0], *map(str, arguments[1:])]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


@contextmanager
def cluster(folder, n_workers, **environment):
    """A scheduler and its workers, on loopback; gives the address, and the processes, the scheduler first."""
    port, processes = free_port(), []
    address = f"tcp://127.0.0.1:{port}"
    with (folder / "dask.log").open("w") as log:
        try:
            scheduler = ("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0")
            processes.append(dask(*scheduler, log=log))
            worker = ("dask_worker", address, "--host", "127.0.0.1", "--nthreads", 1, "--no-nanny",
                      "--dashboard-address", "127.0.0.1:0", "--local-directory", folder)  # fmt: skip
            processes += [dask(*worker, log=log, **environment) for _ in range(n_workers)]
            wait_for_workers(address, n_workers, folder / "dask.log")
            yield address, processes
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def wait_for_workers(address, n_workers, log):
    from distributed import Client

    deadline = time.monotonic() + 90
    while True:
        try:
            with Client(address, timeout=5) as client:
                if n_workers:
                    client.wait_for_workers(n_workers, timeout=60)
                return
        except (OSError, TimeoutError):
            assert time.monotonic() < deadline, log.read_text()


def busy_worker(address) -> int:
    """Process id of a worker that has a shard."""
    from distributed import Client

    with Client(address, timeout=10) as client:
        pids = client.run(os.getpid)
        return wait_until(lambda: [pids[worker] for worker, keys in client.processing().items() if keys], 60, 0.05)[0]


def command(experiment, store, *more):
    return [sys.executable, "-m", "flows.cli", "run", str(experiment), "--store", str(store), "--quiet", *more]


def ledger(store):
    shards = sorted(store.glob("ledger/*/*.parquet"))
    return pl.concat([pl.read_parquet(shard) for shard in shards]) if shards else None


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """An experiment, and its tables from a run in one process."""
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    folder = tmp_path_factory.mktemp("local")
    experiment = write_experiment(folder / "small.toml", questions=6, corpus=SHORT_TEXTS)
    subprocess.run(command(experiment, folder / "runs", "--threads", "1"), check=True, timeout=600)
    return experiment, tables(folder / "runs")


def tables(store):
    (manifest,) = store.glob("*/manifest.json")
    return {file.name: file.read_bytes() for file in manifest.parent.glob("*.parquet")}


def test_a_worker_dies_on_the_way_and_the_tables_are_those_of_a_run_in_one_process(local, tmp_path):
    experiment, expected = local
    store = tmp_path / "runs"
    with cluster(tmp_path, 2) as (address, (scheduler, *workers)):
        more = ("--threads", "1", "--dask", address)
        run = subprocess.Popen(command(experiment, store, *more), stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 300
        while ledger(store) is None:
            assert run.poll() is None, run.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answered = len(ledger(store))
        for process in (scheduler, *workers, run):
            assert listening(family(process)) <= LOOPBACK
        assert listening(family(scheduler))
        busy = busy_worker(address)
        next(one for one in workers if one.pid == busy).kill()
        _, errors = run.communicate(timeout=600)
        assert run.returncode == 0, errors
    assert tables(store) == expected
    votes = ledger(store)
    assert answered < len(votes), "the worker died when all was done: this test showed nothing"
    assert len(votes) == len(votes.unique(KEY))


def far_experiment(folder, double):
    """An experiment on a server whose key only workers have."""
    remote = f'provider = "server"\nbase_url = "{double.url}/v1"\nkey_variable = "SERVER_KEY"\nlogprobs = "off"'
    return write_remote(folder / "far.toml", remote)


def test_each_worker_asks_the_server_of_its_own_machine(tmp_path):
    with ProviderDouble(key="sk-of-the-workers") as double:
        experiment = far_experiment(tmp_path, double)
        with cluster(tmp_path, 2, SERVER_KEY="sk-of-the-workers") as (address, _):
            label = [sys.executable, "-m", "flows.cli", "label", str(experiment), "--store", str(tmp_path / "runs")]
            done = subprocess.run([*label, "--quiet", "--dask", address], capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
        assert double.seen_keys == {"sk-of-the-workers"}, "somebody asked who is no worker"
    assert len(ledger(tmp_path / "runs")) == 18


def test_the_address_in_the_form_runs_the_same_flow_on_the_workers(tmp_path):
    with ProviderDouble(key="sk-of-the-workers") as double:
        experiment = far_experiment(tmp_path, double)
        with (
            cluster(tmp_path, 1, SERVER_KEY="sk-of-the-workers") as (address, _),
            serving(tmp_path, str(experiment)) as served,
        ):
            run = served.submit("label", "far", dask=address)
            state = served.wait_for_state(run, "Completed", "Failed", "Crashed")
            assert state["name"] == "Completed", served.log.read_text()[-3000:]
        assert double.seen_keys == {"sk-of-the-workers"}, "somebody asked who is no worker"
    assert len(ledger(tmp_path / "runs")) == 18


@pytest.mark.parametrize(
    ("killed", "told"), [("worker", "workers have been gone for 1 s"), ("scheduler", "the Dask scheduler is gone")]
)
def test_a_run_whose_cluster_is_gone_ends_with_one_line(tmp_path, monkeypatch, killed, told):
    from distributed import Client

    from flows.runners import dask_runner
    from flows.session.session import Session
    from flows.session.workspace import Workspace
    from flows.stages.progress import Quiet

    monkeypatch.setattr(dask_runner, "ALONE_SECONDS", 1.0)
    monkeypatch.setattr(dask_runner, "LOOK_SECONDS", 0.2)

    def sleep(session: Session, seconds: float) -> None:
        time.sleep(seconds)

    monkeypatch.setattr(dask_runner, "ELSEWHERE", (sleep,))
    with cluster(tmp_path, 1) as (address, processes), Client(address, set_as_default=False) as client:
        threading.Timer(1.0, processes[["scheduler", "worker"].index(killed)].kill).start()
        runner = dask_runner.DaskRunner(client)
        runner.progress = Quiet()
        with pytest.raises(InputError, match=told):
            runner.each("sleep", 2, sleep, Session(Workspace(tmp_path)), [(1, (300,)), (1, (300,))])


def test_a_scheduler_that_is_not_there_and_one_without_workers_are_one_line(local, tmp_path):
    experiment, _ = local
    nobody = f"tcp://127.0.0.1:{free_port()}"
    assert "no Dask scheduler answers" in refused(experiment, tmp_path / "a", nobody)
    with cluster(tmp_path, 0) as (address, _):
        assert "without workers" in refused(experiment, tmp_path / "b", address)


def refused(experiment, store, address):
    done = subprocess.run(command(experiment, store, "--dask", address), capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("tercet: ")]
    return line
