"""The page of a sweep is read back: its sections, its tables, its plots, and what it says about what it leaves out."""

import re

import polars as pl
import pytest

from results.advice.examples import pick_examples
from results.report.documents import draw_plots, render_documents
from results.report.html.blocks import Limits, Shelf
from results.report.html.page import MOST_BYTES, fill_page, render_html
from results.report.plots.pareto_plots import plot_pareto
from results.report.plots.sweep_plots import plot_accuracy
from results.report.sections.build import build_report
from tests.doubles.read_back import Page


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


def test_the_answers_come_first_and_the_sections_follow(page, small_run):
    second = [text for tag, text in page.headings if tag == "h2"]
    assert second[:6] == [
        "Which chunk size?", "Does retrieval find it?", "Can the reader be trusted?",
        "Which chunk size?", "Where answers are lost", "Worst examples",
    ]  # fmt: skip
    report = build_report(small_run.manifest, small_run.tables)
    text = " ".join("".join(page.text).split())
    assert report.facts in text
    assert all(" ".join(answer.sentence.split()) in text for answer in report.answers)
    assert text.index(report.distrust[0]) < text.index("only 10 gold questions.")


def test_what_is_not_the_story_is_folded_and_opens_with_one_click(html):
    assert re.findall(r'<section id="(\w+)" class="story"', html) == ["verdict", "ladder", "examples"]
    evidence = re.findall(r'<section id="\w+" class="evidence".*?</section>', html, re.DOTALL)
    assert len(evidence) > 8
    for section in evidence:
        # A long table is folded once more, and so is each question.
        inner = section.count("<details") - section.count('<details class="table long"')
        inner -= section.count('<details class="question"')
        assert inner == section.count('<details class="section"') == 1


def test_the_file_stands_alone(html, page):
    assert len(html.encode()) < MOST_BYTES
    assert page.tags.count("script") == html.count("<script>") == 1
    assert not {"link", "img", "iframe", "object", "embed", "image", "use", "foreignobject"} & set(page.tags)
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
    assert html.count("<svg ") == 2 * len(small_plots)  # for wide and for narrow pages
    for svg in re.findall(r"<svg .*?</svg>", html, re.DOTALL):
        assert 'role="img"' in svg[: svg.index(">")]
        assert re.search(r"><title>[^<]+</title><desc>[^<]+</desc>", svg)


def test_tables_say_what_their_rows_and_columns_are(html):
    assert html.count("<table") == html.count("<caption") == html.count('role="region"') > 10
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


def test_a_reader_without_a_gold_set_has_its_rows(small_run):
    is_it = pl.col("reader") == "small"
    columns = [name for name in small_run.tables["cells"].columns if name.startswith("gold_") and name != "gold_n"]
    cells = small_run.tables["cells"].with_columns(
        *(pl.when(is_it).then(None).otherwise(name).alias(name) for name in columns),
        is_pareto=pl.when(is_it).then(None).otherwise("is_pareto"),
    )
    tables = small_run.tables | {"cells": cells}
    (pareto,) = plot_pareto(cells, None)
    assert ">large<" in pareto.svg
    assert ">small<" not in pareto.svg
    assert [plot.file for plot in plot_accuracy(cells)] == ["accuracy_by_size_2.svg"]
    page = Page(render_html(small_run.manifest | {"recommendations": [], "verdicts": []}, tables, []))
    (rows,) = [rows for caption, rows in page.tables.items() if caption.startswith("small: every cell")]
    assert [row[2] for row in rows[3:]] == ["—"] * 18


def test_the_page_is_the_same_every_time(html, small_run, small_tables, small_plots):
    assert render_html(small_run.manifest, small_tables, small_plots) == html


def test_every_plot_lies_beside_the_report(small_run, small_tables, small_plots):
    files = render_documents(small_run.manifest, small_tables, small_plots)
    assert {plot.file for plot in small_plots} < set(files)
    assert len(small_plots) == len({plot.file for plot in small_plots})


@pytest.mark.slow
def test_a_large_run_fits_and_shows_or_names_each_of_its_plots(large_run):
    plots = draw_plots(large_run.tables)
    html = render_html(large_run.manifest, large_run.tables, plots)
    assert len(html.encode()) < MOST_BYTES
    for plot in plots:
        assert plot.svg[-2000:-1000] in html or plot.file in html
    assert html.count("<svg ") > len(plots) / 2
    Page(html)


def test_what_a_page_leaves_out_it_counts(large_run):
    many = pl.concat([large_run.tables["comparisons"]] * 3)
    page = Page(render_html(large_run.manifest, large_run.tables | {"comparisons": many}, []))
    assert len(page.tables["Settings pair by pair, on the gold set"]) == 1 + Limits().rows
    note = f"… and {len(many) - Limits().rows:,} more rows in comparisons.parquet."
    assert note in "".join(page.text)
    # A download of the table ends with the same.
    assert note in [value for tag, name, value in page.attributes if (tag, name) == ("table", "data-more")]


def test_examples_that_a_page_leaves_out_are_counted(small_run, small_tables):
    report = build_report(small_run.manifest, small_tables)
    n = small_tables["examples"].group_by("reader", maintain_order=True).len()["len"][0]
    text = " ".join("".join(Page(fill_page(report, small_tables, [], Limits(examples=n - 1))).text).split())
    assert "… and 1 more example in examples.parquet." in text
    assert "more example" not in "".join(Page(fill_page(report, small_tables, [], Limits())).text)


def test_plots_beyond_the_budget_are_named(small_plots):
    plots = [plot for plot in small_plots if plot.file.startswith("ladder_")]
    shelf = Shelf(plots, Limits(plot_bytes=len(plots[0].svg) + 10))
    figures = shelf.take("ladder_")
    assert len(figures.plots) == 1
    assert list(figures.left_out) == [plot.file for plot in plots[1:]]
    assert shelf.take("pareto") is None


@pytest.mark.parametrize("n_letters", [200_000, pytest.param(3_000_000, marks=pytest.mark.slow)])
def test_a_run_too_large_for_any_table_still_fits(small_run, n_letters):
    long = small_run.tables["cells"].with_columns(setting=pl.format("{}{}", pl.col("setting"), pl.lit("x" * n_letters)))
    html = render_html(small_run.manifest, small_run.tables | {"cells": long}, [])
    assert len(html.encode()) < MOST_BYTES
    assert "more rows in cells.parquet" in html
