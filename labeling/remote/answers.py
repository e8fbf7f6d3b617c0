"""Turns a provider's chat completion into a vote.

If the server gives the distribution of the first token, the label is drawn from it, as on this machine; otherwise it is
read from the text, which may fail to be an answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.client import ProviderError
from labeling.votes.parsing import Parsed, parse_answer, parse_label
from labeling.votes.sampling import Probabilities, draw, top_two_margin
from labeling.votes.vote import Failure, Vote, VoteKey, failed_vote

# With more mass than this on tokens that begin two labels, the distribution counts as unknown.
MAX_AMBIGUOUS = 1e-3
MAX_COUNT = 2**31  # most tokens that a stored vote can count
REFUSALS: tuple[Failure, ...] = ("prompt_too_long", "rejected")
# How OpenAI, llama-server, llama-cpp-python and vLLM say that a prompt does not fit.
_TOO_LONG = ("context_length", "context length", "context_size", "context size", "context window")


class MalformedAnswerError(Exception):
    """A body that is not a chat completion."""


def read_vote(config: LabelerConfig, labels: LabelSet, labeler: str, key: VoteKey, body: Mapping[str, Any]) -> Vote:
    """The vote that a chat completion gives.

    Args:
        config: the reader.
        labels: the allowed answers.
        labeler: the reader's fingerprint.
        key: which vote was asked for.
        body: the completion as JSON types.

    Raises:
        MalformedAnswerError: the body has no choice with a message.
    """
    choice = _choice(body)
    parsed, text = _read_text(config, labels, choice)
    usage = body.get("usage") or {}
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
    p = label_distribution(choice.get("logprobs"), labels) if config.gives_distributions else None
    return vote if p is None or parsed.problem == "refused" else _drawn(vote, np.array(p), config, labels)


def _read_text(config: LabelerConfig, labels: LabelSet, choice: Mapping[str, Any]) -> tuple[Parsed, str]:
    """What the text of an answer says, and the text."""
    message = choice["message"]
    text = _storable(str(message.get("content") or ""))
    truncated = choice.get("finish_reason") == "length"
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        return Parsed(None, None, "refused"), text
    parse = parse_label if config.mode == "label" else parse_answer
    parsed = parse(text, labels, truncated=truncated)
    if truncated and parsed.problem == "empty":  # all of it went into hidden reasoning
        parsed = Parsed(None, None, "truncated")
    return parsed, text


def _drawn(vote: Vote, p: Probabilities, config: LabelerConfig, labels: LabelSet) -> Vote:
    """The vote drawn from the distribution, as on this machine: nothing is parsed, and its law is known."""
    return replace(
        vote,
        label=labels.labels[draw(p, config.sampling, vote.seed)],
        failure=None,
        parse=None,
        problem=None,
        probabilities=tuple(map(float, p)),
        outside_mass=max(0.0, 1.0 - float(p.sum())),
        margin=top_two_margin(p),
    )


def _choice(body: Mapping[str, Any]) -> dict[str, Any]:
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise MalformedAnswerError(f"no message in {dict(body)}")
    return choice


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value < MAX_COUNT else 0


def _served(body: Mapping[str, Any]) -> str | None:
    """Model and build, as far as the provider names them."""
    parts = [str(body[name]) for name in ("model", "system_fingerprint") if body.get(name)]
    return _storable(" ".join(parts)) or None


def _storable(text: str) -> str:
    """The text without lone surrogates, which JSON may hold but a file of votes cannot."""
    return text.encode(errors="replace").decode()


def refusal(labeler: str, key: VoteKey, error: ProviderError) -> Vote | None:
    """The vote for a request that the provider refuses for its content, such as its length, with the provider's words.

    Returns:
        None if the error is not about this request: it may be temporary, or concern the key or the model.
    """
    if error.status not in (400, 413, 422) or error.is_about_account:
        return None
    is_long = error.status == 413 or any(word in f"{error.code} {error.message}".lower() for word in _TOO_LONG)
    failed = failed_vote(labeler, key, "prompt_too_long" if is_long else "rejected", 0)
    return replace(failed, text=_storable(error.message))


def label_distribution(logprobs: Any, labels: LabelSet) -> list[float] | None:
    """Probability of each label as the first token of an answer, from OpenAI's `logprobs` object.

    Only the most probable tokens are given: a label that is not among them gets 0. A token counts for the only label
    that begins with it, whatever its case; blank tokens before it are skipped. The result is not normalised: the rest
    up to 1 lies outside the labels.

    Returns:
        One probability per label in canonical order; None if there is no distribution, if none of it lies on a label,
        or if more than `MAX_AMBIGUOUS` of it lies on tokens that begin two labels.
    """
    looked = _first_look(logprobs)
    if looked is None:
        return None
    folded = [label.casefold() for label in labels]
    p, ambiguous = [0.0] * len(folded), 0.0
    for token, logprob in looked:
        bare = token.strip().casefold()
        fitting = [at for at, label in enumerate(folded) if bare and label.startswith(bare)]
        # "no" may be the label "no" or the beginning of "no change": the distribution does not tell.
        if bare in folded and len(fitting) > 1:
            return None
        if len(fitting) == 1:
            p[fitting[0]] += math.exp(logprob)
        elif fitting:
            ambiguous += math.exp(logprob)
    return p if sum(p) > 0 and ambiguous <= MAX_AMBIGUOUS else None


def _first_look(logprobs: Any) -> list[tuple[str, float]] | None:
    """Tokens and log-probabilities at the first position that is not blank."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    for place in content if isinstance(content, list) else ():
        # An empty token is part of a character and does not count as blank.
        if isinstance(place, dict) and not str(place.get("token", "")).isspace():
            alternatives = place.get("top_logprobs")
            return list(_alternatives(alternatives)) or None if isinstance(alternatives, list) else None
    return None


def _alternatives(alternatives: Sequence[Any]) -> Iterator[tuple[str, float]]:
    for one in alternatives:
        if isinstance(one, dict) and isinstance(one.get("logprob"), int | float):
            yield str(one.get("token", "")), min(float(one["logprob"]), 0.0)
