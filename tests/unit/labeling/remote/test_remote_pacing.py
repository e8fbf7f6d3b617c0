import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from labeling.remote.client import ProviderError
from labeling.remote.pacing import Pacer, StoppedError, insist, parse_duration, pause_after, sleep


class Clock:
    """Stands still until a test moves it."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pacer(clock):
    return Pacer("groq", clock)


def headers(**told):
    return {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in told.items()}


ENDED, GOES_ON = threading.Event(), threading.Event()  # of a run
ENDED.set()


def must_wait(pacer, n_tokens=1):
    """Whether a call would have to wait; as the run has ended, it passes at once or not at all."""
    try:
        pacer.wait(n_tokens, ENDED)
    except StoppedError:
        return True
    return False


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2m59.56s", 179.56),
        ("120ms", 0.12),
        ("6m0s", 360),
        ("1h", 3600),
        ("7.66s", 7.66),
        ("0s", 0),
        ("17ms", 0.017),
        ("1h15m0.5s", 4500.5),
        ("1d2h", 93600),
        ("1m5ms", 60.005),
        ("86m24s", 5184),
    ],
)
def test_durations_are_read_as_providers_write_them(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "7.66",
        "s",
        "soon",
        "-1s",
        "+1s",
        "1 s",
        " 1s",
        "1s\n",
        "1m2",
        "1.s",
        ".5s",
        "1,5s",
        "1e3s",
        "1w",
        "1S",
    ],
)
def test_what_is_no_duration_is_none(text):
    assert parse_duration(text) is None


@given(st.text(alphabet="0123456789.dhms -e", max_size=12) | st.text(max_size=6))
def test_any_text_is_a_duration_that_is_not_negative_or_none(text):
    seconds = parse_duration(text)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59_999))
def test_hours_minutes_and_seconds_add_up(hours, minutes, milliseconds):
    text = f"{hours}h{minutes}m{milliseconds / 1000:.3f}s"
    assert parse_duration(text) == pytest.approx(3600 * hours + 60 * minutes + milliseconds / 1000)


# Limits


def test_nothing_is_held_back_before_a_provider_has_told_its_limits(pacer):
    assert not any(must_wait(pacer, 10**9) for _ in range(1000))


def test_so_many_calls_pass_as_are_left_and_then_none_until_the_limit_is_full_again(pacer, clock):
    pacer.learn(headers(remaining_requests="3", reset_requests="2m"))
    assert [must_wait(pacer) for _ in range(5)] == [False, False, False, True, True]
    clock.now += 119.9
    assert must_wait(pacer)
    clock.now += 0.2
    assert not any(must_wait(pacer) for _ in range(50))  # what is left now is not known before the next answer


def test_so_many_tokens_pass_as_are_left(pacer, clock):
    pacer.learn(headers(remaining_tokens="100", reset_tokens="6s"))
    assert [must_wait(pacer, n) for n in (60, 60, 41, 40, 1)] == [False, True, True, False, True]
    clock.now += 6
    assert not must_wait(pacer, 60)


def test_both_limits_hold_and_a_call_that_must_wait_takes_nothing_from_either(pacer, clock):
    pacer.learn(headers(remaining_requests="2", reset_requests="1m", remaining_tokens="50", reset_tokens="10s"))
    assert [must_wait(pacer, n) for n in (51, 51, 51, 30, 30, 20, 1)] == [True, True, True, False, True, False, True]
    clock.now += 10  # tokens are full again, requests are not
    assert must_wait(pacer, 1)
    clock.now += 50
    assert not must_wait(pacer, 1)


def test_a_call_larger_than_the_whole_limit_is_let_through_once_the_limit_is_full(pacer, clock):
    pacer.learn(headers(remaining_tokens="100", reset_tokens="6s"))
    assert must_wait(pacer, 10**6)
    clock.now += 6
    assert not must_wait(pacer, 10**6)


def test_the_latest_answer_tells_what_is_left(pacer):
    pacer.learn(headers(remaining_requests="0", reset_requests="1m"))
    assert must_wait(pacer)
    pacer.learn(headers(remaining_requests="1", reset_requests="1m"))
    assert [must_wait(pacer), must_wait(pacer)] == [False, True]


@pytest.mark.parametrize(
    "told",
    [
        {"remaining_requests": "0"},
        {"reset_requests": "1m"},
        {"remaining_requests": "none", "reset_requests": "1m"},
        {"remaining_requests": "-1", "reset_requests": "1m"},
        {"remaining_requests": "0", "reset_requests": "soon"},
        {"remaining_requests": "\u00b2", "reset_requests": "1m"},  # a digit, but no number
        {"limit_requests": "0"},
    ],
    ids=str,
)
def test_headers_that_say_only_half_are_passed_over(pacer, told):
    pacer.learn(headers(**told))
    assert not must_wait(pacer)


@given(st.dictionaries(st.sampled_from([*headers(remaining_tokens="", reset_tokens="")]), st.text(max_size=5)))
def test_no_header_stops_a_run(told):
    Pacer("groq", Clock()).learn(told)


class Slow(float):
    """A number of tokens that lets other threads go first while it is compared, so that a missing lock shows."""

    def __gt__(self, other):
        time.sleep(1e-4)
        return float(self) > other


def test_threads_together_take_no_more_than_is_left(pacer):
    pacer.learn(headers(remaining_tokens="20", reset_tokens="10m"))
    passed = []

    def call():
        passed.extend(1 for _ in range(8) if not must_wait(pacer, Slow(1)))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20  # of 64


# Holding and waiting


def test_held_nobody_calls_until_the_time_is_over(pacer, clock):
    pacer.hold(30)
    assert must_wait(pacer)
    clock.now += 29.9
    assert must_wait(pacer)
    clock.now += 0.1
    assert not must_wait(pacer)


def test_a_shorter_hold_does_not_end_a_longer_one(pacer, clock):
    pacer.hold(30)
    pacer.hold(1)
    clock.now += 2
    assert must_wait(pacer)
    clock.now += 28
    assert not must_wait(pacer)


def test_a_caller_who_waits_calls_when_the_time_has_come(pacer, clock):
    pacer.hold(0.01)
    passed = threading.Event()

    def call():
        pacer.wait(1, GOES_ON)
        passed.set()

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    assert not passed.wait(0.05)  # the clock stands still
    clock.now += 0.01
    assert passed.wait(5)
    thread.join(5)


def test_waiting_takes_as_long_as_it_should():
    pacer = Pacer("groq")
    pacer.learn(headers(remaining_requests="1", reset_requests="80ms"))
    started = time.monotonic()
    pacer.wait(1, GOES_ON)
    pacer.wait(1, GOES_ON)
    assert time.monotonic() - started >= 0.08


def test_the_end_of_a_run_wakes_all_who_wait_or_sleep(pacer):
    pacer.hold(600)
    ended, stop = [], threading.Event()

    def until_stopped(call):
        try:
            call()
        except StoppedError:
            ended.append(call)

    calls = [lambda: pacer.wait(1, stop), lambda: pacer.wait(5, stop), lambda: sleep(600, stop)]
    threads = [threading.Thread(target=until_stopped, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(5)
    assert len(ended) == 3


def test_after_the_end_of_a_run_nobody_sleeps():
    with pytest.raises(StoppedError):
        sleep(600, ENDED)
    sleep(0, GOES_ON)


def test_the_end_of_one_run_is_not_the_end_of_the_next_that_shares_the_limits(pacer, clock):
    pacer.hold(5)
    assert must_wait(pacer)
    clock.now += 5
    pacer.wait(1, GOES_ON)


@pytest.mark.parametrize(("reset", "hours"), [("24h", "24.0"), ("7h30m", "7.5"), ("15m1s", "0.3")])
def test_who_would_wait_longer_than_a_quarter_of_an_hour_is_told_so(pacer, reset, hours):
    pacer.learn(headers(remaining_requests="0", reset_requests=reset))
    with pytest.raises(InputError, match=f"groq takes no more calls for {hours} hours.*run again"):
        pacer.wait(1, GOES_ON)


def test_a_quarter_of_an_hour_is_waited_for(pacer, clock):
    pacer.hold(901)
    with pytest.raises(InputError, match=r"0\.3 hours"):
        pacer.wait(1, GOES_ON)
    clock.now += 1
    assert must_wait(pacer)


# What the user hears of waits


def test_a_wait_is_told_once_to_all_who_share_it(clock):
    told = []
    pacer = Pacer("groq", clock, told.append)
    for seconds in (120, 120, 119.5, 4):
        pacer.tell(seconds)
    assert told == ["waiting 2 minutes for groq."]
    clock.now += 121
    pacer.tell(30)
    assert told[1:] == ["waiting 30 seconds for groq."]


def test_a_call_that_waits_says_so(clock):
    told = []
    pacer = Pacer("groq", clock, told.append)
    pacer.hold(60)
    assert [must_wait(pacer), must_wait(pacer)] == [True, True]
    assert told == ["waiting 60 seconds for groq."]


# Calls that cost nothing


class Script:
    """A call with these outcomes one after another, the last for ever; and the sleeps between them."""

    def __init__(self, *outcomes):
        self.outcomes, self.slept, self.n_calls = list(outcomes), [], 0

    def __call__(self):
        self.n_calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def insist(self, **settings):
        return insist(self, sleep=self.slept.append, **settings)


def limited(retry_after=None):
    return ProviderError("Rate limit reached.", status=429, retry_after=retry_after)


BROKEN = ProviderError("Internal error.", status=500)
CUT_OFF = ProviderError("ReadTimeout", status=None, sent=True)


def test_a_call_that_goes_well_is_made_once_and_nobody_sleeps():
    script = Script("done")
    assert script.insist() == "done"
    assert (script.n_calls, script.slept) == (1, [])


def test_what_passes_is_called_again_after_pauses_that_double_up_to_a_minute():
    script = Script(*[BROKEN, CUT_OFF] * 5, "done")
    assert script.insist() == "done"
    assert script.slept == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_provider_that_says_how_long_to_wait_is_waited_for_so_long():
    script = Script(limited(7.5), BROKEN, limited(0), limited(120), "done")
    assert script.insist() == "done"
    assert script.slept == [7.5, 1, 0, 120]


def test_the_user_hears_of_a_wait_that_a_provider_asks_for():
    script, told = Script(limited(7.5), BROKEN, limited(0.5), "done"), []
    script.insist(say=told.append)
    assert told == ["the provider asks to wait 8 seconds (HTTP 429 : Rate limit reached.)."]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_but_not_for_a_day(status):
    script = Script(ProviderError("Busy.", status=status, retry_after=99999), "done")
    with pytest.raises(ProviderError):
        script.insist()
    assert (script.n_calls, script.slept) == (1, [])


def test_but_not_longer_than_a_quarter_of_an_hour():
    script = Script(limited(86400), "done")
    with pytest.raises(ProviderError):
        script.insist()
    assert script.slept == []


def test_after_so_many_tries_the_last_error_is_passed_on():
    last = ProviderError("Overloaded.", status=503)
    script = Script(BROKEN, BROKEN, last)
    with pytest.raises(ProviderError, match="Overloaded") as given_up:
        script.insist(tries=3)
    assert given_up.value is last
    assert (script.n_calls, script.slept) == (3, [0.5, 1])


def test_there_are_twenty_tries_unless_told_otherwise():
    script = Script(BROKEN)
    with pytest.raises(ProviderError):
        script.insist()
    assert (script.n_calls, len(script.slept)) == (20, 19)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_an_error_that_will_not_pass_is_passed_on_at_once(status):
    script = Script(BROKEN, ProviderError("No.", status=status), "done")
    with pytest.raises(ProviderError, match="No"):
        script.insist()
    assert (script.n_calls, script.slept) == (2, [0.5])


def test_an_error_that_is_no_providers_is_passed_on_at_once():
    script = Script(InputError("the disk is full", "space", "free some"))
    with pytest.raises(InputError):
        script.insist()
    assert script.n_calls == 1


def test_the_end_of_a_run_ends_insisting():
    with pytest.raises(StoppedError):
        insist(Script(BROKEN), sleep=lambda seconds: sleep(seconds, ENDED))


@given(st.integers(1, 1000), st.none() | st.floats(0, 1e6))
def test_a_pause_is_what_was_told_or_at_most_a_minute(attempt, told):
    pause = pause_after(attempt, limited(told))
    assert pause == told if told is not None else 0.5 <= pause <= 60
    assert pause_after(attempt, OSError()) == pause_after(attempt, None) == pause_after(attempt, limited())
