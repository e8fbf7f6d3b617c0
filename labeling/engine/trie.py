"""The token trie of one question's prompts: the tokens they share are evaluated once.

The order of evaluation is canonical: it follows from the token sequences alone, so a question's numbers do not depend
on the order of its cells, on the shard, on resuming a run or on the other questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class TrieNode:
    """A stretch of tokens that some prompts share.

    Attributes:
        tokens: the stretch; empty at the root when the prompts share nothing.
        reads: indices of the prompts that end with the last token of this stretch.
        children: the continuations, ordered by their first token.
    """

    tokens: tuple[int, ...]
    reads: tuple[int, ...]
    children: tuple[TrieNode, ...]

    @property
    def is_leaf(self) -> bool:
        """Whether nothing continues this stretch."""
        return not self.children

    def count_tokens(self) -> int:
        """Tokens to evaluate in the whole subtree."""
        return len(self.tokens) + sum(child.count_tokens() for child in self.children)


def build_trie(prompts: Sequence[Sequence[int]]) -> TrieNode:
    """Build the trie of token sequences; equal sequences share one read.

    Raises:
        ValueError: there are no prompts, or one of them is empty.
    """
    if not prompts or not all(prompts):
        raise ValueError("a trie needs at least one prompt, and every prompt at least one token")
    ordered = sorted(range(len(prompts)), key=lambda index: (tuple(prompts[index]), index))
    return _node(prompts, ordered, 0)


def split_root(root: TrieNode, at: int) -> TrieNode:
    """The same trie, its root cut after `at` tokens where it is longer than that."""
    if not 0 < at < len(root.tokens):
        return root
    return TrieNode(root.tokens[:at], (), (replace(root, tokens=root.tokens[at:]),))


def shared_start(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of tokens that two sequences begin with together."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _node(prompts: Sequence[Sequence[int]], ordered: Sequence[int], start: int) -> TrieNode:
    # In lexicographic order the first and the last sequence bound what all of them share.
    first, last = prompts[ordered[0]], prompts[ordered[-1]]
    end = start
    while end < min(len(first), len(last)) and first[end] == last[end]:
        end += 1
    reads = tuple(index for index in ordered if len(prompts[index]) == end)
    longer = ordered[len(reads) :]
    children = tuple(_node(prompts, group, end) for group in _by_token(prompts, longer, end))
    return TrieNode(tuple(first[start:end]), reads, children)


def _by_token(prompts: Sequence[Sequence[int]], ordered: Sequence[int], at: int) -> Iterator[list[int]]:
    group: list[int] = []
    for index in ordered:
        if group and prompts[group[-1]][at] != prompts[index][at]:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
