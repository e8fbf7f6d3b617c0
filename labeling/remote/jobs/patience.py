"""How long to wait for what a provider says to agree with itself: counted in looks and in pauses, never by a clock."""

from __future__ import annotations

import os
from collections import Counter

# Seconds until what a provider has just done shows in all of its answers, such as a new batch in the list;
# `$TERCET_LIST_LAG`. Too short a time is paid for twice, a long one only delays what went wrong anyway.
LIST_LAG = 60.0
FIRST_PAUSE = 2.0
GROWTH = 1.5  # of a pause, from one look to the next
LOOKS = 20  # at a batch that has ended without a final word: 12 minutes, with the default `poll_seconds`
UNKNOWN_LOOKS = 3  # at a batch that the provider does not know: probably not the key that it was submitted with


def list_lag() -> float:
    """Seconds until what a provider has just done shows in all of its answers."""
    return float(os.environ.get("TERCET_LIST_LAG", LIST_LAG))


class Patience:
    """Counts the looks at each part that is waited for, and says when it is looked at again.

    Args:
        longest_pause: most seconds between two looks.
    """

    def __init__(self, longest_pause: float) -> None:
        self._longest = longest_pause
        self._looks: Counter[str] = Counter()
        self._due: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._now = 0.0

    def pass_time(self, seconds: float) -> None:
        """Count a pause."""
        self._now += seconds

    def is_due(self, part_id: str) -> bool:
        """Whether it is time to look at a part."""
        return self._now >= self._due.get(part_id, 0.0)

    def note_look(self, part_id: str) -> int:
        """Count a look in vain; returns how many there were."""
        self._since.setdefault(part_id, self._now)
        self._due[part_id] = self._now + min(FIRST_PAUSE * GROWTH ** self._looks[part_id], self._longest)
        self._looks[part_id] += 1
        return self._looks[part_id]

    def told(self, part_id: str) -> str:
        """How long a part was waited for, in words; empty for a single look."""
        n, minutes = self._looks[part_id], (self._now - self._since.get(part_id, self._now)) / 60
        return f" after {n} looks in {minutes:.0f} minutes" if n > 1 else ""
