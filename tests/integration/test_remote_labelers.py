"""Remote labelers beside local ones: a real OpenAI-compatible server, and one comparison of three kinds."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import polars as pl
import pytest

from labeling.models.registry import find_model
from results.store.finished import read_manifest, read_tables
from tests.conftest import needs_model
from tests.doubles.provider import ProviderDouble

pytestmark = [pytest.mark.model, pytest.mark.slow]

# Its answer starts with nothing, so that a chat completion sees the very tokens that the local labeler evaluates.
BARE_PROMPT = """You answer questions about a text.
===
Context:
{context}

Question: {question}
Answer with one of these and nothing else: {options}.
===
"""


def run(experiment, store, *more, **environment):
    command = [sys.executable, "-m", "flows.cli", "compare", str(experiment), "--store", str(store), "--print", *more]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (manifest.parent for manifest in store.glob("*/manifest.json"))
    manifest = read_manifest(folder)
    return manifest, read_tables(folder, manifest), done.stdout


@contextlib.contextmanager
def llama_server(model):
    """llama-cpp-python's own server with one model, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(find_model(model).path), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--n_ctx", "2048", "--logits_all", "true", "--model_alias", "served"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/v1"
    try:
        deadline = time.monotonic() + 120
        while not answers(address):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(address):
    try:
        with urllib.request.urlopen(f"{address}/models", timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A small model as a local labeler and behind a server, on the same questions with the same prompt.

    Not the smallest: nine tenths of what that would say first is no label, and a server's text then counts instead.
    """
    needs_model("qwen2.5-coder-0.5b")
    folder = tmp_path_factory.mktemp("served")
    (folder / "bare.txt").write_text(BARE_PROMPT, encoding="utf-8")
    with llama_server("qwen2.5-coder-0.5b") as address:
        experiment = folder / "served.toml"
        experiment.write_text(
            f"""
            name = "served"
            [corpus]
            source = "sample"
            sample = 4
            [calibration]
            per_label = 0
            [[readers]]
            name = "served"
            model = "served"
            prompts = ["{folder / "bare.txt"}"]
            [readers.remote]
            provider = "server"
            base_url = "{address}"
            connections = 2
            [[readers]]
            name = "local"
            model = "qwen2.5-coder-0.5b"
            num_ctx = 2048
            threads = 1
            prompts = ["{folder / "bare.txt"}"]
            """,
            encoding="utf-8",
        )
        # The key of a provider that this server is not must not reach it.
        return run(experiment, folder / "store", "--quiet", OPENAI_API_KEY="sk-not-for-you")


def votes_of(tables, reader):
    return tables["votes"].filter(pl.col("reader") == reader).sort("question_id", "vote")


def test_a_server_gives_votes_with_their_distributions(served):
    _, tables, _ = served
    votes = votes_of(tables, "served")
    assert len(votes) == 12
    # 4 or 5 of 100 answers would begin with another word than a label; one of them may be complete without any.
    assert votes["probabilities"].list.len().to_list().count(3) >= 10
    assert votes["served"].unique().to_list() == ["served"]
    assert (votes["n_prompt_tokens"] > 100).all()


def test_it_is_the_distribution_that_the_local_labeler_reads(served):
    _, tables, _ = served
    theirs, ours = (votes_of(tables, reader) for reader in ("served", "local"))
    assert theirs["n_prompt_tokens"].to_list() == ours["n_prompt_tokens"].to_list()
    for one, other in zip(theirs["probabilities"], ours["probabilities"], strict=True):
        if one.is_empty():
            continue  # read from the text
        # Forked prefixes and flat evaluation differ by a few hundredths (DESIGN, prefix sharing).
        assert one.to_list() == pytest.approx(other.to_list(), abs=0.08)


def test_three_votes_are_drawn_from_it_with_three_seeds_and_the_law_is_known(served):
    _, tables, _ = served
    assert votes_of(tables, "served")["seed"].n_unique() == 12
    law = tables["unanimity"].filter(pl.col("reader") == "served")
    assert law["n"].item() >= 2
    assert law["p_unanimous"].item() is not None


@pytest.fixture(scope="module")
def three_kinds(tmp_path_factory):
    """A local labeler, a Groq batch one and an OpenAI one in one comparison."""
    needs_model("smollm2-135m")
    folder = tmp_path_factory.mktemp("three")
    experiment = folder / "three.toml"
    experiment.write_text(
        """
        name = "three"
        [corpus]
        source = "sample"
        sample = 8
        [[readers]]
        model = "smollm2-135m"
        num_ctx = 2048
        threads = 1
        [[readers]]
        name = "groq batch"
        model = "openai/gpt-oss-20b"
        [readers.remote]
        provider = "groq"
        requests_per_batch = 10
        poll_seconds = 0.2
        [[readers]]
        name = "openai direct"
        model = "gpt-4.1-mini"
        [readers.remote]
        provider = "openai"
        api = "direct"
        """,
        encoding="utf-8",
    )
    with ProviderDouble(latency=1.0) as groq, ProviderDouble(flavor="openai") as openai:
        manifest, tables, report = run(
            experiment, folder / "store", "--max-cost", "1",
            GROQ_API_KEY="sk-three-groq", GROQ_BASE_URL=groq.url,
            OPENAI_API_KEY="sk-three-openai", OPENAI_BASE_URL=f"{openai.url}/v1",
        )  # fmt: skip
        assert set(groq.billed.values()) == {1}
        assert set(openai.billed_chat.values()) == {1}
    return manifest, tables, report


def test_one_report_compares_all_three(three_kinds):
    _, tables, report = three_kinds
    names = {"smollm2-135m", "groq batch", "openai direct"}
    assert set(tables["labelers"]["reader"]) == names
    assert set(tables["votes"]["reader"]) == names
    assert tables["votes"].group_by("reader").len()["len"].to_list() == [24] * 3
    assert {frozenset(pair) for pair in tables["pairs"].select("a", "b").iter_rows()} == {
        frozenset({"smollm2-135m", "groq batch"}),
        frozenset({"smollm2-135m", "openai direct"}),
        frozenset({"groq batch", "openai direct"}),
    }
    assert "## Remote readers" in report


def test_the_law_of_the_votes_is_known_for_the_local_one_only(three_kinds):
    _, tables, report = three_kinds
    known = dict(tables["unanimity"].select("reader", "n").iter_rows())
    assert known == {"smollm2-135m": 8, "groq batch": 0, "openai direct": 0}
    assert "unknown: no recorded distributions" in report


def test_tokens_and_money_of_the_remote_ones_are_told(three_kinds):
    manifest, tables, _ = three_kinds
    remote = {row["reader"]: row for row in tables["remote"].iter_rows(named=True)}
    assert set(remote) == {"groq batch", "openai direct"}
    groq = remote["groq batch"]
    # 0.075 and 0.30 USD a million tokens, half of it in batches.
    direct = (groq["tokens_sent"] * 0.075 + groq["tokens_written"] * 0.30) / 1e6
    assert groq["usd_direct"] == pytest.approx(direct)
    assert groq["usd_batch"] == pytest.approx(direct / 2)
    session = manifest["sessions"][-1]
    asked = {one["reader"]: one for one in session["asked"]["label"]}
    assert asked["groq batch"]["usd"] == pytest.approx(groq["usd_batch"], abs=1e-6)
    assert asked["openai direct"]["usd"] == pytest.approx(remote["openai direct"]["usd_direct"], abs=1e-6)
    assert session["apis"] == {"groq batch": "batch", "openai direct": "direct"}


def test_the_manifest_names_who_answered_and_no_key(three_kinds):
    manifest, _, _ = three_kinds
    assert manifest["readers"]["groq batch"]["provider"] == "groq"
    assert manifest["readers"]["groq batch"]["request"]["model"] == "openai/gpt-oss-20b"
    assert "sk-three" not in json.dumps(manifest)
