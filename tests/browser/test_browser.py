"""What a user does in the Prefect UI: edits chunk sizes, submits, watches, and reads verdict, table, plots and report.

With `TERCET_SCREENSHOTS=FOLDER` the screenshots are kept there; those in results/published/ui are made so.
"""

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import SHORT_TEXTS, needs_model, write_experiment
from tests.processes import serving

if os.environ.get("TERCET_TEST_BROWSER") != "required":
    pytest.importorskip("playwright")
from tests.browser.user import EVIL, browsing

pytestmark = [pytest.mark.model, pytest.mark.slow]
SIZES, QUESTIONS = [24, 48], 3


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    folder = tmp_path_factory.mktemp("served")
    experiment = write_experiment(folder / "small.toml", questions=QUESTIONS, corpus=SHORT_TEXTS)
    # Chosen, so that the printed address is still unused when the browser opens it.
    with serving(folder, str(experiment), PREFECT_SERVER_API_AUTH_STRING="tercet:chosen by the test") as one:
        yield one


@pytest.fixture(scope="module")
def user(served, tmp_path_factory):
    pictures = Path(os.environ.get("TERCET_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    with browsing(served, pictures) as one:
        one.enter()
        yield one


def runs(served) -> set[str]:
    return {run["id"] for run in served.api("flow_runs/filter", {})}


def test_the_form_begins_with_chunk_sizes_and_keeps_the_rest_in_one_section(user, served):
    user.open_form("small-sweep")
    user.see("form", height=2200)
    titles = user.titles()
    assert titles[:2] == ["Settings", "Chunk sizes"]
    main = titles[1 : titles.index("Advanced")]
    assert 6 <= len(main) <= 8, main
    assert {"Readers (Optional)", "Questions", "Token budgets (Optional)"} <= set(main), "a list that may be empty"
    assert "Settings (Optional)" not in titles
    user.field("Chunk sizes").get_by_text("reads at most 256").wait_for()
    assert user.field("Questions").locator("input").input_value() == str(QUESTIONS), "what the experiment says"


@pytest.fixture(scope="module")
def run(served, user) -> str:
    """A run that the user started with chunk sizes of their own, and watched until it was completed."""
    user.open_form("small-sweep")
    user.set_numbers("Chunk sizes", SIZES)
    user.set_numbers("Token budgets", [48])
    user.set_numbers("Chunks read (k)", [])
    run = user.submit_run()
    user.open_tab("Artifacts")
    user.page.get_by_text(re.compile(rf"\d of {QUESTIONS}")).first.wait_for(timeout=120_000)
    user.see("progress")
    state = user.wait_for_end(run)
    assert state["name"] == "Completed", served.log.read_text()[-3000:]
    user.page.get_by_text("Completed", exact=True).first.wait_for()
    return run


def test_the_verdict_is_the_first_of_few_artifacts_and_says_its_answers_in_sentences(user, run):
    listed = user.listed_artifacts(run)
    user.see("artifacts")
    assert listed[0].endswith("-verdict")
    assert {key.rpartition("-")[2] for key in listed[1:]} == {"plot", "cost"}
    user.open_artifact(run, "-verdict")
    user.page.get_by_text("Which chunk size?").first.wait_for()
    user.page.get_by_role("heading", name="Does retrieval find it?").first.wait_for()
    user.page.get_by_role("link", name="The whole report").first.wait_for()
    user.see("verdict")


def test_the_plot_is_a_picture_with_pixels(user, run):
    user.open_artifact(run, "-plot")
    width, height, colours = user.variety(user.page.locator("img[src^='data:image/png']").first)
    user.see("plot")
    assert width > 300
    assert height > 200
    assert colours > 10, "a plot of one colour shows nothing"


def test_the_link_leads_to_the_whole_report_and_the_root_lists_the_run(user, run, served):
    user.open_artifact(run, "-verdict")
    link = user.page.get_by_role("link", name="The whole report").first.get_attribute("href")
    # As a click does: a browser that was let in shows its cookie when it comes from Prefect's page.
    user.page.evaluate("address => location.assign(address)", link)
    user.page.wait_for_url(link)
    user.page.get_by_role("heading", name="Which chunk size?").first.wait_for()
    user.page.locator("svg").first.wait_for()
    (manifest,) = (served.log.parent / "runs").glob("small-sweep-*/manifest.json")
    retrieval = json.loads(manifest.read_text())["config"]["retrieval"]
    assert (retrieval["sizes"], retrieval["budgets"], retrieval["k"]) == (SIZES, [48], []), (
        "what was typed, and no more"
    )
    user.page.goto(f"http://127.0.0.1:{served.port + 1}/")
    user.page.get_by_role("link", name=re.compile("small-sweep-")).first.wait_for()
    user.see("reports")


def test_nonsense_in_a_field_is_told_beside_it_and_starts_nothing(user, served):
    before = runs(served)
    user.open_form("small-sweep")
    user.set_numbers("Chunk sizes", [300, 0])
    user.submit()
    told = user.field("Chunk sizes").get_by_text("0 is less than the minimum of 1")
    told.wait_for()
    user.field("Chunk sizes").get_by_text("300 is greater than the maximum of 256").wait_for()
    told.scroll_into_view_if_needed()
    user.see("nonsense")
    assert runs(served) == before


def test_a_refused_run_is_in_the_list_of_its_deployment_with_all_that_is_wrong(user, served):
    user.open_form("small-sweep")
    user.set_numbers("Overlaps", [64])
    user.set_numbers("Token budgets", [8])
    refused = user.submit_run()
    state = user.wait_for_end(refused)
    assert state["type"] == "FAILED"
    assert state["message"].startswith("Refused: 2 mistakes. Overlaps: overlap 64 with chunk size 32")
    assert "Token budgets: token budget 8" in state["message"]
    user.listed_artifacts(refused)
    user.page.get_by_text("overlap 64 with chunk size 32").first.wait_for()
    assert user.page.get_by_text("Traceback").count() == 0
    user.see("refused")
    user.open_deployment("small-sweep")
    user.open_tab("Runs")
    listed = user.page.locator(".flow-run-list-item").filter(has_text="refused: Overlaps")
    listed.get_by_text("Failed", exact=True).wait_for()  # of one run: it comes after the run's name
    user.see("refused-in-list")


# What a foreign page may try in the browser that was let in: with a preflight, without one, the door, and the reports.
ATTACK = """
async ([address, deployment, script, report]) => {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ pull_steps: [{ "prefect.deployments.steps.run_shell_script": { script } }] });
    const flow = `${address}/api/deployments/${deployment}`;
    const tried = [
        [flow, { method: "PATCH", headers, body }],
        [`${flow}/create_flow_run`, { method: "POST", headers, body: "{}" }],
        [`${flow}/create_flow_run`, { method: "POST", mode: "no-cors", body: new Blob(["{}"]) }],
        [`${address}/tercet/enter`, { method: "POST" }],
        [report, {}],
    ];
    const told = [];
    for (const [where, what] of tried) {
        try {
            const answer = await fetch(where, { credentials: "include", ...what });
            told.push(answer.type === "opaque" ? "nothing" : answer.status);
        } catch {
            told.push("refused");
        }
    }
    return told;
}
"""


class Evil(BaseHTTPRequestHandler):
    """An empty page of another origin."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def evil():
    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_page_of_another_origin_gets_nothing_from_the_browser_that_was_let_in(user, run, served, evil, tmp_path):
    before, deployment = runs(served), served.deployments("small")["label"]["id"]
    (link,) = [one["data"] for key, one in served.artifacts(run).items() if key.endswith("-verdict")]
    report = re.search(r"http://[^)]+", link)[0]
    script = f"touch {tmp_path / 'pwned'}"
    page = user.page
    for host in (EVIL, "127.0.0.1"):  # the second as another user's server: the same site, though another origin
        page.goto(f"http://{host}:{evil}/")
        told = page.evaluate(ATTACK, [served.address, deployment, script, report])
        assert told == ["refused", "refused", "nothing", "refused", "refused"], host
    # A foreign name that was made to point here in the meantime: now the server counts as the page's own.
    rebound = f"http://{EVIL}:{served.port}"
    page.goto(f"{rebound}/deployments")
    assert "Invalid host header" in page.content()
    told = page.evaluate(ATTACK, [rebound, deployment, script, report.replace("127.0.0.1", EVIL)])
    assert told == [400, 400, 400, 400, "refused"]
    assert runs(served) == before
    assert not served.deployments("small")["label"]["pull_steps"]
    assert not (tmp_path / "pwned").exists()


def test_another_browser_needs_the_password_as_the_printed_address_is_used_up(user, run, served):
    page = user.page.context.browser.new_page()
    page.goto(served.entry)
    page.get_by_text("This address was used before").wait_for()
    for password, told in (("wrong", page.get_by_text("not the password")), (served.credential, None)):
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Enter").click()
        if told:
            told.wait_for()
    page.wait_for_url("**/deployments")
    page.get_by_text("small-sweep", exact=True).first.wait_for()
    page.close()
