"""From the TEMPLATE of an Ollama model to the frame around its messages: the common part of Go's template language.

Follows what Ollama (template/template.go) renders for one system and one user message whose answer is awaited: a
condition on either of them holds, and `.Response` ends the prompt, whatever comes after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# A frame is plain text in which these two stand for the messages. Every other brace is itself: a frame is filled by
# replacing these two in one pass over the frame (a message may hold such a word too), never by str.format.
SYSTEM_SLOT, MESSAGE_SLOT = "{system}", "{message}"

SLOTS = {".System": SYSTEM_SLOT, ".Prompt": MESSAGE_SLOT}
CONDITIONS = ("if .System", "if .Prompt")
# `{{- ` trims the white space before an action and ` -}}` that after it.
ACTION = re.compile(r"\{\{(?P<trim>-(?=[ \t\r\n]))?(?P<body>.*?)(?P<trim_next>(?<=[ \t\r\n])-)?\}\}", re.DOTALL)
SPACE = " \t\r\n"


class UntranslatableError(ValueError):
    """A template does something that a frame cannot; the message says what, to come after the word TEMPLATE."""


def frame_of(template: str) -> str:
    """The frame that a template puts around the messages.

    Args:
        template: literal text, `.System`, `.Prompt`, `.Response`, `if` on the first two with `else`, comments, trim
            markers.

    Returns:
        Text with exactly one `{message}` and at most one `{system}`; without the latter no system message is shown.

    Raises:
        UntranslatableError: it uses anything else, or does not show the user's message once.
    """
    parts: list[str] = []
    branches: list[bool] = []  # of every open condition, whether its branch is the one that is rendered
    answering = False
    for literal, action in _pieces(template):
        if all(branches) and not answering:
            parts += [literal, SLOTS.get(action or "", "")]
        if action in CONDITIONS:
            branches.append(True)
        elif action in ("else", "end") and branches:
            rendered = branches.pop()
            branches += [not rendered] if action == "else" else []
        elif action == ".Response" and all(branches):
            answering = True
        elif action is not None and action not in SLOTS:
            raise UntranslatableError(f"uses {{{{ {action} }}}}")
    if branches:
        raise UntranslatableError("has an if without its end")
    return _checked(parts)


def _pieces(template: str) -> Iterator[tuple[str, str | None]]:
    """Each stretch of literal text with the action after it, trimmed; None for a comment and at the end."""
    at, trim = 0, False
    for match in ACTION.finditer(template):
        literal = _literal(template[at : match.start()], trim)
        body = " ".join(match["body"].split())
        is_comment = body.startswith("/*") and body.endswith("*/")
        yield literal.rstrip(SPACE) if match["trim"] else literal, None if is_comment else body
        at, trim = match.end(), match["trim_next"] is not None
    yield _literal(template[at:], trim), None


def _literal(text: str, trim: bool) -> str:
    if "{{" in text:
        raise UntranslatableError("has a {{ without its }}")
    return text.lstrip(SPACE) if trim else text


def _checked(parts: list[str]) -> str:
    frame = "".join(parts)
    for slot, name in ((MESSAGE_SLOT, ".Prompt"), (SYSTEM_SLOT, ".System")):
        shown = parts[1::2].count(slot)
        if frame.count(slot) != shown:
            raise UntranslatableError(f"has the literal text {slot}")
        if shown > 1 or (shown == 0 and slot == MESSAGE_SLOT):
            raise UntranslatableError(f"shows {name} {shown} times")
    return frame
