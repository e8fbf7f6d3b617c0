"""Runs a model file through llama.cpp's low-level API: tokens in, next-token log-probabilities out.

Prompts of one question are evaluated as a trie: every shared stretch once, its continuations forked in the unified KV
cache (`llama_memory_seq_cp` copies no data there).
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpora.errors import InputError
from labeling.engine.shared_prefixes import DEPTH, MAX_FORKS, Logprobs, SharedPrefixes, no_further
from labeling.engine.trie import shared_start
from labeling.engine.vocabulary import Vocabulary
from labeling.votes.sampling import Sampling

_RANDOM_SEED = 0xFFFFFFFF  # this one means "choose at random" to llama.cpp
PENALTY_WINDOW = 64  # tokens that repeat_penalty looks back over; llama.cpp's default


class Sampler(NamedTuple):
    """llama.cpp's samplers for one output: the chain that draws, and the grammar that may forbid what is drawn."""

    chain: Any
    grammar: Any


class LlamaModel(Vocabulary):
    """A GGUF model with one context, reused for every question.

    Args:
        path: the GGUF file.
        num_ctx: tokens that the KV cache holds, shared by all prompts under evaluation.
        threads: CPU threads; None for one per core.
        n_batch: most tokens evaluated in one call.
        repack: whether llama.cpp rearranges the weights for this CPU; see `labeling.engine.kernels`.
        n_gpu_layers: how many layers lie on a GPU; -1 for all of them.

    Raises:
        InputError: the file is not a complete GGUF file, or `num_ctx` does not fit in memory.
    """

    def __init__(
        self, path: Path, num_ctx: int = 4096, threads: int | None = None, n_batch: int = 512, *, repack: bool = True,
        n_gpu_layers: int = -1,
    ) -> None:  # fmt: skip
        self._repack, self._n_gpu_layers = repack, n_gpu_layers
        super().__init__(path)
        self.num_ctx, self.n_batch = num_ctx, min(n_batch, num_ctx)
        self._context: Any = None
        self._open_context(threads or os.cpu_count() or 1)
        self._memory = self._llama.llama_get_memory(self._context)
        self._batch = self._llama.llama_batch_init(self.n_batch, 0, MAX_FORKS + DEPTH)
        self.n_evaluated = 0
        self._start: tuple[int, ...] = ()  # what sequence 0 began with after the last restart

    def _model_params(self) -> Any:
        params = super()._model_params()
        params.vocab_only = False
        params.n_gpu_layers = self._n_gpu_layers  # ignored by a build without a GPU
        params.use_extra_bufts = self._repack
        return params

    def _context_params(self, threads: int) -> Any:
        params = self._llama.llama_context_default_params()
        params.n_ctx = self.num_ctx
        params.n_batch = params.n_ubatch = self.n_batch
        params.n_threads = params.n_threads_batch = threads
        params.n_seq_max = MAX_FORKS + DEPTH
        params.n_outputs_max = params.n_seq_max  # rows of logits kept; llama.cpp wants one per sequence
        params.kv_unified = True
        params.no_perf = True
        return params

    def _open_context(self, threads: int) -> None:
        self._context = self._llama.llama_init_from_model(self._model, self._context_params(threads))
        if not self._context:
            super().close()
            raise InputError(
                f"llama.cpp cannot open a context of {self.num_ctx} tokens for {self.path.name}",
                "enough memory for its KV cache",
                "lower num_ctx",
            )

    def close(self) -> None:
        """Free the model; further calls are not allowed."""
        if self._context:
            self._llama.llama_batch_free(self._batch)
            self._llama.llama_free(self._context)
            self._context = None
        super().close()

    def clear(self) -> None:
        """Empty the KV cache."""
        self._llama.llama_memory_clear(self._memory, False)
        self._start = ()

    def restart(self, tokens: Sequence[int], *, is_read: bool = False) -> int:
        """Empty the KV cache, but for those calls on sequence 0 that these tokens would repeat.

        A call gives the same numbers only if it holds the same tokens behind the same tokens. Therefore whole calls are
        kept: full batches, and a shorter last one where all the tokens are the same.

        Args:
            tokens: what sequence 0 will begin with, evaluated from where this leaves off in calls of `n_batch`.
            is_read: whether the token after the last one is read, so that the last call is made in any case.

        Returns:
            How many of the tokens are in the cache already.
        """
        kept = self._repeated(tuple(tokens), is_read=is_read)
        if kept:
            self._llama.llama_memory_seq_keep(self._memory, 0)
            self._llama.llama_memory_seq_rm(self._memory, 0, kept, -1)
        else:
            self.clear()
        self._start = tuple(tokens)
        return kept

    def _repeated(self, tokens: tuple[int, ...], *, is_read: bool) -> int:
        # Fewer tokens than there should be are in the cache where a call before has failed.
        there = self._start[: self._llama.llama_memory_seq_pos_max(self._memory, 0) + 1]
        if tokens == there == self._start and not is_read:
            return len(tokens)
        same = min(shared_start(tokens, there), len(tokens) - is_read)
        return same // self.n_batch * self.n_batch

    def copy_sequence(self, source: int, target: int) -> None:
        """Let another sequence share everything evaluated for `source`; copies no data."""
        self._llama.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def remove_sequence(self, sequence: int) -> None:
        """Forget a sequence; what others share with it stays."""
        self._llama.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def evaluate(self, tokens: Sequence[int], position: int, sequence: int) -> None:
        """Evaluate tokens of one sequence from a position on; the token after the last one can then be sampled."""
        for start in range(0, len(tokens), self.n_batch):
            piece = tokens[start : start + self.n_batch]
            self.step([(token, position + start + at, sequence) for at, token in enumerate(piece)], only_last=True)

    def step(self, entries: Sequence[tuple[int, int, int]], *, only_last: bool = False) -> None:
        """Evaluate entries (token, position, sequence) in one call; `sample` can then follow each, or only the last."""
        for at, (token, position, sequence) in enumerate(entries):
            self.put(at, token, position, (sequence,), read=not only_last or at == len(entries) - 1)
        self.decode(len(entries))

    def sampler(self, sampling: Sampling, repeat_penalty: float, grammar: str, seed: int) -> Sampler:
        """A chain of llama.cpp's samplers, to be passed to `sample` and finally to `free_sampler`.

        Args:
            sampling: truncation and temperature.
            repeat_penalty: 1 for none.
            grammar: GBNF that the output follows, its rule `root` first; empty for none.
            seed: seed of the draws; llama.cpp takes 32 bits of it.

        Raises:
            ValueError: llama.cpp cannot parse the grammar.
        """
        lib = self._llama
        constrained = lib.llama_sampler_init_grammar(self._vocab, grammar.encode(), b"root") if grammar else None
        if grammar and not constrained:
            raise ValueError(f"llama.cpp cannot parse the grammar {grammar!r}")
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        links = []
        if repeat_penalty != 1.0:
            links.append(lib.llama_sampler_init_penalties(self.n_vocab, PENALTY_WINDOW, repeat_penalty, 0.0, 0.0))
        if sampling.is_greedy:
            links.append(lib.llama_sampler_init_greedy())
        else:
            links += [
                lib.llama_sampler_init_top_k(sampling.top_k),
                lib.llama_sampler_init_top_p(sampling.top_p, 1),
                lib.llama_sampler_init_min_p(sampling.min_p, 1),
                lib.llama_sampler_init_temp(sampling.temperature),
                lib.llama_sampler_init_dist(seed % _RANDOM_SEED),
            ]
        for link in links:
            lib.llama_sampler_chain_add(chain, link)
        return Sampler(chain, constrained)

    def free_sampler(self, sampler: Sampler) -> None:
        """Free a chain and its samplers."""
        self._llama.llama_sampler_free(sampler.chain)
        if sampler.grammar:
            self._llama.llama_sampler_free(sampler.grammar)

    def sample(self, sampler: Sampler, at: int) -> int:
        """Sample the token that follows entry `at` of the last step; -1 is the last entry.

        The grammar is asked about the token drawn, and about the whole vocabulary only if it forbids that token: going
        through 150,000 tokens at every step would take longer than the model itself.
        """
        lib = self._llama
        logits = lib.llama_get_logits_ith(self._context, at)
        token = self._draw(sampler.chain, logits, None)
        if sampler.grammar and not self._allows(sampler.grammar, token):
            token = self._draw(sampler.chain, logits, sampler.grammar)
        for link in (sampler.chain, sampler.grammar):
            if link:
                lib.llama_sampler_accept(link, token)
        return token

    def _draw(self, chain: Any, logits: Any, grammar: Any) -> int:
        lib = self._llama
        candidates = np.zeros(self.n_vocab, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        candidates["id"] = np.arange(self.n_vocab)
        candidates["logit"] = np.ctypeslib.as_array(logits, shape=(self.n_vocab,))
        data = candidates.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
        array = lib.llama_token_data_array(data=data, size=self.n_vocab, selected=-1, sorted=False)
        for link in (grammar, chain):
            if link:
                lib.llama_sampler_apply(link, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def _allows(self, grammar: Any, token: int) -> bool:
        lib = self._llama
        one = (lib.llama_token_data * 1)(lib.llama_token_data(id=token, logit=1.0, p=0.0))
        array = lib.llama_token_data_array(data=one, size=1, selected=-1, sorted=False)
        lib.llama_sampler_apply(grammar, ctypes.byref(array))
        return math.isfinite(one[0].logit)

    def is_end(self, token: int) -> bool:
        """Whether a token ends the model's turn."""
        return bool(self._llama.llama_vocab_is_eog(self._vocab, token))

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; a character may span tokens."""
        buffer = ctypes.create_string_buffer(256)
        n = self._llama.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(0, n)]

    def next_logprobs(self, prompts: Sequence[Sequence[int]], wanted: Sequence[int]) -> Logprobs:
        """Log-probability of the `wanted` tokens right after each prompt, over the whole vocabulary at temperature 1.

        The prompts are evaluated together, in an order that depends on their tokens alone.

        Args:
            prompts: token sequences, each of 1 to `num_ctx` tokens, shared ones included.
            wanted: token ids to read.

        Returns:
            Array of shape (prompts, wanted), natural logarithms.
        """
        return np.stack([looks[()] for looks in SharedPrefixes(self).look(prompts, wanted, no_further)])

    def put(self, at: int, token: int, position: int, sequences: Sequence[int], *, read: bool) -> None:
        """Make a token entry `at` of the next call; it is part of each of the sequences."""
        batch = self._batch
        batch.token[at], batch.pos[at] = token, position
        batch.n_seq_id[at] = len(sequences)
        for number, sequence in enumerate(sequences):
            batch.seq_id[at][number] = sequence
        batch.logits[at] = read

    def decode(self, used: int) -> None:
        """Evaluate the first `used` entries."""
        self._batch.n_tokens = used
        status = self._llama.llama_decode(self._context, self._batch)
        if status != 0:
            raise RuntimeError(f"llama_decode answered {status} on {used} tokens (num_ctx {self.num_ctx})")
        self.n_evaluated += used

    def logprobs(self, at: int) -> Logprobs:
        """Log-probabilities of all tokens after entry `at` of the last call, if it was to be read."""
        logits = self._llama.llama_get_logits_ith(self._context, at)
        row = np.ctypeslib.as_array(logits, shape=(self.n_vocab,)).astype(np.float64)
        row -= row.max()
        row -= np.log(np.exp(row).sum())
        return row
