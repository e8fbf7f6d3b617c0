"""A provider, reached through its official SDK: JSON types out, one kind of error.

The SDKs' own retries are off: whoever makes a call decides whether it may be repeated or would be paid for twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from corpora.errors import InputError
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.listing import read_files, read_page
from labeling.remote.wire.bodies import read_json, split_lines
from labeling.remote.wire.explaining import explain
from labeling.remote.wire.guard import Guard
from labeling.remote.wire.masking import Mask, keys_in_use
from labeling.remote.wire.policy import Policy, UnboundedError, policy_for
from labeling.remote.wire.provider_error import NOT_FOUND as NOT_FOUND
from labeling.remote.wire.provider_error import TOO_MANY as TOO_MANY
from labeling.remote.wire.provider_error import ProviderError as ProviderError
from labeling.remote.wire.provider_error import may_have_worked, parse_wait
from labeling.remote.wire.sdk import find_key, open_groq, open_openai

T = TypeVar("T")

_MAX_MESSAGE = 400


class Reply(NamedTuple):
    """An answered call: the body as JSON types, and the headers in lower case."""

    body: dict[str, Any]
    headers: Mapping[str, str]


class Provider:
    """One provider or server. Every reply passes the policy's bounds and the mask for keys before anybody sees it.

    Args:
        remote: which provider, and how to reach it.
        policy: bounds on every call; by default those for this reader.

    Raises:
        InputError: the SDK is not installed, the key is not in the environment, or the address cannot be right.
    """

    def __init__(self, remote: RemoteConfig, policy: Policy | None = None) -> None:
        self.remote, self.policy = remote, policy or policy_for(remote)
        key = find_key(remote)
        self.mask = Mask(keys_in_use(key))
        self._guard = Guard(self.policy)
        opened = open_groq if remote.provider == "groq" else open_openai
        self._client, self._errors = opened(remote, key, self._guard)

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
        return Reply(self._json(raw), self.mask.headers(raw.headers))

    def models(self) -> list[str]:
        """Ids of the models that it serves."""
        page = self._json(self._call(lambda: self._client.models.with_raw_response.list()))
        listed = page.get("data")
        if not isinstance(listed, list):
            raise ProviderError(self.clean(f"no list of models in {page!r}"), status=None, sent=True)
        return [one["id"] for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]

    def model(self, name: str) -> dict[str, Any]:
        """What the provider says about a model."""
        return self._json(self._call(lambda: self._client.models.with_raw_response.retrieve(name)))

    def upload(self, file: Path, name: str) -> str:
        """Upload a batch file; returns its id."""
        with file.open("rb") as content:
            create = self._client.files.with_raw_response.create
            n_bytes = file.stat().st_size
            raw = self._call(lambda: create(file=(name, content), purpose="batch"), n_sent=n_bytes)
            return self.id_of(self._json(raw))

    def id_of(self, made: Mapping[str, Any]) -> str:
        """The id of what a provider has created.

        Raises:
            ProviderError: the answer has no id, so only the provider's lists can tell what was created.
        """
        if not isinstance(made.get("id"), str):
            raise ProviderError(self.clean(f"no id in {str(dict(made))!r}"), status=None, sent=True)
        return str(made["id"])

    def download(self, file_id: str, target: Path) -> None:
        """Write a file of the provider to `target`, whole or not at all, line by line and with keys masked."""
        partial = target.with_name(target.name + ".partial")
        stream = self._client.files.with_streaming_response.content

        def fetch() -> None:
            with stream(file_id) as response, partial.open("wb") as file:
                for line in split_lines(response.iter_bytes(), self.policy):
                    file.write(self._masked_line(line))

        try:
            self._call(fetch, self.policy.file_bytes)
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
        for _ in range(self.policy.pages):
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
            f"the list of batches at {self.name} does not end ({self.policy.pages} pages with {len(seen)} batches)",
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

    def _call(self, call: Callable[[], T], most_bytes: int | None = None, n_sent: int = 0) -> T:
        """Make a call within the policy and give every error of the SDK the same shape.

        The SDK's own exception is not chained: its text may repeat the key.
        """
        try:
            return self._guard.run(call, most_bytes or self.policy.reply_bytes, n_sent)
        except self._errors.status as error:
            raise self._refused(error) from None
        except self._errors.connection as error:
            raise self._broken(error.__cause__ or error) from None
        except self._errors.any as error:
            raise ProviderError(self.clean(str(error)), status=None, sent=True) from None
        except (self._errors.transport, ValueError, UnboundedError) as error:  # while a body is streamed
            raise self._broken(error) from None

    def _broken(self, error: BaseException) -> ProviderError:
        """The error for a call that got no answer, or not all of it, or too much of it."""
        if isinstance(error, UnboundedError):
            return ProviderError(self.clean(error.found), status=None, sent=True, expected=error.expected)
        name = type(error).__name__
        # Without a connection, the request cannot have been billed.
        unsent = name in ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
        return ProviderError(self.clean(f"{name}: {error}"), status=None, sent=not unsent)

    def _json(self, raw: Any) -> dict[str, Any]:
        """The body of a reply, with keys masked."""
        try:
            body = self.mask.json(read_json(raw.http_response.content, self.policy))
        except (ValueError, UnboundedError) as error:
            raise self._broken(error) from None
        if not isinstance(body, dict):
            raise ProviderError(self.clean(f"no JSON object but {str(body)!r}"), status=None, sent=True)
        return body

    def _masked_line(self, line: bytes) -> bytes:
        """A line of a result file with keys masked; the same bytes if there are none, even where it is no JSON."""
        try:
            value = read_json(line, self.policy)
        except (ValueError, UnboundedError):
            text = line.decode(errors="surrogateescape")
            return self.mask.text(text).encode(errors="surrogateescape")
        masked = self.mask.json(value)
        if masked is value:
            return line
        text = json.dumps(masked, ensure_ascii=False, separators=(",", ":"))
        # As long as before, so that the file has as many bytes as the provider says.
        return text.encode(errors="surrogatepass").ljust(len(line) - 1) + b"\n"

    def _refused(self, error: Any) -> ProviderError:
        """The error for an answer with an error status; its body may have any shape."""
        response = error.response
        try:
            body = self.mask.json(read_json(response.content, self.policy))
        except (ValueError, UnboundedError):
            body = response.text
        nested = body.get("error") if isinstance(body, dict) else None
        inner = nested if isinstance(nested, dict) else body if isinstance(body, dict) else {}
        message = inner.get("message") or body or error.message
        if 300 <= error.status_code < 400:
            message = response.headers.get("location") or "it does not say which"
        return ProviderError(
            self.clean(str(message)), status=error.status_code,
            code=self.clean(str(inner.get("code") or inner.get("type") or "")),
            retry_after=parse_wait(response.headers), sent=may_have_worked(error.status_code),
        )  # fmt: skip

    def clean(self, text: str) -> str:
        """A provider's words on one line, without keys and without signs that steer a terminal."""
        line = " ".join(self.mask.text(text[: 50 * _MAX_MESSAGE]).split())[:_MAX_MESSAGE]
        return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)

    def explain(self, error: ProviderError, model: str) -> InputError:
        """What a user can do about an error that will not pass."""
        return explain(error, self.name, model, self.remote.key_name, self.policy)
