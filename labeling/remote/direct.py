"""Asking one call a vote: several at a time, within the provider's limits, and again what did not go through."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.labeler import LabelerConfig, fingerprint
from labeling.remote.answers import MalformedAnswerError, read_vote, refusal
from labeling.remote.client import Provider, ProviderError
from labeling.remote.pacing import Pacer, StoppedError, pause_after
from labeling.remote.requests import labeler_identity, output_limit, request_body
from labeling.remote.spending import Meter, Usage, estimate_body
from labeling.votes import Prompt, Vote

_MOST_LIMITS = 100  # 429s of one request, before the provider is taken to be shut
_MANY_REJECTED = 3  # refused requests that outnumber the answered ones mean settings, not questions


class DirectLabeler:
    """Answers prompts by calls to a provider or server.

    Args:
        config: the labeler.
        labels: the allowed answers.
        provider: the open provider.
        pacer: the provider's limits.
        meter: what may be spent.

    Attributes:
        used: tokens that answers stated.
        n_broken_off: calls that broke off after they were sent: each may have been billed, and was made again.
    """

    def __init__(self, config: LabelerConfig, labels: LabelSet, provider: Provider, pacer: Pacer, meter: Meter) -> None:
        self.config, self.labels = config, labels
        self.fingerprint = fingerprint(config, labels, labeler_identity(config))
        self._provider, self._pacer, self._meter = provider, pacer, meter
        self._lock = threading.Lock()
        self.used = Usage()
        self.n_broken_off = 0
        self._n_rejected = 0

    def ask(self, prompts: Sequence[Prompt]) -> Iterator[Vote]:
        """Answer prompts, in the order in which the answers come; every answer that was paid for is given out.

        Raises:
            InputError: the provider refuses the key, the model or the settings, does not answer, or the next request
                might pass the limit of what may be spent.
        """
        with ThreadPoolExecutor(self.config.remote.connections) as pool:
            calls = [pool.submit(self._ask, prompt) for prompt in prompts]
            try:
                yield from self._finished(calls)
            finally:
                for call in calls:
                    call.cancel()

    def _finished(self, calls: Sequence[Future[Vote]]) -> Iterator[Vote]:
        problem: InputError | None = None
        for call in as_completed(calls):
            if call.cancelled():
                continue
            try:
                vote = call.result()
            except StoppedError:
                continue
            except InputError as error:
                # Those on their way are waited for, as they cost what they cost; no other is begun.
                problem = problem or error
                self._pacer.stop()
                for other in calls:
                    other.cancel()
                continue
            yield vote
        if problem is not None:
            raise problem

    def _ask(self, prompt: Prompt) -> Vote:
        """The vote on one prompt, however often it must be asked for."""
        body = request_body(self.config, prompt)
        worst = estimate_body(body, output_limit(self.config))
        n_limited = n_failed = 0
        while True:
            self._pacer.wait(worst.input + worst.output)
            outcome = self._try(prompt, body, worst)
            if isinstance(outcome, Vote):
                return outcome
            refused = refusal(self.fingerprint, prompt.key, outcome)
            if refused is not None and not self._too_many_rejected():
                return refused
            if outcome.status == 429:
                n_limited += 1
                self._pacer.hold(pause_after(n_limited, outcome))  # everybody's limit, not this request's
            else:
                n_failed += 1
                self._pacer.sleep(pause_after(n_failed, outcome))
            gave_up = n_failed >= self.config.remote.max_attempts or n_limited >= _MOST_LIMITS
            if gave_up or not outcome.is_transient:
                raise self._provider.explain(outcome, self.config.model)

    def _try(self, prompt: Prompt, body: Mapping[str, Any], worst: Usage) -> Vote | ProviderError:
        """Send a request once; what came of it, and what it cost, is settled."""
        self._meter.set_aside(worst)
        used = Usage()
        try:
            reply = self._provider.chat(body, prompt.key.id)
            self._pacer.learn(reply.headers)
            vote = read_vote(self.config, self.labels, self.fingerprint, prompt.key, reply.body)
        except ProviderError as error:
            # One that broke off may have been billed: the limit holds only if it is taken as such.
            used = worst if error.sent else used
            self._count(Usage(), n_broken_off=int(error.sent))
            return error
        except MalformedAnswerError as error:
            used = worst
            self._count(Usage(), n_broken_off=1)
            return ProviderError(str(error), status=None, sent=True)
        else:
            used = Usage(1, vote.n_prompt_tokens, vote.n_generated or 0)
            self._count(used)
            return vote
        finally:
            self._meter.settle(worst, used)

    def _count(self, used: Usage, n_broken_off: int = 0) -> None:
        with self._lock:
            self.used = self.used.plus(used)
            self.n_broken_off += n_broken_off

    def _too_many_rejected(self) -> bool:
        with self._lock:
            self._n_rejected += 1
            return self._n_rejected >= _MANY_REJECTED and self._n_rejected > self.used.requests
