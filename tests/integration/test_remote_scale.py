"""Ten thousand questions three times through a provider with every fault at 5 %."""

import pytest

from tests.benchmarks.remote import label_remotely

QUESTIONS = 10_000
MORE_MEMORY = 60e6  # bytes that nine thousand more questions may take, their texts included


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return label_remotely(tmp_path_factory.mktemp("many"), QUESTIONS, rate=0.05, latency=5.0)


def test_all_votes_are_there_once(outcome):
    assert outcome.votes == outcome.distinct_votes == 3 * QUESTIONS


def test_none_is_paid_twice(outcome):
    assert outcome.billed == 3 * QUESTIONS
    assert outcome.most_billed == 1
    assert outcome.most_batches == 1


def test_every_kind_of_fault_happened(outcome):
    expected = {"429", "429-retry-after", "500", "cut-before", "cut-body", "slow-body", "duplicate-line"}
    expected |= {"missing-line", "unknown-line", "error-line", "off-label", "empty", "half-line"}
    expected |= {"batch-failed", "batch-expired", "batch-no-output"}
    assert expected <= set(outcome.faults)


def test_memory_does_not_grow_with_the_questions(outcome, tmp_path):
    few = label_remotely(tmp_path, 1000, rate=0.05, latency=1.0)
    assert outcome.memory - few.memory < MORE_MEMORY


def test_the_time_is_the_providers_not_ours(outcome):
    assert outcome.cpu_seconds < outcome.seconds / 3
