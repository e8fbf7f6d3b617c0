"""Reads next-token distributions after many prompts and their continuations; shared tokens are evaluated once.

The order of evaluation is canonical: it follows from the token sequences, and from what the model says about each
prompt alone, so a question's numbers do not depend on the order of its cells, on the shard or on other questions.
What the question before left in the cache is used only where this one would repeat the same calls, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from labeling.engine.trie import TrieNode, build_trie, shared_start, split_root

if TYPE_CHECKING:
    from labeling.engine.llama import LlamaModel

Logprobs = npt.NDArray[np.float64]
Tokens = tuple[int, ...]
# By continuation of a prompt, the log-probabilities of the wanted tokens behind it; the empty continuation comes first.
Looks = dict[Tokens, Logprobs]
# Given the number of a prompt and its looks so far: the continuations to look at next, every prefix of them included.
Further = Callable[[int, Looks], Collection[Tokens]]

MAX_FORKS = 32  # leaves decoded together; each needs a sequence id and a row of logits
DEPTH = 32  # forks of inner nodes that may be open at once, each holding a sequence id


def no_further(_: int, __: Looks) -> Collection[Tokens]:
    """Look at the prompts alone."""
    return ()


class Read(NamedTuple):
    """A prompt's end, while it is still in the cache.

    Attributes:
        node: the stretch that ends there.
        sequence: the cache's sequence that holds the prompt.
        position: the prompt's length.
        row: log-probabilities of all tokens of the vocabulary.
    """

    node: TrieNode
    sequence: int
    position: int
    row: Logprobs


class SharedPrefixes:
    """Evaluates the prompts of one question as a trie.

    Args:
        llama: the open model; of its KV cache, only what the prompts begin with is kept.
        reserve: tokens kept free in the cache for the continuations of a prompt.
    """

    def __init__(self, llama: LlamaModel, reserve: int = 0) -> None:
        self._llama, self._reserve = llama, reserve
        self._free = list(range(MAX_FORKS + DEPTH - 1, -1, -1))

    def look(
        self, prompts: Sequence[Sequence[int]], wanted: Sequence[int], further: Further, document: int = 0
    ) -> list[Looks]:
        """Log-probabilities of the `wanted` tokens after each prompt, and after the continuations asked for.

        Args:
            prompts: token sequences, each of 1 to `num_ctx` tokens, shared ones included.
            wanted: token ids to read.
            further: called with each prompt's looks until it asks for nothing more; what it asks for is evaluated in
                one call where it fits in a batch.
            document: how many tokens at the start of all prompts show the document, which other questions share: they
                are evaluated in calls of their own.

        Returns:
            For each prompt its looks, natural logarithms over the whole vocabulary at temperature 1.
        """
        columns = np.asarray(wanted, dtype=np.int64)
        looks: list[Looks] = [{} for _ in prompts]
        root = split_root(build_trie(prompts), document)
        kept = self._llama.restart(root.tokens, is_read=bool(root.reads))
        for read in self._visit(root, self._free.pop(), 0, self._llama.num_ctx, kept):
            for number in read.node.reads:
                looks[number][()] = read.row[columns]
                while asked := further(number, looks[number]):
                    for continuation, row in self._continued(read, asked):
                        looks[number][continuation] = row[columns]
        return looks

    def _visit(self, node: TrieNode, sequence: int, position: int, room: int, kept: int = 0) -> Iterator[Read]:
        """Evaluate a subtree depth first, without its first `kept` tokens; leaves of one parent go into one call."""
        if len(node.tokens) > kept:
            yield from self._decode([(node, sequence)], position, kept)
        position, room = position + len(node.tokens), room - len(node.tokens)
        for leaves in self._packed([child for child in node.children if child.is_leaf], room - self._reserve):
            forks = [(leaf, self._fork(sequence)) for leaf in leaves]
            yield from self._decode(forks, position)
            for _, fork in forks:
                self._drop(fork)
        inner = [child for child in node.children if not child.is_leaf]
        for child in inner[:-1]:
            fork = self._fork(sequence)
            yield from self._visit(child, fork, position, room)
            self._drop(fork)
        if inner:
            # Nothing forks from this stretch any more, so the last child continues its sequence: a ranking of many
            # chunks is a long chain, not a deep stack of forks.
            yield from self._visit(inner[-1], sequence, position, room)

    def _packed(self, leaves: Sequence[TrieNode], room: int) -> Iterator[list[TrieNode]]:
        """Groups of leaves that fit together in one call and in the rest of the cache."""
        most = min(self._llama.n_batch, room)
        pack: list[TrieNode] = []
        n_tokens = 0
        for leaf in leaves:
            # One sequence stays free for the continuations of the leaves.
            full = len(pack) == min(MAX_FORKS, len(self._free) - 1)
            if pack and (n_tokens + len(leaf.tokens) > most or full):
                yield pack
                pack, n_tokens = [], 0
            pack.append(leaf)
            n_tokens += len(leaf.tokens)
        if pack:
            yield pack

    def _decode(self, forks: Sequence[tuple[TrieNode, int]], position: int, kept: int = 0) -> Iterator[Read]:
        """Evaluate the stretches of `forks`, all starting at `position`, and read those that end a prompt.

        The first `kept` tokens of a stretch are in the cache already.
        """
        pending: list[tuple[int, TrieNode, int]] = []
        used = 0
        for node, sequence in forks:
            for offset, token in enumerate(node.tokens[kept:], kept):
                if used == self._llama.n_batch:
                    yield from self._flush(used, pending, position)
                    pending, used = [], 0
                read = bool(node.reads) and offset == len(node.tokens) - 1
                self._llama.put(used, token, position + offset, (sequence,), read=read)
                if read:
                    pending.append((used, node, sequence))
                used += 1
        yield from self._flush(used, pending, position)

    def _flush(self, used: int, pending: Sequence[tuple[int, TrieNode, int]], position: int) -> Iterator[Read]:
        self._llama.decode(used)
        # All rows are taken first: whoever gets the first read may evaluate more before it asks for the second.
        rows = [self._llama.logprobs(at) for at, _, _ in pending]
        for (_, node, sequence), row in zip(pending, rows, strict=True):
            yield Read(node, sequence, position + len(node.tokens), row)

    def _continued(self, read: Read, continuations: Collection[Tokens]) -> Iterator[tuple[Tokens, Logprobs]]:
        """Evaluate continuations of a prompt, the tokens that they share once, and read after every token."""
        leaves = [one for one in sorted(continuations) if not any(_begins(one, other) for other in continuations)]
        room = self._llama.num_ctx - read.position
        while leaves:
            paths = self._fitting(leaves, room)
            leaves = leaves[len(paths) :]
            forks = {path: self._fork(read.sequence) for path in paths}
            yield from self._tree(forks, read.position)
            for fork in forks.values():
                self._drop(fork)

    def _fitting(self, leaves: Sequence[Tokens], room: int) -> list[Tokens]:
        """The first leaves that fit in the cache together, each in a sequence of its own; at least one."""
        paths: list[Tokens] = []
        n_tokens = 0
        for leaf in leaves:
            n_tokens += len(leaf) - max((shared_start(leaf, path) for path in paths), default=0)
            if paths and (n_tokens > min(room, self._reserve) or len(paths) == len(self._free)):
                break
            paths.append(leaf)
        return paths

    def _tree(self, forks: dict[Tokens, int], position: int) -> Iterator[tuple[Tokens, Logprobs]]:
        """Evaluate a tree of continuations; a token that several of them share is part of all their sequences."""
        nodes = sorted({path[:end] for path in forks for end in range(1, len(path) + 1)})
        most = min(self._llama.n_batch, MAX_FORKS)  # each has a row of logits
        for start in range(0, len(nodes), most):
            batch = nodes[start : start + most]
            for at, node in enumerate(batch):
                through = tuple(fork for path, fork in forks.items() if path[: len(node)] == node)
                self._llama.put(at, node[-1], position + len(node) - 1, through, read=True)
            self._llama.decode(len(batch))
            yield from [(node, self._llama.logprobs(at)) for at, node in enumerate(batch)]

    def _fork(self, sequence: int) -> int:
        fork = self._free.pop()
        self._llama.copy_sequence(sequence, fork)
        return fork

    def _drop(self, fork: int) -> None:
        self._llama.remove_sequence(fork)
        self._free.append(fork)


def _begins(one: Tokens, other: Tokens) -> bool:
    """Whether a sequence begins another, longer one."""
    return len(one) < len(other) and other[: len(one)] == one
