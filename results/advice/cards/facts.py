"""One line of facts: what was asked of whom, when, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from results.advice.cards.run import Run
from results.advice.wording import count, listed


def facts_line(run: Run) -> str:
    """As in `handbook: 36 documents, 24 questions; reader qwen2.5-coder-0.5b; 22 November 2026; no cost`."""
    corpus = run.manifest["corpus"]
    others = [one["name"] for one in run.manifest.get("other_corpora", ())]
    about = f"{corpus['name']}: {count(corpus['documents'], 'document')}, {count(corpus['questions'], 'question')}"
    about += f", and {', '.join(others)}" if others else ""
    names = list(run.manifest.get("readers", {}))
    readers = f"{'reader' if len(names) == 1 else 'readers'} {', '.join(names)}" if names else "no reader"
    readers += _asked(run, names)
    if run.manifest.get("recorded"):
        readers += ", from a recording"
    sessions = run.manifest.get("sessions", ())
    date = _date(sessions[-1]["finished"]) if sessions and sessions[-1].get("finished") else ""
    return "; ".join(filter(None, [about, readers, date, _cost(run) if names else ""]))


def _asked(run: Run, names: Sequence[str]) -> str:
    """On how many of the questions, where readers that read until told were not asked all of them."""
    looks = [look for name in names if (look := run.last_look(name)) is not None]
    asked = sorted({look["questions"] for look in looks})
    if not asked or all(look["questions"] == look["of_questions"] for look in looks):
        return ""
    return f" on {listed([f'{n:,}' for n in asked])} of them"


def _date(finished: str) -> str:
    moment = datetime.fromisoformat(finished)
    return f"{moment.day} {moment:%B %Y}"


def _cost(run: Run) -> str:
    asked = [one for session in run.manifest.get("sessions", ()) for of in session["asked"].values() for one in of]
    usd = sum(one.get("usd", 0.0) for one in asked)
    if usd:
        return f"{usd:.2f} USD" if usd >= 0.01 else "under 0.01 USD"
    return "cost unknown" if "remote" in run.tables else "no cost"
