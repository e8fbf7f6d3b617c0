"""What an audit tells, in at most four plain sentences.

sample = reviewed_sample(queue.items, reviews)
audited = line_up_audit(gold, votes, sample, labels)
between = between_reviewers(reviews, clusters, confidence)
lines = audit_lines(audited, settling(sample, reviews), between, width, wished, confidence)
"""

from __future__ import annotations

import math

from results.gold.audit.accuracy import Accuracy, gold_accuracy, reviews_needed
from results.gold.audit.promise import Promise, promise
from results.gold.audit.sample import Audited
from results.gold.audit.settling import Settling
from results.gold.review.agreement import Agreement


def audit_lines(
    audited: Audited, settled: Settling, between: Agreement | None, width: float, wished: float, confidence: float
) -> list[str]:
    """What the audit of one reader's gold set tells, a paragraph each, for people.

    Args:
        audited: the gold set and the sample that people have looked at, as `sample.line_up_audit` makes it.
        settled: how its questions were settled.
        between: agreement among reviewers, as `review.agreement.between_reviewers` finds it; None where no question has
            labels of two, and where it is said elsewhere.
        width: that the interval of the accuracy should have, above 0.
        wished: share of right questions that a threshold on P(unanimous) should promise, between 0 and 1.
        confidence: of the interval and of the promise.

    Returns:
        How often the gold set is right; how many more reviews would narrow that to the width; the threshold that keeps
        the promise, or what it would take; how far reviewers agree, where a question has labels of several. What cannot
        be told of a gold set is left out.
    """
    if not audited.total:
        return ["The gold set is empty, so there is nothing to audit."]
    found = gold_accuracy(audited, confidence)
    told = promise(audited, wished, confidence)
    lines = [
        accuracy_sentence(found, settled), _more(found, width),
        "P(unanimous) is not known of every question, so no threshold on it can be promised."
        if told is None else _promise(told), _agreement(settled, between),
    ]  # fmt: skip
    return [line for line in lines if line]


def accuracy_sentence(found: Accuracy, settled: Settling) -> str:
    """How often the gold set is right, with the interval and the reviews that it rests on."""
    gold = f"the {_count(found.total, 'question')} of the gold set"
    if not found.n:
        return f"Nobody has looked at the audit sample yet, so it is not known how many of {gold} are right."
    if found.n == found.total and not found.n_unsettled:
        return f"All of {gold} were looked at, and {found.n_right:,} are right, {_percent(found.share.estimate)}."
    sample = f"{found.n_right} of {found.n} drawn at random are"
    told = f"({_from_to(found.share.low, found.share.high)}, at {_percent(found.confidence)} confidence; {sample})."
    if math.isnan(found.share.estimate):
        line = f"It is not known how many of {gold} are right {told}"
    else:
        line = f"About {_percent(found.share.estimate)} of {gold} are right {told}"
    if saved := found.worth - found.n:
        line += f" The reader's own probabilities are worth {_count(saved, 'more review')}."
    if found.n_unsettled:
        causes = [f"{settled.skipped} skipped"] * bool(settled.skipped)
        causes += [f"{settled.by_none} without a label that most gave"] * bool(settled.by_none)
        are, they = ("is", "it counts") if found.n_unsettled == 1 else ("are", "they count")
        line += f" {_count(found.n_unsettled, 'question')} {are} not settled ({', '.join(causes)}): {they} as wrong "
        line += "for the lower end, and as right for the upper one."
    return line


def _more(found: Accuracy, width: float) -> str:
    needed = reviews_needed(found, width) - found.n
    size = f"{100 * width:.3g} points from end to end"
    if needed <= 0:
        return (
            "" if found.width <= width else f"No more reviews can narrow this to {size}: the whole gold set was seen."
        )
    more = "more reviews" if found.n else "reviews"
    if found.n + needed >= found.total:
        return f"Only a review of the whole gold set, {needed:,} {more}, would narrow this to {size}."
    return f"{_about(needed)} {more} would narrow this to {size}."


def _promise(told: Promise) -> str:
    wished, sure = f"at least {_percent(told.wished)}", f"{_percent(told.confidence)} confidence"
    if told.kept:
        kept = f"{told.kept.total:,} of {told.total:,}, {_percent(told.coverage)}"
        if told.kept.total == told.total:
            return f"The whole gold set is right in {wished}, at {sure}: no threshold on P(unanimous) is needed."
        least = f"P(unanimous) of at least {told.kept.threshold:.3f}"
        return f"Of the gold questions with a {least} ({kept}), {wished} are right, at {sure}."
    line = f"No threshold on P(unanimous) can be promised to keep questions that are right in {wished}, at {sure}"
    if told.needed is None:
        return f"{line}: no part of the gold set looks that good in {_count(told.n, 'review')}."
    more = told.needed - told.n
    if told.needed >= told.total:
        return f"{line}, from {_count(told.n, 'review')}; a review of the whole gold set, {more:,} more, would tell."
    if not told.n:
        return f"{line}, without reviews; {_about(more).lower()} would do if all of them are right."
    return f"{line}, from {_count(told.n, 'review')}; {_about(more).lower()} more would, if they are right as often."


def _agreement(settled: Settling, between: Agreement | None) -> str:
    if between is None or not settled.several:
        return ""
    line = (
        f"Several people labelled {_count(settled.several, 'question')} of the sample: on {settled.by_all} all agree, "
        f"on {settled.by_most} most do, on {settled.by_none} no label has more reviewers than every other."
    )
    if between.beyond_chance is None:
        return line
    value, low, high = between.beyond_chance
    return f"{line} Over all reviews, {between.measure} is {value:.2f} ({low:.2f} to {high:.2f})."


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _about(n: int) -> str:
    """To two digits, rounded up."""
    size = 10 ** max(0, len(str(n)) - 2)
    return f"About {math.ceil(n / size) * size:,}"


def _percent(share: float) -> str:
    """As in `76 %`; only what is exactly none or all is said to be 0 % or 100 %."""
    rounded = round(100 * share)
    if rounded in (0, 100) and not math.isclose(share, rounded / 100, abs_tol=1e-9):
        return "under 1 %" if rounded == 0 else "over 99 %"
    return f"{rounded} %"


def _from_to(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"
