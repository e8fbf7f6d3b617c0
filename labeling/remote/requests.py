"""What is asked of a provider: the body of one chat completion a vote."""

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
LABEL_PREDICT = 16  # tokens where the first one's distribution is what is wanted
# What OpenAI's parameters have no word for; llama-server and vLLM take these two beside them.
_SERVER_ONLY = ("top_k", "min_p")


def request_settings(config: LabelerConfig) -> dict[str, Any]:
    """The part of a request's body that is the same for every vote of a labeler, as JSON types."""
    remote = config.remote
    # Servers other than the two providers know the older name.
    limit = "max_tokens" if remote.provider == "server" else "max_completion_tokens"
    body: dict[str, Any] = {"model": config.model, limit: output_limit(config)}
    if not remote.fixed_sampling:
        body["temperature"] = config.temperature
    if not remote.fixed_sampling and remote.provider == "server":
        # Servers have defaults of their own that truncate (llama-server's top_k is 40): all of it is said.
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
    # How a label-mode answer starts cannot be put into the model's mouth everywhere: it ends the question.
    message = f"{prompt.message}\n{prompt.start}" if prompt.start else prompt.message
    messages = [{"role": "user", "content": message}]
    if prompt.system:
        messages.insert(0, {"role": "system", "content": prompt.system})
    seed = {} if config.remote.fixed_sampling else {"seed": short_seed(prompt)}
    return {**request_settings(config), "messages": messages, **seed}


def short_seed(prompt: Prompt) -> int:
    """A vote's seed in the 31 bits that every server takes; the three of a question differ for sure."""
    return (prompt.seed & 0x1FFFFFFF) << 2 | prompt.vote


def batch_line(config: LabelerConfig, prompt: Prompt) -> bytes:
    """One line of a batch file, its end included."""
    line = {"custom_id": prompt.key.id, "method": "POST", "url": ENDPOINT, "body": request_body(config, prompt)}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def labeler_identity(config: LabelerConfig) -> dict[str, Any]:
    """Who answers and how it is asked: what stands in a remote labeler's fingerprint for the digest of a model file."""
    remote = config.remote
    where = (remote.served_as or remote.base_url) if remote.provider == "server" else remote.provider
    return {"provider": remote.provider, "where": where, "request": request_settings(config)}


def check_remote(config: LabelerConfig) -> None:
    """Refuse settings that a provider would refuse, or ignore without a word, before anything is sent.

    Raises:
        InputError: with the setting.
    """
    remote, who = config.remote, f"reader {config.label!r}"
    if remote.is_remote:
        _check_provider(remote, who)
        _check_settings(config, who)
    elif remote != RemoteConfig():
        raise InputError(f"{who}: remote settings without remote.provider", "who answers", "set it, or remove them")


def _check_provider(remote: RemoteConfig, who: str) -> None:
    is_server = remote.provider == "server"
    if is_server and remote.base_url is None:
        raise InputError(f"{who}: remote.provider 'server' without base_url", "its address", "set remote.base_url")
    if is_server and remote.api == "batch":
        raise InputError(f"{who}: remote.api 'batch' of a server", "'direct' or 'auto'", "correct it")
    if remote.served_as is not None and not is_server:
        raise InputError(f"{who}: remote.served_as with {remote.provider!r}", "it for a server only", "remove it")
    if remote.provider == "openai" and remote.completion_window not in ("24h", "1d"):
        raise InputError(f"{who}: completion_window {remote.completion_window!r}", "24h, all OpenAI has", "correct it")


def _check_settings(config: LabelerConfig, who: str) -> None:
    remote = config.remote
    local = {"frame": None, "repeat_penalty": 1.0, "preset": "none", "template": "auto"}
    local |= {} if remote.provider == "server" else dict.fromkeys(_SERVER_ONLY, 0)
    for name, default in local.items():
        value = getattr(config, name)
        if value != default:
            raise InputError(
                f"{who}: {name} = {value!r:.40} with remote.provider {remote.provider!r}",
                "the default: it cannot be sent there",
                f"remove {name}",
            )
    if remote.fixed_sampling and config.sampling != Sampling():
        sampling = ", ".join(f"{name} {value:g}" for name, value in config.sampling._asdict().items())
        raise InputError(
            f"{who}: {sampling} with remote.fixed_sampling",
            "the defaults, as such a model samples at temperature 1",
            "remove them",
        )
    if config.mode == "generate" and len(config.stop) > MAX_STOPS:
        raise InputError(
            f"{who}: {len(config.stop)} stop texts", f"at most {MAX_STOPS}, all that providers take", "remove some"
        )
