"""Ten thousand questions three times through a provider with every fault at 5 %, and the same with a hundred."""

import pytest

from tests.benchmarks.remote import POLL_SECONDS, label_remotely

FEW, MANY = 100, 10_000
LOST_LOOKS = ("429", "429-retry-after", "500", "cut-before", "cut-body")  # the SDK asks again at once
MORE_MEMORY = 60e6  # bytes that nine thousand more questions may take, their texts included


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return label_remotely(tmp_path_factory.mktemp("many"), MANY, rate=0.05, latency=5.0)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return label_remotely(tmp_path_factory.mktemp("few"), FEW, rate=0.05, latency=0.5)


@pytest.fixture(params=["few", pytest.param("many", marks=pytest.mark.slow)])
def outcome(request):
    return request.getfixturevalue(request.param)


def test_all_votes_are_there_once(outcome):
    assert outcome.votes == outcome.distinct_votes == 3 * outcome.questions


def test_none_is_paid_twice(outcome):
    assert outcome.billed == 3 * outcome.questions
    assert outcome.most_billed == 1
    assert outcome.most_batches == 1


@pytest.mark.slow
def test_every_kind_of_fault_happened(many):
    expected = {"429", "429-retry-after", "500", "cut-before", "cut-body", "slow-body", "duplicate-line"}
    expected |= {"missing-line", "unknown-line", "error-line", "off-label", "empty", "half-line"}
    expected |= {"batch-failed", "batch-expired", "batch-no-output"}
    assert expected <= set(many.faults)


def test_faults_of_lines_happen_to_few_questions_too(few):
    assert {"duplicate-line", "missing-line", "unknown-line", "error-line", "off-label", "empty"} <= set(few.faults)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_questions(many, tmp_path):
    fewer = label_remotely(tmp_path, 1000, rate=0.05, latency=1.0)
    assert many.memory - fewer.memory < MORE_MEMORY


def test_it_looks_at_a_batch_no_more_often_than_it_was_told_to(outcome):
    """Whatever the load: a slower machine takes longer, and then more looks are allowed."""
    rounds = 1 + outcome.seconds / POLL_SECONDS
    repeated = sum(outcome.faults.get(one, 0) for one in LOST_LOOKS)
    assert outcome.looks <= outcome.batches * rounds + repeated
