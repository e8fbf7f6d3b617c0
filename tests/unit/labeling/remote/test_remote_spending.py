import threading
import time
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from labeling.models.prices import Price
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.spending import LimitError, Meter, Spending, Usage, estimate, estimate_body
from labeling.votes.vote import Prompt

READER = LabelerConfig(model="m", remote=RemoteConfig(provider="groq"))
PRICE = Price(
    provider="groq",
    model="m",
    usd_per_million_input=1,
    usd_per_million_output=2,
    batch_discount=0.5,
    as_of=date(2026, 11, 1),
)


class Slow(float):
    """An amount that lets other threads go first while it is added, so that a missing lock shows."""

    def __radd__(self, other):
        total = float(other) + float(self)
        time.sleep(1e-4)
        return total


def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Tokens


def test_tokens_are_reckoned_from_bytes_with_some_for_each_message():
    prompt = Prompt("q1", "document", 0, 5, "Brief!", "Naïve?", "")
    # 6 bytes, and 7 as the ï has two: 13 / 4 = 3.25, of which 4; and 10 for each of two messages.
    assert estimate(READER, prompt, 4.0) == Usage(1, 24, 160)
    # 13 / 2 = 6.5, of which 7: what is set aside.
    assert estimate(READER, prompt) == Usage(1, 27, 160)


def test_the_start_of_an_answer_is_sent_and_so_counts():
    prompt = Prompt("q1", "document", 0, 5, "", "Is it?", "A:")
    assert estimate(READER, prompt, 1.0) == Usage(1, 9 + 10, 160)  # with the line end


def test_an_answer_that_is_read_from_its_first_token_is_short():
    telling = LabelerConfig(remote=RemoteConfig(provider="server", base_url="http://127.0.0.1/v1"))
    assert estimate(telling, Prompt("q1", "document", 0, 5, "", "Is it", ""), 1.0) == Usage(1, 15, 16)


def test_a_body_is_reckoned_as_its_prompt_is():
    body = {"messages": [{"role": "system", "content": "ab"}, {"role": "user", "content": "abcd"}]}
    assert estimate_body(body, 9, 3.0) == Usage(1, 22, 9)
    assert estimate_body({"messages": []}, 9) == Usage(1, 0, 9)


def test_usage_adds_up_and_has_a_price():
    assert Usage(1, 10, 100).plus(Usage(2, 20, 200)) == Usage(3, 30, 300)
    assert Usage().plus(Usage(2, 20, 200)) == Usage(2, 20, 200)
    assert Usage(9, 3_000_000, 500_000).usd(PRICE, batch=False) == 4
    assert Usage(9, 3_000_000, 500_000).usd(PRICE, batch=True) == 2


# The limit


def test_what_is_set_aside_counts_until_it_is_settled():
    spending = Spending(10.0)
    spending.set_aside(6.0, "reader")
    with pytest.raises(LimitError):
        spending.set_aside(5.0, "reader")
    spending.set_aside(4.0, "reader")
    spending.settle(6.0, 1.0)  # 5 are free now
    assert spending.spent == 1.0
    with pytest.raises(LimitError):
        spending.set_aside(5.5, "reader")
    spending.set_aside(5.0, "reader")


def test_what_is_refused_is_not_set_aside():
    spending = Spending(1.0)
    for _ in range(3):
        with pytest.raises(LimitError):
            spending.set_aside(2.0, "reader")
    spending.set_aside(1.0, "reader")


def test_a_refusal_says_who_and_how_much_and_what_to_do():
    spending = Spending(1.0)
    spending.settle(0.0, 0.25)
    spending.set_aside(0.5, "my reader")
    with pytest.raises(InputError) as refused:
        spending.set_aside(0.375, "my reader")
    assert str(refused.value) == (
        "my reader: up to 1.1250 USD with the next requests (0.2500 spent, 0.5000 set aside for those under way): "
        "expected at most 1.0000 USD; allow more with --max-cost (max_cost in Python) and run again: everything so far "
        "is kept."
    )


def test_what_is_under_way_already_counts_beyond_the_limit():
    spending = Spending(1.0)
    spending.set_aside(5.0, "reader", within_limit=False)
    with pytest.raises(LimitError):
        spending.set_aside(0.1, "reader")
    spending.settle(5.0, 0.5)
    spending.set_aside(0.5, "reader")
    assert spending.spent == 0.5


def test_without_a_limit_everything_is_counted_and_nothing_refused():
    spending = Spending()
    spending.set_aside(1e9, "reader")
    spending.settle(1e9, 1e6)
    assert (spending.limit, spending.spent) == (None, 1e6)


