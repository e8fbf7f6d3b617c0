"""What a specialist sees in place of a prompt: the question and the context, apart, and nothing else.

The two travel as the message of a `Prompt`, so that its hash is still the digest of all that the model sees, and
ledgers, claims and workers need to know nothing about specialists. A JSON list keeps them apart whatever they hold.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from labeling.prompting.prompts import PromptTemplate

PAIR = PromptTemplate("pair", "", '["{question}", "{context}"]', "")  # as a manifest names it


class Pair(NamedTuple):
    """A question, and the context that it is to be answered from."""

    question: str
    context: str


def write_pair(question: str, context: str) -> str:
    """The message that shows both."""
    return json.dumps([question, context], ensure_ascii=False)


def read_pair(message: str) -> Pair:
    """Both, exactly as they were given to `write_pair`."""
    return Pair(*json.loads(message))
