"""The plots of votes are read back from their SVG: texts, marks and what tells lines apart."""

import re
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from labeling.votes.sampling import Sampling
from results.readers.labelers import LABELERS
from results.readers.unanimity import GRID, RISK_COVERAGE, risk_coverage, vote_curves
from results.report.plots.coverage_plots import (
    AXIS,
    DRAWN,
    MAJORITY,
    NAME_ROOM,
    RANKED,
    plot_coverage,
    plot_vote_curves,
)
from results.report.plots.plot import COLOURS, DASHES, NARROW, SHAPES, WIDE, to_svg

NAMES = ["small", "a|b $1 \\0", 'x < y & "z"']
MARKS = {"small": "†", NAMES[1]: "‡"}


def some_cast(cast_of, reader, n=12, sampling=Sampling(), with_references=True):  # noqa: B008  # immutable
    rng = np.random.default_rng(len(reader))
    shown = {f"q{number}": [tuple(p) for p in rng.dirichlet([1, 1, 1], 3)] for number in range(n)}
    labels = rng.choice(["yes", "no", "maybe"], n)
    references = dict(zip(shown, labels.tolist(), strict=True)) if with_references else {}
    return cast_of(shown, references, reader=reader, sampling=sampling)


def labelers(names=NAMES, shares=(0.5, 0.5, 0.625)):
    pairs = zip(names, shares, strict=True)
    rows = [{"reader": name, "majority_label": "yes", "majority_share": share} for name, share in pairs]
    return pl.DataFrame(rows, schema=LABELERS)


def texts(svg):
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("}text")]


@pytest.fixture(scope="module")
def frames(cast_of):
    casts = [some_cast(cast_of, name, sampling=Sampling(0.65)) for name in NAMES]
    return {
        "risk": pl.concat([risk_coverage(cast, 0.95) for cast in casts]),
        "curves": pl.concat([vote_curves(cast, 0.95) for cast in casts]),
    }


def joined(svg):
    """All words of a plot, whatever the lines that they are in."""
    lines = (one for one in ElementTree.fromstring(svg).iter() if one.tag.endswith(("}text", "}tspan")) and one.text)
    return " ".join(" ".join(line.text for line in lines).split(" "))


def counted(svg, mark):
    """How many marks of a kind there are: `symbol`, `line`, `area`, `rule`."""
    groups = re.findall(rf'<g class="mark-{mark} role-mark[^>]*>(.*?)</g>', svg, re.DOTALL)
    return sum(body.count("<path") + body.count("<line") for body in groups)


def drawn(kind, frames):
    if kind == "risk":
        return plot_coverage(frames["risk"], frames["curves"], labelers(), MARKS)[0]
    return plot_vote_curves(frames["curves"], MARKS)[0]


@pytest.fixture(scope="module")
def plots(frames):
    """Each of the two plots; drawn once, as that takes a while."""
    return {kind: drawn(kind, frames) for kind in ("risk", "curves")}


@pytest.fixture(scope="module", params=["risk", "curves"])
def plot(request, plots):
    """Kind and plot."""
    return request.param, plots[request.param]


def test_a_plot_is_one_svg_for_each_width_and_names_every_reader_with_its_mark(plot):
    for svg, layout in ((plot[1].svg, WIDE), (plot[1].narrow, NARROW)):
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert layout.width * 0.85 < float(root.get("width")) < layout.width * 1.1
        assert {"small †", f"{NAMES[1]} ‡", NAMES[2]} <= set(texts(svg))
        assert "small" not in texts(svg)


def test_a_plot_says_its_main_numbers_to_those_who_cannot_see_it(plots, frames):
    own = frames["curves"].filter(pl.col("is_own"), pl.col("parameter") == "temperature", pl.col("reader") == "small")
    row = own.row(0, named=True)
    for plot in plots.values():
        assert f"{100 * row['accuracy']:.0f}\N{NO-BREAK SPACE}%" in plot.description
        assert f"{100 * row['coverage']:.0f}\N{NO-BREAK SPACE}%" in plot.description
        assert f'role="img" aria-label="{plot.title}. small †' in plot.svg


def test_a_plot_is_the_same_bytes_every_time(plot, frames):
    assert drawn(plot[0], frames) == plot[1]


def test_a_plot_needs_nothing_from_elsewhere(plot):
    for svg in (plot[1].svg, plot[1].narrow):
        assert "<script" not in svg
        assert not re.findall(r'(?:href|src)="', svg)
        places = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert set(re.findall(r'https?://[^"<\s]+', svg)) <= places


def test_both_ways_to_choose_are_lines_with_intervals_named_where_they_end(plots):
    svg = plots["risk"].svg
    assert joined(svg).count(RANKED) >= len(NAMES)
    assert joined(svg).count(DRAWN) >= len(NAMES)
    assert counted(svg, "area") == len(NAMES)
    assert counted(svg, "line") == 2 * len(NAMES)
    assert all(f'"{colour}"' in svg for colour in COLOURS[:2])
    assert f'stroke-dasharray="{",".join(map(str, DASHES[1]))}"' in svg


