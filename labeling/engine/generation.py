"""Generating text on llama.cpp: the prompts of one question together, their common prefix evaluated once.

Sampling is llama.cpp's own chain: penalties, top_k, top_p, min_p, temperature, a seeded draw; held by
a grammar where one is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from labeling.engine.llama import LlamaModel, Sampler
from labeling.votes.sampling import Sampling

MAX_TOGETHER = 8  # prompts generated in step; each holds a sequence of the KV cache

Tokens = tuple[int, ...]


class Decoding(NamedTuple):
    """How text is generated.

    Attributes:
        sampling: truncation and temperature.
        repeat_penalty: 1 for none.
        num_predict: most tokens.
        stop: texts that end it; not part of the output.
        grammar: GBNF that the whole output follows; empty for none.
        repair: text put behind an output that `accepts` refuses, once.
        repair_grammar: GBNF that what comes then follows.
        repair_predict: most tokens of that.
    """

    sampling: Sampling
    repeat_penalty: float
    num_predict: int
    stop: tuple[str, ...]
    grammar: str
    repair: str = ""
    repair_grammar: str = ""
    repair_predict: int = 16


class Generated(NamedTuple):
    """One output.

    Attributes:
        text: without the end-of-turn token and the stop text.
        n_tokens: how many were generated, repair included.
        truncated: whether num_predict ended it.
        repair: what the model answered to the repair text; None where none was needed.
        repair_truncated: whether repair_predict ended that.
    """

    text: str
    n_tokens: int
    truncated: bool
    repair: str | None
    repair_truncated: bool = False


@dataclass
class _Stream:
    """One output in the making."""

    sequence: int
    position: int
    sampler: Sampler
    pieces: list[bytes] = field(default_factory=list)
    token: int = -1
    n_tokens: int = 0
    truncated: bool = False
    done: bool = False

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode("utf-8", errors="replace")


class Generator:
    """Generates on an open model.

    Args:
        llama: the model; its KV cache is cleared for every question.
    """

    def __init__(self, llama: LlamaModel) -> None:
        self._llama = llama

    def room_for(self, prompts: Sequence[Tokens], n_new: int) -> bool:
        """Whether the prompts, what they share counted once, fit in the context with `n_new` tokens behind each."""
        shared = _shared(prompts)
        tails = sum(len(prompt) - shared + n_new for prompt in prompts)
        return shared + tails <= self._llama.num_ctx and len(prompts) <= MAX_TOGETHER

    def generate(
        self, prompts: Sequence[Tokens], seeds: Sequence[int], decoding: Decoding, accepts: Callable[[str], bool]
    ) -> list[Generated]:
        """Generate one output a prompt.

        Args:
            prompts: token sequences; the caller has made sure that there is `room_for` them.
            seeds: one a prompt.
            decoding: how.
            accepts: whether a text needs no repair.
        """
        llama = self._llama
        llama.clear()
        shared = _shared(prompts)
        llama.evaluate(prompts[0][:shared], 0, 0)
        streams = []
        with self._samplers(decoding, decoding.grammar, seeds) as samplers:
            for number, (prompt, sampler) in enumerate(zip(prompts, samplers, strict=True), 1):
                llama.copy_sequence(0, number)
                llama.evaluate(prompt[shared:], shared, number)
                stream = _Stream(number, len(prompt), sampler)
                self._take(stream, llama.sample(sampler, -1), decoding)
                streams.append(stream)
            self._run(streams, decoding)
        return [
            Generated(stream.text, stream.n_tokens, stream.truncated, None)
            if accepts(stream.text)
            else self._repaired(stream, seed, decoding)
            for stream, seed in zip(streams, seeds, strict=True)
        ]

    def _run(self, streams: Sequence[_Stream], decoding: Decoding) -> None:
        """Decode all streams in step until each is done."""
        while active := [stream for stream in streams if not stream.done]:
            self._llama.step([(stream.token, stream.position, stream.sequence) for stream in active])
            for at, stream in enumerate(active):
                stream.position += 1
                self._take(stream, self._llama.sample(stream.sampler, at), decoding)

    def _take(self, stream: _Stream, token: int, decoding: Decoding) -> None:
        """Add a sampled token to a stream, or end it."""
        if self._llama.is_end(token):
            stream.done = True
            return
        stream.token = token
        stream.n_tokens += 1
        stream.pieces.append(self._llama.piece(token))
        found = [at for stop in decoding.stop if (at := stream.text.find(stop)) >= 0]
        if found:
            stream.pieces = [stream.text[: min(found)].encode()]
            stream.done = True
        elif stream.n_tokens >= decoding.num_predict:
            stream.done = stream.truncated = True

    def _repaired(self, stream: _Stream, seed: int, decoding: Decoding) -> Generated:
        """Put the repair text behind a stream and let the model answer it once."""
        behind = self._llama.tokenize(decoding.repair, special=False, add_bos=False)
        # A stream that num_predict ended has its last token not evaluated yet.
        pending = [stream.token] if stream.truncated else []
        self._llama.evaluate((*pending, *behind), stream.position, stream.sequence)
        short = decoding._replace(num_predict=decoding.repair_predict, stop=())
        with self._samplers(decoding, decoding.repair_grammar, [seed]) as (sampler,):
            again = _Stream(stream.sequence, stream.position + len(pending) + len(behind), sampler)
            self._take(again, self._llama.sample(sampler, -1), short)
            self._run([again], short)
        n_tokens = stream.n_tokens + again.n_tokens
        return Generated(stream.text, n_tokens, stream.truncated, again.text, again.truncated)

    @contextmanager
    def _samplers(self, decoding: Decoding, grammar: str, seeds: Sequence[int]) -> Iterator[list[Sampler]]:
        chains = [self._llama.sampler(decoding.sampling, decoding.repeat_penalty, grammar, seed) for seed in seeds]
        try:
            yield chains
        finally:
            for chain in chains:
                self._llama.free_sampler(chain)


def _shared(prompts: Sequence[Tokens]) -> int:
    """Tokens that all prompts begin with, at least one token left to each."""
    most = min(len(prompt) for prompt in prompts) - 1
    at = 0
    while at < most and len({prompt[at] for prompt in prompts}) == 1:
        at += 1
    return at
