import json
import random
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.jobs.results import read_lines, read_results
from labeling.remote.spending import Usage
from labeling.votes.vote import VoteKey

LABELS = LabelSet()
READER = LabelerConfig(remote=RemoteConfig(provider="groq"))
KEYS = [VoteKey(f"hash {number}", "document", vote, 7, f"q{number}") for number in range(3) for vote in range(3)]
BY_ID = {key.id: key for key in KEYS}


def read(lines, keys=KEYS):
    return read_results(lines, (), {key.id: key for key in keys}, READER, LABELS, "f1", str.strip)


def answered(key, content="yes", usage=(17, 2)):
    return {
        "id": f"batch_req_{key.id}",
        "custom_id": key.id,
        "response": {
            "status_code": 200,
            "request_id": "req_1",
            "body": {
                "model": "m-1",
                "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]},
            },
        },
        "error": None,
    }


def refused(key, status=400, code="invalid_request_error", message="No."):
    body = {"error": {"message": message, "type": code, "code": None}}
    return {"custom_id": key.id, "response": {"status_code": status, "body": body}, "error": None}


def failed(key, code="batch_expired", message="Too late."):
    return {"custom_id": key.id, "response": None, "error": {"code": code, "message": message}}


def labels_of(results):
    return {(vote.question_id, vote.vote): vote.label for vote in results.votes}


# Answers


def test_each_answer_is_the_vote_that_its_line_names():
    lines = [answered(KEYS[4], "no"), answered(KEYS[0], "Maybe.", (5, 9))]
    results = read(lines, [KEYS[0], KEYS[4]])
    assert labels_of(results) == {("q1", 1): "no", ("q0", 0): "maybe"}
    vote = results.votes[1]
    assert (vote.labeler, vote.prompt_hash, vote.arm, vote.seed, vote.served) == ("f1", "hash 0", "document", 7, "m-1")
    assert results.used == Usage(2, 22, 11)
    assert results.counts == {"votes": 2, "refused": 0, "duplicates": 0, "unknown": 0, "broken": 0, "unanswered": 0}
    assert results.error is None


def test_an_answer_without_a_label_is_a_vote_too_and_paid_for():
    results = read([answered(KEYS[0], "It depends."), answered(KEYS[1], "")], KEYS[:2])
    assert [vote.failure for vote in results.votes] == ["off_label", "empty"]
    assert results.used == Usage(2, 34, 4)
    assert results.unanswered == 0


def test_no_lines_are_no_votes_and_nothing_answered():
    results = read([])
    assert (results.votes, results.used, results.unanswered, results.error) == ([], Usage(), 9, None)


# What is wrong with lines


def test_a_doubled_line_counts_once_and_is_paid_once():
    results = read([answered(KEYS[0]), answered(KEYS[1]), answered(KEYS[0])], KEYS[:2])
    assert (len(results.votes), results.duplicates, results.used) == (2, 1, Usage(2, 34, 4))


def test_a_line_for_a_request_of_somebody_else_is_counted_and_not_taken():
    results = read([answered(KEYS[5]), answered(KEYS[0])], KEYS[:1])
    assert (labels_of(results), results.unknown, results.used) == ({("q0", 0): "yes"}, 1, Usage(1, 17, 2))


@pytest.mark.parametrize(
    "line",
    [None, {}, {"custom_id": None}, {"custom_id": 7}, {"custom_id": ["x"]}, {"response": {"status_code": 200}}],
    ids=str,
)
def test_a_line_without_a_name_is_broken(line):
    results = read([line, answered(KEYS[0])], KEYS[:1])
    assert (results.broken, len(results.votes), results.unanswered) == (1, 1, 0)


def test_a_request_without_any_line_is_unanswered():
    results = read([answered(key) for key in KEYS[:4]])
    assert (len(results.votes), results.unanswered, results.error) == (4, 5, None)


@pytest.mark.parametrize(
    ("line", "status", "code", "message"),
    [
        (failed(KEYS[0]), None, "batch_expired", "Too late."),
        (refused(KEYS[0], 500, "server_error", "Internal error."), 500, "server_error", "Internal error."),
        (refused(KEYS[0], 429, "rate_limit_exceeded", "Slow down."), 429, "rate_limit_exceeded", "Slow down."),
        (refused(KEYS[0], 404, "model_not_found", "No such model."), 404, "model_not_found", "No such model."),
        ({"custom_id": KEYS[0].id, "response": None, "error": "Too late."}, None, "", "Too late."),
        ({"custom_id": KEYS[0].id, "response": None, "error": None}, None, "", "no reason given"),
        ({"custom_id": KEYS[0].id}, None, "", "no reason given"),
        ({"custom_id": KEYS[0].id, "response": "oops", "error": {}}, None, "", "no reason given"),
        ({"custom_id": KEYS[0].id, "response": {"status_code": "200"}}, None, "", "no reason given"),
        ({"custom_id": KEYS[0].id, "response": {"status_code": 502, "body": "<html>"}}, 502, "", "no reason given"),
        ({"custom_id": KEYS[0].id, "response": {"status_code": 503, "body": {"error": "busy"}}}, 503, "", "busy"),
    ],
    ids=str,
)
def test_an_error_that_may_pass_leaves_its_request_unanswered(line, status, code, message):
    results = read([line, answered(KEYS[1])], KEYS[:2])
    assert (len(results.votes), results.refused, results.unanswered) == (1, [], 1)
    assert (results.error.status, results.error.code, results.error.message) == (status, code, message)


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"error": {"message": "busy"}}], ids=str)
def test_an_answer_without_a_message_leaves_its_request_unanswered(body):
    line = answered(KEYS[0])
    line["response"]["body"] = body
    results = read([line], KEYS[:1])
    assert (results.votes, results.unanswered, results.used) == ([], 1, Usage())
    assert results.error.is_transient


