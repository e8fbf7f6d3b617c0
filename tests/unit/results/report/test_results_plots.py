"""The plots are read back from their SVG: texts, marks and what distinguishes the labelers."""

import html
import re
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from labeling.votes.sampling import Sampling
from results.readers.labelers import LABELERS
from results.readers.unanimity import GRID, RISK_COVERAGE, risk_coverage, vote_curves
from results.report.plots.plot import COLOURS, DASHES, SHAPES, WIDTH, plot_risk_coverage, plot_vote_curves

NAMES = ["small", "a|b $1 \\0", 'x < y & "z"']
MARKS = {"small": "†", NAMES[1]: "‡"}


def some_cast(cast_of, reader, n=12, sampling=Sampling(), with_references=True):  # noqa: B008  # immutable
    rng = np.random.default_rng(len(reader))
    shown = {f"q{number}": [tuple(p) for p in rng.dirichlet([1, 1, 1], 3)] for number in range(n)}
    labels = rng.choice(["yes", "no", "maybe"], n)
    references = dict(zip(shown, labels.tolist(), strict=True)) if with_references else {}
    return cast_of(shown, references, reader=reader, sampling=sampling)


def labelers(names=NAMES, shares=(0.5, 0.5, 0.625)):
    rows = [{"reader": name, "majority_share": share} for name, share in zip(names, shares, strict=True)]
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


def drawn(kind, frame):
    if kind == "risk":
        return plot_risk_coverage(frame, labelers(), MARKS)
    return plot_vote_curves(frame, MARKS)


@pytest.fixture(scope="module")
def plots(frames):
    """SVG of each of the two plots; drawn once, as that takes a while."""
    return {kind: drawn(kind, frame) for kind, frame in frames.items()}


@pytest.fixture(scope="module", params=["risk", "curves"])
def plot(request, frames, plots):
    """Kind, frame and SVG."""
    return request.param, frames[request.param], plots[request.param]


def test_a_plot_is_one_svg_that_names_every_labeler_with_its_mark(plot):
    kind, _, svg = plot
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg", kind
    assert {"small †", f"{NAMES[1]} ‡", NAMES[2]} <= set(texts(svg))
    assert "small" not in texts(svg)


def test_every_line_belongs_to_a_labeler_with_its_mark(plot):
    lines = re.findall(r'aria-label="([^"]+)" role="graphics-symbol" aria-roledescription="line mark"', plot[2])
    owners = {html.unescape(line).partition("reader: ")[2] for line in lines}
    assert owners == {"small †", f"{NAMES[1]} ‡", NAMES[2]}


def test_a_plot_is_the_same_bytes_every_time(plot):
    kind, frame, svg = plot
    assert drawn(kind, frame) == svg


def test_a_plot_needs_nothing_from_elsewhere(plot):
    svg = plot[2]
    assert "<script" not in svg
    assert not re.findall(r'(?:href|src)="', svg)
    assert set(re.findall(r'https?://[^"<\s]+', svg)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_labelers_differ_in_colour_and_in_dash(plot):
    svg = plot[2]
    assert all(colour in svg for colour in COLOURS[: len(NAMES)])
    assert len(set(re.findall(r'stroke-dasharray="([^"]+)"', svg))) >= len(NAMES) - 1


def test_a_plot_of_one_labeler_shows_no_other(plot):
    kind, frame, _ = plot
    shown = texts(drawn(kind, frame.filter(pl.col("reader") == NAMES[2])))
    assert NAMES[2] in shown
    assert "small †" not in shown


def test_the_majority_shares_are_rules_at_their_height(frames):
    def rules(shares):
        svg = plot_risk_coverage(frames["risk"], labelers(shares=shares), {})
        return re.findall(r'aria-roledescription="rule mark"', svg)

    assert len(rules((0.5, 0.5, 0.625))) == 2
    assert len(rules((None, None, 0.625))) == 1
    assert len(rules((None, None, None))) == 0


def test_every_parameter_has_a_column_and_every_labelers_own_setting_a_point(plots):
    svg = plots["curves"]
    assert set(GRID) <= set(texts(svg))
    # Two rows of three parameters, a point each for every labeler.
    assert svg.count('aria-roledescription="point"') == len(NAMES) * len(GRID) * 2


def test_without_references_the_coverage_is_drawn_and_no_accuracy(cast_of):
    curves = vote_curves(some_cast(cast_of, "small", with_references=False), 0.95)
    svg = plot_vote_curves(curves, {})
    assert svg.count('aria-roledescription="point"') == len(GRID)
    assert "NaN" not in svg


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_questions_can_be_drawn(cast_of, n):
    cast = some_cast(cast_of, "small", n)
    for svg in (
        plot_vote_curves(vote_curves(cast, 0.95), {}),
        plot_risk_coverage(risk_coverage(cast, 0.95), labelers(["small"], [1.0]), {}),
    ):
        assert "small" in texts(svg)
        assert "NaN" not in svg


def steps(reader, n):
    """A risk-coverage curve with a step for each of n questions."""
    rows = [(reader, 1 - at / n, at + 1, (at + 1) / n, 0.75 if at % 2 else 0.5, 0.4, 0.8) for at in range(n)]
    return pl.DataFrame(rows, schema=RISK_COVERAGE, orient="row")


def test_a_curve_with_more_steps_than_can_be_seen_still_reaches_full_coverage():
    svg = plot_risk_coverage(steps("small", 3000), labelers(["small"], [None]), {})
    (line,) = re.findall(r'aria-roledescription="line mark" d="([^"]+)"', svg)
    ends = re.findall(r"(-?[\d.]+),", line)
    assert float(ends[-1]) == WIDTH
    assert len(ends) < 1000


def test_many_labelers_with_many_questions_can_be_drawn():
    names = [f"labeler {number}" for number in range(13)]
    curve = pl.concat([steps(name, 450) for name in names])
    assert set(names) <= set(texts(plot_risk_coverage(curve, labelers(names, [0.5] * 13), {})))


def test_long_names_are_told_apart_by_their_ends(cast_of):
    names = [f"qwen2.5-coder-1.5b-instruct-q4_k_m, {how}" for how in ("permuted", "paraphrased")]
    risk = pl.concat([risk_coverage(some_cast(cast_of, name), 0.95) for name in names])
    assert set(names) <= set(texts(plot_risk_coverage(risk, labelers(names, [0.5, 0.5]), {})))


def test_the_eighth_labeler_does_not_look_like_the_first():
    looks = [(COLOURS[at % len(COLOURS)], str(DASHES[at % len(DASHES)])) for at in range(42)]
    assert len(set(looks)) == 42
    points = [(COLOURS[at % len(COLOURS)], SHAPES[at % len(SHAPES)]) for at in range(35)]
    assert len(set(points)) == 35
