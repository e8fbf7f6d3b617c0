"""Asks with one call per vote: several at a time, within the provider's limits, repeating what did not go through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import Any

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.remote.answers import REFUSALS, MalformedAnswerError, is_overruled, read_vote, refusal
from labeling.remote.client import TOO_MANY, Provider, ProviderError
from labeling.remote.pacing import FIRST_PAUSE, Pacer, StoppedError, pause_after, sleep
from labeling.remote.requests import labeler_identity, output_limit, request_body
from labeling.remote.spending import LimitError, Meter, Usage, estimate_body
from labeling.remote.whole_prompt import Ceiling, least_tokens
from labeling.remote.wire.explaining import is_too_long
from labeling.votes.vote import Prompt, Vote

_MOST_LIMITS = 100  # answers 429 to one request, after which the provider counts as closed
_MANY_REFUSED = 3  # refused questions, before any answer, put the blame on the settings


class DirectLabeler:
    """Answers prompts by calls to a provider or server.

    Args:
        config: the reader.
        labels: the allowed answers.
        provider: the open provider.
        pacer: the provider's limits.
        meter: what may be spent.
        is_proven: whether the provider has answered this reader before, so that a refusal is about the question.

    Attributes:
        used: tokens used, as the answers state them.
        n_broken_off: calls that broke off after they were sent: each may have been billed, and was made again.
        n_overruled: votes that were read from the text, because it does not bear out the server's distribution.
    """

    def __init__(
        self, config: LabelerConfig, labels: LabelSet, provider: Provider, pacer: Pacer, meter: Meter,
        *, is_proven: bool,
    ) -> None:  # fmt: skip
        self.config, self.labels = config, labels
        self.fingerprint = fingerprint(config, labels, labeler_identity(config))
        self._provider, self._pacer, self._meter = provider, pacer, meter
        self._lock, self._keeping = threading.Lock(), threading.Lock()
        self.used = Usage()
        self.n_broken_off = self.n_overruled = 0
        self._ceiling = Ceiling()
        self._n_under_way = 0
        self._is_proven = is_proven
        self._refused: list[Vote] = []  # kept once the provider has answered anything

    def ask(self, prompts: Sequence[Prompt], keep: Callable[[Vote], object]) -> None:
        """Answer prompts, in the order in which the answers come.

        Args:
            prompts: what to ask.
            keep: called with each vote as it arrives, one at a time; also with votes from calls that were under way
                when the others were given up, because they are paid for.

        Raises:
            InputError: the provider refuses the key, the model or the settings, or does not answer, or the next request
                might exceed the spending limit.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(self.config.remote.connections) as pool:
            calls = [pool.submit(self._answer, prompt, keep, stop) for prompt in prompts]
            try:
                for call in as_completed(calls):
                    with suppress(StoppedError):  # because another call has failed, which says why
                        call.result()
            except BaseException:  # Ctrl-C too: the pool waits for the calls under way and starts no others
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if self._refused:
            raise self._hopeless()

    def _answer(self, prompt: Prompt, keep: Callable[[Vote], object], stop: threading.Event) -> None:
        try:
            self._keep(self._ask(prompt, stop), keep)
        except BaseException:
            stop.set()  # at once, or the next call would be made, and paid for, before the run ends
            raise

    def _keep(self, vote: Vote, keep: Callable[[Vote], object]) -> None:
        with self._keeping:
            self._is_proven |= vote.failure not in REFUSALS
            if not self._is_proven:
                self._refused.append(vote)
                if len({one.question_id for one in self._refused}) >= _MANY_REFUSED:
                    raise self._hopeless()
                return
            for one in (*self._refused, vote):
                keep(one)
            self._refused.clear()

    def _hopeless(self) -> InputError:
        """The error for refusals when nothing was ever answered: they concern the settings, not the questions."""
        return self._provider.explain(ProviderError(str(self._refused[0].text), status=400), self.config.model)

    def _ask(self, prompt: Prompt, stop: threading.Event) -> Vote:
        """The vote on one prompt, however often it must be asked for."""
        body = request_body(self.config, prompt)
        worst = estimate_body(body, output_limit(self.config))
        n_limited = n_failed = 0
        while True:
            self._pacer.wait(worst.input + worst.output, stop)
            if stop.is_set():
                raise StoppedError
            self._set_aside(worst, stop)
            outcome = self._try(prompt, body, worst)
            if isinstance(outcome, Vote):
                return outcome
            refused = refusal(self.fingerprint, prompt.key, outcome)
            if refused is not None:
                return refused
            n_limited, n_failed = n_limited + (outcome.status == TOO_MANY), n_failed + (outcome.status != TOO_MANY)
            gave_up = n_failed >= self.config.remote.max_attempts or n_limited >= _MOST_LIMITS
            if gave_up or not outcome.is_transient or is_too_long(outcome, self._provider.policy):
                raise self._provider.explain(outcome, self.config.model)
            if outcome.status == TOO_MANY:
                self._pacer.hold(pause_after(n_limited, outcome))  # the limit holds for every request
            else:
                pause = pause_after(n_failed, outcome)
                self._pacer.tell(pause)
                sleep(pause, stop)

    def _try(self, prompt: Prompt, body: Mapping[str, Any], worst: Usage) -> Vote | ProviderError:
        """Send a request once, settle what it cost, and return what came of it."""
        used = Usage()
        try:
            # The reader is part of the key: another model's answer to the same prompt is another answer.
            reply = self._provider.chat(body, f"{self.fingerprint}-{prompt.key.id}")
            self._pacer.learn(reply.headers)
            least = least_tokens(body)
            labels = prompt.labels(self.labels)
            vote = read_vote(self.config, labels, self.fingerprint, prompt.key, reply.body, least)
        except ProviderError as error:
            # A call that broke off may have been billed: the limit holds only if it counts as billed.
            used = worst if error.sent else used
            self._count(Usage(), n_broken_off=int(error.sent and error.is_transient))
            return error
        except MalformedAnswerError as error:
            used = worst
            self._count(Usage(), n_broken_off=1)
            return ProviderError(self._provider.clean(str(error)), status=None, sent=True)
        else:
            # An answer that does not state its usage counts as the worst case.
            used = Usage(1, vote.n_prompt_tokens, vote.n_generated or 0) if vote.n_prompt_tokens else worst
            self._count(used, n_overruled=int(is_overruled(self.config, labels, reply.body, vote)))
            self._refuse_cut(vote, least)
            return vote
        finally:
            self._meter.settle(worst, used)
            with self._lock:  # only after settling: a call that finds itself alone trusts the limit
                self._n_under_way -= 1

    def _refuse_cut(self, vote: Vote, least: int) -> None:
        """Refuse the answer to a prompt that the server has cut; it is not kept, so that it is asked again.

        Raises:
            InputError: the server counts fewer tokens than the prompt has, or as many for prompts of several lengths.
        """
        if vote.failure == "prompt_too_long":
            raise self._cut(f"counts {vote.n_prompt_tokens} tokens in a prompt of at least {least}")
        with self._lock:
            is_hit = self._ceiling.is_hit(vote.n_prompt_tokens, least)
        if is_hit:
            raise self._cut(f"counts {vote.n_prompt_tokens} tokens in each of several prompts of different lengths")

    def _cut(self, counts: str) -> InputError:
        remedy = "use a model with a longer context"
        if self.config.remote.provider == "server":  # under the same name, the votes that it gave before would be kept
            remedy = (
                "raise its context length (llama-server -c, vLLM --max-model-len, Ollama num_ctx), give "
                "remote.served_as another name so that its earlier votes are asked anew, and run again"
            )
        found = f"{self._provider.name} {counts}, so it reads only a part"
        return InputError(found, "a server that reads the whole document", remedy)

    def _set_aside(self, worst: Usage, stop: threading.Event) -> None:
        """Set a call's worst case aside; if that is too much just now, wait until calls under way turn out cheaper."""
        while True:
            with self._lock:
                is_alone = self._n_under_way == 0
                try:
                    self._meter.set_aside(worst)
                except LimitError:
                    if is_alone:
                        raise
                else:
                    self._n_under_way += 1
                    return
            sleep(FIRST_PAUSE, stop)

    def _count(self, used: Usage, n_broken_off: int = 0, n_overruled: int = 0) -> None:
        with self._lock:
            self.used = self.used.plus(used)
            self.n_broken_off += n_broken_off
            self.n_overruled += n_overruled
