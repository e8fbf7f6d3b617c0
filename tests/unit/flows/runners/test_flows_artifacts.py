"""What an ended run shows in the Prefect UI; the calls to its API are written down in place of being made."""

from types import SimpleNamespace

import pytest

from corpora.errors import InputError
from flows.runners import artifacts
from flows.runners.names import REPORTS
from flows.stages.runner import Finished
from results.advice.summary import Answer, Summary
from results.report.plots.plot import Plot

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="60" height="40" fill="red"/></svg>'
PLOTS = [Plot("accuracy_1.svg", "Accuracy", "By size", SVG), Plot("ladder_1.svg", "The ladder", "Losses", SVG)]
SESSION = {
    "started": "2026-11-29T21:00:00+00:00", "finished": "2026-11-29T21:03:20+00:00",
    "asked": {"label": [{"reader": "tiny", "prompts": 20, "new": 3, "seconds": 9.0, "usd": 0.0}],
              "read": [{"reader": "far", "prompts": 5, "new": 5, "seconds": 70.0, "usd": 0.004},
                       {"reader": "idle", "prompts": 0, "new": 0, "seconds": 0.0}]},
}  # fmt: skip
SUMMARY = Summary(
    "demo: 3 documents; no cost",
    (Answer("Which chunk size?", "64-token chunks: 76 % (43 to 93 %).", "accuracy"),
     Answer("Can the reader be trusted?", "Yes, <b>tiny</b> can.", "readers")),
    ("Few questions.",),
)  # fmt: skip


@pytest.fixture
def made(monkeypatch):
    """Every artifact that was made."""
    calls = []
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda **given: calls.append(given))
    monkeypatch.setattr(artifacts, "read_manifest", lambda _: {"sessions": [{}, SESSION]})
    monkeypatch.setattr(artifacts, "summarise", lambda manifest, tables: SUMMARY)
    return calls


def test_a_finished_run_shows_verdict_main_plot_and_cost(made, monkeypatch, tmp_path):
    monkeypatch.setenv(REPORTS, "http://127.0.0.1:9")
    finished = Finished(tmp_path / "demo-run-1", "the report", "the line", {}, PLOTS, None)
    artifacts.show_verdict(finished)
    artifacts.show_details(finished)
    verdict, plot, cost = made
    assert [one["key"] for one in made] == ["demo-run-1-verdict", "demo-run-1-plot", "demo-run-1-cost"]
    shown = f"{verdict['description']}\n\n{verdict['markdown']}"  # as the page of an artifact shows it
    assert shown.startswith(
        "**Which chunk size?** 64-token chunks: 76 % (43 to 93 %).\n\n## Can the reader be trusted?"
    )
    assert all(shown.count(said) == 1 for said in ("76 %", "Yes, ", "Few questions.", "no cost")), "each thing once"
    assert "Yes, &lt;b>tiny&lt;/b> can." in verdict["markdown"]
    assert "## Beware\n\n* Few questions." in verdict["markdown"]
    assert "(http://127.0.0.1:9/demo-run-1/report.html)" in verdict["markdown"]
    assert plot["markdown"].startswith("## Accuracy\n\n![Accuracy](data:image/png;base64,")
    assert "took 3 min 20 s and spent 0.0040 USD" in cost["markdown"]
    assert "| label | tiny | 20 | 17 | 9 s |" in cost["markdown"]
    assert "| read | far | 5 | 0 | 1 min 10 s |" in cost["markdown"]
    assert "idle" not in cost["markdown"]


def test_where_no_server_shows_reports_the_file_is_named(made, monkeypatch, tmp_path):
    monkeypatch.delenv(REPORTS, raising=False)
    artifacts.show_verdict(Finished(tmp_path / "demo-run-1", "the report", "the line", {}, [], None))
    assert str(tmp_path / "demo-run-1" / "report.html") in made[0]["markdown"]


@pytest.fixture
def renamed(monkeypatch):
    """A flow run that is under way, and the names that it was given."""
    run, names = SimpleNamespace(id="1", name="myrtle-moth"), []

    class Client:
        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda *_: None  # noqa: E731

        def update_flow_run(self, run_id, name):
            names.append(name)

    monkeypatch.setattr(artifacts, "get_client", lambda **_: Client())
    monkeypatch.setattr(artifacts.FlowRunContext, "get", lambda: SimpleNamespace(flow_run=run))
    return run, names


def test_a_refused_run_says_why_in_an_artifact_and_in_its_name(made, renamed):
    error = InputError("overlap 64 with size 32", "less", "lower it")
    error.mistakes = ("Overlaps: overlap 64.", "Path: *none*.")
    artifacts.show_refusal(error)
    (why,) = made
    assert why["key"] == "refused-myrtle-moth"
    assert why["markdown"].splitlines()[2:] == ["* Overlaps: overlap 64.", "* Path: \\*none\\*."]
    assert renamed[1] == ["myrtle-moth, refused: overlap 64 with size 32"]
    artifacts.show_refusal(InputError("x" * 200, "less"))
    assert len(renamed[1][1]) == artifacts.MOST_NAME


def test_a_refused_run_that_is_tried_again_gets_its_name_back(renamed):
    run, names = renamed
    artifacts.forget_refusal()
    assert names == []
    run.name = "myrtle-moth, refused: overlap 64"
    artifacts.forget_refusal()
    assert names == [run.name] == ["myrtle-moth"]


def test_outside_of_a_flow_run_there_is_nothing_to_say(made):
    artifacts.show_refusal(InputError("this", "that"))
    artifacts.forget_refusal()
    assert made == []
