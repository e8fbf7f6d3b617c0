"""The plots of a sweep are read back from their SVG."""

import re
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree

import polars as pl
import pytest

from results.report.documents import draw_plots
from results.report.plots.interaction_plots import plot_interactions
from results.report.plots.ladder_plots import PARTS, plot_ladder
from results.report.plots.pareto_plots import frontier, plot_pareto
from results.report.plots.plot import COLOURS, tenths
from results.report.plots.sweep_plots import (
    MOST_SERIES,
    ONLY,
    plot_accuracy,
    plot_retrieval,
    series_groups,
    with_series,
)


def texts(svg):
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("}text")]


def fills(svg, colour):
    """Left and right end of every bar of a colour, in pixels; the legend's squares have no `h` of that length."""
    found = re.findall(rf'd="M(-?[\d.]+),[-\d.]+h(-?[\d.]+)v[-\d.]+h[-\d.]+Z" fill="{colour}"', svg)
    return [(float(left), float(left) + float(width)) for left, width in found if abs(float(width)) > 15]


@pytest.fixture(scope="module")
def accuracy(small_run):
    return plot_accuracy(small_run.tables["cells"])


def test_there_is_a_plot_for_each_reader_and_kind_of_cut(accuracy):
    assert [plot.file for plot in accuracy] == [
        f"accuracy_by_size_{number}_{kind}.svg" for number in (1, 2) for kind in ("k", "budget")
    ]
    assert [plot.title.split(":")[0] for plot in accuracy] == ["small", "small", "large", "large"]


def test_panels_are_cuts_and_every_series_is_in_the_legend(accuracy):
    by_k, by_budget = accuracy[:2]
    assert {"k = 1", "k = 3", "64", "128", "256", "dense", "bm25"} <= set(texts(by_k.svg))
    assert "budget = 512" in texts(by_budget.svg)
    assert "k = 1" not in texts(by_budget.svg)


def test_every_cell_is_a_point_with_its_interval(accuracy):
    groups = re.findall(r'<g class="mark-(symbol|rule) role-mark[^>]*>(.*?)</g>', accuracy[0].svg, re.DOTALL)
    counts = Counter({"symbol": 0, "rule": 0})
    for kind, body in groups:
        counts[kind] += body.count("<path") + body.count("<line")
    # Three sizes, two retrievers, k = 1 and 3.
    assert counts == {"symbol": 12, "rule": 12}


def test_series_differ_in_colour_shape_and_dash(accuracy):
    svg = accuracy[0].svg
    assert all(f'"{colour}"' in svg for colour in COLOURS[:2])
    assert set(re.findall(r'stroke-dasharray="([^"]+)"', svg)) == {"1,0", "6,3"}


def test_a_sweep_of_sizes_alone_needs_no_legend(run_of):
    plots = plot_accuracy(run_of().tables["cells"])
    assert ONLY not in texts(plots[0].svg)


def test_unknown_intervals_are_not_drawn(small_run):
    cells = small_run.tables["cells"].with_columns(
        pl.lit(None, dtype=pl.Float64).alias(f"gold_accuracy_{end}") for end in ("low", "high")
    )
    svg = plot_accuracy(cells)[0].svg
    assert "NaN" not in svg
    rules = re.findall(r'<g class="mark-rule role-mark[^>]*>(.*?)</g>', svg, re.DOTALL)
    assert sum(body.count("<line") for body in rules) == 0


def test_many_series_are_parted_and_keep_their_looks(large_run):
    frame = with_series(large_run.tables["cells"])
    groups = series_groups(frame)
    assert [name for group in groups for name in group.names] == frame["series"].unique(maintain_order=True).to_list()
    assert {len(group.names) for group in groups} <= set(range(1, MOST_SERIES + 1))
    only_k = large_run.tables["cells"].filter(pl.col("cut") == "k", pl.col("reader") == "small")
    plots = plot_accuracy(only_k)
    assert [plot.file for plot in plots] == ["accuracy_by_size_1_k.svg", "accuracy_by_size_1_k_2.svg"]
    assert [plot.title[-9:] for plot in plots] == ["(1 of 2)"[-9:].rjust(9), "(2 of 2)"[-9:].rjust(9)]
    # The sixth series opens the second plot with the sixth colour.
    assert f'"{COLOURS[5]}"' not in plots[0].svg
    assert f'"{COLOURS[5]}"' in plots[1].svg


def test_retrieval_is_drawn_for_each_cut_on_documents_and_spans(small_run):
    plots = plot_retrieval(small_run.tables["retrieval_means"])
    assert [plot.file for plot in plots] == [
        f"retrieval_by_size_{cut}_{what}.svg" for cut in ("k1", "k3", "budget512") for what in ("documents", "spans")
    ]
    assert {"hit", "recall", "nDCG"} <= set(texts(plots[0].svg))
    assert {"span recall", "span precision", "span F1", "span IoU"} <= set(texts(plots[1].svg))