def test_an_answer_that_comes_after_an_error_counts():
    results = read([failed(KEYS[0]), answered(KEYS[0])], KEYS[:1])
    assert (len(results.votes), results.unanswered, results.duplicates) == (1, 0, 0)


def test_a_request_refused_for_what_is_in_it_is_answered_and_costs_nothing():
    lines = [refused(KEYS[0]), refused(KEYS[1], code="context_length_exceeded"), refused(KEYS[2], 413)]
    results = read(lines, KEYS[:3])
    assert [(vote.vote, vote.failure) for vote in results.refused] == [
        (0, "rejected"),
        (1, "prompt_too_long"),
        (2, "prompt_too_long"),
    ]
    assert [vote.text for vote in results.refused] == ["No."] * 3
    assert (results.votes, results.unanswered, results.used) == ([], 0, Usage())
    assert results.counts["refused"] == 3


# Any lines in any order

LINES = st.lists(
    st.tuples(st.sampled_from(["answer", "refusal", "error", "cut", "none"]), st.sampled_from(["yes", "no", "?"]))
    | st.just(("answer", "maybe")),
    min_size=len(KEYS),
    max_size=len(KEYS),
)
EXTRA = st.lists(st.sampled_from(["again", "nobody", "broken"]), max_size=6)


def line_of(what, key, content):
    """The line that a request came back with; None for a cut one, nothing at all for `none`."""
    made = {"answer": answered(key, content), "refusal": refused(key), "error": failed(key), "cut": None}
    return [made[what]] if what in made else []


@given(LINES, EXTRA, st.randoms(use_true_random=False))
def test_every_request_ends_as_one_thing_whatever_the_order_of_the_lines(fates, extra, chance):
    lines = list(
        chain.from_iterable(line_of(what, key, content) for key, (what, content) in zip(KEYS, fates, strict=True))
    )
    answers = [line for line in lines if line and (line["response"] or {}).get("status_code") == 200]
    n_again = extra.count("again") if answers else 0
    lines += [chance.choice(answers) for _ in range(n_again)]
    lines += [answered(VoteKey("other", "document", 0, 7, "q9")) for _ in range(extra.count("nobody"))]
    lines += [None] * extra.count("broken")

    results = read(lines)
    fate_counts = {what: sum(one == what for one, _ in fates) for what in ("answer", "refusal", "cut")}
    assert results.counts == {
        "votes": fate_counts["answer"],
        "refused": fate_counts["refusal"],
        "duplicates": n_again,
        "unknown": extra.count("nobody"),
        "broken": extra.count("broken") + fate_counts["cut"],
        "unanswered": len(KEYS) - fate_counts["answer"] - fate_counts["refusal"],
    }
    assert results.used == Usage(fate_counts["answer"], 17 * fate_counts["answer"], 2 * fate_counts["answer"])

    shuffled = lines.copy()
    chance.shuffle(shuffled)
    again = read(shuffled)
    assert {vote.id: vote for vote in again.votes} == {vote.id: vote for vote in results.votes}
    assert {vote.id: vote for vote in again.refused} == {vote.id: vote for vote in results.refused}
    assert (again.counts, again.used) == (results.counts, results.used)


# Files


def write(file, *lines):
    file.write_bytes(b"".join(lines))
    return file


def test_lines_are_read_as_objects_and_blank_ones_passed_over(tmp_path):
    file = write(tmp_path / "output.jsonl", b'{"a": 1}\n', b"\n", b"  \r\n", b'{"b": "\xc3\xbc"}\r\n', b'{"c": 3}')
    assert list(read_lines(file)) == [{"a": 1}, {"b": "ü"}, {"c": 3}]


@pytest.mark.parametrize(
    "line",
    [b'{"custom_id": "q1", "resp', b"oops", b"[1]", b'"text"', b"7", b"null", b'{"a": "\xff\xfe"}', b"\x00"],
    ids=repr,
)
def test_a_line_that_is_no_object_is_none_and_the_others_are_read(tmp_path, line):
    file = write(tmp_path / "output.jsonl", b'{"a": 1}\n', line, b'\n{"b": 2}\n')
    assert list(read_lines(file)) == [{"a": 1}, None, {"b": 2}]


def test_an_empty_file_has_no_lines(tmp_path):
    assert list(read_lines(write(tmp_path / "error.jsonl"))) == []


def test_a_download_that_is_cut_anywhere_gives_the_votes_of_its_whole_lines(tmp_path):
    whole = "".join(json.dumps(answered(key)) + "\n" for key in KEYS).encode()
    places = random.Random(1).sample(range(len(whole)), 40)
    for place in places:
        results = read(read_lines(write(tmp_path / "output.jsonl", whole[:place])))
        n_whole = whole[: place + 1].count(b"\n")  # a line without its end is whole too
        assert len(results.votes) == n_whole
        assert results.broken == (place not in (0, len(whole)) and whole[place - 1 : place + 1].count(b"\n") == 0)
