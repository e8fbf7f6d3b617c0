"""The report of a published run in a browser: what a reader clicks, what they see, and what a screen reader is told.

With `TERCET_SCREENSHOTS=FOLDER` the screenshots are kept there.
"""

import csv
import importlib.resources
import io
import os
from pathlib import Path

import pytest

from results.report.html.blocks import Limits
from results.report.html.page import fill_page, render_html
from results.report.model import Report, Section
from results.report.values import make_table
from results.store.finished import read_manifest, read_tables

if os.environ.get("TERCET_TEST_BROWSER") != "required":
    pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
PUBLISHED = Path(__file__).parents[2] / "results" / "published" / "pubmedqa-sizes"
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
SECONDS = 60_000  # milliseconds that an element may take to show
AXE = "axe_playwright_python"  # the package that brings axe-core


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page as a file, opened as a reader opens it."""
    manifest = read_manifest(PUBLISHED)
    place = tmp_path_factory.mktemp("report") / "report.html"
    place.write_text(render_html(manifest, read_tables(PUBLISHED, manifest)), encoding="utf-8")
    return place.as_uri()


@pytest.fixture
def open_page(chromium, address):
    """Open the page; it may ask the network for nothing, and say nothing in the console."""
    contexts, told = [], []

    def opened(width="desktop", **settings):
        size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
        context = chromium.new_context(viewport=size, accept_downloads=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SECONDS)
        page.on("request", lambda one: None if one.url.startswith(("file:", "blob:")) else told.append(one.url))
        page.on("console", lambda one: told.append(one.text))
        page.on("pageerror", lambda one: told.append(str(one)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not told


def see(page, name):
    """Keep a screenshot where somebody wants them."""
    if folder := os.environ.get("TERCET_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def saved(page, button):
    """The name and the text of the file that a button saves."""
    with page.expect_download() as download:
        button.click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes().decode("utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_screen_holds_the_answers_and_nothing_sticks_out(open_page, width):
    page = open_page(width)
    see(page, f"report-{width}")
    cards = page.locator(".card")
    assert cards.count() == 3
    assert cards.first.bounding_box()["y"] < WIDTHS[width][1]
    if width == "desktop":
        last = cards.last.bounding_box()
        assert last["y"] + last["height"] < WIDTHS[width][1]
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]


def test_the_story_takes_about_four_screens(open_page):
    """However long the documents of its examples are: their texts scroll, and all but the gold ones are folded."""
    page = open_page()
    end = page.locator("main > section.evidence").first.bounding_box()["y"]
    assert end < 4.8 * 800
    text = page.locator(".example[open] .text").first
    assert text.bounding_box()["height"] < 400
    expect(page.locator(".example[open] .other .text").first).to_be_hidden()


@pytest.mark.parametrize("width", WIDTHS)
def test_plots_fill_the_width_and_their_letters_can_be_read(open_page, width):
    page = open_page(width)
    figure = page.locator("figure").first
    figure.scroll_into_view_if_needed()
    see(page, f"plot-{width}")
    drawn = figure.locator("svg:visible")
    assert drawn.count() == 1
    assert drawn.bounding_box()["width"] > 0.85 * figure.bounding_box()["width"]
    sizes = drawn.evaluate(
        "svg => [...svg.querySelectorAll('text')].map(text => "
        "parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"
    )
    assert min(sizes) > 10.5
    assert drawn.get_attribute("role") == "img"
    assert "%" in drawn.get_attribute("aria-label")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_contents_stay_in_sight_and_lead_into_folded_parts(open_page, width):
    page = open_page(width)
    contents = page.get_by_role("navigation", name="Contents")
    link = contents.get_by_role("link").last
    link.click()
    section = page.locator(link.get_attribute("href"))
    expect(section.locator("details.section")).to_have_attribute("open", "")
    expect(contents).to_be_in_viewport()
    expect(section).to_be_in_viewport()
    expect(contents.locator("a[aria-current]")).to_have_count(1)


def test_a_table_is_sorted_by_keyboard_and_downloaded_as_it_stands(open_page):
    page = open_page()
    section = page.locator("#retrieval")
    section.locator("summary").first.click()
    table = section.locator("table[data-file]").first
    for closed in section.locator("details:not([open]) > summary").all():
        closed.click()
    head = table.locator("th", has=page.get_by_role("button", name="tokens read"))
    at = head.evaluate("head => head.cellIndex")
    seen = {}
    for direction in ("ascending", "descending"):
        head.get_by_role("button").focus()
        page.keyboard.press("Enter")
        expect(head).to_have_attribute("aria-sort", direction)
        texts = table.locator("tbody tr").evaluate_all("(rows, at) => rows.map(row => row.cells[at].textContent)", at)
        seen[direction] = [float(text.replace(",", "")) for text in texts]
    assert seen["ascending"] == sorted(seen["ascending"])
    assert seen["descending"] == sorted(seen["ascending"], reverse=True)
    assert len(set(seen["ascending"])) > 2
    name, text = saved(
        page, table.locator("xpath=ancestor::*[contains(@class, 'scroll')]/preceding-sibling::p[1]/button")
    )
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert name == "retrieval_means.csv"
    assert rows[0] == [" ".join(one.split()) for one in table.locator("thead th").all_text_contents()]
    assert [float(row[at].replace(",", "")) for row in rows[1:]] == seen["descending"]


def test_a_downloaded_table_starts_no_formula_and_says_what_it_lacks(chromium, tmp_path):
    """A cell that a spreadsheet would run begins with a quotation mark; a number stays a number."""
    cells = [
        "=1+1",
        "+1 (2)",
        "-2+3",
        "@SUM(A1)",
        "-0.120",
        "+3",
        "-1,234.5",
        "-5 %",
        "-0.120 [-0.200, 0.010]",
        'a "b"',
        "-",
    ]
    table = make_table("Dangerous", {"cell": "text"}, [(cell,) for cell in [*cells, "left", "out"]], "cells.parquet")
    report = Report("made", "run", "", (), (), (Section("s", "Made", (table,), is_folded=False),))
    (tmp_path / "report.html").write_text(fill_page(report, {}, [], Limits(rows=len(cells))), encoding="utf-8")
    context = chromium.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    page.locator("summary").first.click()
    name, text = saved(page, page.get_by_role("button", name="Download CSV of Dangerous"))
    context.close()
    assert name == "cells.csv"
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))] == [
        "cell", "'=1+1", "'+1 (2)", "'-2+3", "'@SUM(A1)", "-0.120", "+3", "-1,234.5", "-5 %", "-0.120 [-0.200, 0.010]",
        'a "b"', "'-", "… and 2 more rows in cells.parquet.",
    ]  # fmt: skip


def test_a_plot_is_downloaded_as_svg(open_page):
    page = open_page()
    name, text = saved(page, page.get_by_role("button", name="Download SVG of Accuracy by chunk size"))
    assert name == "accuracy_by_size.svg"
    assert text.startswith("<svg ")
    assert "qwen2.5-coder-0.5b" in text


def test_questions_are_filtered_by_kind_and_by_words(open_page):
    page = open_page()
    page.locator("#questions summary").first.click()
    questions, status = page.locator("details.question:visible"), page.locator("#questions").get_by_role("status")
    n = questions.count()
    assert n == read_tables(PUBLISHED, read_manifest(PUBLISHED))["questions"].height
    split = page.get_by_role("checkbox", name="votes split")
    split.check()
    expect(status).not_to_have_text(f"{n} of {n} questions")
    n_split = questions.count()
    assert 0 < n_split < n
    assert status.text_content() == f"{n_split} of {n} questions"
    assert all("votes split" in text for text in questions.locator("summary").all_text_contents())
    page.get_by_role("checkbox", name="lost by retrieval").check()
    assert 0 < questions.count() < n_split
    see(page, "questions")
    questions.first.locator("summary").click()
    assert "votes" in questions.first.locator(".answers").text_content()
    page.get_by_label("Search").fill("no question says this")
    assert questions.count() == 0
    assert status.text_content() == f"0 of {n} questions"


def test_a_term_is_explained_to_the_keyboard_and_goes_away(open_page):
    page = open_page()
    term = page.locator("button.term").first
    term.focus()
    tip = page.get_by_role("tooltip")
    expect(tip).to_be_visible()
    assert len(tip.text_content()) > 10
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_without_scripts_everything_is_there_and_no_control_does_nothing(open_page):
    page = open_page(java_script_enabled=False)
    for summary in page.locator("section > details > summary").all():
        summary.click()
    assert page.locator("main button, main input").count() == 0
    expect(page.locator("details.question").first).to_be_visible()
    expect(page.locator("#glossary dd").first).to_be_visible()
    expect(page.locator("table").first).to_be_visible()


def test_print_opens_what_is_folded(open_page, tmp_path):
    page = open_page()
    expect(page.locator("#made table").first).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#made table").first).to_be_visible()
    # The list of questions opens too, its questions do not.
    assert page.locator("details.section:not([open])").count() == 0
    assert page.locator("details.question[open]").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.section[open]").count() == 0
    assert len(page.pdf(path=tmp_path / "report.pdf")) > 10_000


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_axe_finds_nothing_serious(open_page, width, scheme):
    try:
        axe = importlib.resources.files(AXE).joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        pytest.skip("no axe-core: pip install axe-playwright-python")
    page = open_page(width, color_scheme=scheme)
    # Folded parts are checked too; questions are all alike.
    page.evaluate("document.querySelectorAll('details:not(.question)').forEach(one => { one.open = true; })")
    page.evaluate("document.querySelector('details.question').open = true")
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in serious]
