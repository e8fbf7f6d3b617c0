"""Plots as files for a paper: their sizes, and what they may write over."""

import re
from xml.etree import ElementTree

import pytest

from corpora.errors import InputError
from results.report.plots.figures import COLUMN_MM, write_figures
from results.report.plots.plot import WIDE, drawn


@pytest.fixture(scope="module")
def plots():
    def spec(layout):
        return {
            "mark": "point",
            "data": {"values": [{"a": 1}]},
            "encoding": {"x": {"field": "a"}},
            "width": layout.width,
        }

    return [drawn("one.svg", "One", "A point.", spec), drawn("two.svg", "Two", "A point.", spec)]


def test_every_plot_is_an_svg_and_a_pdf_as_wide_as_a_column(plots, tmp_path):
    line = write_figures(plots, tmp_path / "new" / "figures")
    folder = tmp_path / "new" / "figures"
    assert sorted(path.name for path in folder.iterdir()) == ["one.pdf", "one.svg", "two.pdf", "two.svg"]
    assert line == f"Wrote 2 plots as SVG and PDF, 85 mm wide, to {folder}: one, two."
    root = ElementTree.fromstring((folder / "one.svg").read_text())
    assert root.get("width") == f"{COLUMN_MM}mm"
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width < WIDE.width * 0.6  # the narrow layout, so that its letters are not scaled away
    assert float(root.get("height")[:-2]) == pytest.approx(COLUMN_MM * height / width, abs=0.01)
    box = re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", (folder / "one.pdf").read_bytes())
    assert float(box[1]) == pytest.approx(COLUMN_MM / 25.4 * 72, abs=0.5)


def test_its_own_files_are_written_over_and_others_stay(plots, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_figures(plots[:1], tmp_path)
    write_figures(plots, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("name", ["one.svg", "two.pdf"])
def test_somebody_elses_file_of_that_name_is_left_alone_and_nothing_is_written(plots, tmp_path, name):
    (tmp_path / name).write_text("drawn by hand")
    with pytest.raises(InputError, match=f"{name}, which Tercet did not write"):
        write_figures(plots, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["drawn by hand"]


def test_a_file_is_no_folder(plots, tmp_path):
    place = tmp_path / "file"
    place.write_text("mine")
    for folder in (place, place / "figures"):
        with pytest.raises(InputError, match="a file, or in one: expected a folder"):
            write_figures(plots, folder)
    assert place.read_text() == "mine"


def test_a_run_without_plots_says_so(tmp_path):
    assert write_figures([], tmp_path / "new") == "No figures: the run has no plots."
    assert not (tmp_path / "new").exists()
