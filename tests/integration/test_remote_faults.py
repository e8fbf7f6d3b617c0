"""Remote readers on the real command line, with the real SDKs, against a provider that misbehaves or a run that dies.

Whatever happens: every vote is in the ledger once, every request is billed once, every part of a job has one batch.
"""

import itertools
import json
import math
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from corpora.errors import InputError
from corpora.schema import LabelSet
from flows.cli.main import main
from labeling.models.prices import Price
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.jobs.desk import BatchDesk
from labeling.remote.requests import labeler_identity
from labeling.remote.spending import LimitError, Meter, Spending
from labeling.votes.ledger import Ledger
from labeling.votes.vote import KEY, VOTES, Prompt, vote_id
from tests.conftest import BATCHES, write_remote
from tests.conftest import REMOTE_MODEL as MODEL
from tests.doubles.provider import CHAT, HTTP_FAULTS, NO_FAULTS, Fault, Faults, ProviderDouble, simulated_label

REQUESTS = 18  # 6 questions, 3 votes
PARTS = 4  # of 5, 5, 5 and 3 requests
CALLS = 'provider = "groq"\napi = "direct"'


def write_prices(file: Path, per_million_input: float, per_million_output: float, discount: float = 0.0) -> Path:
    file.write_text(
        f"""
        [[models]]
        provider = "groq"
        model = "{MODEL}"
        usd_per_million_input = {per_million_input}
        usd_per_million_output = {per_million_output}
        batch_discount = {discount}
        as_of = 2026-10-01
        """,
        encoding="utf-8",
    )
    return file


def point_to(double: ProviderDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "the-key")
    monkeypatch.setenv("GROQ_BASE_URL", double.url)
    monkeypatch.setenv("OPENAI_API_KEY", "the-key")
    monkeypatch.setenv("OPENAI_BASE_URL", double.url + "/v1")


@pytest.fixture
def double(monkeypatch):
    """A provider that behaves, until a test tells it otherwise."""
    with ProviderDouble() as served:
        point_to(served, monkeypatch)
        yield served


@pytest.fixture
def experiment(tmp_path):
    """Six questions for a batch reader at groq; returns the file."""
    return write_remote(tmp_path / "far.toml")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The votes of a run without disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as monkeypatch, ProviderDouble() as served:
        point_to(served, monkeypatch)
        file = write_remote(folder / "far.toml")
        done = CliRunner().invoke(main, ["label", str(file), "--store", str(folder / "runs"), "--max-cost", "1"])
        assert done.exit_code == 0, done.output
        assert sum(served.tags.values()) == PARTS
    return ledger(folder / "runs")


def ledger(store: Path) -> pl.DataFrame:
    """All rows of all shards, a vote that was written twice included."""
    shards = sorted(store.glob("ledger/*/*.parquet"))
    return pl.concat(map(pl.read_parquet, shards)).sort(KEY) if shards else pl.DataFrame(schema=VOTES)


def names(votes: pl.DataFrame) -> list[str]:
    """Custom ids of votes."""
    return [vote_id(*row).hex() for row in votes.select(KEY[1:]).iter_rows()]


def label(tercet, *more: str):
    return tercet("label", "far.toml", "--max-cost", "1", *more)


def finish(tercet, *more: str):
    done = label(tercet, *more)
    assert done.exit_code == 0, done.output
    return done


def assert_one_line(done, *expected: str) -> str:
    assert done.exit_code == 2, done.output
    (line,) = (line for line in done.stderr.splitlines() if line.strip())
    assert line.startswith("tercet: ")
    for part in expected:
        assert part in line, line
    return line


def assert_once(double: ProviderDouble, votes: pl.DataFrame) -> None:
    """Each vote in the ledger once and paid once, in one batch a tag."""
    assert len(votes) == REQUESTS == len(votes.unique(KEY))
    assert double.billed == Counter(names(votes))
    assert set(double.tags.values()) == {1}


# ---- Batches: what a provider does


@pytest.mark.parametrize("fault", HTTP_FAULTS)
@pytest.mark.parametrize("path", ["/files", "/batches"])
def test_what_is_sent_may_fail_or_not_be_answered(path, fault, tercet, double, experiment, undisturbed):
    """What is asked for may too: see `test_any_look_at_the_provider_may_fail_many_times`."""
    double.force("POST", path, fault)
    finish(tercet)
    assert double.given == {fault: 1}
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


LINES = (Fault.DUPLICATE_LINE, Fault.MISSING_LINE, Fault.UNKNOWN_LINE, Fault.ERROR_LINE)


@pytest.mark.parametrize("fault", LINES)
def test_odd_result_lines_change_nothing(fault, tercet, double, experiment, undisturbed):
    double.force_line(fault, times=7)
    finish(tercet)
    assert double.given == {fault: 7}
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)
    again = {Fault.MISSING_LINE, Fault.ERROR_LINE}
    assert len(double.tags) == PARTS + (2 if fault in again else 0)  # 7 requests in two parts


