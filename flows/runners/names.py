"""Names that the flows, their forms and `tercet serve` share; keys that the Prefect API accepts."""

from __future__ import annotations

import re

# Environment variables that `tercet serve` hands to the runs that it starts.
SERVED = "TERCET_EXPERIMENTS"  # files of the experiments whose readers the forms offer
REPORTS = "TERCET_REPORTS"  # address at which the reports of the store are shown
TAG = "tercet"  # of the deployments that are served, and so of their runs
HEARTBEAT_SECONDS = 30  # the shortest that Prefect accepts


def slug(text: str) -> str:
    """A text as the key of an artifact: lower-case letters, digits and single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
