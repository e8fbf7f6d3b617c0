"""What is printed of a drafting: the yield of each filter, the balance of answers and kinds, and the coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from corpora.errors import counted, listed
from flows.run.questions.drafting import Drafted, left_after


def summary(drafted: Drafted, again: str = "--most") -> Iterator[str]:
    """The lines.

    Args:
        drafted: what came of it.
        again: what allows more drafts: an option, or a command in backquotes.
    """
    judged, kept = drafted.judged, drafted.kept
    yield f"{counted(len(judged), 'draft')} by {drafted.reader.label}, {counted(len(kept), 'question')} kept"
    before = len(judged)
    for name, asks, left in left_after(judged):
        yield f"  {name:<15} {before - left:>5} dropped {left:>6} left   {asks}"
        before = left
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


def _told(counts: Counter[str], names: Iterable[str]) -> str:
    return listed([f"{counts[name]} {name}" for name in names], "and")