@pytest.mark.parametrize(("fault", "failure"), [(Fault.OFF_LABEL, "off_label"), (Fault.EMPTY, "empty")])
def test_an_answer_without_a_label_is_a_vote_and_is_not_asked_again(fault, failure, tercet, double, experiment):
    double.force_line(fault, times=4)
    finish(tercet)
    finish(tercet)
    votes = ledger(Path("runs"))
    assert_once(double, votes)
    assert votes["failure"].drop_nulls().to_list() == [failure] * 4
    assert votes.filter(pl.col("failure").is_not_null())["label"].null_count() == 4
    assert len(double.tags) == PARTS


def test_half_a_line_is_downloaded_again_and_not_paid_again(tercet, double, experiment, undisturbed):
    double.force("GET", r"/files/\{id\}/content", Fault.HALF_LINE)
    finish(tercet)
    assert double.given == {Fault.HALF_LINE: 1}
    assert double.requests["GET", "/files/{id}/content"] == PARTS + 1
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


@pytest.mark.parametrize("fault", [Fault.BATCH_FAILED, Fault.BATCH_EXPIRED, Fault.BATCH_NO_OUTPUT])
def test_what_a_batch_did_not_answer_is_submitted_again(fault, tercet, double, experiment, undisturbed):
    double.force_batch(fault, times=2)
    done = finish(tercet)
    assert double.given == {fault: 2}
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)
    if fault is Fault.BATCH_FAILED:
        assert "The batch could not be processed." in done.stderr, "nobody was told why it took longer"


@pytest.mark.parametrize("as_list", [False, True], ids=["under data", "a bare list"])
def test_a_batch_that_always_fails_ends_in_the_providers_words(as_list, tercet, double, experiment):
    double.errors_as_list = as_list
    double.force_batch(Fault.BATCH_FAILED, times=100)
    assert_one_line(label(tercet, "--quiet"), "The batch could not be processed.", "internal_error")
    assert set(double.tags.values()) == {1}
    assert ledger(Path("runs")).is_empty()
    assert not double.billed


@pytest.mark.parametrize("as_list", [False, True], ids=["under data", "a bare list"])
def test_a_full_queue_is_waited_for(as_list, tercet, double, experiment, undisturbed):
    double.errors_as_list, double.max_enqueued = as_list, 6
    # Time goes by with each look, whatever the load: the first batch is not over when the second is submitted.
    double.clock, double.latency = itertools.count().__next__, 20
    finish(tercet)
    assert any(batch["status"] == "failed" for batch in double.batches.values()), "the queue was never full"
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


def test_openai_pages_its_list_and_is_asked_the_same_way(tercet, double, tmp_path):
    double.flavor, double.page = "openai", 1
    remote = BATCHES.replace("groq", "openai")
    write_remote(tmp_path / "far.toml", remote, reader='model = "gpt-4.1-nano"')
    double.force("POST", "/batches", Fault.CUT_BODY, times=2)
    finish(tercet)
    assert double.given == {Fault.CUT_BODY: 2}
    assert_once(double, ledger(Path("runs")))


# ---- Batches: plans, models, keys


def test_a_plan_without_batches_is_asked_call_by_call_at_the_full_price(tercet, double, experiment, undisturbed):
    double.plan_gate = True
    done = finish(tercet)
    assert f"{MODEL}: this plan of groq has no batches; asking call by call at full price." in done.stderr
    votes = ledger(Path("runs"))
    assert votes.equals(undisturbed)
    assert sorted(double.billed_chat.values()) == [1] * REQUESTS
    assert not double.billed
    sent, written = double.tokens_billed
    assert session(Path("runs"))["usd"] == pytest.approx((sent * 0.075 + written * 0.30) / 1e6, abs=1e-6)


def session(store: Path) -> dict:
    """What the last session of the only run asked its first reader for labels."""
    (manifest,) = store.glob("*/manifest.json")
    return json.loads(manifest.read_text())["sessions"][-1]["asked"]["label"][0]


def test_batches_cost_half(tercet, double, experiment):
    finish(tercet)
    sent, written = double.tokens_billed
    assert session(Path("runs"))["usd"] == pytest.approx((sent * 0.075 + written * 0.30) / 2e6, abs=1e-6)


def test_a_plan_that_turns_out_to_have_no_batches_is_asked_call_by_call(tercet, double, experiment, undisturbed):
    """The list may be looked at, but nothing may be uploaded."""

    def gate(when: str, method: str, path: str) -> None:
        double.plan_gate = (method, path) == ("POST", "/files")

    double.on_request = gate
    done = finish(tercet)
    assert "asking call by call at full price" in done.stderr
    assert ledger(Path("runs")).equals(undisturbed)
    assert sorted(double.billed_chat.values()) == [1] * REQUESTS
    assert not list(Path("runs").glob("ledger/*/batch/*/state.json")), "parts that will never be submitted"


def test_only_batches_wanted_and_none_in_the_plan_is_one_line(tercet, double, tmp_path):
    double.plan_gate = True
    write_remote(tmp_path / "far.toml", BATCHES + '\napi = "batch"')
    assert_one_line(label(tercet, "--quiet"), "no batches at groq", "GROQ_API_KEY", "'direct'")
    assert not double.billed_chat
    assert not double.billed


