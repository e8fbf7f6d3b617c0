"""What is taken away: distributions worked out by hand, failed votes, parts of bounded size, names of files."""

import polars as pl
import pytest

from labeling.votes.vote import VOTES
from results.gold.export.items import Items, choose_readers, item_schema, take_items
from results.gold.export.write import file_names
from results.gold.shown import text_digest

LABELS = ("yes", "no")


def tables(*distributions):
    """The tables of a run with one question and these votes."""
    votes = [
        {**dict.fromkeys(VOTES), "arm": "document", "vote": number, "question_id": "q", "label": "yes",
         "probabilities": given, "outside_mass": 1 - sum(given)}
        for number, given in enumerate(distributions)
    ]  # fmt: skip
    votes = pl.DataFrame(votes, schema=VOTES).select(pl.lit("r").alias("reader"), pl.all())
    gold = {"reader": "r", "question_id": "q", "votes": ["yes"] * 3, "label": "yes", "kept": True,
            "reason": "unanimous", "reference": None, "p_unanimous": 0.5}  # fmt: skip
    questions = {"question_id": "q", "text": "Q?", "document_ids": ["d"], "reference": None, "evidence": [],
                 "annotators": [], "split": None, "tags": []}  # fmt: skip
    return {"votes": votes, "gold": pl.DataFrame([gold]), "questions": pl.DataFrame([questions])}


def test_probabilities_are_the_mean_of_three_normalised_distributions():
    found = take_items(tables([0.6, 0.2], [0.3, 0.3], [0.1, 0.4]), "r", LABELS, {"d": "D"}).rows.row(0, named=True)
    assert found["probabilities"]["yes"] == pytest.approx((0.75 + 0.5 + 0.2) / 3)
    assert found["probabilities"]["no"] == pytest.approx((0.25 + 0.5 + 0.8) / 3)
    assert found["outside_mass"] == pytest.approx((0.2 + 0.4 + 0.5) / 3)
    assert found["text_digest"] == text_digest("Q?", ["D"])


def test_a_distribution_that_is_not_known_is_null():
    found = take_items(tables([0.6, 0.2], [], [0.1, 0.4]), "r", LABELS, None).rows.row(0, named=True)
    assert found["probabilities"] is None
    assert found["text_digest"] is None


def test_where_a_question_ends_and_a_document_begins_is_part_of_the_digest():
    assert len({text_digest("a", ["b", "c"]), text_digest("a", ["bc"]), text_digest("ab", ["c"])}) == 3


def test_parts_hold_no_more_than_they_may_and_lose_nothing():
    schema = item_schema(LABELS)
    rows = [dict.fromkeys(schema) | {"question_id": f"q{n}", "document_ids": [f"d{n}"]} for n in range(7)]
    texts = {f"d{n}": "x" * size for n, size in enumerate((3, 4, 4, 12, 1, 1, 1))}
    parts = list(Items("r", LABELS, pl.DataFrame(rows, schema=schema), texts).parts(most_characters=8))
    assert [part["question_id"].to_list() for part in parts] == [["q0", "q1"], ["q2"], ["q3"], ["q4", "q5", "q6"]]
    empty = list(Items("r", LABELS, pl.DataFrame(schema=schema), texts).parts())
    assert [part.columns for part in empty] == [parts[0].columns]


def test_readers_have_files_of_their_own():
    names = file_names(["org/Model", "org-model", "..", "读者"])
    assert names == {"org/Model": "org-Model", "org-model": "org-model-2", "..": "reader", "读者": "reader-2"}


def test_readers_are_taken_in_the_order_of_the_run():
    gold = pl.DataFrame({"reader": ["b", "b", "a"]})
    assert choose_readers(gold, ()) == ["b", "a"]
    assert choose_readers(gold, ("a", "b")) == ["b", "a"]
