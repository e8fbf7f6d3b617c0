"""The one kind of error that a provider's answers, or the lack of any, become."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TOO_MANY, NOT_FOUND = 429, 404
YEAR = 365 * 86_400.0
# Statuses after which the same call may succeed later.
_TRANSIENT = (408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529)
# Statuses of a gateway that gave up waiting: the server behind it may have done the work anyway.
_GATEWAY = (408, 502, 504, 520, 522, 524)
_OUT_OF_MONEY = (
    "insufficient_quota", "billing_hard_limit_reached", "spend_limit_reached", "blocked_api_access",
    "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
)  # fmt: skip
# Codes that concern the account and not the request, whatever the status.
_ACCOUNT = ("organization_restricted", "unsupported_country_region_territory", "model_terms_required")
_ACCOUNT_PREFIX = "model_permission_blocked"
_MISSING_MODEL = ("model_not_found", "model_decommissioned", "model_deprecated", "model_not_active", "model_retired")


class ProviderError(Exception):
    """An error that a provider answered with, or the lack of any usable answer.

    Attributes:
        status: HTTP status; None if no complete answer came.
        code: the provider's code for the error, such as `model_not_found`; empty if it gives none.
        message: the provider's words, without the key; for a reply that breaks the policy, what came.
        retry_after: seconds after which it may be asked again; None if it does not say.
        sent: whether the request may have been worked on (and billed) although no answer came.
        expected: for a reply that breaks the policy, what the policy allows; otherwise empty.
    """

    def __init__(
        self, message: str, *, status: int | None, code: str = "", retry_after: float | None = None, sent: bool = False,
        expected: str = "",
    ) -> None:  # fmt: skip
        self.status, self.code, self.message, self.retry_after, self.sent = status, code, message, retry_after, sent
        self.expected = expected
        super().__init__(f"{f'HTTP {status}' if status else 'no answer'} {code}: {message}")

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed after a wait."""
        return (self.status is None or self.status in _TRANSIENT) and not (self.is_out_of_money or self.expected)

    @property
    def is_redirect(self) -> bool:
        """Whether the answer is to ask another address."""
        return self.status is not None and 300 <= self.status < 400

    @property
    def is_out_of_money(self) -> bool:
        """Whether the account has nothing left to spend; OpenAI reports it with the status of a temporary limit."""
        return self.code in _OUT_OF_MONEY

    @property
    def is_about_account(self) -> bool:
        """Whether every other request with this key would end the same way."""
        listed = self.code in _ACCOUNT or self.code.startswith(_ACCOUNT_PREFIX)
        return listed or self.is_out_of_money or self.is_missing_model or self.is_plan_gate or self.status in (401, 403)

    @property
    def is_plan_gate(self) -> bool:
        """Whether the plan of this key does not include what was asked."""
        words = re.findall(r"[a-z]+", f"{self.code} {self.message}".lower())
        return self.status == 403 and not {"plan", "plans"}.isdisjoint(words)

    @property
    def is_missing_model(self) -> bool:
        """Whether the model is unknown or retired."""
        return self.code in _MISSING_MODEL or (self.status == NOT_FOUND and "model" in self.message.lower())


def may_have_worked(status: int) -> bool:
    """Whether an error status leaves open if the request was worked on, because a gateway gave up waiting."""
    return status in _GATEWAY


def parse_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `retry-after` header asks to wait, given as seconds or as a date; None if it says nothing."""
    value = (headers.get("retry-after") or "").strip()
    seconds = parse_seconds(value)
    return _until(value, headers.get("date")) if seconds is None else seconds


def parse_seconds(value: str | None) -> float | None:
    """Seconds as a number, a year at most; None for anything else."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return None if math.isnan(seconds) or seconds < 0 else min(seconds, YEAR)


def _until(date: str, now: str | None) -> float | None:
    """Seconds until a date, by the provider's own clock if it states one."""
    try:
        then = parsedate_to_datetime(date)
        here = parsedate_to_datetime(now) if now else datetime.now(UTC)
        return min(max(0.0, (then - here).total_seconds()), YEAR)
    except (ValueError, TypeError, OverflowError):  # no date, or one of them without a time zone
        return None
