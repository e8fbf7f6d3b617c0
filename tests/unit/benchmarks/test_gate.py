import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.benchmarks.gate import SLACK, Fallen, fallen, main, ratios_of_votes, read_ratios

PUBLISHED = Path(__file__).parents[3] / "results" / "published"


def peers(cpu, memory):
    return {"4 cells": {"ratios": {"other: CPU time": cpu, "other: memory": memory}, "embedder_share": 0.5}}


def write(folder, figures):
    folder.mkdir()
    (folder / "peers.json").write_text(json.dumps(figures), encoding="utf-8")
    (folder / "peers.md").write_text(f"{figures}", encoding="utf-8")
    return folder


def test_a_ratio_may_fall_by_a_tenth_and_no_more():
    published = {"a": 2.0, "b": 2.0, "c": 2.0, "d": 2.0}
    found = {"a": 2.0 * (1 - SLACK), "b": 1.79, "c": 5.0, "new": 0.1}
    assert fallen(published, found) == [Fallen("b", 2.0, 1.79), Fallen("d", 2.0, None)]


def test_a_tool_whose_repository_was_not_given_is_not_missed():
    published = {"peers, 4 cells, Chroma's evaluation: memory": 2.0}
    assert fallen(published, {}) == []
    assert fallen(published, dict.fromkeys(published, 1.0)) == [Fallen(*published, 2.0, 1.0)]


def test_arithmetic_that_the_processor_lacks_is_not_missed():
    assert fallen({"sweep, openvino bfloat16: speed": 3.9}, {}) == []


def test_every_published_figure_is_read():
    ratios = read_ratios(PUBLISHED)
    for kind in ("sweep", "votes", "peers"):
        assert any(name.startswith(f"{kind}, ") for name in ratios) == (PUBLISHED / f"{kind}.json").exists()
    assert all(ratio > 0 for ratio in ratios.values())
    assert fallen(ratios, ratios) == []


def test_votes_are_held_beside_what_they_replace():
    arms = {"label mode, 3 votes, resample": 2.0, "chat completion, 3 passes": 6.0}
    arms |= {f"label mode, 3 votes, {one}": 4.0 for one in ("permute", "paraphrase")}
    arms |= {f"chat completion, 3 calls, {one}": 5.0 for one in ("permute", "paraphrase")}
    ratios = ratios_of_votes({name: {"seconds": seconds} for name, seconds in arms.items()})
    assert sorted(ratios.values()) == [1.25, 1.25, 3.0]


def test_a_fallen_ratio_is_named_with_exit_code_1_and_nothing_is_published(tmp_path):
    published, measured = write(tmp_path / "published", peers(2.0, 1.5)), write(tmp_path / "measured", peers(1.5, 1.5))
    done = CliRunner().invoke(main, [str(measured), str(published)])
    assert done.exit_code == 1
    assert "peers, 4 cells, other: CPU time fell from 2.00 to 1.50: expected at least 1.80; mend" in done.stderr
    assert "memory fell" not in done.stderr
    assert json.loads((published / "peers.json").read_text()) == peers(2.0, 1.5)


@pytest.mark.parametrize(("cpu", "options"), [(1.9, []), (0.5, ["--accept"])])
def test_figures_that_hold_or_are_accepted_are_published(tmp_path, cpu, options):
    published, measured = write(tmp_path / "published", peers(2.0, 1.5)), write(tmp_path / "measured", peers(cpu, 1.5))
    assert CliRunner().invoke(main, [str(measured), str(published), *options]).exit_code == 0
    assert json.loads((published / "peers.json").read_text()) == peers(cpu, 1.5)
    assert (published / "peers.md").read_text() == f"{peers(cpu, 1.5)}"


def test_figures_that_lack_what_could_not_be_measured_here_do_not_replace_it(tmp_path):
    def with_chroma(ratios):
        of_grid = ratios["4 cells"]
        return {"4 cells": of_grid | {"ratios": of_grid["ratios"] | {"Chroma's evaluation: memory": 3.0}}}

    before, now = with_chroma(peers(2.0, 1.5)), peers(2.5, 1.5)
    published, measured = write(tmp_path / "published", before), write(tmp_path / "measured", now)
    (measured / "scale.md").write_text("new", encoding="utf-8")
    done = CliRunner().invoke(main, [str(measured), str(published)])
    assert done.exit_code == 0
    assert "peers stays as published: it has peers, 4 cells, Chroma's evaluation: memory, not measured" in done.stdout
    assert json.loads((published / "peers.json").read_text()) == before
    assert (published / "peers.md").read_text() == f"{before}"
    assert (published / "scale.md").read_text() == "new"
    assert CliRunner().invoke(main, [str(measured), str(published), "--accept"]).exit_code == 0
    assert json.loads((published / "peers.json").read_text()) == now


def test_a_quick_benchmark_names_only_what_was_not_measured_and_publishes_nothing(tmp_path):
    published, measured = write(tmp_path / "published", peers(2.0, 1.5)), write(tmp_path / "measured", peers(0.5, 1.5))
    done = CliRunner().invoke(main, [str(measured), str(published), "--quick"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert read_ratios(published) == read_ratios(write(tmp_path / "as before", peers(2.0, 1.5)))
    lacks = write(tmp_path / "lacks", {"4 cells": {"ratios": {"other: memory": 1.5}, "embedder_share": 0.5}})
    done = CliRunner().invoke(main, [str(lacks), str(published), "--quick"])
    assert done.exit_code == 1
    assert "CPU time was not measured" in done.stderr
