"""Whatever a provider says on the way to the truth: each request is paid once, and every answer is collected."""

import json
import os
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.models.prices import Price
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import ProviderError
from labeling.remote.jobs.desk import BatchDesk
from labeling.remote.requests import labeler_identity
from labeling.remote.spending import Meter, Spending
from labeling.votes.ledger import Ledger
from labeling.votes.vote import Prompt
from tests.doubles.off_the_wire import OffTheWire
from tests.doubles.provider import Fault, ProviderDouble, Refusal

MODEL = "openai/gpt-oss-20b"
CONFIG = LabelerConfig(model=MODEL, remote=RemoteConfig(provider="groq", requests_per_batch=4))
LABELS = LabelSet()
PRICE = Price(provider="groq", model=MODEL, usd_per_million_input=1e6, usd_per_million_output=0, as_of="2026-10-01")
PROMPTS = [Prompt(f"q{n}", "document", 0, n, "", f"Question: {n}?") for n in range(4)]
STOPPED = ("failed", "expired", "cancelled")


@pytest.fixture(scope="module", autouse=True)
def quick_disk():
    """Nobody cuts the power here: what is written durably elsewhere takes most of these tests' time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


class Clock:
    """Time that passes when somebody sleeps; nobody sleeps for more than a few days."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        assert self.now < 1e6, "it waits for ever"


def double_of(latency=20.0):
    return ProviderDouble(latency=latency, clock=Clock())


def open_desk(folder, double, say=lambda _: None, client=OffTheWire, n_requests=4):
    remote = CONFIG.remote.model_copy(update={"requests_per_batch": n_requests})
    ledger = Ledger(folder, fingerprint(CONFIG, LABELS, labeler_identity(CONFIG)))
    meter = Meter(Spending(), PRICE, MODEL, batch=True)
    config = CONFIG.model_copy(update={"remote": remote})
    return BatchDesk(config, LABELS, ledger, client(double, remote), meter, say=say, sleep=double.clock.sleep)


def work(desk):
    """As a run does: until the ledger lacks nothing."""
    while desk.plan(PROMPTS) or desk.open_parts():
        for part in desk.finished():
            desk.collect(part.id)


def votes_of(folder):
    return Ledger(folder, fingerprint(CONFIG, LABELS, labeler_identity(CONFIG))).votes()


def assert_once(folder, double):
    """Every vote is there, and nothing was paid or submitted twice."""
    assert double.billed == Counter(prompt.key.id for prompt in PROMPTS)
    assert set(double.tags.values()) == {1}
    votes = votes_of(folder)
    assert sorted(votes["question_id"]) == ["q0", "q1", "q2", "q3"]
    assert votes["label"].null_count() == 0


# What a look is told instead of the truth


