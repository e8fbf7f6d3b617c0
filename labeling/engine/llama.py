"""Runs a model file through llama.cpp's low-level API: tokens in, next-token log-probabilities out.

Prompts of one question are evaluated as a trie: every shared stretch once, its continuations forked in the unified KV
cache (`llama_memory_seq_cp` copies no data there).
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.errors import InputError
from labeling.engine.trie import TrieNode, build_trie
from labeling.votes.sampling import Sampling

Logprobs = npt.NDArray[np.float64]

MAX_FORKS = 32  # leaves decoded together; each needs a sequence id and a row of logits
_RANDOM_SEED = 0xFFFFFFFF  # this one means "choose at random" to llama.cpp
PENALTY_WINDOW = 64  # tokens that repeat_penalty looks back over; llama.cpp's default
_DEPTH = 32  # forks of inner nodes that may be open at once, each holding a sequence id


class Sampler(NamedTuple):
    """llama.cpp's samplers for one output: the chain that draws, and the grammar that may forbid what is drawn."""

    chain: Any
    grammar: Any


class LlamaModel:
    """A GGUF model with one context, reused for every question.

    Args:
        path: the GGUF file.
        num_ctx: tokens that the KV cache holds, shared by all prompts under evaluation.
        threads: CPU threads; None for one per core.
        n_batch: most tokens evaluated in one call.

    Raises:
        InputError: the file is not a complete GGUF file, or `num_ctx` does not fit in memory.
    """

    def __init__(self, path: Path, num_ctx: int = 4096, threads: int | None = None, n_batch: int = 512) -> None:
        self.path, self.num_ctx, self.n_batch = path, num_ctx, min(n_batch, num_ctx)
        self._llama = _load_library()
        self._model: Any = None
        self._context: Any = None
        self._open_model()
        self._open_context(threads or os.cpu_count() or 1)
        self._vocab = self._llama.llama_model_get_vocab(self._model)
        self.n_vocab = int(self._llama.llama_vocab_n_tokens(self._vocab))
        self.adds_bos = bool(self._llama.llama_vocab_get_add_bos(self._vocab))
        self._memory = self._llama.llama_get_memory(self._context)
        self._batch = self._llama.llama_batch_init(self.n_batch, 0, 1)
        self.n_evaluated = 0

    def _open_model(self) -> None:
        with self.path.open("rb") as file:
            magic = file.read(4)
        if magic != b"GGUF":
            raise InputError(
                f"{self.path} starts with {magic!r}", "a GGUF model file (b'GGUF')", "give the path of a .gguf file"
            )
        params = self._llama.llama_model_default_params()
        params.n_gpu_layers = -1  # all layers on a GPU where this build has one; ignored on a CPU build
        self._model = self._llama.llama_model_load_from_file(str(self.path).encode(), params)
        if not self._model:
            raise InputError(
                f"llama.cpp cannot load {self.path} ({self.path.stat().st_size} bytes)",
                "a complete GGUF file of an architecture that llama.cpp knows",
                "fetch the file again (`tercet models fetch`), or check it against its publisher's sha256",
            )

    def _open_context(self, threads: int) -> None:
        params = self._llama.llama_context_default_params()
        params.n_ctx = self.num_ctx
        params.n_batch = params.n_ubatch = self.n_batch
        params.n_threads = params.n_threads_batch = threads
        params.n_seq_max = MAX_FORKS + _DEPTH
        params.n_outputs_max = params.n_seq_max  # rows of logits kept; llama.cpp wants one per sequence
        params.kv_unified = True
        params.no_perf = True
        self._context = self._llama.llama_init_from_model(self._model, params)
        if not self._context:
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
            self._llama.llama_model_free(self._model)
            self._context = self._model = None

    def __enter__(self) -> LlamaModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def chat_template(self) -> str | None:
        """The Jinja chat template in the model file, if there is one."""
        template = self._llama.llama_model_chat_template(self._model, None)
        return template.decode("utf-8") if template else None

    def token_text(self, token: int) -> str:
        """The vocabulary's text of a special token, such as `<s>`; empty for -1, which stands for none."""
        if token < 0:
            return ""
        text: bytes = self._llama.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8")

    @property
    def bos_text(self) -> str:
        """Text of the token that begins a sequence."""
        return self.token_text(int(self._llama.llama_vocab_bos(self._vocab)))

    @property
    def eos_text(self) -> str:
        """Text of the token that ends a sequence."""
        return self.token_text(int(self._llama.llama_vocab_eos(self._vocab)))

    def tokenize(self, text: str, *, special: bool, add_bos: bool) -> list[int]:
        """Token ids of a text.

        Args:
            text: any text.
            special: whether to read control tokens in the text, such as `<|im_start|>`; never for a user's text.
            add_bos: whether to put the beginning-of-sequence token first, if the model wants one.
        """
        raw = text.encode("utf-8")
        room = len(raw) + 8
        buffer = (self._llama.llama_token * room)()
        n = self._llama.llama_tokenize(self._vocab, raw, len(raw), buffer, room, add_bos, special)
        if n < 0:
            raise RuntimeError(f"llama_tokenize needs {-n} tokens for {len(raw)} bytes")
        return list(buffer[:n])

    def clear(self) -> None:
        """Empty the KV cache."""
        self._llama.llama_memory_clear(self._memory, False)

    def copy_sequence(self, source: int, target: int) -> None:
        """Let another sequence share everything evaluated for `source`; copies no data."""
        self._llama.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def evaluate(self, tokens: Sequence[int], position: int, sequence: int) -> None:
        """Evaluate tokens of one sequence from a position on; the token after the last one can then be sampled."""
        for start in range(0, len(tokens), self.n_batch):
            piece = tokens[start : start + self.n_batch]
            self.step([(token, position + start + at, sequence) for at, token in enumerate(piece)], only_last=True)

    def step(self, entries: Sequence[tuple[int, int, int]], *, only_last: bool = False) -> None:
        """Evaluate entries (token, position, sequence) in one call; `sample` can then follow each, or only the last."""
        for at, (token, position, sequence) in enumerate(entries):
            self._put(at, token, position, sequence, not only_last or at == len(entries) - 1)
        self._evaluate_batch(len(entries))

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
        result = np.full((len(prompts), len(wanted)), np.nan)
        columns = np.asarray(wanted, dtype=np.int64)
        self.clear()
        free = list(range(MAX_FORKS + _DEPTH - 1, -1, -1))
        for node, row in self._visit(build_trie(prompts), free.pop(), 0, free):
            for prompt in node.reads:
                result[prompt] = row[columns]
        return result

    def _visit(
        self, node: TrieNode, sequence: int, position: int, free: list[int]
    ) -> Iterator[tuple[TrieNode, Logprobs]]:
        """Evaluate a subtree depth first; leaves that share a parent go into one call."""
        if node.tokens:
            yield from self._decode([(node, sequence)], position)
        position += len(node.tokens)
        for leaves in self._packed([child for child in node.children if child.is_leaf], self.num_ctx - position):
            forks = [(leaf, free.pop()) for leaf in leaves]
            for _, fork in forks:
                self._llama.llama_memory_seq_cp(self._memory, sequence, fork, -1, -1)
            yield from self._decode(forks, position)
            for _, fork in forks:
                self._llama.llama_memory_seq_rm(self._memory, fork, -1, -1)
                free.append(fork)
        inner = [child for child in node.children if not child.is_leaf]
        for child in inner[:-1]:
            fork = free.pop()
            self._llama.llama_memory_seq_cp(self._memory, sequence, fork, -1, -1)
            yield from self._visit(child, fork, position, free)
            self._llama.llama_memory_seq_rm(self._memory, fork, -1, -1)
            free.append(fork)
        if inner:
            # Nothing forks from this stretch any more, so the last child continues its sequence: a ranking of many
            # chunks is a long chain, not a deep stack of forks.
            yield from self._visit(inner[-1], sequence, position, free)

    def _packed(self, leaves: Sequence[TrieNode], room: int) -> Iterator[list[TrieNode]]:
        """Groups of leaves that fit together in one call and in the rest of the cache."""
        most = min(self.n_batch, room)
        pack: list[TrieNode] = []
        n_tokens = 0
        for leaf in leaves:
            if pack and (n_tokens + len(leaf.tokens) > most or len(pack) == MAX_FORKS):
                yield pack
                pack, n_tokens = [], 0
            pack.append(leaf)
            n_tokens += len(leaf.tokens)
        if pack:
            yield pack

    def _decode(self, forks: Sequence[tuple[TrieNode, int]], position: int) -> Iterator[tuple[TrieNode, Logprobs]]:
        """Evaluate the stretches of `forks`, all starting at `position`, and read those that end a prompt."""
        pending: list[tuple[int, TrieNode]] = []
        used = 0
        for node, sequence in forks:
            for offset, token in enumerate(node.tokens):
                if used == self.n_batch:
                    yield from self._flush(used, pending)
                    pending, used = [], 0
                read = bool(node.reads) and offset == len(node.tokens) - 1
                self._put(used, token, position + offset, sequence, read)
                if read:
                    pending.append((used, node))
                used += 1
        yield from self._flush(used, pending)

    def _put(self, at: int, token: int, position: int, sequence: int, read: bool) -> None:
        batch = self._batch
        batch.token[at], batch.pos[at] = token, position
        batch.n_seq_id[at], batch.seq_id[at][0] = 1, sequence
        batch.logits[at] = read

    def _flush(self, used: int, pending: Sequence[tuple[int, TrieNode]]) -> Iterator[tuple[TrieNode, Logprobs]]:
        self._evaluate_batch(used)
        for at, node in pending:
            logits = self._llama.llama_get_logits_ith(self._context, at)
            row = np.ctypeslib.as_array(logits, shape=(self.n_vocab,)).astype(np.float64)
            row -= row.max()
            row -= np.log(np.exp(row).sum())
            yield node, row

    def _evaluate_batch(self, used: int) -> None:
        self._batch.n_tokens = used
        status = self._llama.llama_decode(self._context, self._batch)
        if status != 0:
            raise RuntimeError(f"llama_decode answered {status} on {used} tokens (num_ctx {self.num_ctx})")
        self.n_evaluated += used


def _load_library() -> Any:
    # Imported here: loading the shared library takes longer than `tercet --help` may take.
    import llama_cpp

    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


def _ignore(level: int, text: bytes, user_data: object) -> None:
    """Swallow llama.cpp's log: what matters is raised as an error."""


# Kept for the life of the process: C holds a pointer to it.
_SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_ignore)
