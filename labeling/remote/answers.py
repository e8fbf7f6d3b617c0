"""From a provider's chat completion to a vote: the label in its text, and its distribution where there is one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from corpora.schema import LabelSet
from labeling.labeler import LabelerConfig
from labeling.parsing import Parsed, parse_answer, parse_label
from labeling.remote.client import ProviderError
from labeling.sampling import top_two_margin
from labeling.votes import Vote, VoteKey, failed_vote

# Mass that may lie on tokens with which two labels begin before the distribution counts as unknown.
MAX_AMBIGUOUS = 1e-3
# How OpenAI, llama-server, llama-cpp-python and vLLM say that a prompt does not fit.
_TOO_LONG = ("context_length", "context length", "context_size", "context size", "context window")


class MalformedAnswerError(Exception):
    """A body that is no chat completion."""


def read_vote(config: LabelerConfig, labels: LabelSet, labeler: str, key: VoteKey, body: Mapping[str, Any]) -> Vote:
    """The vote that a chat completion gives.

    Args:
        config: the labeler.
        labels: the allowed answers.
        labeler: its fingerprint.
        key: which vote was asked for.
        body: the completion as JSON types.

    Raises:
        MalformedAnswerError: there is no choice with a message in it.
    """
    choice = _choice(body)
    message, usage = choice["message"], body.get("usage") or {}
    text = str(message.get("content") or "")
    truncated = choice.get("finish_reason") == "length"
    parse = parse_label if config.mode == "label" else parse_answer
    parsed = parse(text, labels, truncated=truncated)
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        parsed = Parsed(None, None, "refused")
    elif truncated and parsed.problem == "empty":  # all of it went into hidden reasoning
        parsed = Parsed(None, None, "truncated")
    p = label_distribution(choice.get("logprobs"), labels) if config.gives_distributions else None
    vote = replace(
        failed_vote(labeler, key, parsed.problem or "off_label", _count(usage, "prompt_tokens")),
        label=parsed.label,
        failure=parsed.problem,
        text=text,
        parse=parsed.parse,
        problem=parsed.problem,
        n_generated=_count(usage, "completion_tokens"),
        served=_served(body),
    )
    if p is None or parsed.label is None:
        return vote
    outside = max(0.0, 1.0 - sum(p))
    return replace(vote, probabilities=tuple(p), outside_mass=outside, margin=top_two_margin(np.array(p)))


def _choice(body: Mapping[str, Any]) -> dict[str, Any]:
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise MalformedAnswerError(f"no message in {str(dict(body))[:200]}")
    return choice


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else 0


def _served(body: Mapping[str, Any]) -> str | None:
    """Model and build, as far as the provider tells."""
    parts = [str(body[name]) for name in ("model", "system_fingerprint") if body.get(name)]
    return " ".join(parts) or None


def refusal(labeler: str, key: VoteKey, error: ProviderError) -> Vote | None:
    """The vote of a request that the provider refuses for what is in it, such as its length; its words are the text.

    Returns:
        None where the error says nothing about the request: it may pass, or it is about the key or the model.
    """
    if error.status not in (400, 403, 413, 422) or error.is_missing_model or error.is_plan_gate:
        return None
    is_long = error.status == 413 or any(word in f"{error.code} {error.message}".lower() for word in _TOO_LONG)
    failed = failed_vote(labeler, key, "prompt_too_long" if is_long else "rejected", 0)
    return replace(failed, text=error.message)


def label_distribution(logprobs: Any, labels: LabelSet) -> list[float] | None:
    """Probability of each label as the first token of an answer, from OpenAI's `logprobs` object.

    Only the most probable tokens are told: a label that is not among them gets 0. A token counts for the one label
    that begins with it, whatever its case; blank tokens before it are passed over. Not normalised: what is missing to
    1 lies outside the labels.

    Returns:
        One probability a label in canonical order; None where there is no distribution, nothing of it lies on a label,
        or more than `MAX_AMBIGUOUS` of it lies on tokens with which two labels begin.
    """
    looked = _first_look(logprobs)
    if looked is None:
        return None
    folded = [label.casefold() for label in labels]
    p, ambiguous = [0.0] * len(folded), 0.0
    for token, logprob in looked:
        bare = token.strip().casefold()
        fitting = [at for at, label in enumerate(folded) if bare and label.startswith(bare)]
        # "no" is the label "no", though "no change" begins with it too; the other way round nothing is known.
        if bare in folded and len(fitting) > 1:
            return None
        if len(fitting) == 1:
            p[fitting[0]] += math.exp(logprob)
        elif fitting:
            ambiguous += math.exp(logprob)
    return p if sum(p) > 0 and ambiguous <= MAX_AMBIGUOUS else None


def _first_look(logprobs: Any) -> list[tuple[str, float]] | None:
    """Tokens and log-probabilities at the first place that is not blank."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    for place in content if isinstance(content, list) else ():
        if isinstance(place, dict) and str(place.get("token", "")).strip():
            return list(_alternatives(place.get("top_logprobs") or ())) or None
    return None


def _alternatives(alternatives: Sequence[Any]) -> Iterator[tuple[str, float]]:
    for one in alternatives:
        if isinstance(one, dict) and isinstance(one.get("logprob"), int | float):
            yield str(one.get("token", "")), float(one["logprob"])
