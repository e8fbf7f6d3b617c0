"""The page of a sweep is read back: its sections, its tables, its plots, and what it says about what it leaves out."""

import re
from html.parser import HTMLParser

import polars as pl
import pytest

from results.advice.examples import pick_examples
from results.report.documents import draw_plots, render_documents
from results.report.html.blocks import Limits, Shelf, inlined
from results.report.html.page import MOST_BYTES, render_html
from results.report.plots.plot import described

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Headings, tables by caption, and everything that is opened; complains about what is not closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.headings, self.tables, self.captions, self.text = [], {}, [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append((tag, ""))
        if tag == "caption":
            self.captions.append("")
        if tag == "tr":
            self.tables.setdefault(self.captions[-1], []).append([])
        if tag in ("td", "th"):
            self.tables[self.captions[-1]][-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)
        if self.open and self.open[-1] == "caption":
            self.captions[-1] += data
        if {"td", "th"} & set(self.open) and "svg" not in self.open:
            self.tables[self.captions[-1]][-1][-1] += data.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture(scope="module")
def small_tables(small_run):
    examples = pick_examples(small_run.corpus, small_run.tables, small_run.recommended)
    return small_run.tables | {"examples": examples}


@pytest.fixture(scope="module")
def small_plots(small_tables):
    return draw_plots(small_tables)


@pytest.fixture(scope="module")
def html(small_run, small_tables, small_plots):
    return render_html(small_run.manifest, small_tables, small_plots)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_verdict_comes_first_and_every_section_follows_in_order(page, small_run):
    second = [text for tag, text in page.headings if tag == "h2"]
    assert second == [
        "Verdict", "Warnings", "Every verdict", "Accuracy by chunk size", "Retrieval by chunk size",
        "Where answers are lost", "Accuracy against context read", "Small and large readers", "By label",
        "Settings pair by pair", "What the filter keeps", "Worst examples", "How this was made",
    ]  # fmt: skip
    text = "".join(page.text)
    assert small_run.manifest["headline"] in text
    for line in [one["line"] for one in small_run.manifest["verdicts"] + small_run.manifest["recommendations"]]:
        assert line in text
    assert text.index(small_run.manifest["headline"]) < text.index("only 10 gold questions.")


def test_the_file_stands_alone(html, page):
    assert len(html.encode()) < MOST_BYTES
    assert not {"script", "link", "img", "iframe", "object", "embed", "image", "use", "foreignobject"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href", "action"):
            assert value.startswith("#") or value == "excluded.md", (tag, name, value)
    policy = dict((name, value) for tag, name, value in page.attributes if tag == "meta")["content"]
    assert "http-equiv" in html
    assert policy is not None
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
    assert set(re.findall(r"https?://[^\"'<\s)]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {f"#{name}" for name in re.findall(r'id="([^"]+)"', html)}


def test_ids_are_unique_and_the_contents_lead_somewhere(page):
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value[1:] for tag, name, value in page.attributes if tag == "a" and name == "href" and value[0] == "#"]
    assert links
    assert set(links) <= set(ids)
    assert {value for _, name, value in page.attributes if name == "aria-labelledby"} <= set(ids)


def test_every_plot_is_named_for_those_who_hear_it(html, small_plots):
    assert html.count("<svg ") == len(small_plots)
    for svg in re.findall(r"<svg .*?</svg>", html, re.DOTALL):
        assert 'role="img"' in svg[: svg.index(">")]
        assert re.search(r"><title>[^<]+</title><desc>[^<]+</desc>", svg)


def test_tables_hold_the_numbers_of_the_frames(page, small_run):
    cells = small_run.tables["cells"].filter(pl.col("reader") == "small")
    (caption,) = [one for one in page.tables if one.startswith("small: every cell")]
    header, closed_book, document, *rows = page.tables[caption]
    assert header[:3] == ["setting", "read", "gold accuracy"]
    assert closed_book[1:3] == ["closed book", "0.420 [0.340, 0.500]"]
    assert document[1:3] == ["whole document", "0.960 [0.880, 1.000]"]
    assert [row[:3] for row in rows] == [
        [row["setting"], f"{row['cut']}={row['amount']}",
         f"{row['gold_accuracy']:.3f} [{row['gold_accuracy_low']:.3f}, {row['gold_accuracy_high']:.3f}]"]
        for row in cells.iter_rows(named=True)
    ]  # fmt: skip
    best = small_run.manifest["recommendations"][0]["setting"]
    assert {row[0] for row in rows if "recommended" in row[-1]} == {best}
    assert sum("frontier" in row[-1] for row in rows) == cells["is_pareto"].sum()


def test_the_ladder_shows_how_its_parts_sum_negative_ones_too(page, small_run):
    rows = page.tables["small: the ladder, cell by cell"][1:]
    frame = small_run.tables["ladder"].filter(pl.col("reader") == "small")
    assert len(rows) == len(frame)
    for row, want in zip(rows, frame.iter_rows(named=True), strict=True):
        total, parts = row[9].split(" = ")
        assert int(total) == want["n_wrong"] == sum(int(part.strip("()")) for part in parts.split(" + "))
    assert any("(-1)" in row[9] for row in rows)


def test_the_other_tables_have_a_row_for_each_of_their_frames(page, small_run):
    lengths = {caption: len(rows) - 1 for caption, rows in page.tables.items()}
    tables = small_run.tables
    assert lengths["Scores of what was retrieved"] == len(tables["retrieval_means"])
    assert lengths["All pairs"] == len(tables["comparisons"])
    assert lengths["Scores of each label in each cell"] == len(tables["classes"])
    assert lengths["Slopes over chunk size"] == len(tables["interactions"])
    assert lengths["Excluded questions (4)"] == 4
    digests = dict(page.tables["Digests and seeds"])
    assert digests["reader, small, sha256"] == "cd" * 32
    assert digests["config, corpus, seed"] == "3"


def test_tables_say_what_their_rows_and_columns_are(html):
    assert html.count("<table") == html.count("<caption") == html.count('role="region"')
    assert "<th>" not in html
    assert 'scope="row"' in html


def test_examples_show_question_text_and_chunks(html, small_tables):
    assert html.count('<details class="example"') == len(small_tables["examples"])
    assert html.count('<details class="example" open>') == 2
    first = html[html.index('<details class="example" open>') :]
    assert "Lost by retrieval: right with the best chunks" in first
    # Document 4: chunk 1 is 80 to 200, chunk 2 is 160 to 280, evidence 100 to 150.
    assert re.search(
        r'<b class="rank">\[1&nbsp;</b><mark class="chunk">[^<]{20}</mark><mark class="chunk"><u class="evidence">'
        r'[^<]{50}</u></mark><mark class="chunk">[^<]{10}</mark><b class="rank">\[2&nbsp;</b>'
        r'<mark class="chunk twice">[^<]{40}</mark><b class="rank">&nbsp;1\]</b><mark class="chunk">',
        first,
    )
    assert re.search(r'<span class="cut">\[… \d+ characters …\]</span>', first)


def test_a_section_without_its_frame_is_not_there(small_run, small_plots):
    for name, title in (
        ("ladder", "Where answers are lost"), ("interactions", "Small and large readers"), ("classes", "By label"),
        ("retrieval_means", "Retrieval by chunk size"), ("comparisons", "Settings pair by pair"),
    ):  # fmt: skip
        without = {of: frame for of, frame in small_run.tables.items() if of != name}
        empty = small_run.tables | {name: small_run.tables[name].clear()}
        for tables in (without, empty):
            assert title not in [text for _, text in Page(render_html(small_run.manifest, tables, [])).headings]


def test_a_sweep_without_readers_shows_its_retrieval(small_run):
    manifest = small_run.manifest | {"verdicts": [], "recommendations": [], "headline": "Retrieval only."}
    manifest["retrieval"] = [{"line": "k=1: size 64 finds most."}]
    page = Page(render_html(manifest, {"retrieval_means": small_run.tables["retrieval_means"]}))
    assert [text for tag, text in page.headings if tag == "h2"] == [
        "Result", "Warnings", "Every verdict", "Retrieval by chunk size", "How this was made"
    ]  # fmt: skip
    assert "svg" in page.tags
    assert "k=1: size 64 finds most." in page.text


def test_unknown_numbers_are_dashes_and_no_evidence_no_span_scores(small_run):
    means = small_run.tables["retrieval_means"].with_columns(
        pl.lit(None, dtype=pl.Float64).alias(f"{name}{end}")
        for name in ("span_recall", "span_precision", "span_f1", "span_iou") for end in ("", "_low", "_high")
    )  # fmt: skip
    unknown = ["closed_book", "oracle_chunk", "n_chunking", "n_retrieval", "chunking_loss", "retrieval_loss"]
    ladder = small_run.tables["ladder"].with_columns(
        pl.lit(None, dtype=small_run.tables["ladder"].schema[name]).alias(name) for name in unknown
    )
    tables = small_run.tables | {"retrieval_means": means, "ladder": ladder}
    plots = draw_plots(tables)
    assert not [plot.file for plot in plots if "spans" in plot.file or plot.file.startswith("ladder")]
    page = Page(render_html(small_run.manifest, tables, plots))
    assert "no span scores" in "".join(page.text)
    assert "span recall" not in page.tables["Scores of what was retrieved"][0]
    row = page.tables["small: the ladder, cell by cell"][1]
    assert row[4] == row[7] == row[11] == "—"
    assert row[9].endswith(" = 1 + — + —")
    assert not re.search(r">\s*(None|nan|null)\s*<", render_html(small_run.manifest, tables, plots))


def test_a_reader_without_a_gold_set_has_its_rows_and_no_plot(small_run):
    is_it = pl.col("reader") == "small"
    columns = [name for name in small_run.tables["cells"].columns if name.startswith("gold_") and name != "gold_n"]
    cells = small_run.tables["cells"].with_columns(
        *(pl.when(is_it).then(None).otherwise(name).alias(name) for name in columns),
        is_pareto=pl.when(is_it).then(None).otherwise("is_pareto"),
    )
    tables = small_run.tables | {"cells": cells}
    files = {plot.file for plot in draw_plots(tables)}
    assert "pareto_2.svg" in files
    assert "pareto_1.svg" not in files
    assert not [file for file in files if file.startswith("accuracy_by_size_1")]
    page = Page(render_html(small_run.manifest, tables))
    assert [
        row[2] for caption, rows in page.tables.items() if caption.startswith("small: every") for row in rows[3:]
    ] == ["—"] * 18


def test_the_page_is_the_same_every_time(html, small_run, small_tables):
    assert render_html(small_run.manifest, small_tables) == html


def test_every_plot_lies_beside_the_report(small_run, small_tables, small_plots):
    files = render_documents(small_run.manifest, small_tables, small_plots)
    assert {plot.file for plot in small_plots} < set(files)
    assert len(small_plots) == len({plot.file for plot in small_plots})


def test_a_large_run_fits_and_shows_all_of_its_plots(large_run):
    plots = draw_plots(large_run.tables)
    html = render_html(large_run.manifest, large_run.tables, plots)
    assert len(html.encode()) < MOST_BYTES
    assert html.count("<svg ") == len(plots)
    Page(html)


def test_what_a_page_leaves_out_it_counts(large_run):
    many = pl.concat([large_run.tables["comparisons"]] * 3)
    page = Page(render_html(large_run.manifest, large_run.tables | {"comparisons": many}, []))
    assert len(page.tables["All pairs"]) == 1 + Limits().rows
    assert f"… and {len(many) - Limits().rows} more rows in comparisons.parquet." in "".join(page.text)
    led = large_run.manifest["verdicts"][0]
    first = page.tables["All pairs"][1]
    assert led["best"] in first[:2]


def test_plots_beyond_the_budget_are_named(small_plots):
    plots = [plot for plot in small_plots if plot.file.startswith("ladder_1_")]
    shelf = Shelf(plots, Limits(plot_bytes=len(plots[0].svg) + 10))
    figures = shelf.take("ladder_1_")
    assert len(figures.plots) == 1
    assert list(figures.left_out) == [plot.file for plot in plots[1:]]
    assert shelf.take("pareto") is None


@pytest.mark.parametrize("n_letters", [200_000, pytest.param(3_000_000, marks=pytest.mark.slow)])
def test_a_run_too_large_for_any_table_still_fits(small_run, n_letters):
    long = small_run.tables["cells"].with_columns(setting=pl.format("{}{}", pl.col("setting"), pl.lit("x" * n_letters)))
    html = render_html(small_run.manifest, small_run.tables | {"cells": long}, [])
    assert len(html.encode()) < MOST_BYTES
    assert "more rows in cells.parquet" in html


def test_the_ids_of_a_plot_are_its_own():
    svg = '<svg width="300"><clipPath id="clip0"/><g clip-path="url(#clip0)"/></svg>'
    one, other = (inlined(described("a.svg", "t", "d", svg), number).svg for number in (1, 2))
    for shown, name in ((one, "p1-clip0"), (other, "p2-clip0")):
        assert f'id="{name}"' in shown
        assert f'clip-path="url(#{name})"' in shown
        assert '"clip0"' not in shown


def test_a_wide_plot_has_a_row_of_its_own():
    assert inlined(described("a.svg", "t", "d", '<svg width="900"></svg>'), 1).is_wide
    assert not inlined(described("a.svg", "t", "d", '<svg width="360"></svg>'), 1).is_wide
