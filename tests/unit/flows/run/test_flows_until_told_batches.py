"""Reading in looks with a reader that is asked in batches: each look has batches of its own."""

from unittest.mock import Mock

import pytest

from flows.run import pipeline, until_told
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.provider import ProviderDouble
from tests.doubles.scripted import scripted_session

EXPERIMENT = parse_experiment(
    {
        "max_cost": 1,
        "corpus": {"source": "sample", "sample": 6},
        "calibration": {"per_label": 0},
        "retrieval": {"sizes": [8, 16], "k": [1], "budgets": [], "controls": ["closed_book"]},
        "scoring": {"n_resamples": 100},
        "reading": {"stop": "told", "first_look": 3},
        "readers": [{"model": "openai/gpt-oss-20b", "remote": {"provider": "groq", "poll_seconds": 0.01}}],
    },
    "the test",
)
# A look has three more questions: three votes each, then two sizes and the whole document. The other arm comes last.
EACH = [3 * 3, 3 * 3, 3 * 3, 3 * 3, 6]


@pytest.fixture
def double(monkeypatch):
    with ProviderDouble() as served:
        monkeypatch.setenv("GROQ_API_KEY", "key")
        monkeypatch.setenv("GROQ_BASE_URL", served.url)
        # What is sealed does not matter here: the flows' own results take the place of the folder.
        monkeypatch.setattr(pipeline, "seal_run", lambda _, __, ___, made, *____: Mock(folder=made))
        yield served


def run(store):
    with scripted_session(store, lambda *_: ()).session as session:
        return execute(EXPERIMENT, "sweep", session, Runner()).folder


def sizes_of(double) -> list[int]:
    """Requests of each batch, in the order in which they were made."""
    return [one["request_counts"]["total"] for one in double.batches.values()]


def test_every_look_has_batches_of_its_own(double, tmp_path):
    made = run(tmp_path)
    looks = made.swept.tables["looks"]
    assert looks["questions"].to_list() == [3, 6]
    assert sizes_of(double) == EACH
    assert double.billed.total() == sum(EACH)
    assert set(made.swept.tables["answers"]["arm"]) == {"closed_book", "document", "retrieved"}


def test_a_run_that_was_killed_between_looks_goes_on_with_the_next(double, tmp_path, monkeypatch):
    class Killed(BaseException):
        """Nothing is tidied up for it."""

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(until_told, "_say", dies)
        with pytest.raises(Killed):
            run(tmp_path)
    assert sizes_of(double) == EACH[:2]
    made = run(tmp_path)
    assert sizes_of(double) == EACH
    assert double.billed.total() == sum(EACH)
    assert made.swept.tables["looks"]["questions"].to_list() == [3, 6]
