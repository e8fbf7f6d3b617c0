"""The local labeler: label mode on llama.cpp, where the answer is read from the next-token distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from corpora.schema import LabelSet
from labeling.engine.chat import ChatFrame
from labeling.engine.labels import build_label_reader
from labeling.engine.llama import LlamaModel, Logprobs
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.votes.sampling import draw, top_two_margin
from labeling.votes.vote import Prompt, Vote, failed_vote


class LocalLabeler:
    """Answers prompts with a GGUF model on this machine.

    Args:
        config: prompt and sampling.
        labels: the allowed answers.
        llama: the open model; labelers of one model share it.
        model_sha256: digest of its file.

    Raises:
        InputError: a chat template is asked for and the model has none.
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

        A prompt that does not fit in the context is a vote with the failure `prompt_too_long`, never a shorter prompt.
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