@pytest.mark.parametrize("remote", [BATCHES, CALLS], ids=["in batches", "call by call"])
def test_a_retired_model_is_answered_with_its_replacement(remote, tercet, double, tmp_path):
    double.retired = {MODEL: f"The model `{MODEL}` has been decommissioned. Use `openai/gpt-oss-120b` instead."}
    write_remote(tmp_path / "far.toml", remote)
    done = label(tercet, "--quiet")
    assert_one_line(done, MODEL, "openai/gpt-oss-120b", "tercet models check")
    assert ledger(Path("runs")).is_empty()
    assert len(double.tags) <= PARTS, "asked again although a retired model does not come back"


@pytest.mark.parametrize("remote", [BATCHES, CALLS], ids=["in batches", "call by call"])
def test_a_wrong_key_is_one_line_without_the_key(remote, tercet, double, tmp_path, monkeypatch):
    double.key = "the right key"
    monkeypatch.setenv("GROQ_API_KEY", "wrong-0123456789")
    write_remote(tmp_path / "far.toml", remote)
    done = label(tercet, "--quiet")
    assert_one_line(done, "GROQ_API_KEY", "key")
    assert double.seen_keys == {"wrong-0123456789"}
    assert "wrong-0123456789" not in done.output
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"wrong-0123456789" not in file.read_bytes(), file


@pytest.mark.parametrize("remote", [BATCHES, CALLS], ids=["in batches", "call by call"])
def test_settings_that_every_request_is_refused_for_end_in_the_providers_words(remote, tercet, double, tmp_path):
    double.fixed_sampling = True
    write_remote(tmp_path / "far.toml", remote, reader=f'model = "{MODEL}"\ntemperature = 0.5')
    assert_one_line(label(tercet, "--quiet"), "'temperature' does not support 0.5 with this model", "settings")
    assert ledger(Path("runs")).is_empty()
    assert not double.billed
    assert not double.billed_chat
    assert double.requests["POST", CHAT] < REQUESTS
    assert len(double.tags) in (0, PARTS)


def test_a_model_that_takes_no_sampling_is_asked_without(tercet, double, tmp_path):
    double.fixed_sampling = True
    write_remote(tmp_path / "far.toml", BATCHES + "\nfixed_sampling = true")
    finish(tercet)
    assert_once(double, ledger(Path("runs")))


# ---- Batches: runs that die


def command(*more: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "label", "far.toml", "--max-cost", "1", "--quiet", *more]


# Two kills are fast: one that loses what was just paid for, and one that loses what was just downloaded.
FAST = {("after", "/batches"), ("after", "/files/{id}/content")}
MOMENTS = [
    pytest.param(when, method, path, marks=() if (when, path) in FAST else pytest.mark.slow)
    for method, path in (("POST", "/files"), ("POST", "/batches"), ("GET", "/files/{id}/content"))
    for when in ("before", "after")
]


