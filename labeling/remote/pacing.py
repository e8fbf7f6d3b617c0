"""When to ask a provider: within the limits that its answers state, and again after a temporary error.

Groq and OpenAI state in every answer how many requests and tokens are left and when the limits are full again; a 429
says how long to wait, or nothing.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from corpora.errors import InputError
from labeling.remote.client import ProviderError
from labeling.remote.wire.explaining import show_wait
from labeling.remote.wire.policy import Policy

T = TypeVar("T")
Say = Callable[[str], None]

LONGEST_WAIT = Policy.wait_seconds  # a longer wait (a day's requests are used up) is an error instead
SHOWN_WAIT = 5.0  # seconds; shorter waits are not worth a line
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
FREE_CALLS_TRIED = 20  # about a quarter of an hour, with these pauses

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")


def parse_duration(text: str | None) -> float | None:
    """Seconds of a duration such as `2m59.56s`, `120ms` or `1h`; None if it is missing or something else."""
    if not text or not re.fullmatch(rf"(?:{_DURATION.pattern})+", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _nobody(_: str) -> None:
    """Tell nobody."""


class StoppedError(Exception):
    """A wait was cut short because the run is ending."""


def sleep(seconds: float, stop: threading.Event) -> None:
    """Sleep, unless the run ends.

    Raises:
        StoppedError: `stop` was set.
    """
    if stop.wait(seconds):
        raise StoppedError


class Pacer:
    """Keeps calls within a provider's limits; shared by the threads that call it.

    Args:
        name: the provider's name in messages.
        clock: a clock in seconds that never goes back.
        say: told of each wait of at least `SHOWN_WAIT`.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic, say: Say | None = None) -> None:
        self._name, self._clock, self._say = name, clock, say or _nobody
        self._lock = threading.Lock()
        self._free_at = self._told_until = 0.0
        self._left: dict[str, float] = {}
        self._full_at: dict[str, float] = {}

    def learn(self, headers: Mapping[str, str]) -> None:
        """Note what an answer's headers say is left."""
        with self._lock:
            for what in ("requests", "tokens"):
                left = headers.get(f"x-ratelimit-remaining-{what}", "")
                reset = parse_duration(headers.get(f"x-ratelimit-reset-{what}"))
                if left.isdecimal() and reset is not None:
                    self._left[what], self._full_at[what] = float(left), self._clock() + reset

    def hold(self, seconds: float) -> None:
        """Hold back all calls for a number of seconds."""
        with self._lock:
            self._free_at = max(self._free_at, self._clock() + seconds)

    def wait(self, n_tokens: int, stop: threading.Event) -> None:
        """Wait until a call with this many tokens is within the limits, and count it.

        Raises:
            InputError: the wait is longer than `LONGEST_WAIT`.
            StoppedError: `stop` was set.
        """
        while (seconds := self._claim(n_tokens)) > 0:
            if seconds > LONGEST_WAIT:
                raise InputError(
                    f"{self._name} takes no more calls for {seconds / 3600:.1f} hours",
                    "a limit with calls left",
                    "run again after that: everything so far is kept",
                )
            self.tell(seconds)
            sleep(seconds, stop)

    def tell(self, seconds: float) -> None:
        """Say how long a wait is, once for all calls that wait for the same moment."""
        with self._lock:
            until = self._clock() + seconds
            is_news = seconds >= SHOWN_WAIT and until > self._told_until + 1
            self._told_until = max(self._told_until, until) if is_news else self._told_until
        if is_news:
            self._say(f"waiting {show_wait(seconds)} for {self._name}.")

    def _claim(self, n_tokens: int) -> float:
        """Seconds to wait before asking again; 0 if the call is counted and may be made."""
        with self._lock:
            now = self._clock()
            if now < self._free_at:
                return self._free_at - now
            for what, needed in (("requests", 1), ("tokens", n_tokens)):
                if what in self._left and self._left[what] < needed and now < self._full_at[what]:
                    return self._full_at[what] - now
            for what, needed in (("requests", 1), ("tokens", n_tokens)):
                if what in self._left and now < self._full_at[what]:
                    self._left[what] -= needed
                else:
                    self._left.pop(what, None)
            return 0.0


def pause_after(attempt: int, error: BaseException | None) -> float:
    """Seconds to wait after a failed attempt, counted from 1: as long as the provider says, or longer each time."""
    told = error.retry_after if isinstance(error, ProviderError) else None
    return told if told is not None else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))


def insist(
    call: Callable[[], T], *, sleep: Callable[[float], None], tries: int = FREE_CALLS_TRIED, say: Say = _nobody
) -> T:
    """Repeat a call that costs nothing until it succeeds.

    Args:
        call: the call.
        sleep: waits for a number of seconds.
        tries: how often it is made at most.
        say: told of each wait of at least `SHOWN_WAIT` that the provider asks for.

    Raises:
        ProviderError: the error is not temporary, is still there after `tries` tries, or asks for a longer wait than
            `LONGEST_WAIT`.
    """

    def wait(state: RetryCallState) -> float:
        return pause_after(state.attempt_number, state.outcome.exception() if state.outcome else None)

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ProviderError) and (error.retry_after or 0.0) >= SHOWN_WAIT:
            say(f"the provider asks to wait {show_wait(error.retry_after or 0.0)} ({error}).")

    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, ProviderError) and error.is_transient),
        wait=wait,
        stop=lambda state: state.attempt_number >= tries or wait(state) > LONGEST_WAIT,
        before_sleep=tell,
        sleep=sleep,
        reraise=True,
    )
    return retrying(call)
