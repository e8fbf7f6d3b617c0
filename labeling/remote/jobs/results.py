"""The results of a batch that ended: lines in any order, some of them broken, repeated, missing or unknown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.answers import MalformedAnswerError, read_vote, refusal
from labeling.remote.client import ProviderError
from labeling.remote.spending import Usage
from labeling.votes.vote import Vote, VoteKey

OK = 200


@dataclass
class Results:
    """What the result files of a part say.

    Attributes:
        votes: one for each request that was answered, whatever the answer.
        refused: votes for requests that the provider refuses because of their content.
        used: tokens of the answered requests.
        duplicates: result lines for a request that already had one.
        unknown: result lines for requests that are not in this part.
        broken: lines that are not results.
        unanswered: requests with a temporary error, or without any line.
        n_silent: answers whose tokens the provider does not state, malformed ones included.
        error: the last error of a request that was not answered; None if there was no such error.
        named: requests with any line, by custom id.
        done: those with a line in the output file, or with an answer.
        answered: those with an answer, even one that is not a chat completion (its request counts as unanswered).
        new: those of these votes that the ledger did not have.
    """

    votes: list[Vote] = field(default_factory=list)
    refused: list[Vote] = field(default_factory=list)
    used: Usage = field(default_factory=Usage)
    duplicates: int = 0
    unknown: int = 0
    broken: int = 0
    unanswered: int = 0
    n_silent: int = 0
    error: ProviderError | None = None
    named: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    new: list[Vote] = field(default_factory=list)

    def used_at_most(self, worst: Usage) -> Usage:
        """What was used; an answer that does not state it counts as its share of the worst case."""
        share = self.n_silent / worst.requests if worst.requests else 0.0
        return self.used.plus(Usage(0, math.ceil(worst.input * share), math.ceil(worst.output * share)))

    @property
    def counts(self) -> dict[str, int]:
        """The results as numbers."""
        numbers = {name: getattr(self, name) for name in ("duplicates", "unknown", "broken", "unanswered")}
        return {"votes": len(self.votes), "refused": len(self.refused), **numbers}


def read_lines(file: Path) -> Iterator[dict[str, Any] | None]:
    """The lines of a result file as JSON objects; None for a line that is not one."""
    with file.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                parsed = json.loads(line)
            except (ValueError, RecursionError):  # no JSON, or nested without end
                parsed = None
            yield parsed if isinstance(parsed, dict) else None


def read_results(
    output: Iterable[dict[str, Any] | None],
    errors: Iterable[dict[str, Any] | None],
    keys: Mapping[str, VoteKey],
    config: LabelerConfig,
    labels: LabelSet,
    labeler: str,
    clean: Callable[[str], str],
) -> Results:
    """Sort out result lines.

    Args:
        output: lines of the output file.
        errors: lines of the error file.
        keys: keys of the votes that the part asked for, by custom id.
        config: the reader.
        labels: the allowed answers.
        labeler: the reader's fingerprint.
        clean: takes the API key out of a provider's words.
    """
    results, refused = Results(), dict[str, Vote]()
    taken: set[str] = set()
    for line, is_output in chain(((line, True) for line in output), ((line, False) for line in errors)):
        name = None if line is None else line.get("custom_id")
        if line is None or not isinstance(name, str):
            results.broken += 1
            continue
        if name not in keys:
            results.unknown += 1
            continue
        results.named.add(name)
        if is_output:
            results.done.add(name)
        body = _answer(line)
        if name in taken or (name in refused and body is None):
            results.duplicates += 1
        elif body is not None and (vote := _read(body, keys[name], config, labels, labeler, clean, results)):
            results.votes.append(vote)
            taken.add(name)
        elif body is None and (vote := _refused(line, keys[name], labeler, clean, results)):
            refused[name] = vote
    # An answer that was paid for counts more than a refusal, whichever came first.
    results.refused = [vote for name, vote in refused.items() if name not in taken]
    results.unanswered = len(keys) - len(taken) - len(results.refused)
    return results


def _answer(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of a line that says its request was answered."""
    response = line.get("response")
    body = response.get("body") if isinstance(response, dict) and response.get("status_code") == OK else None
    return body if isinstance(body, dict) else None


def _read(
    body: Mapping[str, Any], key: VoteKey, config: LabelerConfig, labels: LabelSet, labeler: str,
    clean: Callable[[str], str], results: Results,
) -> Vote | None:  # fmt: skip
    """The vote of an answer, its tokens counted; None if it is not a chat completion."""
    results.done.add(key.id)
    results.answered.add(key.id)
    try:
        vote = read_vote(config, labels, labeler, key, body)
    except MalformedAnswerError as error:
        results.error = ProviderError(clean(str(error)), status=None, sent=True)
        results.n_silent += 1
        return None
    results.n_silent += vote.n_prompt_tokens == 0
    results.used = results.used.plus(Usage(1, vote.n_prompt_tokens, vote.n_generated or 0))
    return vote


def _refused(
    line: Mapping[str, Any], key: VoteKey, labeler: str, clean: Callable[[str], str], results: Results
) -> Vote | None:
    """The vote of a request that was refused for its content; None after any other error."""
    results.error = _error(line, line.get("response"), clean)
    return refusal(labeler, key, results.error)


def _error(line: Mapping[str, Any], response: Any, clean: Callable[[str], str]) -> ProviderError:
    """The error of a request, which is next to its response or in its body."""
    status = response.get("status_code") if isinstance(response, dict) else None
    body = response.get("body") if isinstance(response, dict) else None
    inner = line.get("error") or (body.get("error") if isinstance(body, dict) else None) or {}
    told = inner if isinstance(inner, dict) else {"message": str(inner)}
    return ProviderError(
        clean(str(told.get("message") or "no reason given")),
        status=status if isinstance(status, int) else None,
        code=clean(str(told.get("code") or told.get("type") or "")),
    )
