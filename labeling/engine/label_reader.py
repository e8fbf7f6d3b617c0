"""Which token sequences count for a label, and what they add up to.

A label is a whole string in all of its spellings: as written, in lower case, capitalised, in title case and in
capitals, each with and without a leading space, each in the tokens in which it continues the prompt. Its sequences are
the distinct ones among them. With S the sequences of all labels, P(s) the probability that the model writes s next
(the product of its tokens' conditional probabilities), and N(s) the sequences that begin with s, shortest first, of
which none begins another, the mass of a label is

    mass(label) = sum over its s of  P(s) - sum over t in N(s) of P(t).

That is the probability that the longest sequence of S that the answer begins with is one of this label's. Each answer
counts for at most one label: "no difference" counts for "no" only where it is no label of its own. What the answer says
after its label does not matter. The rest of the probability is the mass outside the labels.

The first tokens come with the prompt; what follows a first token costs another evaluation. Branches that hold next to
nothing are left out, smallest first: together at most `NEGLIGIBLE` of the mass of all labels. Their mass counts as
outside the labels (or as the shorter label's, where the first token is one by itself), so no label's share is off by
more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations

import numpy as np

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.engine.shared_prefixes import Looks, Tokens
from labeling.votes.sampling import Probabilities

NEGLIGIBLE = 1e-3  # share of the labels' mass that may stay unread; sharing prefixes moves probabilities by more

Tokenize = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class LabelReader:
    """Reads label probabilities from a model's next-token distributions.

    Attributes:
        sequences: per label, in canonical order, the token sequences that count for it.
    """

    sequences: tuple[tuple[Tokens, ...], ...]

    @cached_property
    def wanted(self) -> tuple[int, ...]:
        """Token ids to read at each look."""
        return tuple(sorted(set(chain.from_iterable(self._all))))

    @cached_property
    def branches(self) -> dict[int, tuple[Tokens, ...]]:
        """For each first token that does not complete all of its sequences: the continuations to look at behind it."""
        inner = sorted({one[:end] for one in self._all for end in range(1, len(one))})
        return {first: tuple(one for one in inner if one[0] == first) for first in dict.fromkeys(a[0] for a in inner)}

    @cached_property
    def _all(self) -> tuple[Tokens, ...]:
        return tuple(chain.from_iterable(self.sequences))

    @cached_property
    def _next_longer(self) -> dict[Tokens, tuple[Tokens, ...]]:
        return {one: tuple(_shortest(other for other in self._all if _begins(one, other))) for one in self._all}

    @cached_property
    def _column(self) -> dict[int, int]:
        return {token: index for index, token in enumerate(self.wanted)}

    def probabilities(self, looks: Looks) -> Probabilities:
        """Mass of each label, as far as the looks tell.

        Args:
            looks: by continuation of the prompt, the log-probabilities of `wanted`.

        Returns:
            Shape (labels,), not normalised: the rest is mass outside the labels.
        """
        scores = {one: self._score(one, looks) for one in self._all}
        exact = {one: scores[one] - sum(scores[longer] for longer in self._next_longer[one]) for one in self._all}
        return np.array([max(0.0, sum(exact[one] for one in of_label)) for of_label in self.sequences])

    def _score(self, sequence: Tokens, looks: Looks) -> float:
        prefixes = [sequence[:at] for at in range(len(sequence))]
        if not all(prefix in looks for prefix in prefixes):
            return 0.0
        logprobs = (looks[prefix][self._column[token]] for prefix, token in zip(prefixes, sequence, strict=True))
        return float(np.exp(sum(logprobs)))

    def unread(self, looks: Looks) -> tuple[Tokens, ...]:
        """The continuations to look at next; none once what is unread is negligible.

        The largest branches come first. Until one is read, nobody knows how much of them belongs to labels, so the
        first call assumes that all of it does; if that proves too much, the second call reads the rest.
        """
        mass = {first: float(np.exp(looks[()][self._column[first]])) for first in self.branches}
        unread = sorted((first for first in mass if (first,) not in looks), key=lambda first: (-mass[first], first))
        found = float(self.probabilities(looks).sum())
        if sum(mass[first] for first in unread) <= NEGLIGIBLE * found:
            return ()
        if len(unread) < len(mass):
            return tuple(chain.from_iterable(self.branches[first] for first in unread))
        allowed = NEGLIGIBLE * (found + sum(mass.values()))
        while unread and mass[unread[-1]] <= allowed:
            allowed -= mass[unread.pop()]
        return tuple(chain.from_iterable(self.branches[first] for first in unread or sorted(mass)))


def build_label_reader(labels: LabelSet, tokenize: Tokenize) -> LabelReader:
    """Work out the token sequences of each label under a model's tokenizer.

    A spelling that two labels share, as two Turkish words may in capitals, counts only for a label that is written so.

    Args:
        labels: the label set.
        tokenize: the tokens in which a text continues the prompt.

    Raises:
        InputError: the model writes two labels in the same tokens.
    """
    as_written = [{_tokens(space + label, tokenize) for space in ("", " ")} for label in labels]
    for (label, mine), (other, others) in combinations(zip(labels, as_written, strict=True), 2):
        if mine & others:
            raise InputError(
                f"the model has the same tokens for the labels {label!r} and {other!r}",
                "labels that the model can tell apart",
                "rename the labels, or use a model whose vocabulary covers their script",
            )
    each = [{_tokens(text, tokenize) for text in spellings(label)} for label in labels]
    shared = {one for mine, others in combinations(each, 2) for one in mine & others}
    sequences = (tuple(sorted((mine - shared) | own)) for mine, own in zip(each, as_written, strict=True))
    return LabelReader(tuple(sequences))


def spellings(label: str) -> tuple[str, ...]:
    """The ways to write a label: its usual cases, each with and without a leading space."""
    cases = dict.fromkeys((*_cases(label), label.upper()))
    return tuple(space + case for case in cases for space in ("", " "))


def _cases(label: str) -> tuple[str, ...]:
    return label, label.lower(), label.capitalize(), label.title()


def scores_as_version_1(labels: LabelSet, tokenize: Tokenize, tokenize_alone: Tokenize) -> bool:
    """Whether the first version of this rule gives the same votes, so that stored ones still count.

    It dropped the longer spellings of a label that is a single token in some spelling. Only one kind of them may be
    missing: capitals of a label that is not written in capitals, as "MAYBE", which begin with a token that counted for
    no label. What they hold was recorded as mass outside the labels. It moves the labels' shares by less than the
    number of threads does, which is no part of a fingerprint either: by at most .000004 for Qwen2.5-Coder 0.5B (16
    prompts of the bundled handbook, yes / no / maybe) and .011 for SmolLM2 135M (40 prompts), and no most probable
    label changed.
    """
    reader, before = build_label_reader(labels, tokenize), _version_1(labels, tokenize_alone)
    counted = {one[0] for of_label in before for one in of_label}
    for label, now, then in zip(labels, reader.sequences, before, strict=True):
        if not set(then) <= set(now):
            return False
        usual = {_tokens(space + case, tokenize) for case in _cases(label) for space in ("", " ")}
        more = set(now) - set(then)
        if more & usual or any(len(one) == 1 or one[0] in counted for one in more):
            return False
    return True


def _version_1(labels: LabelSet, tokenize: Tokenize) -> list[set[Tokens]]:
    spelt = [sorted({_tokens(text, tokenize) for text in spellings(label)}) for label in labels]
    firsts = [{one[0] for one in of_label} for of_label in spelt]
    if sum(len(first) for first in firsts) != len(
        set().union(*firsts)
    ):  # a first token could begin either of two labels
        return [set(of_label) for of_label in spelt]
    return [{one for one in of_label if len(one) == 1} or {one[:1] for one in of_label} for of_label in spelt]


def _tokens(text: str, tokenize: Tokenize) -> Tokens:
    return tuple(tokenize(text))


def _begins(one: Tokens, other: Tokens) -> bool:
    """Whether a sequence begins another, longer one."""
    return len(one) < len(other) and other[: len(one)] == one


def _shortest(longer: Iterable[Tokens]) -> list[Tokens]:
    """Those sequences that no other of them begins."""
    of = list(longer)
    return [one for one in of if not any(_begins(two, one) for two in of)]
