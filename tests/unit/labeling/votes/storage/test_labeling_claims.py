"""Two processes never ask the same question at a time, and a claim ends with whoever holds it."""

import os
import signal
import subprocess
import sys

import pytest

from labeling.votes.ledger import Ledger
from labeling.votes.storage import claims
from labeling.votes.storage.claims import Claims
from tests.conftest import ROOT
from tests.unit.labeling.votes.test_labeling_ledger import NEVER, three_prompts, vote_of

HOLDER = """
import sys, time
from pathlib import Path
from labeling.votes.storage.claims import Claims
claims = Claims(Path(sys.argv[1]))
assert claims.take("q1")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the claim of q1."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_claimed_question_is_refused_and_others_are_not(holder, tmp_path):
    mine = Claims(tmp_path)
    assert not mine.take("q1")
    assert mine.take("q2")
    assert mine.take("q2"), "a claim of one's own is no obstacle"
    assert len(mine) == 1


def test_a_claim_ends_with_the_process_that_is_killed(holder, tmp_path):
    mine = Claims(tmp_path)
    assert not mine.take("q1")
    os.kill(holder.pid, signal.SIGKILL)
    assert mine.take("q1", wait=True)


def test_released_claims_are_free(tmp_path):
    first, second = Claims(tmp_path), Claims(tmp_path)
    assert first.take("q1")
    assert not second.take("q1")
    first.release()
    assert second.take("q1")


def test_claims_are_given_back_once_the_votes_are_on_disk(tmp_path):
    first, second = Ledger(tmp_path, "f1", NEVER), Ledger(tmp_path, "f1", NEVER)
    prompts = three_prompts("q1")
    assert first.claim("q1")
    first.append([vote_of(prompt) for prompt in prompts])
    assert not second.claim("q1")
    assert second.missing(prompts) == prompts
    first.flush()
    assert not second.claim("q1"), "more votes on it may follow"
    first.release()
    assert second.claim("q1")
    assert second.missing(prompts) == []


OTHER_PROCESS = """
import sys
from pathlib import Path
from labeling.votes.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "f1", 1e9)
assert ledger.claim("q2")
print("holds q2", flush=True)
sys.stdin.readline()
assert ledger.claim("q1", wait=True)
"""


def test_who_waits_holds_nothing_so_that_two_cannot_wait_for_each_other(tmp_path):
    mine = Ledger(tmp_path, "f1", NEVER)
    assert mine.claim("q1")
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert other.stdout.readline() == "holds q2\n"
        other.stdin.write("now wait for q1\n")
        other.stdin.flush()
        assert mine.claim("q2", wait=True), "it was given back by the one that waits"
        mine.release()
        assert other.wait(timeout=30) == 0
    finally:
        other.kill()


def test_with_so_many_claims_votes_are_written_before_their_time(tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.votes.ledger.MOST_CLAIMS", 3)
    ledger = Ledger(tmp_path, "f1", NEVER)
    written = []
    for n in range(4):
        assert ledger.claim(f"q{n}")
        written.append(ledger.append([vote_of(prompt) for prompt in three_prompts(f"q{n}")]))
        if written[-1]:
            ledger.release()
    assert written == [False, False, True, False]
    assert len(ledger.votes()) == 9


def test_questions_share_a_bounded_number_of_files(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "SLOTS", 4)
    mine = Claims(tmp_path)
    assert all(mine.take(f"q{n}") for n in range(50))
    assert len(list(tmp_path.iterdir())) <= 4
