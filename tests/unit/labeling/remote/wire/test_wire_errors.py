import pytest

from labeling.remote.wire.explaining import explain, is_too_long, show_wait
from labeling.remote.wire.policy import Policy
from labeling.remote.wire.provider_error import YEAR, ProviderError, parse_wait

NOW = "Sun, 29 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7.5"}, 7.5),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "99999"}, 99999),
        ({"retry-after": "9" * 400}, YEAR),
        ({"retry-after": "inf"}, YEAR),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 29 Nov 2026 12:02:00 GMT", "date": NOW}, 120),
        ({"retry-after": "Sun, 29 Nov 2026 11:00:00 GMT", "date": NOW}, 0),
        ({"retry-after": "Sun, 29 Nov 2126 12:00:00 GMT", "date": NOW}, YEAR),
        ({"retry-after": "Sun, 99 Nov 2026 12:02:00 GMT", "date": NOW}, None),
        ({"retry-after": "Sun, 29 Nov 2026 12:02:00 GMT", "date": "today"}, None),
        ({"retry-after": "Sun, 29 Nov 2026 12:02:00 -0000", "date": NOW}, None),
    ],
    ids=str,
)
def test_how_long_to_wait_is_told_as_seconds_or_as_a_date(headers, seconds):
    assert parse_wait(headers) == seconds


def line(error, policy=None):
    return str(explain(error, "groq", "m", "GROQ_API_KEY", policy or Policy()))


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_long_wait_is_told_and_a_short_one_is_a_provider_that_does_not_answer(status):
    error = ProviderError("Busy.", status=status, retry_after=99999)
    assert is_too_long(error, Policy())
    assert line(error).startswith(
        f"groq asks to wait 27.8 hours (HTTP {status} : Busy.): expected a wait of at most 15 m"
    )
    short = ProviderError("Busy.", status=status, retry_after=900)
    assert not is_too_long(short, Policy())
    assert line(short).startswith("groq does not answer")


def test_a_redirect_says_where_it_leads():
    error = ProviderError("https://other.example/v1", status=307)
    assert not error.is_transient
    assert "sends the request on to another address (https://other.example/v1)" in line(error)
    assert "remote.base_url" in line(error)


def test_a_reply_that_breaks_the_policy_is_not_asked_for_again():
    error = ProviderError("a reply of more than 16 MiB", status=None, sent=True, expected="a reply of at most 16 MiB")
    assert not error.is_transient
    assert line(error).startswith("groq sent a reply of more than 16 MiB: expected a reply of at most 16 MiB; ")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 seconds"), (119, "119 seconds"), (900, "15 minutes"), (99999, "27.8 hours")]
)
def test_waits_in_words(seconds, shown):
    assert show_wait(seconds) == shown