@pytest.mark.parametrize(("when", "method", "path"), MOMENTS)
def test_killed_at_any_step_the_job_goes_on_where_it_was(
    when, method, path, tercet, double, experiment, tmp_path, undisturbed
):
    process: list[subprocess.Popen] = []
    seen = Counter()

    def kill(now: str, *request: str) -> bool | None:
        seen[now, *request] += 1
        if not process or (now, *request) != (when, method, path) or seen[when, method, path] != 2:
            return None
        process[0].send_signal(signal.SIGKILL)
        process[0].wait()
        return False  # "before": it never arrived

    double.on_request = kill
    process.append(subprocess.Popen(command(), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert process[0].wait(timeout=60) == -signal.SIGKILL
    double.on_request = None
    assert len(ledger(Path("runs"))) < REQUESTS
    finish(tercet)
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


def test_killed_between_ledger_and_state_the_votes_are_not_written_twice(tercet, double, experiment, undisturbed):
    finish(tercet)
    for state in Path("runs").glob("ledger/*/batch/*/state.json"):
        state.write_text(json.dumps(json.loads(state.read_text()) | {"step": "finished", "counts": {}}))
    done = tercet("batches", "collect")
    assert done.exit_code == 0, done.output
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


def test_a_finished_run_asks_nothing_and_needs_no_key(tercet, double, experiment, monkeypatch):
    finish(tercet)
    before = double.requests.copy()
    monkeypatch.delenv("GROQ_API_KEY")
    done = tercet("label", "far.toml", "--quiet")
    assert done.exit_code == 0, done.output
    assert double.requests == before


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(double, monkeypatch):
    monkeypatch.delenv("TERCET_LIST_LAG")  # as it is for users: this clock costs no time
    double.clock = Clock()
    return double.clock


PROMPTS = [Prompt(f"q{number}", "document", 0, number, "", f"Question: {number}?") for number in range(12)]
PRICE = Price(
    provider="groq", model=MODEL, usd_per_million_input=1e6, usd_per_million_output=0, as_of="2026-10-01"
)  # a dollar a token sent


def open_desk(folder: Path, clock: Clock, limit: float | None = None, say=lambda _: None, **remote) -> BatchDesk:
    settings = {"provider": "groq", "requests_per_batch": 5} | remote
    config, labels = LabelerConfig(model=MODEL, remote=RemoteConfig(**settings)), LabelSet()
    votes = Ledger(folder, fingerprint(config, labels, labeler_identity(config)))
    meter = Meter(Spending(limit), PRICE, MODEL, batch=True)
    return BatchDesk(config, labels, votes, Provider(config.remote), meter, say, clock.sleep)


def work(desk: BatchDesk) -> None:
    desk.plan(PROMPTS)
    for part in desk.finished():
        desk.collect(part.id)


@pytest.mark.parametrize("fault", HTTP_FAULTS)
@pytest.mark.parametrize("path", ["/batches", "/batches/{id}", "/files/{id}/content", "/files"])
def test_any_look_at_the_provider_may_fail_many_times(path, fault, double, clock, tmp_path):
    double.slow_seconds = 0.01
    double.force("GET", re.escape(path), fault, times=10)
    work(open_desk(tmp_path, clock))
    assert double.given[fault] >= (1 if fault is Fault.SLOW_BODY else 3)
    assert set(double.tags.values()) == {1}
    assert double.billed == dict.fromkeys((prompt.key.id for prompt in PROMPTS), 1)


@pytest.mark.parametrize("fault", [Fault.CUT_BODY, Fault.SERVER_ERROR])
def test_a_batch_whose_creation_was_not_answered_is_looked_for_until_it_must_be_listed(fault, double, clock, tmp_path):
    double.list_lag = 9.0
    double.force("POST", "/batches", fault, times=3)
    work(open_desk(tmp_path, clock))
    assert set(double.tags.values()) == {1}
    assert double.billed == dict.fromkeys((prompt.key.id for prompt in PROMPTS), 1)


def test_a_batch_whose_creation_was_answered_without_bound_is_looked_for_by_the_next_run(double, clock, tmp_path):
    double.list_lag = 9.0
    create = Provider.create_batch

    def unreadable(self: Provider, *asked: object) -> dict:
        create(self, *asked)
        raise ProviderError("a reply of more than 16 MiB", status=None, sent=True, expected="a reply of at most 16 MiB")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Provider, "create_batch", unreadable)
        with pytest.raises(InputError, match="groq sent a reply of more than 16 MiB"):
            work(open_desk(tmp_path, clock))
    work(open_desk(tmp_path, clock))
    assert set(double.tags.values()) == {1}, "two batches for one part: paid twice"
    assert double.billed == dict.fromkeys((prompt.key.id for prompt in PROMPTS), 1)


def test_a_list_that_is_not_answered_either_is_asked_again_before_anything_is_made_again(double, clock, tmp_path):
    def hide(when: str, method: str, path: str) -> None:
        if (when, method, path) == ("after", "POST", "/batches") and not double.given[Fault.CUT_BEFORE]:
            double.force("GET", "/batches", Fault.CUT_BEFORE, times=3)

    double.on_request = hide
    double.force("POST", "/batches", Fault.CUT_BODY)
    work(open_desk(tmp_path, clock))
    assert double.given == {Fault.CUT_BODY: 1, Fault.CUT_BEFORE: 3}
    assert set(double.tags.values()) == {1}
    assert double.billed.total() == len(PROMPTS)


def test_how_often_one_looks_does_not_shorten_the_wait_for_a_batch_to_be_listed(double, clock, tmp_path):
    double.list_lag = 5.0
    double.force("POST", "/batches", Fault.CUT_BODY)
    work(open_desk(tmp_path, clock, poll_seconds=1.0))
    assert set(double.tags.values()) == {1}, "two batches for one part: paid twice"


def test_a_batch_that_a_dying_run_made_a_moment_ago_is_looked_for(double, clock, tmp_path):
    double.list_lag = 9.0
    first = open_desk(tmp_path, clock)
    first.plan(PROMPTS)
    first.submit()
    for state in tmp_path.glob("*/batch/*/state.json"):  # as a run that died before it heard of its batches
        state.write_text(json.dumps(json.loads(state.read_text()) | {"step": "creating", "batch_id": None}))
    work(open_desk(tmp_path, clock))
    assert set(double.tags.values()) == {1}
    assert double.billed.total() == len(PROMPTS)


def test_the_limit_is_kept_while_batches_are_under_way_and_used_up_after(double, clock, tmp_path):
    """Each part is set aside at its worst, so that two are not under way together; in the end all are paid."""
    double.latency = 60.0
    desk = open_desk(tmp_path, clock)
    desk.plan(PROMPTS)
    worst = sorted(part.worst_usage.input for part in desk.parts())
    desk = open_desk(tmp_path, clock, limit=float(sum(worst) - 1))
    desk.submit()
    assert len(double.batches) == len(worst) - 1
    work(desk)
    assert set(double.tags.values()) == {1}
    assert double.billed.total() == len(PROMPTS)
    assert double.tokens_billed[0] <= sum(worst) - 1


def test_a_part_that_does_not_fit_under_the_limit_is_not_submitted(double, clock, tmp_path):
    desk = open_desk(tmp_path, clock, limit=10.0)
    desk.plan(PROMPTS)
    with pytest.raises(LimitError, match="--max-cost"):
        desk.submit()
    assert not double.batches


def test_a_provider_that_shuts_for_hours_is_not_waited_for_in_silence(double, clock, tmp_path):
    double.retry_after = 7200.0
    double.force("POST", "/batches", Fault.RATE_LIMIT_AFTER)
    with pytest.raises(InputError, match=r"groq asks to wait 2\.0 hours"):
        work(open_desk(tmp_path, clock))
    assert clock.now < 3600, f"{clock.now:.0f} seconds without a word"
    work(open_desk(tmp_path, clock))  # tomorrow
    assert set(double.tags.values()) == {1}
    assert double.billed.total() == len(PROMPTS)


# ---- Batches by hand: submit, list, collect, cancel


def test_submitted_here_and_collected_from_a_copy_of_the_store(
    tercet, double, experiment, tmp_path, tmp_path_factory, undisturbed
):
    double.latency = 3600.0
    done = tercet("batches", "submit", "far.toml", "--max-cost", "1")
    assert done.exit_code == 0, done.output
    assert f"{REQUESTS} requests under way at groq" in done.stdout
    assert len(double.batches) == PARTS
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(tmp_path / "runs", elsewhere / "store")
    collect = [sys.executable, "-m", "flows.cli", "batches", "collect", "--store", "store"]
    double.latency = 0.0
    done = subprocess.run(collect, cwd=elsewhere, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" votes of batch batch_") == PARTS
    assert_once(double, ledger(elsewhere / "store"))
    assert ledger(elsewhere / "store").equals(undisturbed)
    assert double.requests["POST", "/batches"] == PARTS


def test_what_was_submitted_is_not_asked_again_by_the_run_that_follows(tercet, double, experiment, undisturbed):
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    done = tercet("label", "far.toml", "--quiet")  # no --max-cost: what is under way costs nothing more
    assert done.exit_code == 0, done.output
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


def test_a_run_and_a_collection_at_the_same_time_share_the_batches(tercet, double, experiment, tmp_path, undisturbed):
    double.latency = 2.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    collect = [sys.executable, "-m", "flows.cli", "batches", "collect", "--wait"]
    both = [subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.DEVNULL) for line in (command(), collect)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len(double.tags) == PARTS
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


def test_collect_takes_what_has_ended_and_tells_what_has_not(tercet, double, experiment):
    double.latency = 3600.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    early = tercet("batches", "collect")
    assert early.stdout.splitlines() == [f"{MODEL}: {PARTS} batches with {REQUESTS} requests are under way"]
    assert ledger(Path("runs")).is_empty()
    double.latency = 0.0
    waited = tercet("batches", "collect", "--wait")
    assert waited.exit_code == 0, waited.output
    assert_once(double, ledger(Path("runs")))
    assert tercet("batches", "collect").stdout == "No batches are open in runs.\n"


def test_list_says_how_far_each_batch_has_come_and_asks_nobody(tercet, double, experiment):
    Path("runs").mkdir()
    assert tercet("batches", "list").stdout == "No batches in runs.\n"
    double.latency = 3600.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    before = double.requests.copy()
    under_way = tercet("batches", "list").stdout.splitlines()
    assert double.requests == before
    assert len(under_way) == PARTS
    assert {batch for line in under_way for batch in re.findall(r"batch_\d+", line)} == set(double.batches)
    assert all(MODEL in line and "created (validating)" in line for line in under_way)
    double.latency = 0.0
    assert tercet("batches", "collect").exit_code == 0
    collected = tercet("batches", "list").stdout.splitlines()
    assert sorted(line.rpartition(": ")[2] for line in collected) == ["3 votes", "5 votes", "5 votes", "5 votes"]


def test_cancelled_then_labeled_only_what_is_missing_is_submitted(tercet, double, clock, experiment, undisturbed):
    double.latency = 100.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    clock.sleep(45.0)  # half of the requests of each batch are done
    refused = tercet("batches", "cancel")
    assert refused.exit_code != 0, "nobody said yes"
    assert not double.canceled
    cancelled = tercet("batches", "cancel", "--yes")
    assert cancelled.exit_code == 0, cancelled.output
    assert f"{PARTS} batches cancelled" in cancelled.stdout
    assert sorted(double.canceled) == sorted(double.batches)
    double.latency = 0.0
    finish(tercet)
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)
    first = [line for batch in list(double.batches)[:PARTS] for line in [double.batches[batch]["request_counts"]]]
    assert [counts["completed"] for counts in first].count(2) == 3  # of 5
    uploaded = list(double.uploaded.values())[PARTS:]
    assert sum(content.count(b"\n") for _, content in uploaded) == REQUESTS - sum(one["completed"] for one in first)


