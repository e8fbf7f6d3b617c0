import polars as pl
import pytest

from labeling.votes.vote import Vote, votes_frame
from results.readers.labeling_tables import GENERATION, PROBLEMS, describe_generation

# question, label, failure, how it was read, what was wrong before a repair, tokens
WRITTEN = [
    ("q1", "yes", None, "strict", None, 20),
    ("q1", "yes", None, "lenient", None, 30),
    ("q1", "no", None, "repaired", "truncated", 70),
    ("q2", "no", None, "strict", None, 20),
    ("q2", None, "refused", None, "refused", 10),
    ("q2", "no", None, "repaired", "off_label", 40),
    ("q3", None, "empty", None, "empty", 0),
    ("q3", "maybe", None, "lenient", None, 30),
    ("q3", "yes", None, "strict", None, 20),
]
FACTS = pl.DataFrame({"question_id": ["q1", "q2", "q3"], "reference": ["yes", "no", None]})


def votes(rows):
    return votes_frame(
        Vote(
            "f", "p", "document", at % 3, 0, question, label, failure, (), None, None, 9, "text", parse, problem, tokens
        )
        for at, (question, label, failure, parse, problem, tokens) in enumerate(rows)
    )


def row(rows, facts=FACTS):
    frame = describe_generation("reader", votes(rows), facts)
    assert frame.schema == GENERATION
    assert len(frame) == 1
    return frame.row(0, named=True)


def test_votes_are_counted_by_how_they_were_read_and_what_was_wrong():
    found = row(WRITTEN)
    assert (found["reader"], found["n"]) == ("reader", 9)
    assert (found["strict"], found["lenient"], found["repaired"], found["failed"]) == (3, 2, 2, 2)
    assert [found[problem] for problem in PROBLEMS] == [1, 1, 1, 1]  # empty, refused, truncated, off_label
    assert found["mean_tokens"] == pytest.approx(240 / 9)


def test_no_vote_vanishes():
    found = row(WRITTEN)
    assert found["strict"] + found["lenient"] + found["repaired"] + found["failed"] == found["n"]
    assert sum(found[problem] for problem in PROBLEMS) == found["repaired"] + found["failed"]


def test_right_votes_are_counted_on_the_questions_with_a_reference():
    found = row(WRITTEN)
    # Of the six votes on q1 and q2, the two "yes" of q1 and the two "no" of q2 are right.
    assert (found["judged"], found["right"]) == (6, 4)
    assert (found["right_strict"], found["right_lenient"], found["right_repaired"]) == (2, 1, 1)


def test_without_references_no_vote_is_judged():
    found = row(WRITTEN, FACTS.with_columns(reference=pl.lit(None, dtype=pl.String)))
    assert (found["judged"], found["right"], found["right_strict"]) == (0, 0, 0)
    assert found["n"] == 9


def test_votes_that_were_not_generated_make_no_row(ballots):
    frame = describe_generation("reader", ballots({"q1": (0.5, 0.3, 0.2)}), FACTS)
    assert frame.is_empty()
    assert frame.schema == GENERATION


def test_all_votes_may_fail():
    found = row([("q1", None, "empty", None, "empty", 0)] * 3)
    assert (found["n"], found["failed"], found["empty"], found["right"], found["mean_tokens"]) == (3, 3, 3, 0, 0.0)
