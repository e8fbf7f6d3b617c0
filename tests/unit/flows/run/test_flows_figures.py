"""`tercet report RUN --figures FOLDER`, on a published run."""

from pathlib import Path

from click.testing import CliRunner

from flows.cli.main import main

PUBLISHED = Path(__file__).parents[4] / "results" / "published" / "pubmedqa-generate"


def test_figures_of_a_finished_run_are_written_and_named_in_one_line(tmp_path):
    ended = CliRunner().invoke(main, ["report", str(PUBLISHED), "--figures", str(tmp_path / "figures")])
    assert ended.exit_code == 0
    assert ended.output.count("\n") == 1
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"risk_coverage.svg", "risk_coverage.pdf", "vote_curves.svg", "vote_curves.pdf"} == written
    assert all(name.removesuffix(".svg") in ended.output for name in written if name.endswith(".svg"))


def test_a_file_in_the_place_of_the_folder_is_refused_in_one_line(tmp_path):
    place = tmp_path / "figures"
    place.write_text("mine")
    ended = CliRunner().invoke(main, ["report", str(PUBLISHED), "--figures", str(place)])
    assert ended.exit_code == 2
    assert "expected a folder, new or old" in ended.output
    assert place.read_text() == "mine"


def test_figures_and_a_report_at_once_are_refused(tmp_path):
    ended = CliRunner().invoke(main, ["report", str(PUBLISHED), "--figures", str(tmp_path / "new"), "--json"])
    assert ended.exit_code == 2
    assert "leave out --print, --json and --open" in ended.output
    assert not (tmp_path / "new").exists()
