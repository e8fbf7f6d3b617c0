"""Kills at many moments: only the answers under way are lost and asked again, and the tables are those of a whole run.

The rest of a run is real: the command line, the ledger, the calls to a provider. `test_killed.py` kills runs on a real
model, and `test_remote_killed.py` batches.
"""

import os
import random
import signal
import time
from collections import Counter

import pytest

from labeling.votes.vote import KEY
from tests import killable
from tests.doubles.provider import ProviderDouble, digest_of, simulated_label

KILL, TERM = signal.SIGKILL, signal.SIGTERM
CONNECTIONS = 4
LINE = "tercet: interrupted; the answers so far are kept. Run the command again to continue.\n"


def output(folder) -> str:
    return (folder / "output.txt").read_text()


def end(process, number, count, n, delay) -> bool:
    """Signal a process once it has asked `n` times; false if it ended before."""
    while process.is_alive() and count() < n:
        time.sleep(0.001)
    time.sleep(delay)
    if not process.is_alive():
        return False
    os.kill(process.pid, number)
    process.join()
    return process.exitcode != 0


def assert_ended_well(process, number, folder) -> None:
    if number == KILL:
        assert process.exitcode == -KILL
    else:
        assert (process.exitcode, output(folder)) == (128 + TERM, LINE)


def schedule(kills, ends, seed):
    """The signals in a random order, each with how many calls come first, and how long after the last of them."""
    moments = random.Random(seed)
    signals = [KILL] * kills + [TERM] * ends
    moments.shuffle(signals)
    return [(number, moments.randint(1, 3), moments.uniform(0.0, 0.012)) for number in signals]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Gives the tables of a run that nobody disturbed, made when they are first asked for."""
    found = {}

    def tables(kind):
        if kind not in found:
            folder = tmp_path_factory.mktemp(kind)
            (folder / "killed.toml").write_text(killable.EXPERIMENT)
            finish(kind, folder)
            found[kind] = killable.tables(folder)
        return found[kind]

    return tables


def finish(kind, folder, environment=None) -> None:
    process = killable.start(kind, folder, environment)
    process.join()
    assert process.exitcode == 0, output(folder)


def is_life_sound(kind, folder, number, n, delay, lost) -> bool:
    """Start a run and end it; false if it ended by itself. What was lost is counted: it is to be asked again."""
    n_before = len(killable.asked(folder))
    process = killable.start(kind, folder)
    if not end(process, number, lambda: len(killable.asked(folder)), n_before + n, delay):
        process.join()
        assert process.exitcode == 0, output(folder)
        return False
    assert_ended_well(process, number, folder)
    calls, kept = killable.asked(folder)[n_before:], killable.on_disk(folder)
    for call in calls[:-1]:
        assert kept.issuperset(call), "an answer was not on disk when the next question was asked"
    lost.update(set(calls[-1]) - kept)
    return True


def end_again_and_again(kind, tmp_path, wanted, whole) -> None:
    """End runs over one store until one of them has finished, then over the next one, until every signal has come."""
    left, n_stores = list(wanted), 0
    while left:
        folder, lost, is_under_way = tmp_path / str(n_stores), Counter(), True
        folder.mkdir()
        (folder / "killed.toml").write_text(killable.EXPERIMENT)
        n_stores += 1
        while left and is_under_way:
            is_under_way = is_life_sound(kind, folder, *left[0], lost)
            left = left[1:] if is_under_way else left
        finish(kind, folder)
        assert killable.tables(folder) == whole(kind)
        rows = killable.shard_rows(folder)
        assert len(rows) == len(rows.unique(KEY)), "a vote is in two shards"
        assert not list(folder.glob("runs/ledger/*/journal/*.jsonl"))
        asked = Counter(one for call in killable.asked(folder) for one in call)
        assert asked == Counter(dict.fromkeys(asked, 1)) + lost, "something was asked again that was not lost"


def test_a_killed_run_loses_only_what_was_under_way(tmp_path, whole):
    end_again_and_again("sweep", tmp_path, [(KILL, 2, 0.0), (TERM, 3, 0.004), (KILL, 2, 0.006)], whole)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills", "ends"), [("label", 14, 3), ("sweep", 13, 3)])
def test_runs_killed_at_many_moments_lose_only_what_was_under_way(kind, kills, ends, tmp_path, whole):
    end_again_and_again(kind, tmp_path, schedule(kills, ends, seed=kills), whole)


class Paid:
    """A provider that counts how often it answers what."""

    def __init__(self) -> None:
        self.answers = Counter()

    def __call__(self, body):
        self.answers[digest_of(body)] += 1
        return simulated_label(body)


def end_paid_calls(tmp_path, n_questions, wanted) -> None:
    (tmp_path / "killed.toml").write_text(killable.PAID % n_questions)
    paid, n_again = Paid(), 0
    with ProviderDouble(answer=paid, chat_latency=0.01) as double:
        environment = {"GROQ_API_KEY": "sk-killed", "GROQ_BASE_URL": double.url}
        for number, n, delay in wanted:
            n_before = paid.answers.total()
            process = killable.start("label", tmp_path, environment)
            assert end(process, number, paid.answers.total, n_before + 2 * n, delay), "it ended before it was killed"
            assert_ended_well(process, number, tmp_path)
            n_lost = len(paid.answers) - len(killable.on_disk(tmp_path))
            assert n_lost <= (CONNECTIONS if number == KILL else 0)
            n_again += CONNECTIONS if number == KILL else 0
        finish("label", tmp_path, environment)
        rows = killable.shard_rows(tmp_path)
        assert len(rows) == len(rows.unique(KEY)) == len(paid.answers)
        assert paid.answers.total() <= len(rows) + n_again
        assert set(double.billed_chat.values()) == {1}, "a call was paid twice"


def test_paid_calls_that_are_killed_lose_only_what_was_under_way(tmp_path):
    end_paid_calls(tmp_path, 60, [(KILL, 8, 0.0), (TERM, 8, 0.005)])


@pytest.mark.slow
def test_paid_calls_killed_at_many_moments_lose_only_what_was_under_way(tmp_path):
    end_paid_calls(tmp_path, 200, schedule(13, 4, seed=5))
