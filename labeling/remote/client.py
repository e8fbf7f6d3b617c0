"""A provider, reached through its official SDK: JSON types out, one kind of error.

The SDKs' own retries are off: whoever makes a call decides whether it may be repeated or would be paid for twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from corpora.errors import InputError
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.listing import MOST_PAGES, read_files, read_page
from labeling.remote.sdk import NO_KEY, find_key, open_groq, open_openai

T = TypeVar("T")

TOO_MANY, NOT_FOUND = 429, 404
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
_MAX_MESSAGE = 400


class ProviderError(Exception):
    """An error that a provider answered with, or the lack of any answer.

    Attributes:
        status: HTTP status; None if no complete answer came.
        code: the provider's code for the error, such as `model_not_found`; empty if it gives none.
        message: the provider's words, without the key.
        retry_after: seconds after which it may be asked again; None if it does not say.
        sent: whether the request may have been worked on (and billed) although no answer came.
    """

    def __init__(
        self, message: str, *, status: int | None, code: str = "", retry_after: float | None = None, sent: bool = False
    ) -> None:
        self.status, self.code, self.message, self.retry_after, self.sent = status, code, message, retry_after, sent
        super().__init__(f"{f'HTTP {status}' if status else 'no answer'} {code}: {message}")

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed after a wait."""
        return (self.status is None or self.status in _TRANSIENT) and not self.is_out_of_money

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


class Reply(NamedTuple):
    """An answered call: the body as JSON types, and the headers in lower case."""

    body: dict[str, Any]
    headers: Mapping[str, str]


