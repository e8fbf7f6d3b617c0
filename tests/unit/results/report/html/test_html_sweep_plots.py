"""The plots of a sweep are read back from their SVG."""

import re
from xml.etree import ElementTree

import polars as pl
import pytest

from results.report.documents import draw_plots
from results.report.plots.interaction_plots import plot_interactions
from results.report.plots.ladder_plots import PARTS, plot_ladder
from results.report.plots.pareto_plots import frontier, plot_pareto
from results.report.plots.placing import tenths
from results.report.plots.plot import COLOURS
from results.report.plots.sweep_plots import (
    MOST_SERIES,
    ONLY,
    plot_accuracy,
    plot_retrieval,
    series_groups,
    with_series,
)

NB = "\N{NO-BREAK SPACE}"


def texts(svg):
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("}text")]


def joined(svg):
    """All words of a plot, whatever the lines that they are in."""
    lines = (one for one in ElementTree.fromstring(svg).iter() if one.tag.endswith(("}text", "}tspan")) and one.text)
    return " ".join(" ".join(line.text for line in lines).split(" "))


def counted(svg, mark):
    """How many marks of a kind there are."""
    groups = re.findall(rf'<g class="mark-{mark} role-mark[^>]*>(.*?)</g>', svg, re.DOTALL)
    return sum(body.count("<path") + body.count("<line") for body in groups)


def bars(svg, colour):
    """Left and right end of every bar of a colour, in pixels of its column."""
    found = re.findall(rf'd="M(-?[\d.]+),[-\d.]+h(-?[\d.]+)v[-\d.]+h[-\d.]+Z" fill="{colour}"', svg)
    return [(float(left), float(left) + float(width)) for left, width in found]


@pytest.fixture(scope="module")
def accuracy(small_run):
    return plot_accuracy(small_run.tables["cells"], small_run.tables["baselines"])


@pytest.fixture(scope="module")
def sizes_alone(run_of):
    """A run in which nothing varies but the size: the plot that answers the question."""
    return run_of().tables


def test_where_the_size_alone_varies_one_plot_has_a_panel_for_each_reader_and_a_line_for_each_cut(sizes_alone):
    (plot,) = plot_accuracy(sizes_alone["cells"], sizes_alone["baselines"])
    assert plot.file == "accuracy_by_size.svg"
    for svg in (plot.svg, plot.narrow):
        assert {"small", "large", "1 chunk", "3 chunks", "512 tokens", "64", "128", "256"} <= set(texts(svg))
        assert joined(svg).count(f"whole document 96{NB}%") == 4  # in both panels, with an edge of paper each
        assert joined(svg).count(f"closed book 42{NB}%") == 4
        # Three sizes, three cuts, two readers; besides a mark for each name, and the two rules of each panel.
        assert counted(svg, "rule") == 18 + 4
        assert counted(svg, "symbol") == 18 + 2 * 5
    assert ONLY not in texts(plot.svg)


def test_the_description_says_the_best_and_the_worst_of_each_reader(sizes_alone):
    (plot,) = plot_accuracy(sizes_alone["cells"], sizes_alone["baselines"])
    best = sizes_alone["cells"].filter(pl.col("reader") == "large").sort("gold_accuracy").row(-1, named=True)
    low, value, high = (100 * best[f"gold_accuracy{end}"] for end in ("_low", "", "_high"))
    told = f"large: highest {value:.0f}{NB}% ({low:.0f} to {high:.0f}{NB}%) with {best['size']}-token chunks"
    assert told in plot.description
    assert f"whole document 96{NB}%" in plot.description


def test_where_more_varies_each_reader_has_a_plot_with_a_panel_for_each_cut(accuracy):
    assert [plot.file for plot in accuracy] == ["accuracy_by_size_1.svg", "accuracy_by_size_2.svg"]
    assert [plot.title for plot in accuracy] == ["Accuracy by chunk size: small", "Accuracy by chunk size: large"]
    said = set(texts(accuracy[0].svg))
    assert {"1 chunk read", "3 chunks read", "512 tokens read", "64", "128", "256", "dense", "bm25"} <= said


def test_every_cell_is_a_point_with_its_interval(accuracy):
    # Three sizes, two retrievers, three cuts; besides a mark for each name, and two rules a panel.
    assert counted(accuracy[0].svg, "symbol") == 18 + 3 * 4
    assert counted(accuracy[0].svg, "rule") == 18 + 3 * 2


