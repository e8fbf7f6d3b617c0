"""The official SDKs, opened with a key from the environment; imported only when a remote reader is asked."""

from __future__ import annotations

import importlib
import os
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from corpora.errors import InputError
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.wire.guard import ENCODINGS, Guard

NO_KEY = "none"  # for a server that needs no key, because the SDK insists on a value


class SdkErrors(NamedTuple):
    """The exceptions of one SDK, and the one of the HTTP library beneath it."""

    any: type[Exception]
    status: type[Exception]
    connection: type[Exception]
    transport: type[Exception]


def find_key(remote: RemoteConfig) -> str:
    """The key of a provider, from the environment.

    Raises:
        InputError: there is no key, or more than a key.
    """
    if remote.key_name is None:
        return NO_KEY
    key = os.environ.get(remote.key_name, "").strip()
    if not key:
        raise InputError(
            f"no key for {remote.provider} in the environment variable {remote.key_name}",
            "an API key",
            "set the variable and run again",
        )
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise InputError(
            f"the environment variable {remote.key_name} holds more than a key (blanks, line breaks or the like)",
            "the key alone",
            "set the variable and run again",
        )
    return key


def open_groq(remote: RemoteConfig, key: str, guard: Guard) -> tuple[Any, SdkErrors]:
    """Groq's client, its own retries off, and its errors.

    Raises:
        InputError: the SDK is not installed, or the address cannot be right.
    """
    try:
        import groq
        import httpx
    except ImportError as error:
        raise _not_installed("groq") from error
    url = remote.base_url or os.environ.get("GROQ_BASE_URL")
    if url and urlsplit(url).path.rstrip("/").endswith("/openai/v1"):
        raise InputError(
            "the address of groq (remote.base_url or GROQ_BASE_URL) ends in /openai/v1",
            "an address without that path, because the SDK adds it",
            "remove the path from the address",
        )
    http = _http_client(groq, remote, guard)
    client = groq.Groq(api_key=key, base_url=url, max_retries=0, timeout=remote.timeout, http_client=http)
    return client, SdkErrors(groq.APIError, groq.APIStatusError, groq.APIConnectionError, httpx.HTTPError)


def open_openai(remote: RemoteConfig, key: str, guard: Guard) -> tuple[Any, SdkErrors]:
    """OpenAI's client, for OpenAI or another server, its own retries off, and its errors.

    Raises:
        InputError: the SDK is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise _not_installed("openai") from error
    http = _http_client(openai, remote, guard)
    client = openai.OpenAI(
        api_key=key, base_url=remote.base_url, max_retries=0, timeout=remote.timeout, http_client=http
    )
    if remote.provider == "server":  # another server must not learn who the user is to OpenAI
        client.organization = client.project = client.admin_api_key = None
        client._custom_headers = {}  # from OPENAI_CUSTOM_HEADERS, which may hold a key
    return client, SdkErrors(
        openai.APIError, openai.APIStatusError, openai.APIConnectionError, _transport_error(openai)
    )


def _http_client(sdk: Any, remote: RemoteConfig, guard: Guard) -> Any:
    """The HTTP client beneath an SDK, with its usual settings but for three.

    Replies are bounded by the guard, nothing is asked for that it cannot decompress in pieces, and no redirect is
    followed, because it would take documents and key to another address.
    """
    return sdk.DefaultHttpxClient(
        timeout=remote.timeout, follow_redirects=False, headers={"Accept-Encoding": ENCODINGS},
        event_hooks={"response": [guard.watch]},
    )  # fmt: skip


def _transport_error(sdk: Any) -> type[Exception]:
    """The base error of the HTTP library that this release of OpenAI's SDK is built on: httpx, later httpx2."""
    library = next(base.__module__ for base in sdk.DefaultHttpxClient.__mro__ if base.__module__.startswith("httpx"))
    error: type[Exception] = importlib.import_module(library.partition(".")[0]).HTTPError
    return error


def _not_installed(name: str) -> InputError:
    found = f"the package {name} is not installed"
    return InputError(found, "that package, which this reader needs", f"run `pip install 'tercet[{name}]'`")
