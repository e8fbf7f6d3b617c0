"""A specialist's scores against figures worked out by hand, and the advice for each way they can fall."""

import numpy as np
import polars as pl
import pytest

from results.advice.cards.specialist import Pace, Times, advise, findings
from results.gold.specialist.scores import (
    CURVE,
    MAJORITY,
    SPECIALIST,
    TEACHER,
    Judged,
    always,
    answers_of,
    calibration_error,
    score,
)

LABELS = ("yes", "no")


def judged(mine, teacher=None, n=200, kept=None):
    """Questions half of which are yes, each on its own document.

    Args:
        mine: on how many of them the specialist is right, with a probability of .8.
        teacher: on how many its teacher is; the same questions first.
    """
    references = [LABELS[number % 2] for number in range(n)]
    ids = [f"q{number:03d}" for number in range(n)]
    facts = pl.DataFrame({"question_id": ids, "reference": references, "cluster": ids})
    facts = facts.with_columns(kept=pl.Series(kept if kept is not None else [True] * n))

    def answers(n_right):
        p = [0.8 if (references[at] == "yes") == (at < n_right) else 0.2 for at in range(n)]
        return answers_of(ids, np.array([[one, 1 - one] for one in p]), LABELS)

    given = {SPECIALIST: answers(mine)}
    given |= {} if teacher is None else {TEACHER: answers(teacher)}
    return Judged(facts, given | {MAJORITY: always(facts, LABELS)}, LABELS)


def advice_on(mine, teacher, n=200, margin=0.05):
    return advise(score(judged(mine, teacher, n), 0.95), margin, 0.05, Times(Pace(0.01, 20.0), Pace(4.0, 300.0)))


def test_scores_by_hand():
    scored = score(judged(150, 160), 0.95)
    row = scored.scores.filter(answers=SPECIALIST, questions="all").row(0, named=True)
    assert row["accuracy"] == 0.75
    assert row["confidence"] == pytest.approx(0.8)
    # Brier: 2 * .2 ** 2 where right, 2 * .8 ** 2 where wrong.
    assert row["brier"] == pytest.approx(0.75 * 0.08 + 0.25 * 1.28)
    minus = scored.differences.filter(minus=TEACHER, questions="all").row(0, named=True)
    assert minus["difference"] == pytest.approx(-0.05)
    assert minus["low"] < -0.05 < minus["high"]


def test_the_filters_parts_are_scored_apart():
    scored = score(judged(100, 200, kept=[at < 100 for at in range(200)]), 0.95)
    accuracy = dict(scored.scores.filter(answers=SPECIALIST).select("questions", "accuracy").iter_rows())
    assert accuracy == {"all": 0.5, "kept": 1.0, "excluded": 0.0}


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    confidence = np.repeat([0.5, 0.9], 50)
    right = np.concatenate([np.tile([0.0, 1.0], 25), np.ones(50)])
    assert calibration_error(confidence, right) == pytest.approx(0.05)


def test_no_answer_is_wrong_and_not_dropped():
    facts = pl.DataFrame({"question_id": ["a", "b"], "reference": ["yes", "yes"], "cluster": ["a", "b"], "kept": None})
    facts = facts.with_columns(pl.col("kept").cast(pl.Boolean))
    given = answers_of(["a", "b"], np.array([[0.9, 0.1], [np.nan, np.nan]]), LABELS)
    row = score(Judged(facts, {SPECIALIST: given}, LABELS), 0.95).scores.row(0, named=True)
    assert (row["n"], row["accuracy"], row["brier"]) == (2, 0.5, None)


def test_as_good_as_its_teacher_is_advised_with_the_time():
    advice = advice_on(180, 180)
    assert advice.verdict == "use"
    assert "within 5 points of its teacher" in advice.line
    assert "at 1/400 of the time" in advice.line


def test_shown_to_be_worse_is_said():
    assert advice_on(140, 180).verdict == "worse"


def test_too_few_questions_cannot_tell():
    assert advice_on(14, 15, n=20).verdict == "cannot tell"


def test_a_teacher_that_knows_nothing_is_no_measure():
    advice = advice_on(100, 100)
    assert advice.verdict == "cannot tell"
    assert "not shown to beat always giving one label" in advice.line


def test_without_a_teacher_nothing_is_advised():
    assert advise(score(judged(180), 0.95), 0.05, 0.05, Times(None, None)).verdict == "cannot tell"


def test_the_findings_say_every_figure():
    curve = pl.DataFrame([(10, 10, 200, 0.5, 0.4, 0.6, 0.5), (40, 40, 200, 0.75, 0.7, 0.8, 0.4)], CURVE, orient="row")
    kept = [at < 100 for at in range(200)]
    times = Times(Pace(0.01, 20.0), Pace(4.0, 300.0))
    lines = "\n".join(findings(score(judged(150, 160, kept=kept), 0.95), curve, times, 0.95))
    for said in (
        "On 200 held-out questions with human references: specialist 75 % right",
        "Specialist minus its teacher -5.0 points",
        "on the 100 that it excluded, 50 % (teacher 60 %)",
        "with 10, 40 labels, 50, 75 % right; more labels help",
        "it claims 80 % on average and is right in 75 %, which fits",
        "1,000 questions take it 10.0 s (2,000 tokens a second) on this machine",
        "; its teacher takes 67 minutes (75 tokens a second)",
    ):
        assert said in lines


def test_a_teacher_that_answered_fewer_questions_is_said_to_have():
    some = judged(150, 160)
    few = some._replace(answers={**some.answers, TEACHER: some.answers[TEACHER].head(40)})
    lines = list(findings(score(few, 0.95), pl.DataFrame(schema=CURVE), Times(None, None), 0.95))
    assert "its teacher 100 % right (91 to 100 %) on the 40 with votes of its teacher" in lines[0]
    assert "minus its teacher +0.0 points" in lines[1]
    assert "on the 40 with votes of its teacher; minus always the majority label" in lines[1]
