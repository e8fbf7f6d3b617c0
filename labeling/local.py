"""The local labeler: label mode on llama.cpp, where the answer is read from the next-token distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.labeler import LabelerConfig, fingerprint
from labeling.labels import build_label_reader
from labeling.llama import LlamaModel, Logprobs
from labeling.sampling import draw, top_two_margin
from labeling.votes import Prompt, Vote

# What stands in for the user's message while the chat template is rendered; no template trims or escapes it.
_SLOT = "\ue000"


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
        self._frame = self._chat_frame()
        self._reader = build_label_reader(labels, lambda text: self._tokens(text, special=False))

    @property
    def n_evaluated(self) -> int:
        """Prompt tokens evaluated so far, after prefix sharing."""
        return self._llama.n_evaluated

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt in the chat template, whose control tokens are read; those in a user's text never."""
        if self._frame is None:
            text = f"{prompt.system}\n\n{prompt.message}\n{prompt.start}"
            return tuple(self._llama.tokenize(text, special=False, add_bos=self._llama.adds_bos))
        head, tail = (part.replace(_SLOT + "s", prompt.system) for part in self._frame)
        # Templates that write the beginning-of-sequence token themselves must not get it twice.
        add_bos = self._llama.adds_bos and not head.startswith(self._llama.bos_text)
        return (
            *self._llama.tokenize(head, special=True, add_bos=add_bos),
            *self._tokens(prompt.message, special=False),
            *self._tokens(tail, special=True),
            *self._tokens(prompt.start, special=False),
        )

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
        failed = Vote(
            labeler=self.fingerprint,
            prompt_hash=prompt.hash,
            arm=prompt.arm,
            vote=prompt.vote,
            seed=prompt.seed,
            question_id=prompt.question_id,
            label=None,
            failure="prompt_too_long",
            probabilities=(),
            outside_mass=None,
            margin=None,
            n_prompt_tokens=len(tokens),
        )
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

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        return self._llama.tokenize(text, special=special, add_bos=False)

    def _chat_frame(self) -> tuple[str, str] | None:
        """What the chat template puts before and after the user's message, or None for a plain prompt."""
        template = self._llama.chat_template
        if self.config.template == "plain" or (self.config.template == "auto" and template is None):
            return None
        if template is None:
            raise InputError(
                f"{self._llama.path.name} has no chat template",
                "one, for template = 'chat'",
                "use template = 'plain' (it is a base model)",
            )
        # Imported here with llama_cpp itself; Jinja in a sandbox, as a template comes with the model file.
        from jinja2 import TemplateError
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        try:
            formatter = Jinja2ChatFormatter(
                template=template, eos_token=self._llama.eos_text, bos_token=self._llama.bos_text,
                add_generation_prompt=True,
            )  # fmt: skip
            rendered = self._render(formatter)
        except (ValueError, TypeError, TemplateError) as error:
            raise InputError(
                f"the chat template of {self._llama.path.name} does not render ({error})",
                "one that takes a user's message",
                "use template = 'plain'",
            ) from error
        head, slot, tail = rendered.partition(_SLOT + "u")
        if not slot or _SLOT + "u" in tail:
            raise InputError(
                f"the chat template of {self._llama.path.name} does not show the user's message once",
                "one that does",
                "use template = 'plain'",
            )
        return head, tail

    @staticmethod
    def _render(formatter: Any) -> str:
        system = {"role": "system", "content": _SLOT + "s"}
        user = {"role": "user", "content": _SLOT + "u"}
        try:
            rendered: str = formatter(messages=[system, user]).prompt
        except ValueError:  # a template's own raise_exception: Gemma's refuses system messages
            rendered = formatter(messages=[{"role": "user", "content": f"{_SLOT}s\n\n{_SLOT}u"}]).prompt
        return rendered
