"""Reports of published runs, rendered anew from their sealed tables."""

import shutil

import pytest

from flows.run import published
from flows.run.pipeline import render_again


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.run.published.draw_plots", lambda _: [])  # drawn for real elsewhere
    shutil.copytree(published.PUBLISHED / "pubmedqa-stitched-retrieval", tmp_path / "run")
    return tmp_path / "run"


def test_reports_are_written_anew_and_what_is_no_longer_drawn_goes(folder):
    sealed = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".parquet", ".json")}
    (folder / "stale.svg").write_text("<svg/>", encoding="utf-8")
    (folder / "report.md").write_text("stale", encoding="utf-8")
    published.render_anew(folder)
    assert (folder / "report.md").read_text(encoding="utf-8") == render_again(folder).report
    assert "report.html" in {file.name for file in folder.iterdir()}
    assert not list(folder.glob("*.svg"))
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.name in sealed} == sealed
