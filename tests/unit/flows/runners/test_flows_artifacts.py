"""What a finished run shows in the Prefect UI; the calls to its API are written down in place of being made."""

import polars as pl
import pytest

from flows.runners import artifacts
from flows.runners.names import REPORTS
from flows.stages.runner import Finished
from results.report.plots.plot import Plot
from results.settings import CELL_SCHEMA

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="60" height="40" fill="red"/></svg>'
PLOTS = [Plot("ladder_1.svg", "The ladder", "Where answers are lost", SVG)]


@pytest.fixture
def made(monkeypatch):
    """Every artifact that was made, with its kind."""
    calls = []
    for kind in ("link", "markdown", "table"):
        monkeypatch.setattr(
            artifacts, f"create_{kind}_artifact", lambda kind=kind, **given: calls.append({"kind": kind, **given})
        )
    return calls


def cells():
    rows = [("tiny", "tokens", size, 0, "mini", "dense", "k", 1) for size in (32, 64)]
    scores = {"gold_accuracy": [0.5, float("nan")], "gold_f1": [0.25, 0.75], "all_accuracy": [0.4, 0.6]}
    frame = pl.DataFrame(rows, schema=CELL_SCHEMA, orient="row").with_columns(
        gold_n=pl.Series([17, 17]), n_context_tokens=pl.Series([30.0, 61.25])
    )
    ends = {f"gold_accuracy_{end}": [0.1, 0.2] for end in ("low", "high")}
    return frame.with_columns(**{name: pl.Series(values) for name, values in (scores | ends).items()})


def test_verdict_table_and_plots_are_shown_and_the_report_is_linked(made, monkeypatch, tmp_path):
    monkeypatch.setenv(REPORTS, "http://127.0.0.1:9")
    report = "# demo\n\n![The ladder](ladder_1.svg)\n\nWords."
    artifacts.show_run(Finished(tmp_path / "demo-run-1", report, "the line", {"cells": cells()}, PLOTS, None))
    verdict, link, table, picture = made
    assert verdict["key"] == "demo-run-1-verdict"
    assert "Words." in verdict["markdown"]
    assert "ladder_1.svg" not in verdict["markdown"]
    assert link["link"] == "http://127.0.0.1:9/demo-run-1/report.html"
    assert [row["size"] for row in table["table"]] == [32, 64]
    assert table["table"][0] == {
        "size": 32, "reads": "k=1", "tokens read": 30.0, "accuracy (%)": 50.0, "from": 10.0, "to": 10.0,
        "macro F1 (%)": 25.0, "on all questions (%)": 40.0, "gold questions": 17,
    }  # fmt: skip
    assert table["table"][1]["accuracy (%)"] is None
    assert "data:image/png;base64," in picture["markdown"]


def test_where_no_server_shows_reports_the_file_is_named(made, monkeypatch, tmp_path):
    monkeypatch.delenv(REPORTS, raising=False)
    tables = {"retrieval_means": pl.DataFrame({"hit": [0.123456]}), "labelers": pl.DataFrame({"reader": ["tiny"]})}
    artifacts.show_run(Finished(tmp_path / "demo-run-1", "Words.", "the line", tables, [], None))
    assert [one["kind"] for one in made] == ["markdown", "table", "table"]
    assert "report.html" in made[0]["markdown"]
    assert made[1]["table"] == [{"hit": 0.1235}]
