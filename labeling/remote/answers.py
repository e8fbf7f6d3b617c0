"""Turns a provider's chat completion into a vote.

If the server gives the distribution of the first token, the label is drawn from it, as on this machine, provided that
the complete answer bears it out; otherwise the label is read from the text, which may fail to be an answer.
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
from labeling.remote.whole_prompt import is_cut
from labeling.votes.parsing import Parsed, parse_answer, parse_label
from labeling.votes.sampling import Probabilities, draw, top_two_margin
from labeling.votes.vote import Failure, Vote, VoteKey, failed_vote

# With more mass than this on tokens that begin two labels, the distribution counts as unknown.
MAX_AMBIGUOUS = 1e-3
# With less mass than this on the labels, the distribution is not one over answers.
LEAST_LABEL_MASS = 0.5
# A label with less than this share of the labels' mass is not what the text was drawn from.
LEAST_SHARE = 1e-3
LARGEST_LOGPROB = 1e-2  # above 0 only by rounding; more is no distribution
MAX_COUNT = 2**31  # most tokens that a stored vote can count
REFUSALS: tuple[Failure, ...] = ("prompt_too_long", "rejected")
# How OpenAI, llama-server, llama-cpp-python and vLLM say that a prompt does not fit.
_TOO_LONG = ("context_length", "context length", "context_size", "context size", "context window")


class MalformedAnswerError(Exception):
    """A body that is not a chat completion."""


def read_vote(
    config: LabelerConfig, labels: LabelSet, labeler: str, key: VoteKey, body: Mapping[str, Any], least: int = 0
) -> Vote:
    """The vote that a chat completion gives.

    Args:
        config: the reader.
        labels: the allowed answers.
        labeler: the reader's fingerprint.
        key: which vote was asked for.
        body: the completion as JSON types.
        least: the fewest tokens that the prompt can be, as `least_tokens` says; if the server counts fewer, it has cut
            the prompt, and the vote fails as `prompt_too_long`.

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
    if is_cut(vote.n_prompt_tokens, least):
        counted = (
            f"the server counts {vote.n_prompt_tokens} tokens in a prompt of at least {least}: it has cut the prompt"
        )
        return replace(vote, label=None, failure="prompt_too_long", text=counted, parse=None, problem=None)
    p = label_distribution(choice.get("logprobs"), labels) if config.gives_distributions else None
    if p is None or not _bears_out(parsed, text, choice["logprobs"], np.array(p), config, labels):
        return vote
    return _drawn(vote, np.array(p), config, labels)


def is_overruled(config: LabelerConfig, labels: LabelSet, body: Mapping[str, Any], vote: Vote) -> bool:
    """Whether a vote was read from the text although the server gave a distribution over the labels."""
    given = config.gives_distributions and not vote.probabilities
    return given and label_distribution(_choice(body).get("logprobs"), labels) is not None


def _bears_out(
    parsed: Parsed, text: str, logprobs: Any, p: Probabilities, config: LabelerConfig, labels: LabelSet
) -> bool:
    """Whether the complete answer bears out the distribution at its start, so that a label may be drawn from it.

    It does not if the distribution stands before something else than the text, such as hidden reasoning; if most of it
    lies outside the labels; or if the text is complete and has no label, or has one that this distribution all but
    excludes. A text that we cut ourselves, since only its start was wanted, is no more complete than its start.
    """
    if p.sum() < LEAST_LABEL_MASS or not _begins(text, logprobs):
        return False
    if parsed.label is None:
        return parsed.problem == "truncated"
    said = labels.labels.index(parsed.label)
    if config.sampling.is_greedy:
        return bool(p[said] >= p.max() * (1 - LEAST_SHARE))
    return bool(p[said] >= p.sum() * LEAST_SHARE)


def _begins(text: str, logprobs: Any) -> bool:
    """Whether a text begins with the token at the first position that is not blank."""
    place = _first_place(logprobs) or {}
    n_bytes = place.get("bytes")
    if isinstance(n_bytes, list) and n_bytes and all(isinstance(one, int) and 0 <= one < 256 for one in n_bytes):
        return text.lstrip().encode().startswith(bytes(n_bytes).lstrip())
    said = str(place.get("token", "")).lstrip()
    return bool(said) and text.lstrip().startswith(said)


def _read_text(config: LabelerConfig, labels: LabelSet, choice: Mapping[str, Any]) -> tuple[Parsed, str]:
    """What the text of an answer says, and the text."""
    message = choice["message"]
    text = _storable(_content(message.get("content")))
    truncated = choice.get("finish_reason") == "length"
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        return Parsed(None, None, "refused"), text
    parse = parse_label if config.mode == "label" else parse_answer
    parsed = parse(text, labels, truncated=truncated)
    if truncated and parsed.problem == "empty":  # all of it went into hidden reasoning
        parsed = Parsed(None, None, "truncated")
    return parsed, text


def _content(content: Any) -> str:
    """The text of an answer; some servers give it in parts, of which those with the answer are texts."""
    if not isinstance(content, list):
        return str(content or "")
    parts = (one for one in content if isinstance(one, dict) and one.get("type") == "text")
    return "".join(str(one.get("text") or "") for one in parts)


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
    return value if type(value) is int and 0 <= value < MAX_COUNT else 0


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
    """Tokens and log-probabilities at the first position that is not blank; None if they are no distribution."""
    place = _first_place(logprobs)
    alternatives = place.get("top_logprobs") if place is not None else None
    looked = list(_alternatives(alternatives)) if isinstance(alternatives, list) else []
    if not looked or sum(math.exp(min(logprob, 1.0)) for _, logprob in looked) > 1 + LARGEST_LOGPROB:
        return None
    return looked


def _first_place(logprobs: Any) -> dict[str, Any] | None:
    """The first position of an answer that is not blank."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    places = [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    # An empty token is part of a character and does not count as blank.
    return next((one for one in places if not str(one.get("token", "")).isspace()), None)


def _alternatives(alternatives: Sequence[Any]) -> Iterator[tuple[str, float]]:
    for one in alternatives:
        if isinstance(one, dict) and isinstance(one.get("logprob"), int | float):
            # Bounded before it becomes a float: a number of 400 digits cannot be one.
            yield str(one.get("token", "")), float(min(max(one["logprob"], -1e6), 1e6))