def test_series_differ_in_colour_shape_and_dash(accuracy):
    svg = accuracy[0].svg
    assert all(f'"{colour}"' in svg for colour in COLOURS[:2])
    assert {"1,0", "6,3"} <= set(re.findall(r'stroke-dasharray="([^"]+)"', svg))


def test_unknown_intervals_are_not_drawn(small_run):
    cells = small_run.tables["cells"].with_columns(
        pl.lit(None, dtype=pl.Float64).alias(f"gold_accuracy_{end}") for end in ("low", "high")
    )
    plot = plot_accuracy(cells)[0]
    assert "NaN" not in plot.svg + plot.description
    assert counted(plot.svg, "rule") == 0


def test_many_series_are_parted_and_keep_their_looks(large_run):
    frame = with_series(large_run.tables["cells"])
    groups = series_groups(frame)
    assert [name for group in groups for name in group.names] == frame["series"].unique(maintain_order=True).to_list()
    assert {len(group.names) for group in groups} <= set(range(1, MOST_SERIES + 1))
    only_k = large_run.tables["cells"].filter(pl.col("cut") == "k", pl.col("amount") == 1, pl.col("reader") == "small")
    plots = plot_accuracy(only_k)
    assert [plot.file for plot in plots] == ["accuracy_by_size_1.svg", "accuracy_by_size_1_2.svg"]
    assert [plot.title[-8:] for plot in plots] == ["(1 of 2)", "(2 of 2)"]
    # The sixth series opens the second plot with the sixth colour.
    assert f'"{COLOURS[5]}"' not in plots[0].svg
    assert f'"{COLOURS[5]}"' in plots[1].svg


def test_retrieval_is_drawn_for_each_cut_on_documents_and_spans(small_run, sizes_alone):
    plots = plot_retrieval(small_run.tables["retrieval_means"])
    assert [plot.file for plot in plots] == [
        f"retrieval_by_size_{cut}_{what}.svg" for cut in ("k1", "k3", "budget512") for what in ("documents", "spans")
    ]
    assert {"hit", "recall", "nDCG"} <= set(texts(plots[0].svg))
    assert {"span recall", "span precision", "span IoU"} <= set(texts(plots[1].svg))
    alone = plot_retrieval(sizes_alone["retrieval_means"])
    assert [plot.file for plot in alone] == ["retrieval_by_size_documents.svg", "retrieval_by_size_spans.svg"]
    assert {"1 chunk", "3 chunks", "512 tokens"} <= set(texts(alone[0].svg))


def rung(retrieved, retrieval, chunking, reader, size=64):
    return {
        "reader": "r", "cut": "k", "amount": 3, "setting": f"tokens(size={size},overlap=0)", "questions": "gold",
        "splitter": "tokens", "size": size, "overlap": 0, "embedder": "m", "retriever": "dense",
        "retrieved": retrieved, "retrieval_loss": retrieval, "chunking_loss": chunking, "reader_loss": reader,
    }  # fmt: skip


def test_each_part_has_a_column_of_its_own_with_its_name_and_its_number():
    (plot,) = plot_ladder(pl.DataFrame([rung(0.5, 0.25, 0.125, 0.0625)]))
    for svg in (plot.svg, plot.narrow):
        (right,), lost = bars(svg, COLOURS[0]), bars(svg, COLOURS[1])
        lengths = [right[1] - right[0], *(end - start for start, end in lost)]
        assert [length / lengths[0] for length in lengths] == pytest.approx([1, 0.5, 0.25, 0.125], abs=0.01)
        assert all(name.replace("\n", " ") in joined(svg) for name in PARTS.values())
        assert {f"50{NB}%", f"25{NB}%", f"12{NB}%", f"6{NB}%", "64-token chunks", "3 chunks read"} <= set(texts(svg))
    assert f"64-token chunks, 3 chunks read: 50{NB}% right, 25{NB}% lost by retrieval" in plot.description


