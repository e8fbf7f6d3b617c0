"""Progress says which stage of how many it is, what is done, how far, how fast, how long still, and what was known."""

import io
import re
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from rich.console import Console

from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.progress import Bars, Pace
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session


class Clock:
    """Stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(steps) -> list[str]:
    """What a log file shows of a stage of 20 steps: seconds, steps and known steps, one after the other."""
    clock = Clock()
    bars = Bars(clock)
    bars._console = Console(file=io.StringIO(), width=200)
    with bars.stage("read: one", 20, "stage 5 of 14") as advance:
        for seconds, n, known in steps:
            clock.now += seconds
            advance(n, known)
    return bars._console.file.getvalue().splitlines()


def test_a_log_file_gets_a_line_every_so_often_and_at_both_ends():
    assert lines_of([(10, 5, 0)] * 4) == [
        "stage 5 of 14: read: one: 0 of 20",
        "stage 5 of 14: read: one: 10 of 20, about 20 s left, 30.0 a minute, after 20 s",
        "stage 5 of 14: read: one: 20 of 20, 30.0 a minute, after 40 s",
    ]


def test_what_was_answered_before_is_said_and_does_not_count_as_fast():
    assert lines_of([(1, 17, 17), (30, 1, 0), (30, 2, 0)])[1:] == [
        "stage 5 of 14: read: one: 18 of 20 (17 answered before), about 1 min 0 s left, 2.0 a minute, after 31 s",
        "stage 5 of 14: read: one: 20 of 20 (17 answered before), 3.0 a minute, after 1 min 1 s",
    ]


def test_the_rate_is_that_of_late():
    clock = Clock()
    pace = Pace(1000, clock)
    for seconds in [100] * 10 + [1] * 16:
        clock.now += seconds
        pace.advance(1)
    assert pace.rate == pytest.approx(1)


class Noting:
    """Notes which stages there were."""

    def __init__(self) -> None:
        self.places: list[str] = []

    @contextmanager
    def stage(self, name, total, place=""):
        self.places.append(place)
        yield lambda *_: None

    def say(self, line) -> None:
        self.places += re.findall(r"^(.*stage \d+ of \d+): ", line)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Runs an experiment and gives the places of its stages."""
    monkeypatch.setattr(pipeline, "seal_run", Mock())

    def run(kind, readers=("one", "two"), corpus=None, retrieval=None, **rest):
        content = {
            "corpus": {"source": "sample", "sample": 4, **(corpus or {})},
            "retrieval": {"sizes": [8, 16], "k": [1], "budgets": [], "controls": ["closed_book"], **(retrieval or {})},
            "scoring": {"n_resamples": 100},
            "readers": [{"model": model} for model in readers],
            **rest,
        }
        runner = Runner(Noting())
        with scripted_session(tmp_path, lambda *_: (0.5, 0.3, 0.2)).session as session:
            execute(parse_experiment(content, "the test"), kind, session, runner)
        return [place for place in runner.progress.places if place]

    return run


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("label", {"calibration": {"per_label": 0}}),
        ("label", {"corpus": {"split": "held_out"}, "calibration": {"per_label": 2}}),
        ("compare", {"other_corpora": [{"source": "generated", "generator": {"n_documents": 6, "words": 60}}]}),
        ("sweep", {"readers": ()}),
        ("sweep", {"readers": (), "retrieval": {"retrievers": ["bm25"], "sizes": [8]}}),
        ("run", {"retrieval": {"retrievers": ["dense", "bm25"], "splitters": ["tokens", "sentences"]}}),
    ],
)
def test_the_last_stage_of_a_run_is_the_last_that_was_announced(places, kind, content):
    found = places(kind, **content)
    assert found == [f"stage {number} of {len(found)}" for number in range(1, len(found) + 1)]


def test_looks_are_announced_in_words(places):
    found = places("run", reading={"stop": "told", "first_look": 2}, calibration={"per_label": 0})
    headings = list(dict.fromkeys(place.partition(", stage")[0] for place in found))
    assert headings == [
        "before anything is read", "look 1 of at most 2: 2 questions", "look 2 of 2: 4 questions",
        "the other arms, for the settings that are left", "comparison",
    ]  # fmt: skip
    for heading in headings:
        numbers = [place.rpartition(", ")[2] for place in found if place.startswith(heading)]
        assert numbers == [f"stage {number} of {len(numbers)}" for number in range(1, len(numbers) + 1)]
