"""Names that the flows, their forms and `tercet serve` share; keys that the Prefect API accepts."""

from __future__ import annotations

import re

# An environment variable that `tercet serve` hands to the runs that it starts.
REPORTS = "TERCET_REPORTS"  # address at which the reports of the store are shown
TAG = "tercet"  # of the deployments that are served, and so of their runs
HEARTBEAT_SECONDS = 30  # the shortest that Prefect accepts
# State of what a mistake in the user's input stopped. The name is one of Prefect's own, as the list of a deployment's
# runs leaves out every other name.
REFUSED = "Failed"


def slug(text: str) -> str:
    """A text as the key of an artifact: lower-case letters, digits and single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def deployment_name(experiment: str, flow: str) -> str:
    """The name of the deployment that runs a flow of an experiment, as in `demo-sweep`."""
    return f"{experiment}-{flow}"
