"""What a second run, or one beside the first, does after ends of every kind."""

import threading
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.models.prices import Price
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import Provider
from labeling.remote.direct import DirectLabeler
from labeling.remote.jobs.desk import BatchDesk
from labeling.remote.jobs.parts import load_parts
from labeling.remote.pacing import Pacer
from labeling.remote.requests import labeler_identity
from labeling.remote.spending import Meter, Spending
from labeling.votes.ledger import Ledger
from labeling.votes.vote import Prompt
from tests.doubles.provider import Fault, ProviderDouble

MODEL = "openai/gpt-oss-20b"
LABELS = LabelSet()
PRICE = Price(provider="groq", model=MODEL, usd_per_million_input=1e6, usd_per_million_output=0, as_of="2026-10-01")
PROMPTS = [
    Prompt(f"q{n}", "document", vote, 3 * n + vote, "", f"Question: {n}?") for n in range(4) for vote in range(3)
]


@pytest.fixture
def double(monkeypatch):
    with ProviderDouble() as served:
        monkeypatch.setenv("GROQ_API_KEY", "the-key")
        monkeypatch.setenv("GROQ_BASE_URL", served.url)
        yield served


def config_of(**remote) -> LabelerConfig:
    return LabelerConfig(model=MODEL, remote=RemoteConfig(provider="groq", requests_per_batch=12, **remote))


def ledger_of(folder, config) -> Ledger:
    return Ledger(folder, fingerprint(config, LABELS, labeler_identity(config)))


