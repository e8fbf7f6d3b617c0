"""Reads the label in a generated text, or names what is wrong with the text."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, NamedTuple

from corpora.schema import LabelSet

Problem = Literal["empty", "refused", "truncated", "off_label"]
Parse = Literal["strict", "lenient", "repaired"]

MARKER = "Answer:"
_OPENING = r"(?:[\s:*_\"'`(\[]|[-\u2013\u2014]\s)*"
_MARKER = re.compile(rf"\b(?:final\s+)?answer\b{_OPENING}(?:is\b)?{_OPENING}", re.IGNORECASE)
# What may follow a label in other scripts; the escapes are the full-width forms of , . ! ? : ; and of brackets.
_STOPS = "。、」』】।॥،؛؟။»”\uff0c\uff0e\uff01\uff1f\uff1a\uff1b\uff09"
_DECORATION = " \t\r\n*_\"'`.,;:!()[]{}<>#「『【«„“¿¡\uff08" + _STOPS
# What a choice that is a sentence, a quotation or in brackets has around it, and an answer may leave out.
_AROUND = " .,;:!?()[]\"'`«„“" + _STOPS
_LIST_SIGN = re.compile(r"^[-\u2013\u2014\u2022]\s+")
# What may follow a label that stands alone, and does not begin a phrase such as "no idea".
_ENDS = r"\s*(?:$|[\n.,;:!)\]}\"'`\u2013\u2014“" + _STOPS + r"]|[-*_](?!\w))"
# An output that begins like this is a refusal; later on, the same words may be about the text.
_REFUSAL = re.compile(
    r"^\W*(?:(?:sorry|unfortunately|i\s+apologi[sz]e)\b[^.]{0,40})?"
    r"(?:i\s+(?:can(?:no|['\u2019])t|can\s+not|am\s+(?:sorry|unable|not\s+able)|won['\u2019]t|will\s+not"
    r"|must\s+decline)|i['\u2019]?m\s+(?:sorry|unable|not\s+able)|as\s+an\s+ai)\b",
    re.IGNORECASE,
)
# Around reasoning that a server leaves in the text of an answer: the last of each pair ends it.
_THINKING = re.compile(
    r"(?P<end></(?:think|thinking|thought|reasoning)>|\[/THINK\]|<\|channel\|>final[^<\n]*<\|message\|>)"
    r"|<(?:think|thinking|thought|reasoning)>|\[THINK\]|<\|channel\|>analysis",
    re.IGNORECASE,
)


class Parsed(NamedTuple):
    """What a text says: a label and how it was read, or a problem."""

    label: str | None
    parse: Literal["strict", "lenient"] | None
    problem: Problem | None


def parse_answer(text: str, labels: LabelSet, *, truncated: bool) -> Parsed:
    """Read the label of a generated text.

    Strict: the last line is exactly `Answer: LABEL`. Lenient: what follows the last "answer" begins with a label that
    stands alone, or the last line is a label, whatever its case and the quotes, Markdown or full stop around it.

    Args:
        text: the output.
        labels: the allowed answers.
        truncated: whether the output was cut off at its greatest length; then a label at its very end does not count
            if a longer label begins with it.
    """
    answer = _after_thinking(text)
    if answer is None:  # a label that is weighed on the way is not the answer
        return Parsed(None, None, "truncated" if truncated else "off_label")
    text, lines = answer, [line for line in answer.splitlines() if line.strip()]
    if not lines:
        return Parsed(None, None, "empty")
    said = _MARKER.split(text)[1:]
    strict = next((label for label in labels if lines[-1] == f"{MARKER} {label}"), None)
    lenient = _leading_label(said[-1], labels) if said else None
    lenient = lenient or _label_with_marker(text, labels) or _only_label(lines[-1], labels)
    found = strict or lenient
    if found is not None and not (truncated and _is_cut(text, found, labels)):
        return Parsed(found, "strict" if strict else "lenient", None)
    if found is None and _REFUSAL.search(text):
        return Parsed(None, None, "refused")
    return Parsed(None, None, "truncated" if truncated else "off_label")


def parse_label(text: str, labels: LabelSet, *, truncated: bool) -> Parsed:
    """Read the label of a text that was asked for as a bare label.

    Strict: the text is exactly the label. Lenient: as in `parse_answer`, or the text begins with a label that stands
    alone, as in "Yes, because".

    Args:
        text: the output.
        labels: the allowed answers.
        truncated: whether the output was cut off at its greatest length.
    """
    if text in labels and not (truncated and _is_cut(text, text, labels)):
        return Parsed(text, "strict", None)
    found = parse_answer(text, labels, truncated=truncated)
    if found.label is not None or found.problem in ("empty", "refused"):
        return found._replace(parse="lenient" if found.label is not None else None)
    leading = _leading_label(_after_thinking(text) or "", labels)
    if leading is None or (truncated and _is_cut(text, leading, labels)):
        return found
    return Parsed(leading, "lenient", None)


def _after_thinking(text: str) -> str | None:
    """What follows the reasoning in a text, all of it if there is none; None if the reasoning does not end."""
    signs = list(_THINKING.finditer(text))
    if not signs:
        return text
    return text[signs[-1].end() :] if signs[-1]["end"] else None


def _leading_label(said: str, labels: LabelSet) -> str | None:
    """The label that a text begins with, the longest if several fit; None if another label follows at once."""
    folded = said.lstrip(_DECORATION).casefold()
    fitting = [
        (len(form), label)
        for label, forms in _forms(labels).items()
        for form in forms
        if re.match(re.escape(form) + _ENDS, folded)
    ]
    if not fitting:
        return None
    length, found = max(fitting, key=lambda one: one[0])
    rest = folded[length:]
    others = "|".join(re.escape(label.casefold()) for label in labels if label != found)
    return None if re.match(rf"\W*(?:or|and)?\W*(?:{others})(?!\w)", rest.partition(".")[0]) else found


def _label_with_marker(text: str, labels: LabelSet) -> str | None:
    """A label that holds the word "answer" itself, as "no answer" does, behind a marker before it."""
    if not any(_MARKER.search(label) for label in labels):
        return None
    behind = (_leading_label(text[mark.end() :], labels) for mark in reversed(list(_MARKER.finditer(text))))
    return next((label for label in behind if label and _MARKER.search(label)), None)


def _only_label(line: str, labels: LabelSet) -> str | None:
    plain, each = _LIST_SIGN.sub("", line.strip()).casefold(), _forms(labels).items()
    # Without stops at first: a choice may end in a sign that is Markdown elsewhere, as "C#" does.
    for bare in (plain.strip(_AROUND), plain.strip(_DECORATION)):
        if found := next((label for label, forms in each if bare in forms), None):
            return found
    return None


def _forms(labels: LabelSet) -> dict[str, tuple[str, ...]]:
    """Each label without its case, and without the stops and quotes around it where that is no other label."""
    bare = {label: label.casefold().strip(_AROUND) for label in labels}
    taken = Counter([*bare.values(), *(label.casefold() for label in labels if label.casefold() != bare[label])])
    return {
        label: (label.casefold(), form) if form and taken[form] == 1 else (label.casefold(),)
        for label, form in bare.items()
    }


def _is_cut(text: str, found: str, labels: LabelSet) -> bool:
    """Whether a text ends in the middle of what may become a longer label."""
    if not text.casefold().endswith(found.casefold()):
        return False
    return any(label != found and label.casefold().startswith(found.casefold()) for label in labels)


def answer_grammar(labels: LabelSet, n_lines: int = 3) -> str:
    """GBNF for up to `n_lines` lines of reasoning, followed by the line `Answer: LABEL`."""
    return f'root ::= line{{0,{n_lines}}} {_literal(MARKER + " ")} label\nline ::= [^\\n]+ "\\n"\n{_label_rule(labels)}'


def label_grammar(labels: LabelSet) -> str:
    """GBNF for a space and a label."""
    return f'root ::= " " label\n{_label_rule(labels)}'


def _label_rule(labels: LabelSet) -> str:
    return f"label ::= {' | '.join(_literal(label) for label in labels)}\n"


def _literal(text: str) -> str:
    """A GBNF string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