def lie(status=None, output=True, error=True, counts="true", refusal=None):
    """A change to a view: another status, files that are not named, counts that are missing or of a moment ago."""

    def tell(view):
        if refusal:
            raise Refusal(refusal, "No such batch.")
        told = dict(view)
        told["status"] = status or view["status"]
        told["output_file_id"] = view["output_file_id"] if output else None
        told["error_file_id"] = view["error_file_id"] if error else None
        told["errors"] = view["errors"] if view["status"] == "failed" and status in (None, "failed") else None
        done = view["request_counts"]
        told["request_counts"] = {
            "true": done,
            "none": None,
            "zero": {"total": len(PROMPTS), "completed": 0, "failed": 0},
            "half": done | {"completed": done["completed"] // 2, "failed": done["failed"] // 2},
            "blank": {"total": 0, "completed": 0, "failed": 0},
        }[counts]
        return told

    return tell


def script(double, *lies):
    """Tell these, one a look, once the batch has ended in truth; then the truth."""
    left = list(lies)

    def tell(view):
        return left.pop(0)(view) if left and view["status"] in ("completed", *STOPPED) else view

    double.tell = tell
    return left


AGAIN = lie("in_progress", output=False, error=False, counts="half")
EARLY = lie("completed", output=False, error=False, counts="none")
SEQUENCES = {
    "back to in_progress once": [lie(output=False, counts="none"), AGAIN],
    "back and forth": [EARLY, AGAIN, EARLY, AGAIN, EARLY],
    "completed before its file, without counts": [EARLY] * 5,
    "completed before its file, with counts of nothing": [lie(output=False, counts="zero")] * 5,
    "completed before its file, with true counts": [lie(output=False)] * 5,
    "failed, then not": [lie("failed", output=False, counts="none"), AGAIN],
    "failed twice without a reason, then not": [lie("failed", output=False, counts="zero")] * 2,
    "expired with nothing done, then not": [lie("expired", output=False, counts="zero")] * 2,
    "cancelled before it began, then not": [lie("cancelled", output=False, counts="blank")] * 2,
    "cancelled with half of the counts": [lie("cancelled", output=False, counts="half")] * 5,
    "a word that nobody knows": [lie("pondering", output=False, counts="none")] * 5,
    "unknown for a while": [lie(refusal=404)] * 2,
    "not answered for a while": [lie(refusal=503)] * 10,
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_batch_that_goes_back_or_comes_early_is_waited_for(name, tmp_path):
    double = double_of()
    left = script(double, *SEQUENCES[name])
    work(open_desk(tmp_path, double))
    assert not left, "not all of it was told"
    assert len(double.batches) == 1
    assert_once(tmp_path, double)


def refuse_files(double, times, status=404):
    left = [status] * times

    def send(_, content):
        if left:
            raise Refusal(left.pop(), "No such File object")
        return content

    double.send = send


def test_a_file_that_is_not_there_for_a_while_is_waited_for(tmp_path):
    double = double_of()
    refuse_files(double, 7)
    work(open_desk(tmp_path, double))
    assert len(double.batches) == 1
    assert_once(tmp_path, double)


def test_an_error_file_may_come_later_than_the_output(tmp_path):
    double = double_of()
    double.force_line(Fault.ERROR_LINE, times=2)
    script(double, *[lie(error=False)] * 6)
    said = []
    work(open_desk(tmp_path, double, said.append))
    assert len(double.batches) == 2  # the two that failed are asked again
    assert "2 votes; 2 unanswered" in said[0]
    assert_once(tmp_path, double)


def test_an_error_file_that_never_comes_is_not_needed_where_the_counts_say_who_failed(tmp_path):
    double = double_of()
    double.force_line(Fault.ERROR_LINE, times=2)
    script(double, *[lie(error=False)] * 24)
    work(open_desk(tmp_path, double))
    assert len(double.batches) == 2
    assert_once(tmp_path, double)


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.5, "a line"], ids=str)
def test_a_short_download_is_not_taken_for_the_whole(cut, tmp_path):
    """With counts that would fit it: only its size tells."""
    double = double_of()
    left = [True] * 5

    def send(_, content):
        if not left:
            return content
        left.pop()
        if cut == "a line":
            return b"".join(content.splitlines(keepends=True)[:2])
        return content[: int(len(content) * cut)]

    def tell(view):
        if left and view["status"] == "completed":
            n = {"a line": 2}.get(cut, 0)
            return view | {"request_counts": {"total": 4, "completed": n, "failed": 0}}
        return view

    double.send, double.tell = send, tell
    work(open_desk(tmp_path, double))
    assert not left
    assert len(double.batches) == 1
    assert_once(tmp_path, double)


def test_lines_of_another_batch_are_nobodys_answers(tmp_path):
    double = double_of()
    wrong = [True] * 4

    def send(_, content):
        if not wrong:
            return content
        wrong.pop()
        return content.replace(b'"custom_id": "', b'"custom_id": "other')

    double.send = send
    work(open_desk(tmp_path, double))
    assert not wrong
    assert len(double.batches) == 1
    assert_once(tmp_path, double)


def test_what_one_is_told_about_another_batch_is_not_believed(tmp_path):
    double = double_of()
    script(double, *[lambda view: view | {"id": "batch_of_somebody", "status": "failed", "output_file_id": None}] * 3)
    work(open_desk(tmp_path, double))
    assert len(double.batches) == 1
    assert_once(tmp_path, double)


# Where no final word comes


NEVER = {
    "completed, no file, no counts": (EARLY, r"is completed and counts no answers, but its files have 0 answers"),
    "completed, no file, nothing counted": (lie(output=False, counts="zero"), r"counts 0 answers.* have 0 answers"),
    "completed, no file, true counts": (lie(output=False), r"counts 4 answers.* have 0 answers"),
    "failed, no word why": (lie("failed", output=False, counts="none"), r"is failed and counts no answers"),
    "expired, no counts": (lie("expired", output=False, counts="none"), r"is expired and counts no answers"),
    "cancelled, counts of answers": (lie("cancelled", output=False), r"is cancelled and counts 4 answers"),
    "unknown": (lie(refusal=404), r"does not know batch batch_000001"),
}


@pytest.mark.parametrize("name", NEVER)
def test_without_a_final_word_the_run_stops_in_one_line_and_submits_nothing(name, tmp_path):
    told, found = NEVER[name]
    double = double_of()
    script(double, *[told] * 1000)
    for _ in range(2):
        began = double.clock.now
        with pytest.raises(InputError, match=found) as stopped:
            work(open_desk(tmp_path, double))
        assert double.clock.now - began < 3600
        line = str(stopped.value)
        assert "\n" not in line
        assert "tercet batches forget" in line
        assert "asking for 4 of its 4 votes again may cost up to 64.0000 USD" in line
    assert len(double.batches) == 1
    double.tell = None
    work(open_desk(tmp_path, double))
    assert len(double.batches) == 1
    assert_once(tmp_path, double)