def test_batches_that_the_provider_has_no_more_can_be_given_up(tercet, double, experiment, monkeypatch, undisturbed):
    """As after a month, or with the key of another project."""
    double.latency = 3600.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    with ProviderDouble() as another:
        point_to(another, monkeypatch)
        for _ in range(PARTS):
            line = assert_one_line(label(tercet, "--quiet"), "does not know batch")
            forgotten = tercet("batches", "forget", re.search(r"`tercet batches forget (\w+)`", line)[1], "--yes")
            assert forgotten.exit_code == 0, forgotten.output
        finish(tercet)
        assert_once(another, ledger(Path("runs")))
        assert ledger(Path("runs")).equals(undisturbed)


def test_without_a_final_word_nothing_is_paid_again_and_giving_up_is_priced(tercet, double, experiment, undisturbed):
    """Batches that read completed, without files and counts."""
    silent = {"output_file_id": None, "error_file_id": None, "request_counts": None}
    double.tell = lambda view: view | silent
    line = assert_one_line(label(tercet, "--quiet"), "is completed and counts no answers", "tercet batches collect")
    assert re.search(r"batches forget \w+` .*asking for (\d) of its \1 votes again may cost up to 0\.\d{4} USD", line)
    assert len(double.batches) == PARTS
    assert ledger(Path("runs")).is_empty()
    assert_one_line(tercet("batches", "collect"), "is completed and counts no answers")
    asked = tercet("batches", "forget", re.search(r"batches forget (\w+)`", line)[1])
    assert "may cost up to" in asked.stderr
    assert asked.exit_code != 0, "nobody said yes"
    double.tell = None
    done = tercet("batches", "collect")
    assert done.exit_code == 0, done.output
    assert len(double.batches) == PARTS
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


