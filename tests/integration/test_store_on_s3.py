"""A store on s3://, on this machine: the same tables as in a folder, also after a kill; what needs a folder says so."""

import io
import logging
import os
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from corpora.storage import files_in, store_path
from labeling.votes.vote import KEY
from results.store.finished import read_manifest, read_tables
from results.store.run_folder import RunFolder
from retrieval.embedding.vector_cache import VectorCache
from tests.conftest import SHORT_TEXTS, needs_model, write_experiment, write_remote
from tests.doubles.provider import ProviderDouble
from tests.processes import free_port

pytestmark = [pytest.mark.model, pytest.mark.slow]
boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")
S3FileSystem = pytest.importorskip("s3fs").S3FileSystem
STORE = "s3://bucket/some/runs"


@pytest.fixture(scope="module")
def bucket():
    """A bucket, and the environment in which it is found."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        found = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        s3 = boto3.client("s3", endpoint_url=found["AWS_ENDPOINT_URL"], aws_access_key_id="test",
                          aws_secret_access_key="test", region_name="us-east-1")  # fmt: skip
        s3.create_bucket(Bucket="bucket")
        yield s3, os.environ | found
    finally:
        server.stop()


def tercet(*arguments, environment) -> subprocess.Popen:
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*arguments, environment, code=0) -> str:
    process = tercet(*arguments, environment=environment)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == code, errors
    return output if code == 0 else errors


def objects(s3, store=STORE) -> dict[str, bytes]:
    """What a store holds by key, but for what is being written, which is moved away at any moment."""
    listed = s3.list_objects_v2(Bucket="bucket", Prefix=store.removeprefix("s3://bucket/") + "/").get("Contents", [])
    keys = [one["Key"] for one in listed if "/." not in one["Key"]]
    return {key: s3.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys}


def votes(s3, store=STORE) -> pl.DataFrame:
    found = [pl.read_parquet(io.BytesIO(body)) for key, body in objects(s3, store).items()
             if "/ledger/" in key and key.endswith(".parquet")]  # fmt: skip
    return pl.concat(found, how="diagonal") if found else pl.DataFrame()


def test_a_run_that_was_killed_ends_there_with_the_tables_of_one_in_a_folder(bucket, tmp_path):
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    s3, environment = bucket
    experiment = write_experiment(tmp_path / "small.toml", questions=4, corpus=SHORT_TEXTS)
    finish("run", experiment, "--store", tmp_path / "runs", "--quiet", environment=environment)
    process = tercet("run", experiment, "--store", STORE, environment=environment | {"TERCET_FLUSH_SECONDS": "0"})
    deadline = time.monotonic() + 180
    try:
        while votes(s3).is_empty():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        process.kill()
        process.communicate()
    before = votes(s3)
    finish("run", experiment, "--store", STORE, "--quiet", environment=environment)
    after = votes(s3)
    assert len(after) == len(after.unique(KEY)) > len(before)
    assert len(before.join(after, on=before.columns, nulls_equal=True)) == len(before)
    (manifest,) = (tmp_path / "runs").glob("*/manifest.json")
    there = {key.rpartition("/")[2]: body for key, body in objects(s3).items() if f"/{manifest.parent.name}/" in key}
    here = {file.name: file.read_bytes() for file in manifest.parent.iterdir()}
    assert there.keys() == here.keys()
    assert all(there[name] == here[name] for name in here if name.endswith(".parquet"))
    report = finish("report", f"{STORE}/{manifest.parent.name}", "--print", environment=environment)
    assert there["report.md"].decode() in report


def test_paid_readers_want_a_folder_where_two_runs_can_take_turns(bucket, tmp_path):
    _, environment = bucket
    experiment = write_remote(tmp_path / "far.toml")
    told = finish("label", experiment, "--store", STORE, "--max-cost", "1", code=2,
                  environment=environment | {"GROQ_API_KEY": "sk-none"})  # fmt: skip
    assert "a folder of this machine" in told


def test_a_server_of_ones_own_is_asked_there(bucket, tmp_path):
    s3, environment = bucket
    store = STORE + "-of-a-server"
    with ProviderDouble() as double:
        remote = f'provider = "server"\nbase_url = "{double.url}/v1"\nlogprobs = "off"'
        experiment = write_remote(tmp_path / "far.toml", remote)
        finish("label", experiment, "--store", store, "--quiet", environment=environment)
    assert len(votes(s3, store)) == 18


def test_a_store_with_signs_of_patterns_holds_runs_votes_and_vectors_of_its_own(bucket, monkeypatch):
    s3, environment = bucket
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    frame = pl.DataFrame({"a": [1, 2]})
    for number, name in enumerate(("st1", "st[1]")):
        root = store_path(f"s3://bucket/{name}")
        VectorCache(root / "embeddings" / "x").write([f"{number:064x}"], np.eye(1, 4, dtype=np.float32))
        for session in ("first", "again"):
            run = RunFolder(root, "demo", {}, {})
            with run.held():
                run.begin()
                run.write_table("cells", frame.with_columns(pl.lit(name + session)))
                run.seal(run.complete({"name": "demo", "kind": "run"}, {"started": session}))
            manifest = read_manifest(run.path)
            assert [one["started"] for one in manifest["sessions"]] == ["first", "again"][: 1 + (session == "again")]
            assert read_tables(run.path, manifest)["cells"]["literal"].to_list() == [name + session] * 2
    assert VectorCache(root / "embeddings" / "x").missing([f"{0:064x}", f"{1:064x}"]) == {f"{0:064x}"}
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket="bucket", Prefix="st[1]/")["Contents"]]
    assert sorted(key.rpartition("/")[2] for key in listed if "embeddings" not in key) == [
        "cells.parquet",
        "manifest.json",
    ]
    (shard,) = files_in(root / "embeddings" / "x", "*.parquet")
    with shard.open("wb") as file:
        file.write(b"damaged")
    assert VectorCache(root / "embeddings" / "x").missing([f"{1:064x}"]) == {f"{1:064x}"}
    assert not shard.exists()


def test_a_bucket_that_is_not_there_is_one_line(bucket, tmp_path):
    s3, environment = bucket
    experiment = write_experiment(tmp_path / "small.toml")
    told = finish("label", experiment, "--store", "s3://nowhere/runs", code=2, environment=environment)
    assert told.startswith("tercet: the store s3://nowhere/runs names the bucket 'nowhere', which does not exist:")
    assert len(told.splitlines()) == 1
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["bucket"], "a mistyped address made a bucket"


def test_a_store_that_does_not_answer_is_one_line(bucket, tmp_path):
    _, environment = bucket
    nobody = environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    told = finish("label", "demo", "--store", STORE, code=2, environment=nobody)
    assert told.startswith(f"tercet: the store {STORE} does not answer (")
    assert len(told.splitlines()) == 1
