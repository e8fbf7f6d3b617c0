import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.engine.trie import TrieNode, build_trie

# Few distinct tokens, so that prompts share prefixes, contain one another and repeat.
PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=12)


def read_paths(node, before=()):
    """(prompt index, tokens on the path to its read) for every read of the subtree."""
    path = before + node.tokens
    yield from ((index, path) for index in node.reads)
    for child in node.children:
        yield from read_paths(child, path)


def shape(node, prompts):
    """The trie with each read named by its prompt's text instead of by its index."""
    reads = tuple(tuple(prompts[index]) for index in node.reads)
    return node.tokens, reads, tuple(shape(child, prompts) for child in node.children)


def all_nodes(node):
    yield node
    for child in node.children:
        yield from all_nodes(child)


@given(PROMPTS)
def test_every_prompt_is_the_concatenation_on_the_path_to_its_read(prompts):
    assert sorted(read_paths(build_trie(prompts))) == sorted((i, tuple(p)) for i, p in enumerate(prompts))


@given(PROMPTS)
def test_each_distinct_prefix_is_evaluated_exactly_once(prompts):
    prefixes = {tuple(prompt[:end]) for prompt in prompts for end in range(1, len(prompt) + 1)}
    n_tokens = build_trie(prompts).count_tokens()
    assert n_tokens == len(prefixes)
    assert n_tokens <= sum(map(len, prompts))


@given(PROMPTS, st.randoms(use_true_random=False))
def test_the_order_of_the_prompts_changes_nothing_but_the_read_indices(prompts, chance: random.Random):
    shuffled = list(prompts)
    chance.shuffle(shuffled)
    assert shape(build_trie(shuffled), shuffled) == shape(build_trie(prompts), prompts)


@given(PROMPTS)
def test_siblings_begin_with_different_tokens_in_ascending_order(prompts):
    for node in all_nodes(build_trie(prompts)):
        firsts = [child.tokens[0] for child in node.children]
        assert firsts == sorted(set(firsts))


@given(PROMPTS)
def test_a_stretch_is_cut_only_where_prompts_end_or_part(prompts):
    for node in all_nodes(build_trie(prompts)):
        assert node.reads or len(node.children) > 1


def test_equal_prompts_share_one_read():
    assert build_trie([[4, 5], [4, 5], [4, 5]]) == TrieNode((4, 5), (0, 1, 2), ())


def test_a_shared_head_comes_once_and_the_tails_are_its_leaves():
    trie = build_trie([[7, 7, 2], [7, 7, 1, 1]])
    assert trie == TrieNode((7, 7), (), (TrieNode((1, 1), (1,), ()), TrieNode((2,), (0,), ())))
    assert not trie.is_leaf
    assert all(child.is_leaf for child in trie.children)
    assert trie.count_tokens() == 5


def test_a_prompt_that_begins_another_is_read_on_the_way():
    assert build_trie([[1, 2, 3], [1, 2]]) == TrieNode((1, 2), (1,), (TrieNode((3,), (0,), ()),))


def test_prompts_that_share_nothing_hang_under_an_empty_root():
    assert build_trie([[2], [1]]) == TrieNode((), (), (TrieNode((1,), (1,), ()), TrieNode((2,), (0,), ())))


@pytest.mark.parametrize("prompts", [[], [[]], [[1], []]], ids=["no prompt", "an empty prompt", "one empty of two"])
def test_a_trie_of_nothing_is_refused(prompts):
    with pytest.raises(ValueError, match="at least one prompt"):
        build_trie(prompts)
