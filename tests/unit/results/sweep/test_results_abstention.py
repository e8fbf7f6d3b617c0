"""False answers where nothing is stated, and abstentions: shares that are worked out by hand."""

import polars as pl
import pytest

from corpora.schema import Corpus, LabelSet, Question, documents_frame, questions_frame
from labeling.votes.consensus import GOLD, ConsensusConfig, ReaderVotes
from labeling.votes.sampling import Sampling
from labeling.votes.vote import votes_frame
from results.config import ScoringConfig
from results.readers.answers import ANSWERS
from results.sweep.behaviour.abstention import ABSTENTION, score_abstention

LABELS = LabelSet(("yes", "no", "not stated"))
# The first three questions have no answer in their documents.
REFERENCES = ("not stated",) * 3 + ("yes",) * 5
IDS = [f"q{number}" for number in range(8)]
CONFIG = ScoringConfig(n_resamples=200)
SURE = {"yes": (1.0, 0.0, 0.0), "no": (0.0, 1.0, 0.0), "not stated": (0.0, 0.0, 1.0)}


def corpus(references=REFERENCES):
    asked = [Question(one, "?", (f"d{one}",), label) for one, label in zip(IDS, references, strict=True)]
    return Corpus("by hand", documents_frame([]), questions_frame(asked), LABELS, not_stated="not stated")


def place(size):
    return {"splitter": "tokens", "size": size, "overlap": 0, "embedder": "e", "retriever": "dense"} | {
        "cut": "k", "amount": 1
    }  # fmt: skip


def answer(question, chances, size=None, failed=False):
    where = {"arm": "document"} if size is None else {"arm": "retrieved", **place(size)}
    label = None if failed else LABELS.labels[max(range(3), key=lambda at: chances[at])]
    told = {"reader": "r", "question_id": question, "label": label, "margin": 0.5}
    told |= {"failure": "empty"} if failed else {"probabilities": list(chances)}
    return where | told | {"n_chunks": 1, "n_context_tokens": size or 9, "prompt_hash": f"{question}{size}"}


def score(answers, found, golds=REFERENCES, of=None, cut_through=()):
    gold = pl.DataFrame(
        [{"question_id": one, "votes": [label] * 3, "label": label, "kept": label is not None, "reason": "",
          "reference": label} for one, label in zip(IDS, golds, strict=True)],
        schema=GOLD,
    )  # fmt: skip
    of = of or corpus()
    reader = ReaderVotes("r", Sampling(), "resample", of.questions, votes_frame([]), gold, None)
    rows = [
        place(size)
        | {"question_id": one, "any_found": any_found, "all_found": all_found}
        | {"span_recall": 0.5 if one in cut_through else all_found}
        for size, of_size in found.items() for one, (any_found, all_found) in zip(IDS, of_size, strict=True)
    ]  # fmt: skip
    frame = pl.DataFrame(answers, schema=ANSWERS)
    return score_abstention(of, frame, [reader], ConsensusConfig(), CONFIG, pl.DataFrame(rows))


def row_of(table, questions="all", **where):
    return table.filter(pl.col("questions") == questions).filter(**where).row(0, named=True)


ALL_FOUND = [(1.0, 1.0)] * 8
HALF_FOUND = [(1.0, 1.0)] * 5 + [(0.0, 0.0)] * 2 + [(1.0, 0.0)]  # of the last one, a passage of two


def test_shares_are_those_computed_by_hand():
    # Size 8 answers questions 0 and 1 although nothing is stated; and abstains on 3, 5 and 7.
    small = ["yes", "no", "not stated", "not stated", "yes", "not stated", "yes", "not stated"]
    answers = [answer(one, SURE[label], 8) for one, label in zip(IDS, small, strict=True)]
    answers += [answer(one, SURE[label], 64) for one, label in zip(IDS, REFERENCES, strict=True)]
    answers += [answer(one, SURE["yes"]) for one in IDS]
    table = score(answers, {8: HALF_FOUND, 64: ALL_FOUND})
    assert table.schema == ABSTENTION
    row = row_of(table, size=8)
    assert (row["n_not_stated"], row["false_answers"]) == (3, pytest.approx(2 / 3))
    assert (row["n_shown"], row["abstained_shown"]) == (2, pytest.approx(1 / 2))  # questions 3 and 4
    assert (row["n_missed"], row["abstained_missed"]) == (2, pytest.approx(1 / 2))  # 5 and 6; 7 is in neither
    assert row["false_more"] == pytest.approx(2 / 3)
    assert row["false_answers_low"] < 2 / 3 < row["false_answers_high"]
    large = row_of(table, size=64)
    assert (large["false_answers"], large["false_more"], large["abstained_shown"]) == (0, None, 0)
    assert (large["n_missed"], large["abstained_missed"]) == (0, None)
    whole = row_of(table, arm="document")
    assert (whole["false_answers"], whole["n_shown"], whole["n_missed"]) == (1, 5, 0)


def test_a_passage_that_is_partly_shown_is_neither_shown_nor_missed():
    answers = [answer(one, SURE["not stated"], 8) for one in IDS]
    row = row_of(score(answers, {8: HALF_FOUND}, cut_through=("q6", "q7")), size=8)
    assert (row["n_shown"], row["n_missed"]) == (2, 1)  # 5 is missed; of 6, half of the passage is shown


def test_scores_are_expectations_and_a_failed_answer_is_neither():
    chances = (0.3, 0.1, 0.6)
    answers = [answer(one, chances, 8, failed=one == "q0") for one in IDS]
    row = row_of(score(answers, {8: ALL_FOUND}), size=8)
    assert row["false_answers"] == pytest.approx(2 * 0.4 / 3)
    assert row["abstained_shown"] == pytest.approx(0.6)
    assert row["n_failed"] == 1


def test_gold_labels_and_references_are_scored_apart():
    golds = ("yes", "not stated", None, *REFERENCES[3:])
    answers = [answer(one, SURE["yes"], 8) for one in IDS]
    table = score(answers, {8: ALL_FOUND}, golds)
    assert (row_of(table, "gold", size=8)["n_not_stated"], row_of(table, "gold", size=8)["n_shown"]) == (1, 6)
    assert row_of(table, size=8)["n_not_stated"] == 3


def test_without_a_question_of_that_kind_nothing_is_claimed():
    of = corpus(("yes",) * 8)
    answers = [answer(one, SURE["yes"], size) for one in IDS for size in (8, 64)]
    row = row_of(score(answers, {8: ALL_FOUND, 64: ALL_FOUND}, ("yes",) * 8, of), size=8)
    assert (row["n_not_stated"], row["false_answers"], row["false_more"]) == (0, None, None)
    assert row["abstained_shown"] == 0
