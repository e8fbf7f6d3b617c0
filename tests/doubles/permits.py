"""A planted corpus that a specialist can learn: each document says whether a permit was granted, in one word."""

import json
import re
from pathlib import Path

from labeling.votes.vote import Prompt

OUTCOMES = {"granted": "yes", "refused": "no", "adjourned": "maybe"}
LABELS = ("yes", "no", "maybe")


def write_permits(folder: Path, n: int, texts: dict[int, str] | None = None) -> None:
    """Write n documents with a question each as tables; every third permit has another outcome.

    Args:
        folder: where they go.
        n: how many.
        texts: texts of some documents in place of the planted ones, by number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents, questions = [], []
    for number in range(n):
        outcome = tuple(OUTCOMES)[number % 3]
        text = f"File {number:03d} of the harbour board. The board met in spring. The permit was {outcome}. Closed."
        documents.append({"id": f"d{number:03d}", "text": (texts or {}).get(number, text)})
        question = f"Did the board grant permit {number:03d}?"
        ids = {"id": f"q{number:03d}", "text": question, "document_ids": [f"d{number:03d}"]}
        questions.append(ids | {"reference": OUTCOMES[outcome]})
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def reads_outcome(model: str, prompt: Prompt) -> tuple[float, ...]:
    """A teacher that is nearly sure of what the document says; `timid` of refusals alone, `parrot` always says yes."""
    if model == "parrot":
        return (1.0, 0.0, 0.0)
    asked = re.search(r"grant permit (\d+)", prompt.message)
    found = asked and re.search(rf"File {asked[1]} .*?The permit was (\w+)", prompt.message, re.DOTALL)
    answer = OUTCOMES.get(found[1]) if found else None
    if answer is None or (model == "timid" and answer != "no"):
        return (0.4, 0.3, 0.3)
    return tuple(0.98 if label == answer else 0.01 for label in LABELS)
