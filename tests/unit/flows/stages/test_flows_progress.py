"""Progress says which stage of how many it is, what is done, how far, how fast, how long still, and what was known."""

import io
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

SMALL = {"n_documents": 12, "words": 60}  # a corpus whose chunks are few


class Clock:
    """Stands still until it is told; timers go by it."""

    now = 0.0

    def __init__(self) -> None:
        self._timers: list[tuple[float, Mock]] = []

    def __call__(self) -> float:
        return self.now

    def timer(self, seconds, function):
        timer = Mock(function=function, is_on=True)
        timer.cancel = lambda: setattr(timer, "is_on", False)
        self._timers.append((self.now + seconds, timer))
        return timer

    def wait(self, seconds):
        end = self.now + seconds
        for at, timer in self._timers:
            if timer.is_on and self.now < at <= end:
                self.now = at
                timer.function()
        self.now = end


class Logged:
    """A log file, its clock, and the lines in it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bars = Bars(self.clock, self.clock.timer)
        self.bars._console = Console(file=io.StringIO(), width=200)

    @property
    def lines(self) -> list[str]:
        return self.bars._console.file.getvalue().splitlines()

    def stage(self, steps) -> list[str]:
        """The lines of a stage of 20 steps: seconds, steps and known steps, one after the other."""
        with self.bars.stage("read: one", 20, "stage 5 of 14") as advance:
            for seconds, n, known in steps:
                self.clock.wait(seconds)
                advance(n, known)
        return self.lines


def test_a_log_gets_the_start_of_a_stage_its_end_and_a_line_every_so_often():
    assert Logged().stage([(10, 4, 0)] * 5) == [
        "stage 5 of 14: read: one: 0 of 20 questions",
        "stage 5 of 14: read: one: 16 of 20 questions, about 10 s left, 24.0 a minute, after 40 s",
        "stage 5 of 14: read: one: 20 of 20 questions, 24.0 a minute, after 50 s",
    ]


def test_what_was_answered_before_is_said_and_does_not_count_as_fast():
    assert Logged().stage([(1, 17, 17), (30, 1, 0), (30, 2, 0)]) == [
        "stage 5 of 14: read: one: 17 of 20 questions (17 answered before)",
        "stage 5 of 14: read: one: 20 of 20 questions (17 answered before), 3.0 a minute, after 1 min 1 s",
    ]


def test_many_stages_that_are_short_are_few_lines_in_a_log():
    log = Logged()
    for _ in range(50):
        with log.bars.work("rank"):
            log.clock.wait(1)
        log.stage([(1, 20, 20)])
    assert len(log.lines) == 2 * 3, "a start and an end, whenever the log was silent for half a minute"


def test_a_log_says_what_is_under_way_while_nothing_of_it_is_done():
    log = Logged()
    with log.bars.work("embed", "stage 1 of 2"):
        log.clock.wait(2)
        assert log.lines == ["stage 1 of 2: embed"]
        log.clock.wait(100)
    assert log.lines[1:] == ["stage 1 of 2: embed: done after 1 min 42 s"]


def test_a_stage_that_fails_has_no_end():
    log = Logged()
    work = log.bars.work("embed")
    work.__enter__()
    log.clock.wait(5)
    assert not work.__exit__(ValueError, ValueError("broken"), None)
    log.clock.wait(100)
    assert log.lines == ["embed"]


def test_a_terminal_is_told_of_every_stage():
    log = Logged()
    log.bars._console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with log.bars.work("embed", "stage 1 of 2"):
        pass
    assert log.lines == ["stage 1 of 2: embed"]
    log.stage([(0, 20, 20)])
    assert any("stage 5 of 14: read: one" in line for line in log.lines)


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
    def stage(self, name, total, place="", unit=""):
        self.places.append(place)
        yield lambda *_: None

    @contextmanager
    def work(self, name, place=""):
        self.places.append(place)
        yield

    def say(self, line) -> None:
        pass


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Runs an experiment and gives the places of its stages."""
    monkeypatch.setattr(pipeline, "seal_run", Mock())

    def run(kind, readers=("one", "two"), corpus=None, retrieval=None, **rest):
        content = {
            "corpus": {"source": "generated", "generator": SMALL, "sample": 4, **(corpus or {})},
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
        ("compare", {"other_corpora": [{"source": "generated", "generator": SMALL}]}),
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
        "where answers are lost: read without any context", "comparison",
    ]  # fmt: skip
    for heading in headings:
        numbers = [place.rpartition(", ")[2] for place in found if place.startswith(heading)]
        assert numbers == [f"stage {number} of {len(numbers)}" for number in range(1, len(numbers) + 1)]
