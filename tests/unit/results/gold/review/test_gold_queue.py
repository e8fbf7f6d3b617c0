"""The queue: split votes, contradictions and an audit sample, which is a random one that can grow."""

from collections import Counter

import polars as pl
import pytest

from results.gold.review.queue import audit_order, audit_size, review_queue
from results.gold.review.settled import reviewed_sample, settled_labels
from results.stats.clustered import wilson
from tests.doubles.reviews import reviews_of

GOLD = {"question_id": str, "votes": pl.List(pl.String), "label": str, "kept": bool, "reference": str}


def gold_of(*rows):
    return pl.DataFrame(rows, schema=GOLD, orient="row")


def votes_of(margins):
    return pl.DataFrame(
        [(one, margin) for one, margin in margins.items() for _ in range(3)],
        schema={"question_id": str, "margin": pl.Float64},
        orient="row",
    )


def alike(label):
    return [label] * 3


MIXED = gold_of(
    ("wide", ["yes", "yes", "no"], None, False, None),
    ("against", alike("yes"), "yes", True, "no"),
    ("surely against", alike("no"), None, False, "yes"),
    ("narrow", ["yes", "no", "maybe"], None, False, "yes"),
    ("failed", ["yes", None, "yes"], None, False, None),
    ("right", alike("yes"), "yes", True, "yes"),
    ("unknown", alike("no"), "no", True, None),
)
MARGINS = {"wide": 0.3, "against": 0.5, "surely against": 0.9, "narrow": 0.1, "right": 0.2, "unknown": 0.2}


def test_the_order_is_split_by_margin_then_contradictions_then_the_sample():
    queue = review_queue(MIXED, votes_of(MARGINS), 0, seed=0)
    assert queue.items["question_id"].to_list() == ["narrow", "wide", "surely against", "against"]
    assert queue.items["reason"].to_list() == ["split", "split", "contradicts", "contradicts"]
    assert queue.items["label"].to_list() == [None, "yes", "no", "yes"]
    assert (queue.n_kept, queue.n_audit, queue.n_failed) == (3, 0, 1)


def test_what_is_in_the_sample_is_marked_so_whatever_else_it_is():
    queue = review_queue(MIXED, votes_of(MARGINS), 3, seed=0)
    assert queue.items["question_id"].to_list()[:3] == ["narrow", "wide", "surely against"]
    assert sorted(queue.items.filter(reason="audit")["question_id"]) == ["against", "right", "unknown"]
    assert sorted(queue.only("contradicts")["question_id"]) == ["against", "surely against"]
    assert queue.only("split", 1)["question_id"].to_list() == ["narrow"]
    assert queue.only("audit")["question_id"].to_list() == audit_order(["against", "right", "unknown"], 0)


def test_without_distributions_votes_say_how_close_it_was():
    queue = review_queue(MIXED, votes_of({}).with_columns(margin=pl.lit(None, pl.Float64)), 0, seed=0)
    assert queue.items.select("question_id", pl.col("margin").round(3)).rows() == [
        ("narrow", 0.0), ("wide", 0.333), ("against", 1.0), ("surely against", 1.0),
    ]  # fmt: skip


def test_a_longer_sample_begins_with_the_shorter_one_and_other_questions_change_nothing():
    ids = [f"q{one}" for one in range(40)]
    order = audit_order(ids, 3)
    assert sorted(order) == sorted(ids)
    assert audit_order(reversed(ids), 3) == order
    fewer = [one for one in order if int(one[1:]) % 3]
    assert audit_order(fewer, 3) == fewer
    assert audit_order(ids, 4) != order


def test_every_question_is_drawn_equally_often():
    ids = [f"q{one}" for one in range(8)]
    n_seeds, n = 1000, 3
    drawn = Counter(one for seed in range(n_seeds) for one in audit_order(ids, seed)[:n])
    pairs = Counter(frozenset(audit_order(ids, seed)[:2]) for seed in range(n_seeds))
    # Five standard errors: seeds are fixed, so it cannot fail by chance from run to run.
    assert all(abs(drawn[one] - 375) < 5 * 15.3 for one in ids), drawn
    assert len(pairs) == 28
    assert all(abs(n - 1000 / 28) < 5 * 5.9 for n in pairs.values()), pairs


@pytest.mark.parametrize("width", [0.05, 0.1, 0.2, 0.5])
def test_the_size_is_the_smallest_that_gives_the_width(width):
    n = audit_size(width, 10**9)

    def widest(n):
        found = wilson(n // 2, n) if n % 2 == 0 else wilson((n + 1) // 2, n)
        return found.high - found.low

    assert widest(n + n % 2) <= width + 1e-9
    assert widest(n - 2 - n % 2) > width


def test_a_small_gold_set_needs_fewer_and_never_more_than_it_has():
    assert audit_size(0.1, 10**9) == 381
    assert audit_size(0.1, 259) == 155  # 381 / (1 + 380 / 259), by hand
    assert audit_size(0.001, 20) == 20
    assert audit_size(0.1, 0) == 0
    assert audit_size(0.99, 50) == 1


def test_the_label_of_most_reviewers_is_settled_and_a_tie_is_not():
    reviews = reviews_of(
        ("a", "x", "yes"), ("a", "y", "yes"), ("a", "z", "no"), ("b", "x", "yes"), ("b", "y", "no"), ("c", "x", None),
        ("d", "x", None), ("d", "y", "no"),
    )  # fmt: skip
    assert settled_labels(reviews).rows() == [("a", "yes", 3), ("b", None, 2), ("c", None, 0), ("d", "no", 1)]


def test_an_estimate_rests_on_the_beginning_of_the_sample_only():
    gold = gold_of(*((f"q{one}", alike("yes"), "yes", True, None) for one in range(6)))
    queue = review_queue(gold, votes_of({}), 6, seed=0)
    first, second, third, _, fifth, _ = queue.items["question_id"]
    reviews = reviews_of((fifth, "x", "yes"), (second, "x", None), (first, "x", "no"), (third, "y", "yes"))
    found = reviewed_sample(queue.items, reviews)
    assert found.select("question_id", "given").rows() == [(first, "no"), (second, None), (third, "yes")]
