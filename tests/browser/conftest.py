"""The browser that the tests of pages share."""

import os
import shutil

import pytest


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    path = shutil.which("chromium")
    if not path:
        told = "no Chromium: apt-get install chromium"
        assert os.environ.get("TERCET_TEST_BROWSER") != "required", told
        pytest.skip(told)
    with sync_api.sync_playwright() as playwright:
        # Without a sandbox: as root, in a container, Chromium starts in no other way.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