def rung(retrieved, retrieval, chunking, reader, setting="tokens(size=64,overlap=0)"):
    return {
        "reader": "r", "cut": "k", "amount": 3, "setting": setting, "questions": "gold", "retrieved": retrieved,
        "retrieval_loss": retrieval, "chunking_loss": chunking, "reader_loss": reader,
    }  # fmt: skip


def test_the_parts_of_a_bar_follow_each_other_and_are_labelled():
    (plot,) = plot_ladder(pl.DataFrame([rung(0.5, 0.25, 0.125, 0.125)]))
    ends = [fills(plot.svg, colour)[0] for _, colour, _ in PARTS.values()]
    assert all(one[1] == pytest.approx(other[0], abs=0.01) for one, other in pairwise(ends))
    lengths = [right - left for left, right in ends]
    assert [length / sum(lengths) for length in lengths] == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.001)
    assert {"A .50", "T .25", "C .12", "R .12", "A: right", "T: lost by retrieval"} <= set(texts(plot.svg))


def test_a_negative_part_stands_left_of_nought():
    (plot,) = plot_ladder(pl.DataFrame([rung(0.5, 0.5, -0.25, 0.25)]))
    (right,), (chunking,) = fills(plot.svg, "#CFE8F7"), fills(plot.svg, "#0072B2")
    assert max(chunking) == pytest.approx(min(right), abs=0.01)
    assert abs(chunking[1] - chunking[0]) == pytest.approx((right[1] - right[0]) / 2, abs=0.01)
    assert "C -.25" in texts(plot.svg)


def test_a_ladder_whose_rungs_are_unknown_is_not_drawn():
    assert (
        plot_ladder(pl.DataFrame([rung(0.5, None, None, 0.25), rung(0.5, 0.25, 0.25, 0.0)]))[0].svg.count(">A .50<")
        == 1
    )
    assert plot_ladder(pl.DataFrame([rung(0.5, 0.2, 0.2, 0.1)]).with_columns(chunking_loss=None)) == []


def test_the_frontier_is_numbered_from_the_cheapest_and_named(small_run):
    best = frontier(small_run.tables["cells"], "large")
    assert best["number"].to_list() == list(range(1, len(best) + 1))
    assert best["n_context_tokens"].is_sorted()
    plot = plot_pareto(small_run.tables["cells"], small_run.tables["baselines"])[1]
    shown = texts(plot.svg)
    assert "".join(plot.title.split()) in "".join("".join(shown).split())
    for row in best.iter_rows(named=True):
        key = f"{row['number']} {row['setting']} {row['cut']}={row['amount']}"
        assert any(key in " ".join(one.split()) for one in shown)
    assert {"whole document", "closed book"} <= set(shown)


def test_slopes_have_the_names_of_their_readers(small_run):
    (plot,) = plot_interactions(small_run.tables["interactions"])
    assert {"small", "large", "small minus large", "k = 1", "k = 3", "budget = 512"} <= set(texts(plot.svg))


def test_interactions_that_are_not_known_are_not_drawn(small_run):
    unknown = small_run.tables["interactions"].with_columns(difference=pl.lit(None, dtype=pl.Float64))
    assert plot_interactions(unknown) == []


def test_readers_that_are_not_qualified_carry_their_mark_in_every_plot(small_run):
    labelers = pl.DataFrame([{"reader": "small", "qualified": False, "standing": "at chance"}])
    plots = draw_plots(small_run.tables | {"labelers": labelers})
    named = [plot for plot in plots if not plot.file.startswith("retrieval")]
    assert all(("small ‡" in plot.title) != ("large" in plot.title and "small" not in plot.title) for plot in named)


def test_plots_are_the_same_bytes_every_time(small_run, accuracy):
    assert plot_accuracy(small_run.tables["cells"]) == accuracy


def test_an_axis_reaches_the_tenths_around_its_values():
    assert tenths([0.42, None, 0.91]) == (0.4, 1.0)
    assert tenths([0.5]) == (0.5, 0.6)
    assert tenths([None]) == (0.0, 1.0)


def test_the_axis_of_a_frontier_holds_its_intervals(small_run):
    rows = small_run.tables["cells"].filter(pl.col("reader") == "small", pl.col("is_pareto"))
    svg = plot_pareto(rows, None)[0].svg
    ticks = {float(one) for one in texts(svg) if re.fullmatch(r"[01]\.\d+", one)}
    ends = [*rows["gold_accuracy_low"], *rows["gold_accuracy_high"]]
    assert (min(ticks), max(ticks)) == tenths(ends)