def test_a_negative_part_stands_left_of_nought():
    (plot,) = plot_ladder(pl.DataFrame([rung(0.5, 0.5, -0.25, 0.25)]))
    (right,), (_, chunking, _) = bars(plot.svg, COLOURS[0]), bars(plot.svg, COLOURS[1])
    assert max(chunking) == pytest.approx(min(right), abs=0.01)
    assert abs(chunking[1] - chunking[0]) == pytest.approx((right[1] - right[0]) / 2, abs=0.01)
    assert f"-25{NB}%" in texts(plot.svg)


def test_a_ladder_whose_rungs_are_unknown_is_not_drawn():
    (plot,) = plot_ladder(pl.DataFrame([rung(0.5, None, None, 0.25), rung(0.5, 0.25, 0.25, 0.0, size=128)]))
    assert "128-token chunks" in texts(plot.svg)
    assert "64-token chunks" not in texts(plot.svg)
    assert plot_ladder(pl.DataFrame([rung(0.5, 0.2, 0.2, 0.1)]).with_columns(chunking_loss=None)) == []


def test_a_ladder_of_many_rows_has_a_plot_for_each_cut(large_run):
    ladder = large_run.tables["ladder"].filter(pl.col("reader") == "large", pl.col("amount") < 5)
    plots = plot_ladder(ladder)
    assert [plot.file for plot in plots] == ["ladder_1_k1.svg", "ladder_1_k3.svg"]
    assert plots[1].title == "large: where answers are lost, 3 chunks read"


def test_the_frontier_is_numbered_from_the_cheapest_and_named_in_the_plot(small_run):
    best = frontier(small_run.tables["cells"], "large")
    assert best["number"].to_list() == list(range(1, len(best) + 1))
    assert best["n_context_tokens"].is_sorted()
    (plot,) = plot_pareto(small_run.tables["cells"], small_run.tables["baselines"])
    shown = texts(plot.svg)
    words = {"k": "chunk", "budget": "token"}
    for row in best.iter_rows(named=True):
        read = f"{row['amount']} {words[row['cut']]}{'' if row['amount'] == 1 else 's'} read"
        assert any(one == f"{row['size']}-token chunks, {row['retriever']} retriever, {read}" for one in shown)
    assert {"small", "large", f"whole document 96{NB}%", f"closed book 42{NB}%"} <= set(shown)


def test_slopes_have_the_names_of_their_readers(small_run):
    (plot,) = plot_interactions(small_run.tables["interactions"])
    said = set(texts(plot.svg))
    assert {"small", "large", "small minus large", "1 chunk read", "3 chunks read", "512 tokens read"} <= said
    assert "1 chunk read: +3.0 (-1.0 to +7.0) for small, -1.0 (-6.0 to +4.0) for large" in plot.description
    assert counted(plot.svg, "rule") == 3 * 3 + 1  # and the line at 0


def test_interactions_that_are_not_known_are_not_drawn(small_run):
    unknown = small_run.tables["interactions"].with_columns(difference=pl.lit(None, dtype=pl.Float64))
    assert plot_interactions(unknown) == []


def test_readers_that_are_not_qualified_carry_their_mark_in_every_plot(small_run):
    labelers = pl.DataFrame([{"reader": "small", "qualified": False, "standing": "at chance"}])
    plots = draw_plots(small_run.tables | {"labelers": labelers})
    named = [plot for plot in plots if re.search(r"\bsmall\b", joined(plot.svg))]
    assert {plot.file for plot in named} == {
        "accuracy_by_size_1.svg", "ladder_1.svg", "pareto.svg", "interaction_1.svg"
    }  # fmt: skip
    for plot in named:
        assert len(re.findall(r"\bsmall\b", joined(plot.svg))) == joined(plot.svg).count("small ‡")
        assert "small ‡" in plot.description + plot.title


def test_plots_are_the_same_bytes_every_time(small_run, accuracy):
    assert plot_accuracy(small_run.tables["cells"], small_run.tables["baselines"]) == accuracy


def test_the_axis_of_a_frontier_holds_its_intervals(small_run):
    rows = small_run.tables["cells"].filter(pl.col("reader") == "small", pl.col("is_pareto"))
    svg = plot_pareto(rows, None)[0].svg
    ticks = {float(one[:-1]) / 100 for one in texts(svg) if re.fullmatch(r"\d+%", one)}
    ends = [*rows["gold_accuracy_low"], *rows["gold_accuracy_high"]]
    assert (min(ticks), max(ticks)) == tenths(ends)
