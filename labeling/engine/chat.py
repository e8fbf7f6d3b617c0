"""Turns a prompt into tokens: with the model's own chat template, with the user's frame, or plain."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from corpora.errors import InputError
from labeling.engine.vocabulary import Vocabulary
from labeling.prompting.labeler import MESSAGE, SYSTEM, LabelerConfig
from labeling.votes.vote import Prompt

# Takes the place of the user's message while the chat template is rendered; no template trims or escapes it.
_SLOT = "\ue000"
# Otherwise Qwen3 and similar models open a thinking block, in which no label comes next.
_NO_THINKING = {"enable_thinking": False}
# Templates that name today's date would give another prompt every day under the same fingerprint.
_TODAY = datetime(2024, 7, 26, tzinfo=UTC)


class ChatFrame:
    """The text before and after the user's message.

    Args:
        config: the reader, of which only `template` and `frame` matter here.
        llama: the open model, whose tokenizer and template are used.

    Raises:
        InputError: the settings ask for a chat template and the model has none, or the template does not render.
    """

    def __init__(self, config: LabelerConfig, llama: Vocabulary) -> None:
        self._llama, self._config = llama, config
        self._slots = (SYSTEM, MESSAGE) if config.frame is not None else (_SLOT + "s", _SLOT + "u")
        self._frame = self._find()

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt in its frame; control tokens are read in the frame, never in a user's text."""
        if self._frame is None:
            text = f"{prompt.system}\n\n{prompt.message}\n{prompt.start}"
            return tuple(self._llama.tokenize(text, special=False, add_bos=self._llama.adds_bos))
        head, tail = (part.replace(self._slots[0], prompt.system) for part in self._frame)
        # Templates that write the beginning-of-sequence token themselves must not get it twice.
        add_bos = self._llama.adds_bos and not head.startswith(self._llama.bos_text)
        return (
            *self._llama.tokenize(head, special=True, add_bos=add_bos),
            *self._tokens(prompt.message, special=False),
            *self._tokens(tail, special=True),
            *self._tokens(prompt.start, special=False),
        )

    def continuation(self, start: str, text: str) -> tuple[int, ...]:
        """The tokens in which a text continues a prompt.

        They follow from the end of the prompt and the text together: a tokenizer may put a space before a text that
        stands alone, or split it otherwise. Where the two melt into one token, which the prompt already rules out, the
        text's own tokens count.

        Args:
            start: how the prompt starts the answer; empty if nothing does.
            text: what follows.
        """
        special = not start and self._frame is not None
        before = start or (self._frame[1] if self._frame else "\n")
        if special and self._tokens(text, special=True) != self._tokens(text, special=False):
            return self.alone(text)
        return self._behind(before, text, special=special) or self.alone(text)

    def alone(self, text: str) -> tuple[int, ...]:
        """A text's own tokens, without the space that some tokenizers put before a text."""
        return self._behind("\n", text, special=False) or tuple(self._tokens(text, special=False))

    def _behind(self, before: str, text: str, *, special: bool) -> tuple[int, ...]:
        """The tokens that a text adds to those of the text before it; none if they melt into one."""
        head, whole = self._tokens(before, special=special), self._tokens(before + text, special=special)
        return tuple(whole[len(head) :]) if whole[: len(head)] == head else ()

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        return self._llama.tokenize(text, special=special, add_bos=False)

    def _find(self) -> tuple[str, str] | None:
        """The text before and after the user's message, or None for a plain prompt."""
        if self._config.frame is not None:
            head, _, tail = self._config.frame.partition(MESSAGE)
            return head, tail
        return self._from_template()

    def _from_template(self) -> tuple[str, str] | None:
        template = self._llama.chat_template
        if self._config.template == "plain" or (self._config.template == "auto" and template is None):
            return None
        if template is None:
            raise InputError(
                f"{self._llama.path.name} has no chat template",
                "a model with a chat template, for template = 'chat'",
                "use template = 'plain', which suits a base model",
            )
        # Imported here like llama_cpp itself; Jinja runs in a sandbox, because a template comes with the model file.
        from jinja2 import TemplateError
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        try:
            formatter = Jinja2ChatFormatter(
                template=template, eos_token=self._llama.eos_text, bos_token=self._llama.bos_text,
                add_generation_prompt=True,
            )  # fmt: skip
            formatter.strftime_now = _TODAY.strftime  # type: ignore[assignment, method-assign]  # its only hook
            rendered = self._render(formatter)
        except (ValueError, TypeError, TemplateError) as error:
            raise InputError(
                f"the chat template of {self._llama.path.name} does not render ({error})",
                "a template that takes a user's message",
                "use template = 'plain'",
            ) from error
        head, slot, tail = rendered.partition(_SLOT + "u")
        if not slot or _SLOT + "u" in tail:
            raise InputError(
                f"the chat template of {self._llama.path.name} does not show the user's message exactly once",
                "a template that shows it once",
                "use template = 'plain'",
            )
        return head, tail

    @staticmethod
    def _render(formatter: Any) -> str:
        system = {"role": "system", "content": _SLOT + "s"}
        user = {"role": "user", "content": _SLOT + "u"}
        try:
            rendered: str = formatter(messages=[system, user], **_NO_THINKING).prompt
        except ValueError:  # a template's own raise_exception: Gemma's template refuses system messages
            rendered = ""
        if _SLOT + "s" not in rendered:  # refused, or silently dropped
            together = {"role": "user", "content": f"{_SLOT}s\n\n{_SLOT}u"}
            rendered = formatter(messages=[together], **_NO_THINKING).prompt
        return rendered
