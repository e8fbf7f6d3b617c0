"""What people read of an audit."""

import numpy as np
import polars as pl

from results.gold.audit.sample import Audited
from results.gold.audit.sentences import audit_lines
from results.gold.audit.settling import Settling, settling
from results.gold.review.agreement import Agreement
from results.stats.clustered import Interval
from tests.doubles.reviews import reviews_of

ALONE = Settling(60, 0, 0, 0, 0)


def lines(right, total=500, settled=ALONE, between=None, width=0.1, p_unanimous=None):
    known = np.linspace(1.0, 0.2, total) if p_unanimous is None else p_unanimous
    rows = np.linspace(0, total - 1, len(right)).round().astype(np.int64)
    found = Audited(rows, np.asarray(right, float), np.zeros((total, 0)), known)
    return audit_lines(found, settled, between, width, 0.95, 0.95)


def test_an_audit_that_is_too_small():
    assert lines([1] * 40 + [0] * 20) == [
        "About 67 % of the 500 questions of the gold set are right (54 to 78 %, at 95 % confidence; 40 of 60 drawn at "
        "random are).",
        "About 150 more reviews would narrow this to 10 points from end to end.",
        "No threshold on P(unanimous) can be promised to keep questions that are right in at least 95 %, at 95 % "
        "confidence, from 60 reviews; about 130 more would, if they are right as often.",
    ]


def test_an_audit_that_is_large_enough():
    assert lines([1] * 200) == [
        "About 100 % of the 500 questions of the gold set are right (99 to 100 %, at 95 % confidence; 200 of 200 drawn "
        "at random are).",
        "The whole gold set is right in at least 95 %, at 95 % confidence: no threshold on P(unanimous) is needed.",
    ]


def test_a_threshold_comes_with_its_coverage():
    *_, told = lines([1] * 140 + [0] * 60)
    assert told == (
        "Of the gold questions with a P(unanimous) of at least 0.446 (346 of 500, 69 %), at least 95 % are right, at "
        "95 % confidence."
    )


def test_nobody_has_looked_yet():
    assert lines([]) == [
        "Nobody has looked at the audit sample yet, so it is not known how many of the 500 questions of the gold set "
        "are right.",
        "About 230 reviews would narrow this to 10 points from end to end.",
        "No threshold on P(unanimous) can be promised to keep questions that are right in at least 95 %, at 95 % "
        "confidence, without reviews; about 54 would do if all of them are right.",
    ]


def test_disagreement_is_said():
    between = Agreement("kappa", 30, 0.9, Interval(0.71, 0.42, 0.9))
    told = lines([1] * 55 + [0] * 2 + [np.nan] * 3, settled=Settling(28, 25, 4, 2, 1), between=between)
    assert told[0].endswith(
        "3 questions are not settled (1 skipped, 2 without a label that most gave): they count as wrong for the lower "
        "end, and as right for the upper one."
    )
    assert told[-1] == (
        "Several people labelled 31 questions of the sample: on 25 all agree, on 4 most do, on 2 no label has more "
        "reviewers than every other. Over all reviews, kappa is 0.71 (0.42 to 0.90)."
    )
    assert len(told) == 4


def test_a_reader_without_distributions_has_no_threshold():
    told = lines([1] * 50 + [0] * 10, p_unanimous=np.full(500, np.nan))
    assert told[-1] == "P(unanimous) is not known of every question, so no threshold on it can be promised."


def test_an_empty_gold_set():
    assert lines([], total=0) == ["The gold set is empty, so there is nothing to audit."]


def test_how_questions_were_settled():
    reviews = reviews_of(
        ("one", "Ann", "yes"), ("all", "Ann", "yes"), ("all", "Bo", "yes"), ("most", "Ann", "yes"),
        ("most", "Bo", "no"), ("most", "Cy", "no"), ("none", "Ann", "yes"), ("none", "Bo", "no"),
        ("skipped", "Ann", None), ("elsewhere", "Bo", "no"),
    )  # fmt: skip
    sample = pl.DataFrame(
        {"question_id": ["one", "all", "most", "none", "skipped"], "given": ["yes", "yes", "no", None, None]}
    )
    found = settling(sample, reviews)
    assert found == Settling(1, 1, 1, 1, 1)
    assert (found.several, found.unsettled) == (3, 2)