def test_cancelling_what_the_provider_has_no_more_says_what_to_do(tercet, double, experiment, monkeypatch):
    double.latency = 3600.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    with ProviderDouble() as another:
        point_to(another, monkeypatch)
        assert_one_line(tercet("batches", "cancel", "--yes"), "does not know batch", "tercet batches forget")


def test_only_an_open_batch_can_be_forgotten(tercet, double, experiment):
    finish(tercet)
    part = tercet("batches", "list").stdout.split()[1]
    for name in (part, "nobody"):
        assert_one_line(tercet("batches", "forget", name, "--yes"), name, "tercet batches list")
    assert_once(double, ledger(Path("runs")))


def test_cancelled_batches_that_had_ended_keep_what_they_gave(tercet, double, experiment, undisturbed):
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    done = tercet("batches", "cancel", "--yes")
    assert done.exit_code == 0, done.output
    assert not double.canceled
    assert tercet("batches", "collect").exit_code == 0
    assert_once(double, ledger(Path("runs")))
    assert ledger(Path("runs")).equals(undisturbed)


PRICY = 'prices = "prices.toml"'


def test_submit_says_how_much_is_really_under_way_when_the_limit_stops_it(tercet, double, tmp_path):
    write_prices(tmp_path / "prices.toml", 0, 1e6)  # a dollar a token written: 4 expected of each, 160 at worst
    write_remote(tmp_path / "far.toml", head=PRICY)
    done = tercet("batches", "submit", "far.toml", "--max-cost", "900")  # one part and no second
    assert done.exit_code == 0, done.output
    assert len(double.batches) == 1
    assert f"{REQUESTS} requests" not in done.output
    assert "5 requests" in done.output


def test_a_run_pays_for_its_own_questions_only(tercet, double, tmp_path):
    """What the limit kept back from a larger run is not what the user allowed a smaller one."""
    write_prices(tmp_path / "prices.toml", 0, 1e6)
    large = write_remote(tmp_path / "far.toml", head=PRICY)
    assert tercet("batches", "submit", "far.toml", "--max-cost", "900").exit_code == 0
    (tmp_path / "few.toml").write_text(large.read_text().replace("sample = 6", "sample = 1").replace(PRICY, ""))
    done = tercet("label", "few.toml", "--max-cost", "1", "--quiet")
    assert done.exit_code == 0, done.output
    assert double.billed.total() <= 5 + 3, "5 of the first run, 3 of the second"


def test_collecting_spends_nothing_that_was_not_allowed(tercet, double, tmp_path):
    write_prices(tmp_path / "prices.toml", 0, 1e6)
    write_remote(tmp_path / "far.toml", head=PRICY)
    assert tercet("batches", "submit", "far.toml", "--max-cost", "900").exit_code == 0
    tercet("batches", "collect", "--wait")
    assert len(double.batches) == 1, "the limit was 900 USD, and the next batches could cost more"


# ---- Call by call


SERVER = 'provider = "server"\nbase_url = "URL/v1"\nlogprobs = "off"'


SEED = 145  # with which no call fails so often in a row that the test gets slow


