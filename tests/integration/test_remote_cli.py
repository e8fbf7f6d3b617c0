"""Remote readers on the command line: keys stay secret, local runs stay local, nothing is spent without leave."""

import base64
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import BATCHES, needs_model, write_remote
from tests.conftest import REMOTE_MODEL as MODEL
from tests.doubles.provider import MODELS, Fault, ProviderDouble, Refusal

REQUESTS = 18  # 6 questions, 3 votes
KEY = "gsk_5ecretThatNobodyMaySee0123456789"
CALLS = 'provider = "groq"\napi = "direct"'


def write_prices(file: Path, model: str = MODEL) -> Path:
    """Prices with digits to see: 1,000 USD a million tokens sent, 2,000 written, half of it in batches."""
    file.write_text(
        f"""
        [[models]]
        provider = "groq"
        model = "{model}"
        usd_per_million_input = 1000
        usd_per_million_output = 2000
        batch_discount = 0.5
        as_of = 2026-10-01
        """,
        encoding="utf-8",
    )
    return file


@pytest.fixture
def double(monkeypatch):
    """A provider that behaves, until a test tells it otherwise."""
    with ProviderDouble() as served:
        monkeypatch.setenv("GROQ_API_KEY", KEY)
        monkeypatch.setenv("GROQ_BASE_URL", served.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", served.url + "/v1")
        yield served


@pytest.fixture
def experiment(tmp_path):
    """Six questions for a batch reader at groq; returns the file."""
    return write_remote(tmp_path / "far.toml")


def assert_one_line(done, *expected: str) -> str:
    assert done.exit_code == 2, done.output
    (line,) = (line for line in done.stderr.splitlines() if line.strip())
    assert line.startswith("tercet: ")
    for part in expected:
        assert part in line, line
    return line


# ---- Keys


def assert_nowhere(secret: str, folder: Path, *done) -> None:
    for one in done:
        assert secret not in one.output, one.output
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    for file in files:
        assert secret.encode() not in file.read_bytes(), file


def test_the_key_of_batches_is_in_no_file_and_no_output(tercet, double, experiment, tmp_path):
    double.key = KEY
    double.force_batch(Fault.BATCH_EXPIRED)
    double.latency = 3600.0
    submitted = tercet("batches", "submit", "far.toml", "--max-cost", "1")
    assert_nowhere(KEY, tmp_path, submitted, tercet("batches", "list"), tercet("batches", "collect"))
    assert next(Path("runs").glob("ledger/*/batch/*/requests.jsonl")), "the requests were not looked at"
    double.latency = 0.0
    labeled = tercet("label", "far.toml", "--max-cost", "1")
    assert labeled.exit_code == 0, labeled.output
    assert_nowhere(KEY, tmp_path, labeled, tercet("batches", "list"), tercet("plan", "far.toml", "--for", "label"))
    assert double.seen_keys == {KEY}
    assert not any(KEY.encode() in content for _, content in double.uploaded.values())


def test_the_key_of_calls_is_in_no_file_and_no_output(tercet, double, tmp_path):
    double.key = KEY
    write_remote(tmp_path / "far.toml", CALLS)
    labeled = tercet("label", "far.toml", "--max-cost", "1")
    assert labeled.exit_code == 0, labeled.output
    assert_nowhere(KEY, tmp_path, labeled)
    assert double.seen_keys == {KEY}


def echo_in_401(double: ProviderDouble) -> None:
    double.key = "another"


def echo_in_400(double: ProviderDouble) -> None:
    def refuse(body: dict) -> str:
        raise Refusal(400, f"The key {KEY} may not ask this.", code=KEY)

    double.answer = refuse


def echo_in_model_error(double: ProviderDouble) -> None:
    double.retired = {MODEL: f"The key {KEY} may not use this model."}


@pytest.mark.parametrize("echo", [echo_in_401, echo_in_400, echo_in_model_error])
@pytest.mark.parametrize("remote", [BATCHES, CALLS], ids=["in batches", "call by call"])
def test_a_key_that_the_provider_repeats_in_an_error_is_not_repeated_by_us(remote, echo, tercet, double, tmp_path):
    echo(double)
    write_remote(tmp_path / "far.toml", remote)
    failed = tercet("label", "far.toml", "--max-cost", "1")
    assert failed.exit_code == 2, failed.output
    assert_nowhere(KEY, tmp_path, failed, tercet("models", "check", "far.toml"))
    assert double.seen_keys == {KEY}


IN_BASE64 = base64.b64encode(KEY.encode()).decode()


def echo_everywhere(completion: dict) -> dict:
    """An answer that gives the key away in every field that is kept, whole, encoded, in lines and in halves."""
    completion["choices"][0]["message"]["content"] = f"yes\n{KEY}\n{IN_BASE64}\n{KEY[:18]}\n{KEY[18:]}"
    return completion | {"id": KEY, "model": KEY[:18], "system_fingerprint": KEY[18:], KEY: [KEY]}


def everything_kept(folder: Path) -> str:
    """All bytes of all files as text, and the contents of the tables, which are compressed."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    tables = [str(pl.read_parquet(file).rows()) for file in files if file.suffix == ".parquet"]
    assert tables
    return "\n".join([*(file.read_bytes().decode(errors="replace") for file in files), *tables])


@pytest.mark.parametrize("remote", [BATCHES, CALLS], ids=["in batches", "call by call"])
def test_a_key_that_the_provider_echoes_in_its_answers_is_nowhere(remote, tercet, double, tmp_path):
    double.echo = echo_everywhere
    write_remote(tmp_path / "far.toml", remote)
    labeled = tercet("label", "far.toml", "--max-cost", "1")
    assert labeled.exit_code == 0, labeled.output
    kept = everything_kept(tmp_path) + labeled.output
    for secret in (KEY, KEY[:18], KEY[18:], IN_BASE64, IN_BASE64[:24], IN_BASE64[-24:]):
        assert secret not in kept
    assert "*** ***" in kept  # what served


def echo_in_pieces(body: dict) -> str:
    raise Refusal(400, f"The key {KEY[:18]}\n{KEY[18:]} ({IN_BASE64}) may not ask this.", code=KEY[:14])


@pytest.mark.parametrize("remote", [BATCHES, CALLS], ids=["in batches", "call by call"])
def test_a_key_in_pieces_in_an_error_is_not_shown(remote, tercet, double, tmp_path):
    double.answer = echo_in_pieces
    write_remote(tmp_path / "far.toml", remote)
    failed = tercet("label", "far.toml", "--max-cost", "1")
    assert failed.exit_code == 2, failed.output
    assert "may not ask this" in failed.output
    for secret in (KEY[:14], KEY[18:], IN_BASE64[:24]):
        assert secret not in failed.output


@pytest.mark.parametrize("provider", ["groq", "openai"])
def test_a_missing_key_is_one_line_with_its_variable(provider, tercet, double, tmp_path, monkeypatch):
    variable = f"{provider.upper()}_API_KEY"
    monkeypatch.delenv(variable)
    model = {"groq": MODEL, "openai": "gpt-4.1-nano"}[provider]
    write_remote(tmp_path / "far.toml", f'provider = "{provider}"', reader=f'model = "{model}"')
    assert_one_line(tercet("label", "far.toml", "--max-cost", "1", "--quiet"), variable, "set the variable")
    assert not double.requests


def test_the_key_may_be_in_a_variable_of_ones_own(tercet, double, tmp_path, monkeypatch):
    monkeypatch.delenv("GROQ_API_KEY")
    monkeypatch.setenv("TEAM_KEY", KEY)
    write_remote(tmp_path / "far.toml", BATCHES + '\nkey_variable = "TEAM_KEY"')
    labeled = tercet("label", "far.toml", "--max-cost", "1")
    assert labeled.exit_code == 0, labeled.output
    assert double.seen_keys == {KEY}
    assert_nowhere(KEY, tmp_path, labeled)


SECRETS = {
    "a key of its own": f'provider = "groq"\napi_key = "{KEY}"',
    "a key for the name of its variable": f'provider = "groq"\nkey_variable = "{KEY}"',
    "a password in the address": f'provider = "server"\nbase_url = "https://me:{KEY}@example.org/v1"',
    "a key in the query": f'provider = "server"\nbase_url = "https://example.org/v1?key={KEY}"',
    "a key in the fragment": f'provider = "server"\nbase_url = "https://example.org/v1#{KEY}"',
    "an address that is none": f'provider = "server"\nbase_url = "{KEY}"',
    "an address that does not parse": f'provider = "server"\nbase_url = "https://[{KEY}/v1"',
    "a port that is none": f'provider = "server"\nbase_url = "https://example.org:{KEY}/v1"',
    "headers": f'provider = "groq"\nheaders = {{ Authorization = "Bearer {KEY}" }}',
    "a provider": f'provider = "{KEY}"',
    "a way of asking": f'provider = "groq"\napi = "{KEY}"',
    "a window": f'provider = "groq"\ncompletion_window = "{KEY}"',
    "text without quotes": f'provider = "groq"\nkey_variable = {KEY}',
    "a table for a text": f'provider = "groq"\nkey_variable = {{ value = "{KEY}" }}',
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_the_experiment_is_refused_in_one_line_that_does_not_repeat_it(name, tercet, double, tmp_path):
    write_remote(tmp_path / "far.toml", SECRETS[name])
    line = assert_one_line(tercet("label", "far.toml", "--max-cost", "1"), "far.toml")
    assert KEY not in line
    assert KEY.lower() not in line
    assert not Path("runs").exists()


BAD = {
    "a server without address": ('provider = "server"', "", ["base_url"]),
    "batches of a server": ('provider = "server"\nbase_url = "http://h/v1"\napi = "batch"', "", ["'batch'", "direct"]),
    "a window of openai": ('provider = "openai"\ncompletion_window = "48h"', "", ["48h", "24h"]),
    "no requests in a batch": ('provider = "groq"\nrequests_per_batch = 0', "", ["requests_per_batch", "1"]),
    "too many requests in a batch": ('provider = "groq"\nrequests_per_batch = 50001', "", ["50000"]),
    "no pause": ('provider = "groq"\npoll_seconds = 0', "", ["poll_seconds", "above 0"]),
    "no attempt": ('provider = "groq"\nmax_attempts = 0', "", ["max_attempts"]),
    "an unknown provider": ('provider = "other"', "", ["provider", "groq, openai or server"]),
    "top_k at a provider": ('provider = "groq"', "top_k = 5", ["top_k", "'groq'", "remove"]),
    "min_p at a provider": ('provider = "openai"', "min_p = 0.1", ["min_p", "'openai'", "remove"]),
    "a penalty": ('provider = "groq"', 'mode = "generate"\nrepeat_penalty = 1.1', ["repeat_penalty", "remove"]),
    "a temperature that is fixed": (
        'provider = "openai"\nfixed_sampling = true', "temperature = 0.5", ["temperature", "0.5", "fixed_sampling"]
    ),
    "five stops": (
        'provider = "groq"', 'mode = "generate"\nstop = ["a", "b", "c", "d", "e"]', ["5 stop texts", "at most 4"]
    ),
    "a name of a variable": ('provider = "groq"\nkey_variable = "MY KEY"', "", ["key_variable"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_one_line_before_anything_is_sent(name, tercet, double, tmp_path):
    remote, reader, expected = BAD[name]
    write_remote(tmp_path / "far.toml", remote, reader=f'model = "{MODEL}"\n{reader}')
    assert_one_line(tercet("label", "far.toml", "--max-cost", "1"), *expected)
    assert not double.requests


def test_the_address_that_the_sdk_completes_is_one_line(tercet, double, experiment, monkeypatch):
    monkeypatch.setenv("GROQ_BASE_URL", double.url + "/openai/v1")
    done = tercet("label", "far.toml", "--max-cost", "1", "--quiet")
    assert_one_line(done, "GROQ_BASE_URL", "/openai/v1")
    assert not double.requests


# ---- Sockets


WATCH = """
import sys
log = open("sockets", "w", buffering=1)
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print(event, arguments[1:], file=log)
sys.addaudithook(watch)
from flows.cli.main import main
try:
    main(sys.argv[1:], prog_name="tercet")
finally:
    print(*sorted(name for name in sys.modules if "." not in name), file=open("imported", "w"))
"""


def watched(folder: Path, *arguments: str) -> tuple[list[str], set[str]]:
    """Run a command in a process of its own: what it opened sockets to, and the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return (folder / "sockets").read_text().splitlines(), set((folder / "imported").read_text().split())


SDKS = {"groq", "openai", "httpx2"}
LOCAL = """
name = "near"
[corpus]
source = "generated"
sample = 1
generator = { n_documents = 4, words = 60 }
[calibration]
per_label = 0
[[readers]]
model = "smollm2-135m"
num_ctx = 2048
threads = 1
"""


@pytest.mark.model
def test_a_local_run_opens_no_socket_and_imports_no_sdk(tmp_path, double):
    needs_model("smollm2-135m")
    (tmp_path / "near.toml").write_text(LOCAL)
    sockets, imported = watched(tmp_path, "label", "near.toml", "--quiet")
    assert sockets == []
    assert "polars" in imported
    assert not imported & SDKS


def test_the_watch_sees_what_a_remote_reader_opens(tmp_path, double, experiment):
    sockets, imported = watched(tmp_path, "models", "check", "far.toml")
    assert any(line.startswith("socket.connect") and "127.0.0.1" in line for line in sockets)
    assert "groq" in imported


def test_the_plan_opens_no_socket(tmp_path, double, experiment):
    sockets, imported = watched(tmp_path, "plan", "far.toml", "--for", "label")
    assert sockets == []
    assert not imported & SDKS
    assert not double.requests


# ---- Money


def test_the_plan_says_tokens_and_both_prices(tercet, double, tmp_path):
    write_prices(tmp_path / "prices.toml")
    write_remote(tmp_path / "far.toml", head='prices = "prices.toml"')
    done = tercet("plan", "far.toml", "--for", "label")
    assert done.exit_code == 0, done.output
    assert not double.requests
    asked = re.search(
        r"(\d+) requests \((\d+) answered or under way\), about (\d+) tokens sent, at most (\d+)", done.stdout
    )
    requests, known, sent, written = map(int, asked.groups())
    assert (requests, known, written) == (REQUESTS, 0, REQUESTS * 160)
    batch, at_most, direct, _ = (
        float(amount) for amount in re.findall(r"([\d.]+) USD", done.stdout.partition("\n")[2])
    )
    # Nobody knows yet whether the model reasons unseen: a quarter of the longest answer is expected.
    assert direct == pytest.approx(sent * 1e-3 + REQUESTS * 40 * 2e-3, abs=0.006)
    assert batch == pytest.approx(direct / 2, abs=0.006)
    assert "prices of 2026-10-01" in done.stdout
    labeled = tercet("label", "far.toml", "--max-cost", "100", "--quiet")
    assert labeled.exit_code == 0, labeled.output
    billed_sent, billed_written = double.tokens_billed
    assert batch * 0.8 < (billed_sent * 1e-3 + billed_written * 2e-3) / 2 <= at_most
    again = tercet("plan", "far.toml", "--for", "label")
    assert f"{REQUESTS} requests ({REQUESTS} answered or under way), about 0 tokens sent" in again.stdout


def test_the_plan_counts_what_is_under_way_as_paid(tercet, double, experiment):
    double.latency = 3600.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    done = tercet("plan", "far.toml", "--for", "label")
    assert f"{REQUESTS} requests ({REQUESTS} answered or under way), about 0 tokens sent" in done.stdout


def test_the_report_says_what_a_remote_reader_cost(tercet, double, tmp_path):
    write_prices(tmp_path / "prices.toml")
    write_remote(tmp_path / "far.toml", head='prices = "prices.toml"')
    done = tercet("label", "far.toml", "--max-cost", "100")
    assert done.exit_code == 0, done.output
    (manifest,) = Path("runs").glob("*/manifest.json")
    row = pl.read_parquet(manifest.with_name("remote.parquet")).row(0, named=True)
    sent, written = double.tokens_billed
    assert (row["tokens_sent"], row["tokens_written"], row["votes"]) == (sent, written, REQUESTS)
    assert row["usd_direct"] == pytest.approx(sent * 1e-3 + written * 2e-3)
    assert row["usd_batch"] == pytest.approx(row["usd_direct"] / 2)
    assert row["served"] == [f"{MODEL}-2026-10-01 fp_double"]
    session = json.loads(manifest.read_text())["sessions"][-1]
    assert session["apis"] == {MODEL: "batch"}
    assert session["asked"]["label"][0]["usd"] == pytest.approx(row["usd_batch"], abs=1e-6)
    report = manifest.with_name("report.md").read_text(encoding="utf-8")
    assert f"{row['usd_batch']:.4f} USD in this session" in report


@pytest.mark.parametrize("arguments", [["label", "far.toml", "--quiet"], ["batches", "submit", "far.toml"]])
def test_without_leave_and_a_terminal_nothing_is_sent_but_the_look_at_the_plan(arguments, tercet, double, experiment):
    assert_one_line(tercet(*arguments), "--max-cost", "USD", "tercet plan")
    assert double.requests == {("GET", "/batches"): 1}


@pytest.mark.parametrize("limit", ["0", "0.0001"])
def test_a_limit_below_the_expected_cost_is_refused_before_anything_is_sent(limit, tercet, double, experiment):
    assert_one_line(tercet("label", "far.toml", "--max-cost", limit, "--quiet"), "--max-cost", limit)
    assert double.requests == {("GET", "/batches"): 1}


def test_the_limit_may_stand_in_the_experiment(tercet, double, tmp_path):
    write_remote(tmp_path / "far.toml", head="max_cost = 1.0")
    done = tercet("label", "far.toml", "--quiet")
    assert done.exit_code == 0, done.output
    assert double.billed.total() == REQUESTS


def test_on_a_terminal_the_user_is_asked(double, experiment, tmp_path):
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "label", "far.toml", "--quiet"],
        cwd=tmp_path, stdin=theirs, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert f"{REQUESTS} requests" in done.stderr
    assert re.search(r"a cost of about [\d.]+ USD, at most [\d.]+ USD. Continue\?", done.stderr)
    assert double.billed.total() == REQUESTS


