"""Halls with planted hours, and a scripted reader that drafts sound questions on them."""

import json
import re
from pathlib import Path

from labeling.votes.vote import Prompt

HALLS = ("alder", "birch", "cedar", "damson", "elm", "fir")
ROOMS = ("attic", "bakery", "cellar", "dairy", "engine", "forge", "garden", "harness", "ink", "jewel", "kiln", "larder")


def documents() -> dict[str, str]:
    """Each hall has a room for each name; which hours are its own is planted, and no two halls share them."""
    return {
        f"{hall}-hall": f"{hall.title()} Hall: rules\n\n" + " ".join(
            f"The {room} of {hall.title()} Hall is not open to guests before {10 + at + nth} minutes past six."
            for at, room in enumerate(ROOMS)
        )
        for nth, hall in enumerate(HALLS)
    }  # fmt: skip


def write_documents(folder: Path) -> Path:
    """The halls as a table of documents."""
    rows = [json.dumps({"id": name, "text": text}) for name, text in documents().items()]
    (folder / "documents.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def told(message: str) -> re.Match:
    """The sentence that a prompt for writing ends with."""
    return list(re.finditer(r"The (\w+) of (\w+) Hall is not open to guests before (\d+)", message))[-1]


def good(prompt: Prompt) -> tuple[str, str]:
    """A question on the number that the prompt's sentence names, which is another one where the answer is to be no."""
    room, hall, minutes = told(prompt.message).groups()
    wanted = "yes" if "right answer is yes" in prompt.message else "no"
    return f"Must guests wait for the {room} of {hall} Hall until {minutes} past six?", wanted


def answers(_: str, prompt: Prompt) -> tuple[float, ...]:
    """Votes for what the document says; knows nothing closed book."""
    asked = re.search(r"for the (\w+) of (\w+) Hall until (\d+)", prompt.message)
    if prompt.arm == "closed_book" or asked is None:
        return (0.5, 0.5)
    room, hall, minutes = asked.groups()
    is_so = f"The {room} of {hall} Hall is not open to guests before {minutes} " in prompt.message
    return (1.0, 0.0) if is_so else (0.0, 1.0)
