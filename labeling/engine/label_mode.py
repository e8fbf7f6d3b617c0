"""The local reader in label mode: llama.cpp gives the next-token distribution, and the answer is read from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from corpora.schema import LabelSet
from labeling.engine.chat import ChatFrame
from labeling.engine.llama import LlamaModel, Logprobs
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.votes.sampling import Probabilities, draw, top_two_margin
from labeling.votes.vote import Prompt, Vote, failed_vote

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class LabelReader:
    """Reads label probabilities from a model's next-token distributions.

    Every way to write a label (its case, a leading space) is an alias. If no alias begins with a token that could begin
    another label, one look at the next token is enough; otherwise the whole label is scored, token by token.

    Attributes:
        aliases: per label, in canonical order, the token sequences that count for it.
        continuations: token sequences to append to a prompt, each of which needs one look; the empty one comes first.
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
        # "no" also begins "no difference": what continues as a longer label does not count for the shorter one.
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
    # If some spelling of a label is a single token, its longer spellings add next to nothing, unless they begin like
    # those of another label: then much of the mass may lie behind the shared token (a space before a digit, say).
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


class LocalLabeler:
    """Answers prompts with a GGUF model on this machine.

    Args:
        config: prompt and sampling.
        labels: the allowed answers.
        llama: the open model; readers with the same model share it.
        model_sha256: digest of the model's file.

    Raises:
        InputError: the settings ask for a chat template and the model has none.
    """

    def __init__(self, config: LabelerConfig, labels: LabelSet, llama: LlamaModel, model_sha256: str) -> None:
        self.config, self.labels = config, labels
        self.fingerprint = fingerprint(config, labels, model_sha256)
        self._llama = llama
        self._chat = ChatFrame(config, llama)
        self._reader = build_label_reader(labels, lambda text: llama.tokenize(text, special=False, add_bos=False))

    @property
    def n_evaluated(self) -> int:
        """Prompt tokens evaluated so far, after prefix sharing."""
        return self._llama.n_evaluated

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt as the model sees it."""
        return self._chat.tokenize(prompt)

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        """Answer the prompts of one question, sharing every common prefix.

        A prompt that does not fit in the context is never shortened: its vote is the failure `prompt_too_long`.
        """
        tokens = [self.tokenize(prompt) for prompt in prompts]
        longest = max(map(len, self._reader.continuations))
        fitting = sorted({prompt for prompt in tokens if len(prompt) + longest <= self.config.num_ctx})
        read = self._read(fitting) if fitting else {}
        return [self._vote(prompt, ids, read.get(ids)) for prompt, ids in zip(prompts, tokens, strict=True)]

    def _read(self, prompts: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], Logprobs]:
        looks = [prompt + tail for prompt in prompts for tail in self._reader.continuations]
        logprobs = self._llama.next_logprobs(looks, self._reader.wanted)
        return dict(zip(prompts, logprobs.reshape(len(prompts), len(self._reader.continuations), -1), strict=True))

    def _vote(self, prompt: Prompt, tokens: tuple[int, ...], logprobs: Logprobs | None) -> Vote:
        failed = failed_vote(self.fingerprint, prompt.key, "prompt_too_long", len(tokens))
        if logprobs is None:
            return failed
        probabilities = self._reader.probabilities(logprobs)
        total = float(probabilities.sum())
        if not np.isfinite(total) or total <= 0:
            return replace(failed, failure="no_label_mass")
        return replace(
            failed,
            label=self.labels.labels[draw(probabilities, self.config.sampling, prompt.seed)],
            failure=None,
            probabilities=tuple(map(float, probabilities)),
            outside_mass=max(0.0, 1.0 - total),
            margin=top_two_margin(probabilities),
        )