UNPRICED = "qwen/of-tomorrow"


@pytest.mark.parametrize("limit", [(), ("--max-cost", "100")])
def test_an_unknown_price_is_one_line_with_the_remedy(limit, tercet, double, tmp_path):
    double.models = (*MODELS, UNPRICED)
    write_remote(tmp_path / "far.toml", reader=f'model = "{UNPRICED}"')
    plan = tercet("plan", "far.toml", "--for", "label")
    assert "money: unknown" in plan.stdout
    assert "`prices`" in plan.stdout
    assert_one_line(tercet("label", "far.toml", "--quiet", *limit), UNPRICED, "price", "`prices`")
    assert not double.billed
    write_prices(tmp_path / "prices.toml", UNPRICED)
    write_remote(tmp_path / "far.toml", reader=f'model = "{UNPRICED}"', head='prices = "prices.toml"')
    done = tercet("label", "far.toml", "--quiet", "--max-cost", "100")
    assert done.exit_code == 0, done.output
    assert double.billed.total() == REQUESTS


def test_a_server_of_ones_own_costs_nothing_and_asks_nobody(tercet, double, tmp_path):
    write_remote(tmp_path / "far.toml", f'provider = "server"\nbase_url = "{double.url}/v1"\nlogprobs = "off"')
    plan = tercet("plan", "far.toml", "--for", "label").stdout
    assert plan.startswith("the time that providers take and no cost: 1 reader, ")
    assert "money" not in plan
    done = tercet("label", "far.toml", "--quiet")
    assert done.exit_code == 0, done.output
    assert double.billed_chat.total() == REQUESTS
    assert double.seen_keys == {"none"}, "OpenAI's key went to another server"


