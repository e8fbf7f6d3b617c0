"""What `tercet review` prints: what there is to look at, what reviewers have said so far, and how to go on."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from corpora.schema import ACCEPTED, DRAFTED, REJECTED, LabelSet
from flows.run.review.opened import CONFIDENCE, Choice, Opened
from results.advice.wording import count, listed, percent, points
from results.gold.audit.sample import line_up_audit
from results.gold.audit.sentences import audit_lines
from results.gold.audit.settling import settling
from results.gold.review.agreement import Agreement, between_reviewers, sides_taken, with_reader
from results.gold.review.queue import REASONS
from results.gold.review.reviews import Counted
from results.gold.review.settled import reviewed_sample, settled_labels

ABOUT = {"split": "with split votes", "contradicts": "against the reference", "audit": "of the audit sample"}
LARGEST_NAMED = 4  # reviewers; of more only the number is said


def status_lines(opened: Opened, run: str, wished: float) -> list[str]:
    """What there is to look at and how, and what was found, in at most ten lines.

    Args:
        opened: the run.
        run: its folder as the user's next command needs it.
        wished: share of right questions that a threshold on P(unanimous) should promise.
    """
    counted = opened.reviews()
    lines = [*_queue_lines(opened), *_drafted_line(opened, counted), *_progress_line(counted)]
    if not counted.reviews.is_empty():
        lines += [*_agreement_lines(opened, counted.reviews), *_audit_lines(opened, counted.reviews, wished)]
    if len(opened.chosen):
        lines += [
            f"In the browser: tercet review {run} --serve",
            f"In another program: tercet review {run} --export FILE --as csv (or label-studio, argilla); --import FILE "
            "brings the labels back.",
        ]
    return lines


def _queue_lines(opened: Opened) -> Iterator[str]:
    queue, reader = opened.queue, opened.items.reader
    asked = f"{count(len(opened.items.rows), 'question')}, {queue.n_kept:,} of them in the gold set"
    yield f"{opened.manifest['name']}, {reader}: {asked}{''.join(_left_out(opened))}."
    if not len(opened.chosen):
        yield "There is nothing to review."
        return
    reasons = opened.chosen["reason"]
    split, contradicts, audit = (int((reasons == one).sum()) for one in REASONS)
    parts = [
        f"{split:,} with split votes" if split else "",
        f"{contradicts:,} whose label contradicts the reference" if contradicts else "",
        f"{audit:,} of the audit sample{_also(opened)}" if audit else "",
    ]
    sample = f" {_sample_sentence(opened)}" if audit else ""
    yield f"To review, in this order: {listed([one for one in parts if one])}.{sample}"


def _drafted_line(opened: Opened, counted: Counted) -> Iterator[str]:
    """How many of the questions a reader drafted, and what people have said of them so far."""
    rows = opened.items.rows.filter(pl.col("origin").is_in([DRAFTED, ACCEPTED, REJECTED]))
    if rows.is_empty():
        return
    settled = settled_labels(counted.reviews).select("question_id", given="label")
    given = rows.join(settled, on="question_id", how="left")
    accepted, all_given = int((given["given"] == given["reference"]).sum()), int(given["given"].is_not_null().sum())
    yield (
        f"A reader drafted {count(len(rows), 'question')}: {accepted:,} accepted, {all_given - accepted:,} given "
        f"another answer, {len(rows) - all_given:,} not checked. The next run of the experiment marks them so."
    )


def _left_out(opened: Opened) -> Iterator[str]:
    """What is not in the queue although one may look for it there."""
    for n, what in (
        (opened.queue.n_failed, "with a failed vote"),
        (opened.queue.n_outside, "that the rule leaves out although the votes agree"),
    ):
        if n:
            yield f"; {n:,} {what} {'is' if n == 1 else 'are'} not in the queue"


def _also(opened: Opened) -> str:
    """What questions of the sample are besides; they are not asked twice."""
    sample = opened.chosen.filter(reason="audit")
    split, contradicts = (int(sample[name].sum()) for name in ("is_split", "contradicts"))
    told = [
        f"{split:,} with split votes" if split else "",
        f"{contradicts:,} against the reference" if contradicts else "",
    ]
    return f" (among them {listed(list(filter(None, told)))})" if split or contradicts else ""


def _sample_sentence(opened: Opened) -> str:
    n, n_kept = opened.queue.n_audit, opened.queue.n_kept
    drawn = f"drawn at random (seed {opened.seed}); a longer sample begins with the same questions"
    if opened.width is None:
        return f"The audit sample is {n:,} of the {n_kept:,} questions in the gold set, {drawn}."
    wide = f"a 95 % interval of {points(opened.width)} (--width {opened.width:g})"
    if n == n_kept:
        return f"The audit sample is the whole gold set, as {wide} takes no fewer questions."
    return f"The audit sample is {n:,} of the {n_kept:,} questions in the gold set, enough for {wide}, {drawn}."


def _progress_line(counted: Counted) -> Iterator[str]:
    per = counted.reviews.group_by("reviewer").agg(n=pl.len(), skipped=pl.col("label").is_null().sum()).sort("reviewer")
    each = [f"{name} {n:,}{f' ({skipped:,} skipped)' if skipped else ''}" for name, n, skipped in per.iter_rows()]
    done = count(counted.reviews["question_id"].n_unique(), "question")
    told = [f"Reviewed so far: {done}, by {listed(_named(each))}."] if each else []
    if told or counted.notes:
        yield " ".join([*told, *counted.notes])


def _named(each: list[str]) -> list[str]:
    """The reviewers, or the first of them and how many others there are."""
    if len(each) <= LARGEST_NAMED:
        return each
    return [*each[: LARGEST_NAMED - 1], f"{len(each) - LARGEST_NAMED + 1} others"]


def _agreement_lines(opened: Opened, reviews: pl.DataFrame) -> Iterator[str]:
    """How often reviewers agree with each other, and with the reader, by the reason of the review."""
    clusters, settled = opened.clusters, settled_labels(reviews)
    among = between_reviewers(reviews, clusters, CONFIDENCE)
    if among:
        yield f"Reviewers agree with each other on {_agreed(among, 'questions')}."
    items = opened.queue.items
    found = [(ABOUT[one], with_reader(settled, items.filter(reason=one), clusters, CONFIDENCE)) for one in REASONS]
    told = [_agreed(one, about) for about, one in found if one]
    sides = sides_taken(settled, items)
    taken = (
        f" Where it contradicts the reference, they side with it in {sides.with_reader} and with the reference in "
        f"{sides.with_reference} of {sides.n}."
    )
    if told:
        yield f"Reviewers agree with {opened.items.reader} on {'; '.join(told)}.{taken if sides.n else ''}"


def _agreed(one: Agreement, about: str) -> str:
    beyond = one.beyond_chance
    told = f"{one.measure} undefined" if beyond is None else (
        f"{one.measure} {_two(beyond.estimate)}, {_two(beyond.low)} to {_two(beyond.high)}"
    )  # fmt: skip
    return f"{percent(one.observed)} of {one.n:,} {about} ({told})"


def _two(number: float) -> str:
    """A coefficient as it is usually written: .71, -.12, 1."""
    return f"{number:.2f}".replace("0.", ".").removesuffix(".00") or "0"


def _audit_lines(opened: Opened, reviews: pl.DataFrame, wished: float) -> list[str]:
    """What the audit sample says so far of the gold set."""
    if opened.manifest["config"]["consensus"]["rule"] == "reviewed":
        return [
            "This gold set goes by people's labels, so they cannot say how often it is right; audit a run with another "
            "rule."
        ]
    sample, reader = reviewed_sample(opened.queue.items, reviews), opened.items.reader
    gold, votes = (opened.tables[name].filter(reader=reader) for name in ("gold", "votes"))
    audited = line_up_audit(gold, votes.filter(arm="document"), sample, LabelSet(opened.items.labels))
    width = Choice().width if opened.width is None else opened.width
    # How far reviewers agree is said already, over all of their labels.
    *accuracy, told = audit_lines(audited, settling(sample, reviews), None, width, wished, CONFIDENCE)
    return [*filter(None, [" ".join(accuracy)]), told]
