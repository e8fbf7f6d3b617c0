"""Progress says how far, how fast, and how long it may still take."""

import httpx
import pytest

from flows.runners import live
from flows.runners.names import slug
from flows.stages.progress import describe_progress


@pytest.mark.parametrize(
    ("done", "total", "seconds", "rate", "line"),
    [
        (0, 24, 5.0, 0.0, "0 of 24 questions"),
        (6, 24, 60.0, 0.1, "6 of 24 questions, about 3 min 0 s left, 6.0 a minute, after 1 min 0 s"),
        (500, 1000, 10.0, 50.0, "500 of 1,000 questions, about 10 s left, 50.0 a second, after 10 s"),
        (1, 100, 120.0, 1 / 120, "1 of 100 questions, about 3 h 18 min left, 0.5 a minute, after 2 min 0 s"),
        (24, 24, 90.0, 24 / 90, "24 of 24 questions, 16.0 a minute, after 1 min 30 s"),
    ],
)
def test_a_stage_in_one_line(done, total, seconds, rate, line):
    assert describe_progress(done, total, seconds, rate) == line


def test_a_stage_says_what_it_counts():
    assert describe_progress(1, 1, 0.0, 0.0, unit="document") == "1 of 1 document"


def test_keys_of_artifacts_are_small_letters_digits_and_dashes():
    assert slug("progress-read: Qwen2.5_coder (0.5b)") == "progress-read-qwen2-5-coder-0-5b"


def test_a_server_that_is_away_for_a_moment_stops_no_work(monkeypatch):
    def away(*_, **__):
        raise httpx.ConnectError("nobody there")

    monkeypatch.setattr(live, "create_progress_artifact", lambda *_, **__: "id")
    monkeypatch.setattr(live, "update_progress_artifact", away)
    monkeypatch.setattr(live.Live, "say", lambda *_: None)
    with live.Live().stage("label", 2) as advance:
        advance(1)
        advance(1)
    monkeypatch.setattr(live, "create_progress_artifact", away)
    with live.Live().stage("label", 2) as advance:
        advance(2)


def test_a_run_has_one_card_that_shows_the_stage_under_way(monkeypatch):
    made, shown = [], []
    monkeypatch.setattr(live, "create_progress_artifact", lambda percent, key, description: made.append(key) or "id")
    monkeypatch.setattr(live, "update_progress_artifact", lambda card, percent, line: shown.append((percent, line)))
    monkeypatch.setattr(live, "show_life", lambda: None)
    monkeypatch.setattr(live.Live, "say", lambda *_: None)
    progress = live.Live()
    for stage in ("label", "read"):
        with progress.stage(stage, 2) as advance:
            advance(2)
    assert made == ["progress"]
    assert shown[0][0] == 100
    assert shown[0][1].startswith("2 of 2 questions, ")
    assert shown[0][1].endswith(" (label)")
    assert (0.0, "read") in shown
