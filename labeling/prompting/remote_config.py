"""Where a remote reader answers, and how it is asked. Keys are named here, never stored."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

Provider = Literal["groq", "openai", "server"]
Api = Literal["batch", "direct"]

KEY_VARIABLES: dict[str, str] = {"groq": "GROQ_API_KEY", "openai": "OPENAI_API_KEY"}
MAX_LINES, MAX_BYTES = 50_000, 100_000_000  # limits of one batch file at both providers


class RemoteConfig(BaseModel):
    """A provider or server that answers instead of this machine; `provider = "none"` means this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    provider: Literal["none", "groq", "openai", "server"] = Field(
        "none", description="none: this machine; groq, openai; server: any OpenAI-compatible server, given by base_url"
    )
    api: Literal["auto", "batch", "direct"] = Field(
        "auto",
        description="batch: files of requests, cheaper and slower; direct: one call per vote; auto: batch if the "
        "provider has it, otherwise direct (a plan without batches is detected and reported)",
    )
    base_url: str | None = Field(
        None, description="address of the server, such as http://127.0.0.1:8080/v1; empty for the provider's own"
    )
    key_variable: str | None = Field(
        None,
        pattern=r"^[A-Z_][A-Z0-9_]*$",  # lower-case letters would let a key pass for a name
        description="environment variable that holds the key; by default GROQ_API_KEY or OPENAI_API_KEY, and no key "
        "for a server",
    )
    served_as: str | None = Field(
        None, description="server: a name for what it serves, so that votes do not depend on its address"
    )
    fixed_sampling: bool = Field(
        False,
        description="send no temperature, top_p or seed, because the model takes none (it samples at temperature 1)",
    )
    reasoning_effort: Literal["default", "none", "minimal", "low", "medium", "high"] = Field(
        "default", description="how long a reasoning model thinks, if it has such a setting; default sends nothing"
    )
    logprobs: Literal["auto", "on", "off"] = Field(
        "auto",
        description="label mode: draw the label from the first token's distribution, as on this machine, instead of "
        "reading it from the text; auto: yes for a server, no for a provider",
    )
    completion_window: str = Field(
        "24h",
        pattern=r"^(24|48|72|96|120|144|168)h$|^[1-7]d$",
        description="groq: how long a batch may take, 24h to 7d",
    )
    requests_per_batch: int = Field(1000, ge=1, le=MAX_LINES, description="most requests in one batch file")
    bytes_per_batch: int = Field(MAX_BYTES, ge=1, le=MAX_BYTES, description="most bytes in one batch file")
    poll_seconds: float = Field(60.0, gt=0, description="longest pause between two looks at unfinished batches")
    max_attempts: int = Field(
        5,
        ge=1,
        description="direct: tries of one call; batch: submissions in a row without any of the missing votes after "
        "which a run gives up",
    )
    connections: int = Field(4, ge=1, le=256, description="direct: calls at the same time")
    timeout: float = Field(120.0, gt=0, description="seconds without any data after which a call counts as broken off")

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        """Accept only an address without secrets, because addresses appear in manifests and errors."""
        if url is None:
            return None
        expected = "http://HOST or https://HOST, optionally with a port and a path, without user and password"
        try:
            parts = urlsplit(url)
            has_host = bool(parts.hostname) and parts.port != 0
        except ValueError:  # its message repeats the address
            raise ValueError(expected) from None
        if parts.scheme not in ("http", "https") or not has_host or "@" in parts.netloc:
            raise ValueError(expected)
        if parts.query or parts.fragment:
            raise ValueError("an address without ?query or #fragment (keys come from the environment)")
        return url.rstrip("/")

    @property
    def is_remote(self) -> bool:
        """Whether another machine answers."""
        return self.provider != "none"

    @property
    def api_first(self) -> Api:
        """How it is asked, unless its plan turns out to have no batches."""
        return "batch" if self.api != "direct" and self.provider in ("groq", "openai") else "direct"

    @property
    def asks_logprobs(self) -> bool:
        """Whether every request asks for the distribution of the first token."""
        return self.logprobs == "on" or (self.logprobs == "auto" and self.provider == "server")

    @property
    def key_name(self) -> str | None:
        """Name of the environment variable that holds the key; None for a server that needs no key."""
        return self.key_variable or KEY_VARIABLES.get(self.provider)
