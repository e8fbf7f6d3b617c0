"""What is printed of a drafting: the yield of each filter, the balance of answers and kinds, and the coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from corpora.errors import counted, listed
from corpora.languages import NAMES
from flows.run.questions.drafting import Drafted, left_after
from labeling.drafting.templates import LANGUAGES


def summary(drafted: Drafted, again: str = "--most") -> Iterator[str]:
    """The lines.

    Args:
        drafted: what came of it.
        again: what allows more drafts: an option, or a command in backquotes.
    """
    judged, kept = drafted.judged, drafted.kept
    yield f"{counted(len(judged), 'draft')} by {drafted.reader.label}, {counted(len(kept), 'question')} kept"
    before = len(judged)
    for name, asks, left in left_after(drafted):
        yield f"  {name:<15} {before - left:>5} dropped {left:>6} left   {asks}"
        before = left
    if drafted.fitting.line:
        yield drafted.fitting.line
    yield from _about_languages(drafted)
    if not kept:
        return
    documents = Counter(one.attempt.document_id for one in kept)
    answers, kinds = Counter(str(one.answer) for one in kept), Counter(str(one.kind) for one in kept)
    yield (
        f"Answers: {_told(answers, drafted.wish.quotas)}. Kinds: {_told(kinds, drafted.wish.kinds)}. "
        f"Questions on {len(documents)} of {counted(len(drafted.source.documents), 'document')}, at most "
        f"{max(documents.values())} each."
    )
    if len(kept) < drafted.wish.n:
        yield (
            f"That is {drafted.wish.n - len(kept)} fewer than wanted after {counted(len(judged), 'draft')}: a larger "
            f"reader writes better questions, and {again} allows more drafts."
        )


def _about_languages(drafted: Drafted) -> Iterator[str]:
    """That some documents were asked about with English prompts, which is where a small reader fails first."""
    languages = {one.draft.attempt.document_id: one.draft.attempt.language for one in drafted.judged}
    others = Counter(NAMES[one] for one in languages.values() if one not in LANGUAGES)
    if others:
        yield (
            f"The prompts were English for {counted(others.total(), 'document')} in {listed(sorted(others), 'and')}, "
            f"as there are prompts in {listed([NAMES[one] for one in LANGUAGES], 'and')} only."
        )


def _told(counts: Counter[str], names: Iterable[str]) -> str:
    return listed([f"{counts[name]} {name}" for name in names], "and")