# ---- Models


def write_readers(file: Path, *models: str) -> Path:
    readers = "".join(f'[[readers]]\nmodel = "{model}"\n[readers.remote]\n{BATCHES}\n' for model in models)
    file.write_text(f'[corpus]\nsource = "sample"\nsample = 6\n{readers}')
    return file


def test_models_that_are_served_are_fine(tercet, double, tmp_path):
    write_readers(tmp_path / "far.toml", MODEL, "llama-3.1-8b-instant")
    done = tercet("models", "check", "far.toml")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{MODEL}: groq serves {MODEL}",
        "llama-3.1-8b-instant: groq serves llama-3.1-8b-instant",
    ]
    assert set(double.requests) == {("GET", "/models")}


def test_a_retired_and_an_unknown_model_are_told_apart(tercet, double, tmp_path):
    double.retired = {"llama-3.1-8b-instant": "It has been decommissioned. Use `openai/gpt-oss-20b` instead."}
    write_readers(tmp_path / "far.toml", MODEL, "llama-3.1-8b-instant", "openai/gpt-oss-20")
    done = tercet("models", "check", "far.toml")
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [f"{MODEL}: groq serves {MODEL}"]
    retired, unknown = done.stderr.splitlines()
    assert retired.startswith("llama-3.1-8b-instant: groq does not serve 'llama-3.1-8b-instant'")
    assert "It has been decommissioned. Use `openai/gpt-oss-20b` instead." in retired
    assert unknown.startswith("openai/gpt-oss-20: groq does not serve 'openai/gpt-oss-20'")
    assert "such as openai/gpt-oss-20b, openai/gpt-oss-120b" in unknown
    assert "change `model`" in unknown


def test_the_check_with_a_wrong_key_or_none_is_one_line_a_reader(tercet, double, experiment, monkeypatch):
    double.key = "another"
    wrong = tercet("models", "check", "far.toml")
    assert wrong.exit_code == 2
    assert wrong.stderr.splitlines() == [f"{MODEL}: {wrong.stderr.strip().partition(': ')[2]}"]
    assert "GROQ_API_KEY" in wrong.stderr
    monkeypatch.delenv("GROQ_API_KEY")
    missing = tercet("models", "check", "far.toml")
    assert missing.exit_code == 2
    assert len(missing.stderr.splitlines()) == 1
    assert "GROQ_API_KEY" in missing.stderr


def test_nothing_to_submit_is_said(tercet, double, tmp_path):
    write_remote(tmp_path / "far.toml", CALLS)
    assert_one_line(tercet("batches", "submit", "far.toml", "--max-cost", "1"), "asked in batches", "tercet label")
    write_remote(tmp_path / "far.toml")
    assert tercet("label", "far.toml", "--max-cost", "1", "--quiet").exit_code == 0
    done = tercet("batches", "submit", "far.toml", "--max-cost", "1")
    assert done.stdout.startswith("Nothing to submit")