def test_with_a_limit_of_nothing_only_what_is_free_passes():
    spending = Spending(0.0)
    spending.set_aside(0.0, "reader")
    with pytest.raises(LimitError):
        spending.set_aside(1e-9, "reader")


def test_the_last_digits_of_many_small_prices_do_not_refuse_the_last_of_them():
    spending = Spending(0.3)
    for _ in range(3):
        spending.set_aside(0.1, "reader")  # 0.1 + 0.1 + 0.1 is 0.30000000000000004
    for _ in range(3):
        spending.settle(0.1, 0.1)
    with pytest.raises(LimitError):
        spending.set_aside(0.001, "reader")


# Eighths of a dollar are exact in binary, so that a model in fractions says to the last cent what may pass.
EIGHTHS = st.integers(0, 24).map(lambda n: n / 8)
STEPS = st.lists(
    st.tuples(st.just("set aside"), EIGHTHS, st.booleans()) | st.tuples(st.just("settle"), EIGHTHS, st.booleans()),
    max_size=30,
)


@given(EIGHTHS, STEPS)
def test_exactly_what_could_pass_the_limit_is_refused(limit, steps):
    spending, spent, under_way = Spending(limit), Fraction(), []
    for step, usd, flag in steps:
        if step == "settle":
            if under_way:
                worst = under_way.pop(0 if flag else -1)
                spending.settle(worst, min(usd, worst))
                spent += Fraction(min(usd, worst))
            continue
        fits = spent + sum(map(Fraction, under_way)) + Fraction(usd) <= Fraction(limit)
        if fits or not flag:
            spending.set_aside(usd, "reader", within_limit=flag)
            under_way.append(usd)
        else:
            with pytest.raises(LimitError):
                spending.set_aside(usd, "reader")
        assert spending.spent == spent


@settings(max_examples=15)
@given(
    st.integers(1, 12).map(lambda n: n / 4), st.lists(st.tuples(EIGHTHS, st.integers(0, 8)), min_size=8, max_size=40)
)
def test_threads_that_set_aside_and_settle_never_pass_the_limit(limit, requests):
    spending, seen, upcoming = Spending(limit), [], iter(requests)
    taking = threading.Lock()

    def work():
        while True:
            with taking:
                request = next(upcoming, None)
            if request is None:
                return
            worst, share = request
            try:
                spending.set_aside(worst, "reader")
            except LimitError:
                continue
            spending.settle(worst, worst * share / 8)
            seen.append((spending.spent, worst * share / 8))

    run_all([threading.Thread(target=work) for _ in range(4)])
    assert all(spent <= limit for spent, _ in seen)
    assert spending.spent == sum(cost for _, cost in seen)


def test_of_requests_at_once_so_many_pass_as_fit():
    spending, passed = Spending(10.0), []

    def ask():
        for _ in range(4):
            try:
                spending.set_aside(Slow(1.0), "reader")
            except LimitError:
                continue
            passed.append(1)

    run_all([threading.Thread(target=ask) for _ in range(16)])
    assert len(passed) == 10  # of 64


def test_of_bills_at_once_none_is_lost():
    spending = Spending()
    run_all([threading.Thread(target=spending.settle, args=(0.0, Slow(1.0))) for _ in range(16)])
    assert spending.spent == 16


# The meter of a labeler


@pytest.mark.parametrize(("batch", "usd"), [(False, 4.0), (True, 2.0)])
def test_a_meter_counts_at_the_price_of_its_labeler(batch, usd):
    spending = Spending(usd)
    meter = Meter(spending, PRICE, "my reader", batch)
    usage = Usage(9, 3_000_000, 500_000)
    assert meter.usd(usage) == usd
    meter.set_aside(usage)
    with pytest.raises(LimitError, match="my reader"):
        meter.set_aside(Usage(1, 10, 10))
    meter.set_aside(usage, within_limit=False)
    meter.settle(usage, usage)
    meter.settle(usage, Usage())
    assert spending.spent == usd


def test_where_nobody_is_paid_a_meter_counts_nothing():
    spending = Spending(0.0)
    meter = Meter(spending, None, "my reader", batch=False)
    meter.set_aside(Usage(9, 10**9, 10**9))
    meter.settle(Usage(9, 10**9, 10**9), Usage(9, 10**9, 10**9))
    assert (meter.usd(Usage(9, 10**9, 10**9)), spending.spent) == (0, 0)


def test_labelers_of_one_run_share_its_limit():
    spending = Spending(5.0)
    one, other = (Meter(spending, PRICE, who, batch=False) for who in ("one", "other"))
    one.set_aside(Usage(1, 4_000_000, 0))
    with pytest.raises(LimitError, match="other"):
        other.set_aside(Usage(1, 2_000_000, 0))