def calls(double: ProviderDouble, kind: str) -> str:
    return CALLS if kind == "groq" else SERVER.replace("URL", double.url)


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ("groq", {Fault.RATE_LIMIT, Fault.RATE_LIMIT_AFTER}),
        ("groq", {Fault.SERVER_ERROR}),
        ("groq", {Fault.CUT_BEFORE, Fault.CUT_BODY}),
        ("groq", {Fault.SLOW_BODY}),
        ("server", {Fault.RATE_LIMIT_AFTER}),
        ("server", {Fault.CUT_BEFORE, Fault.CUT_BODY}),
    ],
)
def test_calls_that_fail_are_made_again_and_paid_once(kind, kinds, tercet, double, tmp_path, undisturbed):
    double.faults = Faults(0.2, frozenset(kinds), seed=SEED)
    write_remote(tmp_path / "far.toml", calls(double, kind) + "\nmax_attempts = 8\nconnections = 16")
    finish(tercet)
    assert double.given.total() > 0
    votes = ledger(Path("runs"))
    assert len(votes) == REQUESTS == len(votes.unique(KEY))
    assert sorted(double.billed_chat.values()) == [1] * REQUESTS, "paid twice"
    assert votes.drop("labeler").equals(undisturbed.drop("labeler"))
    # A call that broke off may have been paid: the session counts it.
    assert session(Path("runs"))["broken_off"] == double.given[Fault.CUT_BEFORE] + double.given[Fault.CUT_BODY]


HOURS = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "5h0m0s"}


def test_a_days_calls_used_up_end_in_one_line_and_keep_everything(tercet, double, tmp_path, undisturbed):
    write_remote(tmp_path / "far.toml", CALLS)
    double.rate_headers = HOURS
    assert_one_line(label(tercet, "--quiet"), "5.0 hours", "kept")
    answered = double.billed_chat.total()
    assert 0 < answered < REQUESTS
    assert len(ledger(Path("runs"))) == answered
    double.rate_headers = None
    finish(tercet)
    assert sorted(double.billed_chat.values()) == [1] * REQUESTS
    assert ledger(Path("runs")).equals(undisturbed)


def test_a_retry_after_of_hours_ends_in_one_line_and_keeps_everything(tercet, double, tmp_path, undisturbed):
    write_remote(tmp_path / "far.toml", CALLS + "\nconnections = 1")
    double.retry_after = 7200.0

    def shut(when: str, method: str, path: str) -> None:
        if when == "after" and double.billed_chat.total() == 5:
            double.force("POST", CHAT, Fault.RATE_LIMIT_AFTER)

    double.on_request = shut
    assert_one_line(label(tercet, "--quiet"), "2.0 hours", "kept")
    double.on_request = None
    assert len(ledger(Path("runs"))) == double.billed_chat.total() == 5
    finish(tercet)
    assert sorted(double.billed_chat.values()) == [1] * REQUESTS
    assert ledger(Path("runs")).equals(undisturbed)


@pytest.mark.parametrize(("connections", "cut"), [(1, 0.2), (4, 0.2), (4, 0.0)])
def test_the_limit_is_never_passed_and_raising_it_goes_on(connections, cut, tercet, double, tmp_path, undisturbed):
    double.faults = Faults(cut, frozenset({Fault.CUT_BODY}))
    double.chat_latency = 0.02
    write_prices(tmp_path / "prices.toml", 1e6, 0)  # a dollar a token sent
    write_remote(tmp_path / "far.toml", f"{CALLS}\nconnections = {connections}\nmax_attempts = 8", head=PRICY)
    limit = int(undisturbed["n_prompt_tokens"].sum() * 1.04)  # more than is expected, less than may be
    line = assert_one_line(tercet("label", "far.toml", "--max-cost", str(limit), "--quiet"), "--max-cost")
    assert f"at most {limit}.0000" in line
    answered, kept = double.billed_chat.total(), len(ledger(Path("runs")))
    assert double.tokens_billed[0] <= limit
    assert 0 < kept <= answered < REQUESTS
    assert answered - kept <= double.given[Fault.CUT_BODY], "arrived and was not kept"
    double.faults = NO_FAULTS
    done = tercet("label", "far.toml", "--max-cost", "1e9", "--quiet")
    assert done.exit_code == 0, done.output
    assert sorted(double.billed_chat.values()) == [1] * REQUESTS
    assert ledger(Path("runs")).equals(undisturbed)


def test_a_second_run_of_the_same_process_is_not_stopped_by_the_first(tercet, double, experiment, undisturbed):
    """As in a worker that runs one flow after the other."""
    write_remote(experiment, CALLS)
    double.retired = {MODEL: "decommissioned"}
    assert label(tercet, "--quiet").exit_code == 2
    double.retired = {}
    double.faults = Faults(0.3, frozenset({Fault.RATE_LIMIT_AFTER}))
    finish(tercet)
    assert ledger(Path("runs")).equals(undisturbed)


def test_what_is_under_way_in_batches_is_not_paid_again_call_by_call(tercet, double, experiment):
    """As when somebody tires of waiting and sets api = "direct"."""
    double.latency = 3600.0
    assert tercet("batches", "submit", "far.toml", "--max-cost", "1").exit_code == 0
    write_remote(experiment, CALLS)
    done = label(tercet, "--quiet")
    double.latency = 0.0
    double.settle()
    assert double.billed.total() + double.billed_chat.total() == REQUESTS, "paid twice"
    assert done.exit_code == 0 or "batches" in done.stderr


