"""Which tokens stand for which label, and how a label's probability is read from next-token distributions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from corpora.schema import LabelSet
from labeling.engine.llama import Logprobs
from labeling.votes.sampling import Probabilities

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class LabelReader:
    """Reads label probabilities from a model's next-token distributions.

    Every way to write a label (its case, a leading space) is an alias. Where no first token of an alias could begin
    another label, one look at the next token is enough; else the whole label is scored, token by token.

    Attributes:
        aliases: per label, in canonical order, the token sequences that count for it.
        continuations: token sequences to put behind a prompt, each of which needs one look; the empty one first.
        wanted: token ids to read at each look.
    """

    aliases: tuple[tuple[Tokens, ...], ...]
    continuations: tuple[Tokens, ...]
    wanted: tuple[int, ...]

    @property
    def scores_whole_labels(self) -> bool:
        """Whether more than the next token is looked at."""
        return len(self.continuations) > 1

    def probabilities(self, logprobs: Logprobs) -> Probabilities:
        """Probability of each label.

        Args:
            logprobs: shape (continuations, wanted), for one prompt.

        Returns:
            Shape (labels,), not normalised: the rest is mass outside the labels.
        """
        row = {continuation: index for index, continuation in enumerate(self.continuations)}
        column = {token: index for index, token in enumerate(self.wanted)}

        def score(alias: Tokens) -> float:
            return float(np.exp(sum(logprobs[row[alias[:at]], column[token]] for at, token in enumerate(alias))))

        scores = {alias: score(alias) for aliases in self.aliases for alias in aliases}
        # "no" also begins "no difference": what goes on as a longer label is not the shorter one.
        exact = {
            alias: value - sum(scores[longer] for longer in self._next_longer(alias, scores))
            for alias, value in scores.items()
        }
        return np.array([max(0.0, sum(exact[alias] for alias in aliases)) for aliases in self.aliases])

    @staticmethod
    def _next_longer(alias: Tokens, all_aliases: Sequence[Tokens] | dict[Tokens, float]) -> list[Tokens]:
        longer = [other for other in all_aliases if len(other) > len(alias) and other[: len(alias)] == alias]
        return [one for one in longer if not any(one != two and one[: len(two)] == two for two in longer)]


def build_label_reader(labels: LabelSet, tokenize: Callable[[str], list[int]]) -> LabelReader:
    """Work out the aliases of each label under a model's tokenizer.

    Args:
        labels: the label set.
        tokenize: token ids of a plain text.
    """
    spelt = [_aliases(label, tokenize) for label in labels]
    # Where a label is one token in some spelling, its spellings of several tokens add next to nothing, unless they
    # begin as another label's do: then (a space and a digit, say) much of the mass may lie behind that common token.
    short: list[list[Tokens]] = [[a for a in aliases if len(a) == 1] or [a[:1] for a in aliases] for aliases in spelt]
    firsts = [{alias[0] for alias in aliases} for aliases in spelt]
    ambiguous = sum(len(first) for first in firsts) != len(set().union(*firsts))
    chosen = spelt if ambiguous else [sorted(set(aliases)) for aliases in short]
    continuations = {alias[:at] for aliases in chosen for alias in aliases for at in range(len(alias))}
    wanted = {token for aliases in chosen for alias in aliases for token in alias}
    return LabelReader(
        aliases=tuple(tuple(aliases) for aliases in chosen),
        continuations=tuple(sorted(continuations, key=lambda tokens: (len(tokens), tokens))),
        wanted=tuple(sorted(wanted)),
    )


def _aliases(label: str, tokenize: Callable[[str], list[int]]) -> list[Tokens]:
    cases = dict.fromkeys((label, label.lower(), label.capitalize(), label.title(), label.upper()))
    spellings = [space + case for case in cases for space in ("", " ")]
    return sorted({tuple(tokenize(spelling)) for spelling in spellings})