def test_answers_that_came_before_the_final_word_are_kept_and_only_the_others_are_given_up(tmp_path):
    double = double_of()
    double.force_line(Fault.MISSING_LINE)
    double.tell = lambda view: view | {"request_counts": None}
    with pytest.raises(InputError, match=r"its files have 3 answers and 0 errors for 4 requests after 20 looks in"):
        work(open_desk(tmp_path, double))
    assert len(votes_of(tmp_path)) == 3
    desk = open_desk(tmp_path, double)
    (part,) = desk.open_parts()
    asked = []
    assert not desk.forget(part.id, lambda loss: bool(asked.append(loss)))
    assert asked == ["asking for 1 of its 4 votes again may cost up to 16.0000 USD"]
    assert [one.step for one in desk.parts()] == ["finished"]
    assert desk.forget(part.id) == asked[0]
    double.tell = None
    work(open_desk(tmp_path, double))
    assert_once(tmp_path, double)


def test_a_batch_that_has_its_results_is_collected_and_not_forgotten(tmp_path):
    double = double_of(latency=0.0)
    desk = open_desk(tmp_path, double)
    desk.plan(PROMPTS)
    desk.submit()
    (part,) = desk.open_parts()
    with pytest.raises(InputError, match="tercet batches collect"):
        desk.forget(part.id)
    work(desk)
    assert_once(tmp_path, double)


def test_one_look_is_enough_where_nobody_waits(tmp_path):
    double = double_of(latency=0.0)
    desk = open_desk(tmp_path, double)
    desk.plan(PROMPTS)
    desk.submit()
    double.tell = EARLY
    assert list(desk.poll()) == []
    (problem,) = desk.problems.values()
    assert "run `tercet batches collect` later" in str(problem)
    assert double.clock.now == 0


def test_a_part_without_a_final_word_does_not_keep_the_others(tmp_path):
    double = double_of()
    double.tell = lambda view: EARLY(view) if view["id"] == "batch_000001" else view
    desk = open_desk(tmp_path, double, n_requests=2)
    with pytest.raises(InputError, match="batch_000001 is completed"):
        work(desk)
    assert sorted(part.step for part in desk.parts()) == ["collected", "finished"]
    assert len(votes_of(tmp_path)) == 2


def test_what_was_cancelled_with_nothing_done_is_asked_again_after_three_looks(tmp_path):
    double = double_of(latency=3600.0)
    desk = open_desk(tmp_path, double)
    desk.plan(PROMPTS)
    desk.submit()
    assert desk.cancel() == 1
    double.latency = 20.0
    work(open_desk(tmp_path, double))
    assert len(double.batches) == 2
    assert_once(tmp_path, double)


# A batch whose creation was not heard of


def test_a_batch_is_found_by_its_file_where_the_list_has_no_tags(tmp_path):
    double = double_of()
    double.force("POST", "/batches", Fault.CUT_BODY)
    listed = double._list_batches
    double._list_batches = lambda call: {
        "data": [batch | {"metadata": None} for batch in listed(call)["data"]], "has_more": False
    }  # fmt: skip
    work(open_desk(tmp_path, double))
    assert len(double.batches) == 1
    assert_once(tmp_path, double)


class UnreadableError(ProviderError):
    """An answer that breaks a bound: it is not asked for again, and says nothing about what was done."""

    is_transient = False


class Unread(OffTheWire):
    """Reads the first answer about a new batch, and no other."""

    n_made = 0

    def create_batch(self, *asked):
        made = super().create_batch(*asked)
        self.n_made += 1
        if self.n_made > 1:
            raise UnreadableError("more than 8 MB", status=None, sent=True)
        return made


def test_a_batch_whose_creation_was_answered_without_bounds_is_looked_for_by_the_next_run(tmp_path):
    double = double_of()
    with pytest.raises(InputError):
        work(open_desk(tmp_path, double, client=Unread, n_requests=2))
    assert len(double.batches) == 2
    work(open_desk(tmp_path, double, n_requests=2))
    assert len(double.batches) == 2
    assert_once(tmp_path, double)


def test_a_batch_that_is_listed_as_failed_is_looked_at_before_another_is_created(tmp_path):
    """As in a store that was copied before its batch was submitted."""
    double = double_of()
    first = open_desk(tmp_path / "first", double)
    first.plan(PROMPTS)
    first.submit()
    listed = double._list_batches

    def stale(call):
        page = listed(call)
        return page | {"data": [batch | {"status": "failed"} for batch in page["data"]]}

    double._list_batches = stale
    work(open_desk(tmp_path / "second", double))
    assert len(double.batches) == 1
    assert_once(tmp_path / "second", double)


