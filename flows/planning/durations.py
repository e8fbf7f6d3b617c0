"""Times as a plan says them."""

from __future__ import annotations

from corpora.errors import counted


def duration(seconds: float) -> str:
    """About how long, in the unit that fits."""
    minutes = round(seconds / 60)
    if seconds < 1:
        return "no time"
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"about {counted(minutes, 'minute')}"
    return f"about {minutes // 60} h {minutes % 60} min"
