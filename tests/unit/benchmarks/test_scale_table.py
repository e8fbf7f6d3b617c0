import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.benchmarks.scale import __main__ as scale
from tests.benchmarks.scale.__main__ import INPUT, WHOLE
from tests.benchmarks.scale.__main__ import STAGES as NAMES
from tests.benchmarks.scale.stages import STAGES, Given, measure
from tests.benchmarks.scale.table import growth, render


def figures(cpu, peak=2e9, **more):
    return {"cpu": cpu, "seconds": cpu, "peak": peak, **more}


FOUND = {
    "1000": {"day": "2026-01-01", "questions": 50, "stages": {"load": figures(2.0), "score": figures(3.0)}},
    "10000": {
        "day": "2026-01-02",
        "questions": 50,
        "stages": {
            "load": figures(20.0, 3.25e9),
            "score": figures(3.0),
            "labels": figures(0.3, votes=150, bytes_a_vote=40.4),
        },
    },
}


def test_growth_is_the_exponent_of_the_number_of_documents():
    assert growth(FOUND, "load") == [pytest.approx(1.0)]
    assert growth(FOUND, "score") == [pytest.approx(0.0)]
    assert growth(FOUND, "labels") == [None]


def test_the_page_has_a_row_for_each_stage_and_what_was_counted():
    page = render(FOUND)
    assert "| load | 2.0 | 2.00 | 20.0 | 3.25 | 1.00 |" in page
    assert "| labels |  |  | 0.3 | 2.00 |  |" in page
    assert "* 10,000 documents, 2026-01-02: 150 votes: 2.00 ms of CPU and 40 bytes a vote." in page


def test_every_stage_is_run():
    assert list(STAGES) == list(NAMES)
    assert list(INPUT) == [*NAMES, WHOLE]


def test_a_stage_measured_by_itself_keeps_the_others_and_their_day(tmp_path, monkeypatch):
    saved, ran = tmp_path / "scale.json", []
    saved.write_text(json.dumps(FOUND), encoding="utf-8")
    monkeypatch.setattr(scale, "run_stage", lambda stage, *_: ran.append(stage) or figures(9.0))
    options = ["--documents", "10000", "--stage", "bm25", "--save", str(tmp_path / "scale")]
    assert CliRunner().invoke(scale.main, options).exit_code == 0
    assert ran == ["load", "chunk", "bm25"]
    found = json.loads(saved.read_text(encoding="utf-8"))["10000"]
    assert found["day"] == "2026-01-02"
    assert {stage: of["cpu"] for stage, of in found["stages"].items()} == {
        "load": 20.0, "score": 3.0, "labels": 0.3, "bm25": 9.0
    }  # fmt: skip
    page = (tmp_path / "scale.md").read_text(encoding="utf-8")
    assert f"* 10,000 documents, 2026-01-02 (bm25 {found['stages']['bm25']['day']}): " in page


def test_the_stages_that_need_no_model_work_on_what_the_ones_before_left(tmp_path):
    given = Given(tmp_path, 30, 10, 0)
    loaded, read = measure(STAGES["load"], given), measure(STAGES["read tables"], given)
    assert (loaded["documents"], loaded["questions"], read["documents"]) == (30, 10, 30)
    voted = measure(STAGES["labels"], given)
    assert voted["votes"] == 30
    assert voted["bytes_a_vote"] > 0


def test_the_page_on_speed_gives_the_published_figures():
    root = Path(__file__).parents[3]
    page = " ".join((root / "docs" / "speed.md").read_text(encoding="utf-8").split())
    stages = json.loads((root / "results" / "published" / "scale.json").read_text(encoding="utf-8"))["211000"]["stages"]
    sweep, search = stages["whole sweep, BM25"], stages["exact FAISS"]
    assert f"({stages['chunk']['chunks']:,} chunks)" in page
    assert f"takes {sweep['cpu']:.0f} CPU seconds and {sweep['peak'] / 1e9:.1f} GB" in page
    assert f"{search['cpu']:.0f} CPU seconds and {search['peak'] / 1e9:.1f} GB" in page