class Provider:
    """One provider or server.

    Args:
        remote: which provider, and how to reach it.

    Raises:
        InputError: the SDK is not installed, the key is not in the environment, or the address cannot be right.
    """

    def __init__(self, remote: RemoteConfig) -> None:
        self.remote = remote
        self.key = find_key(remote)
        opened = open_groq if remote.provider == "groq" else open_openai
        self._client, self._errors = opened(remote, self.key)

    @property
    def name(self) -> str:
        """The name that messages use."""
        return self.remote.base_url or "server" if self.remote.provider == "server" else self.remote.provider

    def chat(self, body: Mapping[str, Any], idempotency_key: str) -> Reply:
        """One chat completion.

        Args:
            body: the request.
            idempotency_key: the same for every try of one request: a server that knows the header does not work on a
                repeated request twice.
        """
        headers = {"Idempotency-Key": idempotency_key}
        create = self._client.chat.completions.with_raw_response.create
        known = {name: value for name, value in body.items() if name in ("model", "messages")}
        rest = {name: value for name, value in body.items() if name not in known}
        raw = self._call(lambda: create(**known, extra_body=rest, extra_headers=headers))
        return Reply(self._json(raw), {name.lower(): value for name, value in raw.headers.items()})

    def models(self) -> list[str]:
        """Ids of the models that it serves."""
        raw = self._call(lambda: self._client.models.with_raw_response.list())
        return [str(one["id"]) for one in self._json(raw).get("data") or () if isinstance(one, dict) and "id" in one]

    def model(self, name: str) -> dict[str, Any]:
        """What the provider says about a model."""
        return self._json(self._call(lambda: self._client.models.with_raw_response.retrieve(name)))

    def upload(self, file: Path, name: str) -> str:
        """Upload a batch file; returns its id."""
        with file.open("rb") as content:
            create = self._client.files.with_raw_response.create
            return self.id_of(self._json(self._call(lambda: create(file=(name, content), purpose="batch"))))

    def id_of(self, made: Mapping[str, Any]) -> str:
        """The id of what a provider has created.

        Raises:
            ProviderError: the answer has no id, so only the provider's lists can tell what was created.
        """
        if not isinstance(made.get("id"), str):
            raise ProviderError(self.clean(f"no id in {str(dict(made))!r}"), status=None, sent=True)
        return str(made["id"])

    def download(self, file_id: str, target: Path) -> None:
        """Write a file of the provider to `target`, whole or not at all."""
        partial = target.with_name(target.name + ".partial")
        stream = self._client.files.with_streaming_response.content

        def fetch() -> None:
            with stream(file_id) as response:
                response.stream_to_file(partial)

        try:
            self._call(fetch)
            partial.replace(target)
        except OSError as error:
            raise InputError(
                f"cannot write {target} ({error.strerror or error})",
                "a writable folder with free space",
                "free some space and run again: the provider keeps the results",
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def files(self) -> dict[str, tuple[str, int]]:
        """The batch files uploaded with this key, from the first page of the list: id and size in bytes by name."""
        page = self._json(self._call(lambda: self._client.files.with_raw_response.list()))
        return read_files(page)

    def file(self, file_id: str) -> dict[str, Any]:
        """What the provider says about a file, such as its size in `bytes`."""
        files = self._client.files.with_raw_response
        ask = files.info if self.remote.provider == "groq" else files.retrieve
        return self._json(self._call(lambda: ask(file_id)))

    def create_batch(self, file_id: str, endpoint: str, metadata: Mapping[str, str]) -> dict[str, Any]:
        """Create a batch from an uploaded file; call it only once, because nothing prevents a second batch."""
        create, window = self._client.batches.with_raw_response.create, self.remote.completion_window
        window = "24h" if self.remote.provider == "openai" else window
        raw = self._call(
            lambda: create(input_file_id=file_id, endpoint=endpoint, completion_window=window, metadata=dict(metadata))
        )
        return self._json(raw)

    def batch(self, batch_id: str) -> dict[str, Any]:
        """The current state of a batch."""
        return self._json(self._call(lambda: self._client.batches.with_raw_response.retrieve(batch_id)))

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Ask for a batch to be cancelled; returns its state."""
        return self._json(self._call(lambda: self._client.batches.with_raw_response.cancel(batch_id)))

    def batches(self) -> Iterator[dict[str, Any]]:
        """All batches of this key, newest first, page by page.

        OpenAI pages by `after`; Groq gives them all, or a cursor for the next page. A page that brings nothing new is
        the last: a server that knows no pages gives the same one again.

        Raises:
            ProviderError: a page is not a list of batches.
            InputError: the list does not end.
        """
        following: dict[str, str] | None = {}
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            page = self._page({"limit": 100, **(following or {})})
            try:
                listed, following = read_page(page)
            except ValueError as error:  # taken for an empty list, a gateway's page would cause second batches
                raise ProviderError(self.clean(f"{error} in {page!r}"), status=None, sent=True) from None
            new = [one for one in listed if one["id"] not in seen]
            seen |= {one["id"] for one in new}
            yield from new
            if following is None or (listed and not new):
                return
        raise InputError(
            f"the list of batches at {self.name} does not end ({MOST_PAGES} pages with {len(seen)} batches)",
            "a list that ends, since a batch is only created if the list does not show it",
            f"ask {self.name} about it, and run again later: everything so far is kept",
        )

    def has_batches(self) -> bool:
        """Whether the plan of this key includes batches, found out by asking for their list."""
        try:
            self._page({"limit": 1})
        except ProviderError as error:
            if error.is_plan_gate:
                return False
            raise
        return True

    def _page(self, query: Mapping[str, Any]) -> dict[str, Any]:
        return self._json(self._call(lambda: self._client.batches.with_raw_response.list(extra_query=dict(query))))

    def _call(self, call: Callable[[], T]) -> T:
        """Make a call and give every error of the SDK the same shape.

        The SDK's own exception is not chained: its text may repeat the key.
        """
        try:
            return call()
        except self._errors.status as error:
            raise self._refused(error) from None
        except self._errors.connection as error:
            cause = error.__cause__ or error
            # Without a connection, the request cannot have been billed.
            unsent = type(cause).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
            text = self.clean(f"{type(cause).__name__}: {cause}")
            raise ProviderError(text, status=None, sent=not unsent) from None
        except self._errors.any as error:
            raise ProviderError(self.clean(str(error)), status=None, sent=True) from None
        except (self._errors.transport, ValueError) as error:  # a body cut short while it is streamed or parsed
            raise ProviderError(self.clean(f"{type(error).__name__}: {error}"), status=None, sent=True) from None

    def _json(self, raw: Any) -> dict[str, Any]:
        body = self._call(lambda: raw.http_response.json())
        if not isinstance(body, dict):
            raise ProviderError(self.clean(f"no JSON object but {str(body)!r}"), status=None, sent=True)
        return body

    def _refused(self, error: Any) -> ProviderError:
        body = error.body if isinstance(error.body, dict) else {}
        nested = body.get("error")
        inner = nested if isinstance(nested, dict) else body
        code = str(inner.get("code") or inner.get("type") or "")
        # OpenAI's SDK has no message for a body of another shape, such as {"detail": ...} or a proxy's page.
        message = str(inner.get("message") or error.body or error.message)
        retry_after = parse_seconds(error.response.headers.get("retry-after"))
        return ProviderError(
            self.clean(message), status=error.status_code, code=self.clean(code), retry_after=retry_after,
            sent=error.status_code in _GATEWAY,
        )  # fmt: skip

    def clean(self, text: str) -> str:
        """A provider's words on one line, without the key."""
        shown = text if self.key == NO_KEY else text.replace(self.key, "***")
        return " ".join(shown.split())[:_MAX_MESSAGE]

    def explain(self, error: ProviderError, model: str) -> InputError:
        """What a user can do about an error that will not pass."""
        if error.status == 401:
            key_name = self.remote.key_name
            return InputError(
                f"{self.name} refuses {f'the key in {key_name}' if key_name else 'a request without a key'}",
                "a valid key",
                f"set {key_name or 'remote.key_variable to the name of the variable that holds it'}",
            )
        if error.is_missing_model:
            return InputError(
                f"{self.name} does not serve {model!r} ({error.message})",
                "a model that it serves",
                "change `model` (`tercet models check EXPERIMENT` lists the models that it serves)",
            )
        if error.is_out_of_money:
            return InputError(
                f"the account at {self.name} has nothing left to spend ({error.message})",
                "an account with credit",
                "top it up and run again: everything so far is kept",
            )
        if error.status == TOO_MANY and error.retry_after is not None:
            return InputError(
                f"{self.name} takes no more calls for {error.retry_after / 3600:.1f} hours ({error.message})",
                "a limit with calls left",
                "run again after that: everything so far is kept",
            )
        if error.is_transient:
            return InputError(
                f"{self.name} does not answer ({error})", "an answer", "run again later: everything so far is kept"
            )
        return InputError(
            f"{self.name} refuses the request ({error})", "a request that it accepts", "correct the reader's settings"
        )


def parse_seconds(value: str | None) -> float | None:
    """Seconds of a `retry-after` header; None if it is missing or not a number (a date counts as missing)."""
    try:
        seconds = float(value) if value is not None else None
    except ValueError:
        return None
    return seconds if seconds is None or 0 <= seconds < float("inf") else None