def test_two_models_of_one_server_are_asked_apart(tercet, double, tmp_path):
    """They get the same prompts with the same seeds, and each its own answers."""
    other = f"""
    [[readers]]
    model = "openai/gpt-oss-120b"
    [readers.remote]
    {CALLS}
    """
    write_remote(tmp_path / "far.toml", CALLS + other)
    finish(tercet)
    votes = ledger(Path("runs"))
    assert len(votes) == 2 * REQUESTS
    assert double.billed_chat.total() == 2 * REQUESTS, "one model was given the other's answers"
    served = votes.group_by("labeler").agg(pl.col("served").unique())["served"]
    assert sorted(one.to_list()[0] for one in served) == [
        "openai/gpt-oss-120b-2026-10-01 fp_double",
        "openai/gpt-oss-20b-2026-10-01 fp_double",
    ]


LOGPROBS = 'provider = "server"\nbase_url = "URL/v1"'


def test_a_server_with_logprobs_gives_the_vote_law(tercet, double, tmp_path):
    double.logprobs = True
    double.answer = lambda body: simulated_label(body | {"seed": 0})  # a distribution does not depend on the seed
    write_remote(tmp_path / "far.toml", LOGPROBS.replace("URL", double.url))
    finish(tercet)
    votes = ledger(Path("runs"))
    assert votes["probabilities"].list.len().to_list() == [3] * REQUESTS
    assert votes["probabilities"].list.max().to_numpy() == pytest.approx(0.8)
    (folder,) = (manifest.parent for manifest in Path("runs").glob("*/manifest.json"))
    unanimity = pl.read_parquet(folder / "unanimity.parquet").row(0, named=True)
    assert unanimity["n_unknown"] == 0
    assert unanimity["p_unanimous"] == pytest.approx(0.8**3 + 2 * 0.1**3)


def test_a_server_without_logprobs_says_so_and_can_be_asked_without(tercet, double, tmp_path, undisturbed):
    write_remote(tmp_path / "far.toml", LOGPROBS.replace("URL", double.url))
    done = label(tercet, "--quiet")
    assert_one_line(done, "`logprobs` is not supported with this model", "settings")
    assert ledger(Path("runs")).is_empty()
    assert tuple(RemoteConfig.model_fields["logprobs"].annotation.__args__) == ("auto", "on", "off")
    write_remote(tmp_path / "far.toml", LOGPROBS.replace("URL", double.url) + '\nlogprobs = "off"')
    finish(tercet)
    assert ledger(Path("runs")).drop("labeler").equals(undisturbed.drop("labeler"))


def look(said: str, **top: float) -> dict:
    """One position of an answer with its most probable tokens."""
    return {"token": said, "top_logprobs": [{"token": token, "logprob": math.log(p)} for token, p in top.items()]}


THINKING = [look("Okay", Okay=0.96, The=0.03, no=0.002), look("yes", yes=0.99, no=0.01)]


def thinks(completion: dict) -> dict:
    """As vLLM with a reasoning parser: the distributions begin with the reasoning, which is not in the text."""
    completion["choices"][0] |= {
        "message": {"content": "yes", "reasoning_content": "Okay"},
        "logprobs": {"content": THINKING},
    }
    return completion


def thinks_too_long(completion: dict) -> dict:
    completion["choices"][0] |= {
        "message": {"content": None}, "finish_reason": "length", "logprobs": {"content": THINKING[:1]},
    }  # fmt: skip
    return completion


@pytest.mark.parametrize(("echo", "label", "failure"), [(thinks, "yes", None), (thinks_too_long, None, "truncated")])
def test_hidden_reasoning_is_not_the_answer(echo, label, failure, tercet, double, tmp_path):
    double.logprobs, double.echo = True, echo
    write_remote(tmp_path / "far.toml", LOGPROBS.replace("URL", double.url))
    done = finish(tercet)
    votes = ledger(Path("runs"))
    assert votes.select("label", "failure").unique().rows() == [(label, failure)]
    assert "18 votes were read from the text" in done.output
    assert session(Path("runs"))["read_from_text"] == REQUESTS
    (report,) = Path("runs").glob("*/report.md")
    assert "18 votes were read from the text, because the server's distribution does not fit" in report.read_text()


def test_a_server_that_cuts_documents_is_one_line_and_none_of_its_answers_is_kept(tercet, double, tmp_path):
    def cut(completion: dict) -> dict:
        completion["usage"]["prompt_tokens"] = min(completion["usage"]["prompt_tokens"], 100)
        return completion

    double.echo = cut
    file = write_remote(tmp_path / "far.toml", LOGPROBS.replace("URL", double.url) + '\nlogprobs = "off"')
    long = 'source = "generated"\ngenerator = { n_documents = 6, words = 1500 }'
    file.write_text(file.read_text().replace('source = "sample"', long))
    assert_one_line(label(tercet, "--quiet"), "counts 100 tokens in a prompt of at least", "whole document", "num_ctx")
    assert ledger(Path("runs")).is_empty()
    double.echo = None
    double.start_anew()
    finish(tercet)
    assert len(ledger(Path("runs"))) == REQUESTS


def test_a_server_that_is_not_there_is_one_line(tercet, double, tmp_path):
    write_remote(tmp_path / "far.toml", LOGPROBS.replace("URL", double.url) + "\nmax_attempts = 1")
    double.close()
    assert_one_line(label(tercet, "--quiet"), double.url, "does not answer", "kept")
