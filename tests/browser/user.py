"""A user at the Prefect UI: what they click and type, in a headless Chromium that reaches this machine only."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect, sync_playwright

from tests.processes import LOOPBACK, Served

SECONDS = 60_000  # milliseconds that an element may take to show
WIDTH, HEIGHT = 1280, 1000  # of the browser's window
EVIL = "evil.example"  # a foreign name that was made to point to this machine
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
VARIETY = """
picture => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return [canvas.width, canvas.height, new Set(pixels).size];
}
"""


class User:
    """What a user does, and sees.

    Args:
        page: of the browser.
        served: the Tercet that is used.
        pictures: folder for screenshots.
    """

    def __init__(self, page: Page, served: Served, pictures: Path) -> None:
        self.page, self.pictures = page, pictures
        self._served = served
        page.set_default_timeout(SECONDS)

    def see(self, name: str, height: int = HEIGHT) -> None:
        """Take a screenshot, of a window as high as what is to be seen."""
        self.page.set_viewport_size({"width": WIDTH, "height": height})
        self.page.wait_for_timeout(400)  # pictures of menus that still move help nobody
        self.page.screenshot(path=self.pictures / f"{name}.png")
        self.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})

    def enter(self) -> None:
        """Open the address that was printed, which lets this browser in."""
        self.page.goto(self._served.entry)
        self.page.wait_for_url("**/deployments")

    def open_deployment(self, name: str) -> None:
        """From the list of deployments to the page of one."""
        self.page.goto(f"http://127.0.0.1:{self._served.port}/deployments")
        self.page.get_by_role("row").get_by_text(name, exact=True).first.click()
        self.page.wait_for_url("**/deployments/deployment/**")

    def open_form(self, name: str) -> None:
        """From the list of deployments to the form of one."""
        self.open_deployment(name)
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_text("Custom run").click()
        self.field("Chunk sizes").wait_for()

    def titles(self) -> list[str]:
        """The titles of the form's sections and fields, in the order in which they are shown."""
        return [one.strip() for one in self.page.locator(".schema-form-property__label").all_inner_texts()]

    def field(self, title: str) -> Locator:
        """A field of the form."""
        label = self.page.locator(".schema-form-property__label", has_text=re.compile(f"^{re.escape(title)}"))
        return self.page.locator(".schema-form-property").filter(has=label).last

    def set_numbers(self, title: str, numbers: list[int]) -> None:
        """Make a list of numbers in a field: edit what is there, take away what is too much, add what lacks."""
        field = self.field(title)
        inputs = field.locator("input[type=number]")
        expect(inputs.first).not_to_have_value("")  # the form is filled in some time after it shows
        while (n := inputs.count()) > len(numbers):
            field.locator(".schema-form-property-array-item__control").last.get_by_role("button").first.click()
            expect(inputs).to_have_count(n - 1)
        while (n := inputs.count()) < len(numbers):
            field.get_by_role("button", name="Add item").click()
            expect(inputs).to_have_count(n + 1)
        for number, box in zip(numbers, inputs.all(), strict=True):
            box.fill(str(number))
            expect(box).to_have_value(str(number))

    def submit(self) -> None:
        """Press Submit."""
        self.page.get_by_role("button", name="Submit").click()

    def submit_run(self) -> str:
        """Press Submit, see that it was taken, and go to the page of the run; returns its id."""
        with self.page.expect_response("**/create_flow_run") as taken:
            self.submit()
        run = taken.value.json()["id"]
        self.page.get_by_role("button", name="View run").first.wait_for()
        self.see("submitted")
        self.open_run(run)
        return run

    def wait_for_end(self, run: str, seconds: float = 600.0) -> dict:
        """Wait until a run has ended, with the page alive: a sleeping test would hold its requests up."""
        deadline = time.monotonic() + seconds
        while (state := self._served.state(run))["type"] not in ENDED:
            assert time.monotonic() < deadline, f"{state} {self._served.log.read_text()[-3000:]}"
            self.page.wait_for_timeout(500)
        return state

    def open_run(self, run: str) -> None:
        """The page of a run."""
        self.page.goto(f"http://127.0.0.1:{self._served.port}/runs/flow-run/{run}")

    def open_tab(self, name: str) -> None:
        """A tab of that page."""
        self.page.get_by_role("tab", name=name).or_(self.page.get_by_text(name, exact=True)).last.click()

    def open_artifact(self, run: str, ending: str) -> None:
        """From the artifacts of a run to the one whose key ends so."""
        self.open_run(run)
        self.open_tab("Artifacts")
        self.page.get_by_text(re.compile(f"{re.escape(ending)}$")).first.click()

    def listed_artifacts(self, run: str) -> list[str]:
        """The keys of a run's artifacts, in the order in which its page lists them."""
        self.open_run(run)
        self.open_tab("Artifacts")
        keys = self.page.get_by_text(re.compile(r"^\S+-(verdict|plot|cost)$|^(refused|progress)-\S+$"))
        keys.first.wait_for()
        return keys.all_inner_texts()

    def variety(self, picture: Locator) -> tuple[int, int, int]:
        """Width, height and number of different colours of a picture as the browser drew it."""
        picture.wait_for()
        width, height, colours = picture.evaluate(VARIETY)
        return width, height, colours


@contextmanager
def browsing(served: Served, pictures: Path) -> Iterator[User]:
    """A user with a browser that reaches nothing but this machine; whatever else it asks for fails the test."""
    chromium = shutil.which("chromium")
    if not chromium:
        told = "no Chromium: apt-get install chromium"
        assert os.environ.get("TERCET_TEST_BROWSER") != "required", told
        pytest.skip(told)
    elsewhere: list[str] = []

    def only_here(route: Route) -> None:
        if urlsplit(route.request.url).hostname in {*LOOPBACK, EVIL}:
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Without a sandbox: as root, in a container, Chromium starts in no other way. Name resolution is off besides.
        rules = f"MAP {EVIL} 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
        switches = ["--no-sandbox", f"--host-resolver-rules={rules}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=switches)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.route("**/*", only_here)
        yield User(page, served, pictures)
        browser.close()
    assert not elsewhere, elsewhere