# Odd shapes


ODD = [None, 7, [], [1], {"data": 5}, {"a": {"b": []}}, 10**400, True]


@pytest.mark.parametrize("field", ["request_counts", "error_file_id", "errors", "metadata", "created_at"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_a_field_of_any_shape_does_not_matter_where_every_request_has_a_line(field, odd, tmp_path):
    double = double_of(latency=0.0)
    double.tell = lambda view: view | {field: odd}
    work(open_desk(tmp_path, double))
    assert_once(tmp_path, double)


DEEP = b'{"custom_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
BODIES = {
    "nested without end": DEEP,
    "a number of 5000 digits": b'{"custom_id": ' + b"9" * 5000 + b"}\n",
    "no text": b"\xff\xfe\x00\n",
    "a line without a name": b'{"response": {}}\n',
    "a list": b"[1]\n",
}


@pytest.mark.parametrize("name", BODIES)
def test_odd_lines_beside_a_line_for_every_request_do_not_matter(name, tmp_path):
    double = double_of(latency=0.0)
    double.send = lambda _, content: BODIES[name] + content
    work(open_desk(tmp_path, double))
    assert_once(tmp_path, double)


@pytest.mark.parametrize("name", BODIES)
def test_an_odd_line_in_the_place_of_an_answer_is_not_paid_again(name, tmp_path):
    double = double_of(latency=0.0)
    double.send = lambda _, content: BODIES[name] + b"".join(content.splitlines(keepends=True)[1:])
    with pytest.raises(InputError, match="counts 4 answers, but its files have 3"):
        work(open_desk(tmp_path, double))
    assert len(double.batches) == 1
    assert len(votes_of(tmp_path)) == 3
    double.send = None
    work(open_desk(tmp_path, double))
    assert_once(tmp_path, double)


# Any sequence


LIES = st.builds(
    lie,
    status=st.sampled_from([None, "in_progress", "completed", "failed", "expired", "cancelled", "cancelling", "odd"]),
    output=st.booleans(),
    error=st.booleans(),
    counts=st.sampled_from(["true", "none", "zero", "half", "blank"]),
    refusal=st.sampled_from([None] * 8 + [404, 500]),
)
DOWNLOADS = st.sampled_from([None, None, 404, 500, 0.0, 0.5, 0.9, "a line"])
ENDS = st.sampled_from([None, None, Fault.BATCH_EXPIRED, Fault.BATCH_FAILED, Fault.BATCH_NO_OUTPUT])
LINES = st.lists(st.sampled_from([Fault.DUPLICATE_LINE, Fault.UNKNOWN_LINE, Fault.ERROR_LINE]), max_size=3)


def is_hollow(view):
    """Whether a view says that a batch was stopped with nothing done. That is believed when it is said three times."""
    counted = (view["request_counts"] or {}).get("completed", 0)
    return view["status"] in STOPPED and not view["output_file_id"] and not counted


def tell_lies(double, lies):
    """One lie a look, but the same hollow one at most twice in a row."""
    left, hollow = list(lies), []

    def tell(view):
        told = left.pop(0)(view) if left else view
        if told != view and is_hollow(told):
            hollow.append(told)
            if len(hollow) > 2:
                hollow.clear()
                return view
        else:
            hollow.clear()
        return told

    double.tell = tell


def send_badly(double, downloads):
    left = list(downloads)

    def send(_, content):
        how = left.pop(0) if left else None
        if how in (404, 500):
            raise Refusal(how, "No such File object")
        if how == "a line":
            return b"".join(content.splitlines(keepends=True)[1:])
        return content if how is None else content[: int(len(content) * how)]

    double.send = send


@settings(max_examples=30)
@given(st.lists(LIES, max_size=12), st.lists(DOWNLOADS, max_size=6), ENDS, LINES, st.booleans())
def test_whatever_is_said_on_the_way_each_request_is_paid_once_and_every_answer_kept(
    lies, downloads, end, lines, loses_reply
):
    double = double_of()
    tell_lies(double, lies)
    send_badly(double, downloads)
    if end:
        double.force_batch(end)
    for fault in lines:
        double.force_line(fault)
    if loses_reply:
        double.force("POST", "/batches", Fault.CUT_BODY)
    with tempfile.TemporaryDirectory() as name:
        for _ in range(8):  # a run may stop in one line, and is started again
            with suppress(InputError):
                work(open_desk(Path(name), double))
                break
        assert_once(Path(name), double)
        states = [json.loads(file.read_text()) for file in Path(name).glob("*/batch/*/state.json")]
        assert {state["step"] for state in states} == {"collected"}