def test_every_temperature_is_a_point_with_its_interval_and_the_readers_own_is_a_larger_one(plots, frames):
    rows = frames["curves"].filter(pl.col("parameter") == "temperature").drop_nulls("accuracy")
    assert counted(plots["risk"].svg, "rule") == len(rows) + len(NAMES)  # and the majority share of each
    named = 3 * 3  # marks of the names at the right
    assert counted(plots["risk"].svg, "symbol") == len(rows) + len(NAMES) + named


def test_where_no_label_is_the_majoritys_the_rule_is_a_choice_at_random(frames):
    without = labelers().with_columns(majority_label=pl.lit(None, dtype=pl.String))
    (plot,) = plot_coverage(frames["risk"], None, without, {})
    assert (joined(plot.narrow).count(MAJORITY), joined(plot.narrow).count("a choice at random")) == (0, 6)


def test_the_majority_shares_are_rules_with_their_numbers(frames):
    def said(shares):
        (plot,) = plot_coverage(frames["risk"], None, labelers(shares=shares), {})
        return joined(plot.narrow).count(MAJORITY), counted(plot.narrow, "rule")

    assert said((0.5, 0.5, 0.625)) == (6, 3)  # each name twice: its edge of paper, and its letters
    assert said((None, None, 0.625)) == (2, 1)
    assert said((None, None, None)) == (0, 0)


def test_every_reader_has_a_panel_for_each_parameter_and_a_point_for_its_own_sampling(plots):
    svg = plots["curves"].svg
    assert [texts(svg).count(name) for name in GRID] == [len(NAMES)] * 3
    # A point each on the curve of coverage and on that of accuracy.
    assert counted(svg, "symbol") == len(NAMES) * len(GRID) * 2
    assert texts(svg).count("share unanimous") == 2 * len(NAMES) * len(GRID)


def test_without_references_the_coverage_is_drawn_and_no_accuracy(cast_of):
    (plot,) = plot_vote_curves(vote_curves(some_cast(cast_of, "small", with_references=False), 0.95), {})
    assert counted(plot.svg, "symbol") == len(GRID)
    assert "accuracy of these" not in texts(plot.svg)
    assert "NaN" not in plot.svg


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_questions_can_be_drawn(cast_of, n):
    cast = some_cast(cast_of, "small", n)
    curves, risk = vote_curves(cast, 0.95), risk_coverage(cast, 0.95)
    for plot in plot_vote_curves(curves, {}) + plot_coverage(risk, curves, labelers(["small"], [1.0]), {}):
        assert "small" in texts(plot.svg)
        assert "NaN" not in plot.svg + plot.description


def steps(reader, n):
    """A risk-coverage curve with a step for each of n questions."""
    rows = [(reader, 1 - at / n, at + 1, (at + 1) / n, 0.75 if at % 2 else 0.5, 0.4, 0.8) for at in range(n)]
    return pl.DataFrame(rows, schema=RISK_COVERAGE, orient="row")


def test_a_curve_with_more_steps_than_can_be_seen_still_reaches_full_coverage():
    (plot,) = plot_coverage(steps("small", 3000), None, labelers(["small"], [None]), {})
    (line,) = (one for one in re.findall(r'<path d="([^"]+)" stroke="#0072B2"', plot.svg) if one.count("L") > 9)
    ends = re.findall(r"(-?[\d.]+),", line)
    assert float(ends[-1]) == WIDE.panel_width(1, AXIS + NAME_ROOM)
    assert len(ends) < 1000


def test_long_names_are_told_apart_by_their_ends_in_a_narrow_plot_too(cast_of):
    names = [f"qwen2.5-coder-1.5b-instruct-q4_k_m-from-a-long-path, {how}" for how in ("permuted", "paraphrased")]
    risk = pl.concat([risk_coverage(some_cast(cast_of, name), 0.95) for name in names])
    (plot,) = plot_coverage(risk, None, labelers(names, [0.5, 0.5]), {})
    for svg in (plot.svg, plot.narrow):
        assert all(name.replace(" ", "") in "".join(texts(svg)).replace(" ", "") for name in names)


def test_the_eighth_series_does_not_look_like_the_first():
    looks = [(COLOURS[at % len(COLOURS)], str(DASHES[at % len(DASHES)])) for at in range(42)]
    assert len(set(looks)) == 42
    points = [(COLOURS[at % len(COLOURS)], SHAPES[at % len(SHAPES)]) for at in range(35)]
    assert len(set(points)) == 35


def test_a_title_is_text_whatever_it_says():
    svg = to_svg({"mark": "point", "data": {"values": []}}, "a < b & <script>", WIDE)
    assert "a < b & <script>" in texts(svg)