class Naps:
    """Sleeps no time; counts what it would have been."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds
        assert self.seconds < 1e5, "it waits for ever"


def open_desk(folder, limit=None, sleep=None, say=lambda _: None, **remote) -> BatchDesk:
    config = config_of(**remote)
    meter = Meter(Spending(limit), PRICE, MODEL, batch=True)
    return BatchDesk(config, LABELS, ledger_of(folder, config), Provider(config.remote), meter, say, sleep or Naps())


def work(desk: BatchDesk, prompts=PROMPTS) -> None:
    desk.plan(prompts)
    for part in desk.finished():
        desk.collect(part.id)


def collect_all(desk: BatchDesk) -> None:
    for part in desk.finished(submits=False):
        desk.collect(part.id)


def votes_of(folder) -> pl.DataFrame:
    return ledger_of(folder, config_of()).votes()


def once(double, prompts=PROMPTS) -> bool:
    return double.billed == dict.fromkeys((prompt.key.id for prompt in prompts), 1)


# ---- Failed, forgotten, half there


def test_a_failed_batch_is_made_anew_though_its_forerunners_are_still_listed(double, tmp_path):
    double.force_batch(Fault.BATCH_FAILED, times=5)
    with pytest.raises(InputError, match="failed a batch 5 times"):
        work(open_desk(tmp_path))
    assert len(double.batches) == 5
    work(open_desk(tmp_path))
    assert len(double.batches) == 6
    assert set(double.tags.values()) == {1}
    assert once(double)


def test_a_model_that_is_served_again_is_asked_again(double, tmp_path):
    double.retired[MODEL] = "Gone; use another."
    with pytest.raises(InputError, match="Gone; use another"):
        work(open_desk(tmp_path))
    double.retired.clear()
    work(open_desk(tmp_path))
    assert once(double)


def test_a_part_too_large_for_the_accounts_queue_ends_in_one_line(double, tmp_path):
    double.max_enqueued = 11
    with pytest.raises(InputError, match=r"lower remote\.requests_per_batch"):
        work(open_desk(tmp_path))
    double.max_enqueued = 12
    work(open_desk(tmp_path))
    assert once(double)


def test_files_that_come_late_are_waited_for_and_nothing_is_paid_again(double, tmp_path):
    double.late_files = 3
    naps = Naps()
    work(open_desk(tmp_path, sleep=naps))
    assert once(double)
    assert len(double.batches) == 1
    assert naps.seconds > 0


def test_files_that_never_come_are_not_asked_for_again_unbidden(double, tmp_path):
    double.late_files = 1000
    with pytest.raises(InputError, match=r"counts 12 answers, but its files have 0.*batches forget"):
        work(open_desk(tmp_path))
    assert len(double.batches) == 1
    (part,) = load_parts(open_desk(tmp_path).folder)
    assert part.is_open
    double.late_files = 0
    work(open_desk(tmp_path))
    assert once(double)


def test_what_is_forgotten_gets_another_name_though_its_batch_is_still_listed(double, tmp_path):
    double.late_files = 1000
    with pytest.raises(InputError):
        work(open_desk(tmp_path))
    desk = open_desk(tmp_path)
    (part,) = desk.open_parts()
    assert desk.forget(part.id)
    double.late_files = 0
    work(open_desk(tmp_path))
    assert len(double.batches) == 2  # asked for: that is what forgetting says
    assert set(double.tags.values()) == {1}
    assert len(votes_of(tmp_path)) == len(PROMPTS)


def test_a_batch_at_work_is_not_forgotten(double, tmp_path):
    double.latency = 3600.0
    desk = open_desk(tmp_path)
    desk.plan(PROMPTS)
    desk.submit()
    (part,) = desk.open_parts()
    with pytest.raises(InputError, match="is still running"):
        desk.forget(part.id)
    assert [one.step for one in desk.parts()] == ["created"]


@pytest.mark.parametrize("left", ["state.json", "keys.parquet", "requests.jsonl"])
def test_what_a_killed_run_left_of_a_dropped_part_is_in_nobodys_way(left, double, tmp_path):
    desk = open_desk(tmp_path)
    desk.plan(PROMPTS)
    (part,) = desk.parts()
    content = (part.folder / left).read_bytes()
    name = part.folder
    part.drop()
    gone = name.with_name(f".dropped-{name.name}")
    gone.mkdir()
    (gone / left).write_bytes(content)
    work(open_desk(tmp_path))
    assert once(double)
    assert not gone.exists()


# ---- Cancelled


def test_a_run_that_sees_its_batches_cancelled_does_not_submit_them_again(double, tmp_path):
    double.latency = 3600.0
    running = open_desk(tmp_path)
    running.plan(PROMPTS)
    running.submit()
    assert open_desk(tmp_path).cancel() == 1  # somebody else
    double.latency = 0.0
    for part in running.finished():
        running.collect(part.id)
    assert running.is_cancelled
    assert len(double.batches) == 1


def test_a_run_that_is_started_after_cancelling_does(double, tmp_path):
    double.latency = 3600.0
    desk = open_desk(tmp_path)
    desk.plan(PROMPTS)
    desk.submit()
    desk.cancel()
    double.latency = 0.0
    later = open_desk(tmp_path)
    work(later)
    assert not later.is_cancelled
    work(later)
    assert len(votes_of(tmp_path)) == len(PROMPTS)


# ---- Refused for what is in them


def test_a_question_that_is_too_long_is_a_vote_and_not_submitted_again(double, tmp_path):
    double.too_long = "Question: 2?"
    work(open_desk(tmp_path))
    votes = votes_of(tmp_path)
    assert len(votes) == len(PROMPTS)
    assert votes.filter(pl.col("failure") == "prompt_too_long")["question_id"].to_list() == ["q2"] * 3
    work(open_desk(tmp_path))
    assert len(double.batches) == 1


def test_where_everything_is_refused_nothing_is_kept_and_the_provider_is_quoted(double, tmp_path):
    double.too_long = "Question"
    with pytest.raises(InputError, match="maximum context length is 4096"):
        work(open_desk(tmp_path))
    assert votes_of(tmp_path).is_empty()
    double.too_long = None
    work(open_desk(tmp_path))
    assert once(double)


def ask_directly(folder, prompts=PROMPTS, **remote) -> None:
    """As a run asks call by call."""
    config = config_of(api="direct", **remote)
    ledger, provider = ledger_of(folder, config), Provider(config.remote)
    missing = ledger.missing(prompts)
    meter = Meter(Spending(), PRICE, MODEL, batch=False)
    labeler = DirectLabeler(config, LABELS, provider, Pacer("groq"), meter, is_proven=not ledger.is_empty)
    with ledger:
        labeler.ask(missing, lambda vote: ledger.append([vote]))


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("question", [0, 3])
def test_call_by_call_too_whichever_question_it_is(connections, question, double, tmp_path):
    double.too_long = f"Question: {question}?"
    ask_directly(tmp_path, connections=connections)
    votes = votes_of(tmp_path)
    assert len(votes) == len(PROMPTS)
    assert votes.filter(pl.col("failure") == "prompt_too_long")["question_id"].to_list() == [f"q{question}"] * 3
    asked = double.requests.total()
    ask_directly(tmp_path, connections=connections)
    assert double.requests.total() == asked


def test_call_by_call_a_refusal_of_everything_ends_in_one_line(double, tmp_path):
    double.too_long = "Question"
    many = [Prompt(f"q{n}", "document", 0, n, "", f"Question: {n}?") for n in range(200)]
    with pytest.raises(InputError, match="maximum context length is 4096"):
        ask_directly(tmp_path, many)
    assert double.requests.total() < 20  # not 200
    assert votes_of(tmp_path).is_empty()


def test_a_single_question_may_be_refused_after_others_were_answered(double, tmp_path):
    ask_directly(tmp_path)
    double.too_long = "Question: 9?"
    ask_directly(tmp_path, [Prompt("q9", "document", 0, 9, "", "Question: 9?")])
    assert votes_of(tmp_path)["failure"].to_list().count("prompt_too_long") == 1


# ---- Side by side


def test_two_runs_in_batches_at_once_pay_once(double, tmp_path):
    double.latency = 0.3
    started = threading.Barrier(2)

    def run() -> None:
        desk = open_desk(tmp_path, sleep=lambda seconds: threading.Event().wait(min(seconds, 0.05)))
        started.wait()
        work(desk)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run) for _ in range(2)]:
            done.result()
    assert once(double)
    assert set(double.tags.values()) == {1}
    assert len(votes_of(tmp_path)) == len(PROMPTS)


# ---- Money


def test_what_an_earlier_run_has_under_way_counts_against_the_limit(double, tmp_path):
    double.latency = 3600.0
    first = open_desk(tmp_path)
    first.plan(PROMPTS[:6])
    first.submit()
    (part,) = first.parts()
    # A dollar a token: room for what it will really cost and for another one at its worst, not for two at their worst.
    limit = part.worst_usage.input * 1.5
    second = open_desk(tmp_path, limit=limit)
    second.plan(PROMPTS)
    second.submit()  # what is under way may cost less than its worst
    assert len(double.batches) == 1
    double.latency = 0.0
    for ready in second.finished():
        second.collect(ready.id)
    assert once(double)


def test_an_answer_without_usage_is_counted_at_its_worst(double, tmp_path, monkeypatch):
    spending = Spending()
    config = config_of()
    desk = BatchDesk(
        config, LABELS, ledger_of(tmp_path, config), Provider(config.remote), Meter(spending, PRICE, MODEL, batch=True),
        sleep=Naps(),
    )  # fmt: skip
    monkeypatch.setattr("tests.doubles.provider.completion", without_usage(monkeypatch))
    desk.plan(PROMPTS)
    worst = sum(part.worst_usage.input for part in desk.parts())
    for part in desk.finished():
        desk.collect(part.id)
    assert spending.spent == pytest.approx(worst * 0.5 if PRICE.batch_discount else worst)


def without_usage(monkeypatch):
    """The double's completion, which says nothing of tokens: a server's habit, not ours, is changed."""
    from tests.doubles import provider

    made = provider.completion

    def completion(*arguments):
        return made(*arguments) | {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}

    return completion


# ---- What concerns the account and not a question


@pytest.mark.parametrize("code", ["blocked_api_access", "billing_hard_limit_reached", "organization_restricted"])
def test_an_account_that_is_shut_makes_no_votes(code, double, tmp_path):
    work(open_desk(tmp_path), PROMPTS[:3])
    double.blocked = code
    with pytest.raises(InputError, match="This account may not do that now"):
        work(open_desk(tmp_path))
    with pytest.raises(InputError, match="This account may not do that now"):
        ask_directly(tmp_path / "direct")
    assert len(votes_of(tmp_path)) == 3
    double.blocked = None
    work(open_desk(tmp_path))
    assert once(double)


def test_files_that_come_late_beside_a_refusal_are_not_taken_for_a_refusal_of_everything(double, tmp_path):
    double.too_long = "Question: 2?"
    double.late_files = 3
    work(open_desk(tmp_path))
    assert once(double, [prompt for prompt in PROMPTS if prompt.question_id != "q2"])
    assert len(votes_of(tmp_path)) == len(PROMPTS)


def test_tokens_of_files_that_come_late_are_counted_once(double, tmp_path):
    double.late_files = 3
    desk = open_desk(tmp_path)
    desk.plan(PROMPTS)
    results = [desk.collect(part.id) for part in desk.finished()]
    assert [sum(one.used.input for one in results), sum(one.used.output for one in results)] == double.tokens_billed
    assert sum(len(one.new) for one in results) == len(PROMPTS)


def test_a_list_that_is_none_is_not_taken_for_an_empty_one(double, tmp_path):
    desk = open_desk(tmp_path)
    desk.plan(PROMPTS)
    double.force("POST", "/batches", Fault.CUT_BODY)
    double.shapeless_lists = 3
    work(desk)
    assert set(double.tags.values()) == {1}
    assert once(double)


def test_cancelled_and_collected_by_somebody_else_is_cancelled_all_the_same(double, tmp_path):
    double.latency = 3600.0
    waiting = open_desk(tmp_path)
    waiting.plan(PROMPTS)
    waiting.submit()
    other = open_desk(tmp_path)
    other.cancel()
    for part in other.finished(submits=False):
        other.collect(part.id)
    assert waiting.is_cancelled
    assert list(waiting.finished()) == []
    assert len(double.batches) == 1


def test_cancelling_what_was_only_planned_is_cancelling_too(double, tmp_path):
    waiting = open_desk(tmp_path)
    waiting.plan(PROMPTS)
    assert open_desk(tmp_path).cancel() == 0
    assert waiting.is_cancelled
    assert waiting.open_parts() == []
    assert not double.batches


def test_a_batch_that_a_dying_run_made_is_not_forgotten_while_it_works(double, tmp_path):
    double.latency = 3600.0
    desk = open_desk(tmp_path)
    desk.plan(PROMPTS)
    desk.submit()
    (part,) = desk.open_parts()
    part.move("creating", batch_id=None)  # as a run that died before it heard of its batch
    with pytest.raises(InputError, match="is still running"):
        desk.forget(part.id)
    double.latency = 0.0
    work(open_desk(tmp_path))
    assert once(double)


def test_one_lost_batch_keeps_the_others_from_nothing(double, tmp_path):
    config = config_of().model_copy(update={"remote": config_of().remote.model_copy(update={"requests_per_batch": 3})})

    def open_small() -> BatchDesk:
        meter = Meter(Spending(), PRICE, MODEL, batch=True)
        return BatchDesk(config, LABELS, ledger_of(tmp_path, config), Provider(config.remote), meter, sleep=Naps())

    double.latency = 3600.0
    desk = open_small()
    desk.plan(PROMPTS)
    desk.submit()
    double.forget_batch(sorted(double.batches)[0])
    with pytest.raises(InputError, match=r"does not know batch .*batches forget"):
        open_small().cancel()
    assert len(double.canceled) == 3
    double.latency = 0.0
    again = open_small()
    with pytest.raises(InputError, match="does not know batch"):
        collect_all(again)
    assert [part.step for part in again.parts()].count("collected") == 3


def test_what_another_run_has_collected_leaves_room_below_the_limit(double, tmp_path):
    double.latency = 3600.0
    first = open_desk(tmp_path)
    first.plan(PROMPTS[:6])
    worst = first.parts()[0].worst_usage.input
    limited = open_desk(tmp_path, limit=worst * 1.2)
    limited.submit()
    limited.plan(PROMPTS)
    limited.submit()
    assert len(double.batches) == 1
    double.latency = 0.0
    other = open_desk(tmp_path)
    for part in other.poll():
        other.collect(part.id)
    limited.submit()  # there is room now
    assert len(double.batches) == 2


def test_a_key_that_a_gateway_repeats_in_a_shapeless_answer_is_not_shown(double, tmp_path, monkeypatch):
    key = "gsk_5ecretThatNobodyMaySee0123456789"
    monkeypatch.setenv("GROQ_API_KEY", key)
    padding = "x" * 180
    monkeypatch.setattr(
        "tests.doubles.provider.completion", lambda *_: {"usage": {"prompt_tokens": 1, "completion_tokens": 1},
                                                         "detail": f"{padding} denied for Bearer {key}"},
    )  # fmt: skip
    with pytest.raises(InputError) as told:
        ask_directly(tmp_path, PROMPTS[:1])
    assert "gsk_" not in str(told.value)
    desk = open_desk(tmp_path, max_attempts=1)
    work(desk, PROMPTS[:3])
    assert desk.last_error is not None
    assert "gsk_" not in str(desk.last_error)
