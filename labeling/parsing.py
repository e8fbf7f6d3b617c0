"""From a generated text to a label, or to the name of what is wrong with it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from corpora.schema import LabelSet

Problem = Literal["empty", "refused", "truncated", "off_label"]
Parse = Literal["strict", "lenient", "repaired"]

MARKER = "Answer:"
_MARKER = re.compile(r"\b(?:final\s+)?answer\b\W*(?:is\b)?[\s:*_\"'`(\[]*", re.IGNORECASE)
_DECORATION = " \t\r\n*_\"'`.,;:!()[]{}<>#-"
_REFUSAL = re.compile(
    r"\b(?:i\s+(?:can(?:no|')t|can\s+not|am\s+(?:unable|not\s+able)|won't|will\s+not|must\s+decline)"
    r"|i(?:'|\u2019)?m\s+(?:sorry|unable|not\s+able)|as\s+an\s+ai)\b",
    re.IGNORECASE,
)


class Parsed(NamedTuple):
    """What a text says: a label and how it was read, or a problem."""

    label: str | None
    parse: Literal["strict", "lenient"] | None
    problem: Problem | None


def parse_answer(text: str, labels: LabelSet, *, truncated: bool) -> Parsed:
    """Read the label of a generated text.

    Strict: the last line is `Answer: LABEL`, letter by letter. Lenient: what follows the last "answer" begins with a
    label, or the last line is one, whatever the case, quotes, markdown or full stop around it.

    Args:
        text: the output.
        labels: the allowed answers.
        truncated: whether the output was cut off at its greatest length.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return Parsed(None, None, "empty")
    for label in labels:
        if lines[-1] == f"{MARKER} {label}":
            return Parsed(label, "strict", None)
    said = _MARKER.split(text)[1:]
    found = (_leading_label(said[-1], labels) if said else None) or _only_label(lines[-1], labels)
    if found is not None:
        return Parsed(found, "lenient", None)
    if _REFUSAL.search(text):
        return Parsed(None, None, "refused")
    return Parsed(None, None, "truncated" if truncated else "off_label")


def _leading_label(said: str, labels: LabelSet) -> str | None:
    """The label that a text begins with, the longest of those that fit; None where a second one follows at once."""
    folded = said.strip(_DECORATION).casefold()
    fitting = [label for label in labels if re.match(re.escape(label.casefold()) + r"(?!\w)", folded)]
    if not fitting:
        return None
    found = max(fitting, key=len)
    rest = folded[len(found) :]
    others = [label for label in labels if label != found]
    choice = re.match(rf"\W*(?:or|and|/)?\W*(?:{'|'.join(re.escape(o.casefold()) for o in others)})(?!\w)", rest)
    return None if choice else found


def _only_label(line: str, labels: LabelSet) -> str | None:
    bare = line.strip(_DECORATION).casefold()
    return next((label for label in labels if label.casefold() == bare), None)


def answer_grammar(labels: LabelSet, n_lines: int = 3) -> str:
    """GBNF of up to `n_lines` lines of reasoning and then the line `Answer: LABEL`."""
    return f'root ::= line{{0,{n_lines}}} {_literal(MARKER + " ")} label\nline ::= [^\\n]+ "\\n"\n{_label_rule(labels)}'


def label_grammar(labels: LabelSet) -> str:
    """GBNF of a space and a label."""
    return f'root ::= " " label\n{_label_rule(labels)}'


def _label_rule(labels: LabelSet) -> str:
    return f"label ::= {' | '.join(_literal(label) for label in labels)}\n"


def _literal(text: str) -> str:
    """A GBNF string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
