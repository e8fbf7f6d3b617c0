"""Shards: of some seconds each, whatever a question takes."""

import heapq

import pytest

from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.asking import Asked
from flows.stages.runner import Runner
from flows.stages.shards import MOST_QUESTIONS, SHARD_SECONDS, ask_in_shards, cut_shards
from labeling.votes.vote import Prompt


def sizes(n_questions, seconds_a_question, first=1):
    now = [0.0]
    found = []
    groups = ([one, one] for one in range(n_questions))
    for shard in cut_shards(groups, n_questions, first, clock=lambda: now[0]):
        found.append(len(shard) // 2)
        now[0] += len(shard) // 2 * seconds_a_question
    return found


@pytest.mark.parametrize(
    ("seconds_a_question", "wanted"),
    [(60.0, [1, 1, 1, 1, 1, 1, 1, 1]), (5.0, [1, 2, 3, 2]), (0.001, [1, 2, 4, 1])],
)
def test_slow_questions_come_one_by_one_and_fast_ones_in_growing_shards(seconds_a_question, wanted):
    assert sizes(8, seconds_a_question) == wanted


def test_a_shard_has_a_most_and_all_questions_are_in_one():
    found = sizes(1000, 0.0)
    assert sum(found) == 1000
    assert max(found) == MOST_QUESTIONS


def test_a_shard_takes_about_the_seconds_that_it_should():
    found = sizes(500, 1.0)
    assert found[10] == SHARD_SECONDS


@pytest.mark.parametrize("seconds_a_question", [0.001, 1.0, 60.0])
def test_each_of_eight_workers_has_its_share(seconds_a_question):
    now, free_at, ends, found = [0.0], [0.0] * 8, [], []
    groups = ([one, one] for one in range(400))
    for shard in cut_shards(groups, 400, 16, 8, clock=lambda: now[0]):
        found.append(len(shard) // 2)
        end = max(now[0], heapq.heappop(free_at)) + found[-1] * seconds_a_question
        heapq.heappush(free_at, end)
        heapq.heappush(ends, end)
        if len(ends) >= 16:  # two on their way to each worker
            now[0] = max(now[0], heapq.heappop(ends))
    assert sum(found) == 400
    assert max(found) <= 25, "one worker has more than its share"
    assert found[-1] <= 2, "the others wait for the last"


def test_questions_that_were_being_asked_elsewhere_are_come_back_to_and_their_prompts_written_anew(tmp_path):
    written, calls = [], []

    def groups():
        for number in range(4):
            written.append(number)
            yield [Prompt(f"q{number}", "document", vote, vote, "", "Is it?") for vote in (0, 1, 2)]

    def ask(_session, _config, _labels, prompts, waits):
        calls.append((sorted({prompt.question_id for prompt in prompts}), len(prompts), waits))
        left = () if waits else tuple({one.question_id for one in prompts} & {"q1", "q3"})
        return Asked(len(prompts), 0, 0, 0, 0.0, (), left=left)

    ask_in_shards("label", ask, groups, 4, None, None, Session(Workspace(tmp_path)), Runner(), first=4)
    assert calls == [(["q0", "q1", "q2", "q3"], 12, False), (["q1", "q3"], 6, True)]
    assert written == [0, 1, 2, 3] * 2


def test_a_sheet_is_come_back_to_whose_first_prompts_were_answered_before(tmp_path):
    sheet = [Prompt(f"q{number}", "draft", 0, 0, "", f"Write {number}", sheet="one") for number in range(4)]
    calls = []

    def ask(_session, _config, _labels, prompts, waits):
        calls.append([one.question_id for one in prompts])
        return Asked(len(prompts), 0, 0, 0, 0.0, (), left=() if waits else ("q2", "q3"))  # q0 and q1 are in the ledger

    ask_in_shards("write", ask, lambda: iter([sheet]), 4, None, None, Session(Workspace(tmp_path)), Runner())
    assert calls == [["q0", "q1", "q2", "q3"], ["q2", "q3"]]
