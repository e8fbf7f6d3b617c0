"""What a provider is asked: the body of one chat completion per vote."""

from __future__ import annotations

import json
from typing import Any

from corpora.errors import InputError
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import RemoteConfig
from labeling.votes.sampling import Sampling
from labeling.votes.vote import Prompt

ENDPOINT = "/v1/chat/completions"
TOP_LOGPROBS = 20  # the most that OpenAI and vLLM give
MAX_STOPS = 4
LABEL_PREDICT = 16  # most output tokens when only the first one's distribution is wanted
# Parameters that OpenAI does not have; llama-server and vLLM accept these two as well.
_SERVER_ONLY = ("top_k", "min_p")


def request_settings(config: LabelerConfig) -> dict[str, Any]:
    """The part of a request's body that is the same for every vote of a reader, as JSON types."""
    remote = config.remote
    # Servers other than the two providers know only the older name.
    limit = "max_tokens" if remote.provider == "server" else "max_completion_tokens"
    body: dict[str, Any] = {"model": config.model, limit: output_limit(config)}
    if not remote.fixed_sampling:
        body["temperature"] = config.temperature
    if not remote.fixed_sampling and remote.provider == "server":
        # Servers have their own defaults, which truncate (llama-server's top_k is 40), so every value is sent.
        body |= {"top_p": config.top_p, **{name: getattr(config, name) for name in _SERVER_ONLY}}
    elif config.top_p < 1:
        body["top_p"] = config.top_p
    if remote.reasoning_effort != "default":
        body["reasoning_effort"] = remote.reasoning_effort
    if config.mode == "generate" and config.stop:
        body["stop"] = list(config.stop)
    if config.gives_distributions:
        body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    return body


def output_limit(config: LabelerConfig) -> int:
    """Most tokens that one answer may have."""
    return min(config.num_predict, LABEL_PREDICT) if config.gives_distributions else config.num_predict


def request_body(config: LabelerConfig, prompt: Prompt) -> dict[str, Any]:
    """The body of the request for one vote, as JSON types."""
    # Not every server can begin the answer for the model, so the start of a label-mode answer ends the question.
    message = f"{prompt.message}\n{prompt.start}" if prompt.start else prompt.message
    messages = [{"role": "user", "content": message}]
    if prompt.system:
        messages.insert(0, {"role": "system", "content": prompt.system})
    seed = {} if config.remote.fixed_sampling else {"seed": short_seed(prompt)}
    return {**request_settings(config), "messages": messages, **seed}


def short_seed(prompt: Prompt) -> int:
    """A vote's seed in the 31 bits that every server takes; the three seeds of a question always differ."""
    return (prompt.seed & 0x1FFFFFFF) << 2 | prompt.vote


def batch_line(config: LabelerConfig, prompt: Prompt) -> bytes:
    """One line of a batch file, line end included."""
    line = {"custom_id": prompt.key.id, "method": "POST", "url": ENDPOINT, "body": request_body(config, prompt)}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def labeler_identity(config: LabelerConfig) -> dict[str, Any]:
    """Who answers and how it is asked: in a remote reader's fingerprint, this replaces the digest of a model file."""
    remote = config.remote
    where = (remote.served_as or remote.base_url) if remote.provider == "server" else remote.provider
    return {"provider": remote.provider, "where": where, "request": request_settings(config)}


def check_remote(config: LabelerConfig) -> None:
    """Refuse settings that a provider would refuse, or silently ignore, before anything is sent.

    Raises:
        InputError: there is such a setting, which the message names.
    """
    remote, who = config.remote, f"reader {config.label!r}"
    if remote.is_remote:
        _check_provider(remote, who)
        _check_settings(config, who)
    elif remote != RemoteConfig():
        found = f"{who}: remote settings without remote.provider"
        raise InputError(found, "a provider that answers", "set remote.provider, or remove the remote settings")


def _check_provider(remote: RemoteConfig, who: str) -> None:
    is_server = remote.provider == "server"
    if is_server and remote.base_url is None:
        raise InputError(
            f"{who}: remote.provider 'server' without base_url", "the server's address", "set remote.base_url"
        )
    if is_server and remote.api == "batch":
        raise InputError(f"{who}: remote.api 'batch' for a server", "'direct' or 'auto'", "correct remote.api")
    if remote.served_as is not None and not is_server:
        found = f"{who}: remote.served_as with remote.provider {remote.provider!r}"
        raise InputError(found, "remote.served_as for a server only", "remove remote.served_as")
    if remote.provider == "openai" and remote.completion_window not in ("24h", "1d"):
        found = f"{who}: remote.completion_window {remote.completion_window!r}"
        raise InputError(found, "24h, the only window that OpenAI has", "correct remote.completion_window")


def _check_settings(config: LabelerConfig, who: str) -> None:
    remote = config.remote
    local = {"frame": None, "repeat_penalty": 1.0, "preset": "none", "template": "auto"}
    local |= {} if remote.provider == "server" else dict.fromkeys(_SERVER_ONLY, 0)
    for name, default in local.items():
        value = getattr(config, name)
        if value != default:
            raise InputError(
                f"{who}: {name} = {value!r:.40} with remote.provider {remote.provider!r}",
                "the default, because the value cannot be sent there",
                f"remove {name}",
            )
    if remote.fixed_sampling and config.sampling != Sampling():
        sampling = ", ".join(f"{name} {value:g}" for name, value in config.sampling._asdict().items())
        raise InputError(
            f"{who}: {sampling} with remote.fixed_sampling",
            "the defaults, because such a model samples at temperature 1",
            "remove the sampling parameters",
        )
    if config.mode == "generate" and len(config.stop) > MAX_STOPS:
        raise InputError(
            f"{who}: {len(config.stop)} stop texts",
            f"at most {MAX_STOPS}, the most that providers take",
            "remove some stop texts",
        )
