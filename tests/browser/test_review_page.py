"""Twenty questions reviewed by keyboard in a browser: tabs are closed, the server is killed, and nothing is lost."""

import csv
import importlib.resources
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.doubles.reviews import finished_run
from tests.processes import free_port, listening

if os.environ.get("TERCET_TEST_BROWSER") != "required":
    pytest.importorskip("playwright")
import psutil
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
N, LABELS = 20, ("yes", "no", "maybe")
PASSWORD = "tercet:chosen by the test"
PHONE = {"width": 390, "height": 844}
AXE = "axe_playwright_python"  # the package that brings axe-core


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("review") / "runs", 24)


@contextmanager
def served(run, port):
    """A running `tercet review --serve`: its process, and the address that it printed."""
    command = [sys.executable, "-m", "flows.cli", "review", run, "--n", str(N), "--serve", "--port", str(port)]
    environment = os.environ | {"PREFECT_SERVER_API_AUTH_STRING": PASSWORD}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process, re.search(r"http\S+", process.stdout.readline())[0]
        finally:
            process.kill()


@pytest.fixture
def tab(chromium):
    """Opens tabs; those of one reviewer share cookies. They may ask for nothing elsewhere, and say no error."""
    contexts, elsewhere, told = {}, [], []

    def opened(reviewer, **settings):
        if reviewer not in contexts:
            contexts[reviewer] = chromium.new_context(**settings)
        page = contexts[reviewer].new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda one: elsewhere.append(one.url) if urlsplit(one.url).hostname != "127.0.0.1" else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("console", lambda one: told.append(one.text) if one.type == "error" else None)
        return page

    yield opened
    for context in contexts.values():
        context.close()
    assert not elsewhere, elsewhere
    assert not [one for one in told if "Content Security Policy" in one or "Error" in one], told


def question_of(page):
    return page.locator("h1.question").inner_text().partition("\n")[2]


def press(page, *keys, place=None):
    """Press keys one after the other, and wait for the item at a place."""
    for key in keys:
        page.keyboard.press(key)
    if place:
        expect(page).to_have_url(re.compile(rf"/{place}$"))


def label_some(page, places, said, shift=0):
    """Label items in their order; what is said of each question is written down."""
    for place in places:
        expect(page).to_have_url(re.compile(rf"/{place}$"))
        number = (place + shift) % len(LABELS)
        said[question_of(page)] = (LABELS[number], "")
        press(page, str(number + 1))
        expect(page).not_to_have_url(re.compile(rf"/{place}$"))


def serious_in(page):
    try:
        axe = importlib.resources.files(AXE).joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        pytest.skip("no axe-core: pip install axe-playwright-python")
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]


def begin(page, reviewer):
    page.get_by_label("Your name").fill(reviewer)
    page.keyboard.press("Enter")


def test_twenty_questions_by_keyboard_and_nothing_is_lost(run, tab, tercet, tmp_path):
    port, ann, bob = free_port(), {}, {}
    with served(run, port) as (process, entry):
        page = tab("ann")
        page.goto(entry)
        begin(page, "ann")
        label_some(page, range(1, 7), ann)
        press(page, "n")
        page.keyboard.type("half a thought: 1, s, u")
        page.close()  # with a note and without a label
        page = tab("ann")
        page.goto(f"http://127.0.0.1:{port}/by/ann")
        expect(page).to_have_url(re.compile("/7$"))
        expect(page.get_by_label("note")).to_have_value("half a thought: 1, s, u")
        ann[question_of(page)] = ("maybe", "half a thought: 1, s, u")
        press(page, "3", place=8)
        ann[question_of(page)] = ("", "")
        press(page, "s", place=9)
        votes = page.get_by_text("Votes:")
        expect(votes).to_be_hidden()
        press(page, "v")
        expect(votes).to_be_visible()
        press(page, "u", place=8)
        press(page, "u", place=7)
        expect(page.get_by_text("You said maybe.")).to_be_visible()
        ann[question_of(page)] = ("no", "half a thought: 1, s, u")
        press(page, "2", place=9)
        label_some(page, range(9, 12), ann)
        assert listening([psutil.Process(process.pid)]) == {"127.0.0.1"}
        process.kill()
    with served(run, port) as (process, entry):
        page.goto(entry)
        page.get_by_role("link", name="ann").click()
        label_some(page, range(12, N + 1), ann)
        expect(page.get_by_role("heading", name="Nothing is left for ann")).to_be_visible()
        expect(page.get_by_text("20 of 20 reviewed, 1 skipped")).to_be_visible()
        other = tab("bob", viewport=PHONE, color_scheme="dark")
        other.goto(f"http://127.0.0.1:{port}/enter")
        other.get_by_label("Password").fill(PASSWORD)
        other.keyboard.press("Enter")
        begin(other, "bob")
        label_some(other, range(1, 5), bob, shift=1)
        press(other, "v")
        assert other.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert serious_in(other) == []
        page.goto(f"http://127.0.0.1:{port}/by/ann/3")
        assert serious_in(page) == []
        process.terminate()
        assert process.wait(30) == 0
        said = process.stdout.read()
        assert "Stopped. Reviewed so far, of 20: ann 20, bob 4. All of it is kept." in said
        assert f"Next: tercet review {run}" in said
    assert tercet("review", run, "--n", N, "--with-labels", "--export", tmp_path / "told.csv").exit_code == 0
    with (tmp_path / "told.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, said in (("ann", ann), ("bob", bob)):
        told = {
            row["question"]: (row["reviewer_label"], row["reviewer_note"]) for row in rows if row["reviewer"] == name
        }
        assert told == said
    assert len(ann) == N
