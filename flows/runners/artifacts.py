"""What a run shows in the Prefect UI when it has ended: the verdict, the main plot and what it cost; or why not.

The UI lists the artifacts of a run in no order that we could choose, but those of its tasks below its own. So the
verdict belongs to the run, and the others to a task.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import vl_convert
from prefect import get_client
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext

from corpora.errors import InputError
from corpora.storage import StorePath
from flows.planning.quote import money
from flows.runners.live import AWAY
from flows.runners.names import REPORTS, slug
from flows.stages.progress import duration
from flows.stages.runner import Finished
from results.advice.summary import Summary, summarise
from results.report.html.page import HTML_REPORT
from results.report.plots.plot import Plot
from results.report.text.literal import literal
from results.report.text.markdown import code, table
from results.report.visible import for_terminal
from results.store.finished import read_manifest

MOST_BYTES = 700_000  # of a plot: the UI shows pictures of less than 1 MB, in base64
PLOT_SCALE = 2.0  # PNG pixels per SVG pixel
REFUSED_IN_NAME = ", refused: "
MOST_NAME = 120  # characters of a run's name, which lists show on one line


def show_verdict(finished: Finished) -> None:
    """Publish what a finished run says; called in its flow."""
    summary = summarise(read_manifest(finished.folder), finished.tables)
    first = summary.answers[0]
    create_markdown_artifact(
        key=f"{slug(finished.folder.name)}-verdict",
        markdown=verdict_text(summary, report_place(finished.folder)),
        description=f"**{literal(first.question)}** {literal(first.sentence)}",
    )


def show_details(finished: Finished) -> None:
    """Publish the main plot of a finished run, and what it cost; called in a task of its flow."""
    name, manifest = slug(finished.folder.name), read_manifest(finished.folder)
    for plot, picture in drawn(finished.plots[:1]):
        title = literal(plot.title)
        shown = f"![{title}](data:image/png;base64,{base64.b64encode(picture).decode()})\n\n{literal(plot.description)}"
        create_markdown_artifact(key=f"{name}-plot", markdown=f"## {title}\n\n{shown}", description=title)
    facts = summarise(manifest, finished.tables).facts
    create_markdown_artifact(
        key=f"{name}-cost", markdown=cost_text(manifest["sessions"][-1]), description=literal(facts)
    )


def verdict_text(summary: Summary, place: str) -> str:
    """The other answers in plain sentences, what to beware of, and where the report is.

    The first answer is the description: the UI shows that in lists, and above this text.

    Args:
        summary: of the run.
        place: of the report, in Markdown.
    """
    answers = [f"## {one.question}\n\n{literal(one.sentence)}" for one in summary.answers[1:]]
    doubts = ["## Beware", "\n".join(f"* {literal(line)}" for line in summary.distrust)]
    return "\n\n".join([*answers, *(doubts if summary.distrust else ()), place, literal(summary.facts)])


def report_place(folder: StorePath) -> str:
    """Where a browser finds the HTML report of a run, in Markdown: a link, or the file if no server shows it."""
    reports = os.environ.get(REPORTS)
    if reports:
        return f"**[The whole report]({reports}/{folder.name}/{HTML_REPORT})**"
    return f"The whole report: {code(literal(str(folder / HTML_REPORT)))}"


def cost_text(session: Mapping[str, Any]) -> str:
    """How long a session took, and what it asked of each reader, in Markdown."""
    took = datetime.fromisoformat(session["finished"]) - datetime.fromisoformat(session["started"])
    asked = [(stage, one) for stage, of in session["asked"].items() for one in of if one["prompts"]]
    usd = sum(one.get("usd", 0.0) for _, one in asked)
    rows = [
        [stage, literal(one["reader"]), str(one["prompts"]), str(one["prompts"] - one["new"]), duration(one["seconds"])]
        for stage, one in asked
    ]
    lines = [f"This session took {duration(took.total_seconds())} and spent {money(usd)}."]
    if rows:
        lines.append(table(["stage", "reader", "prompts", "answered before", "time"], rows))
    return "\n\n".join(lines)


def drawn(plots: Iterable[Plot]) -> Iterator[tuple[Plot, bytes]]:
    """The plots as PNG; one that is too large for the UI is drawn smaller."""
    for plot in plots:
        for scale in (PLOT_SCALE, 1.0, 0.5):
            picture: bytes = vl_convert.svg_to_png(plot.svg, scale=scale)
            if len(picture) <= MOST_BYTES:
                yield plot, picture
                break


def show_refusal(error: InputError) -> None:
    """Say why the flow run that is under way was refused: in an artifact, and in its name, which every list shows."""
    context = FlowRunContext.get()
    if not context or not context.flow_run:
        return
    run, first = context.flow_run, for_terminal(error.found)
    mistakes: tuple[str, ...] = getattr(error, "mistakes", (str(error),))
    listed = "\n".join(f"* {literal(line)}" for line in mistakes)
    key, name = slug(f"refused-{run.name}"), f"{run.name}{REFUSED_IN_NAME}{first}"
    with suppress(*AWAY):
        create_markdown_artifact(
            key=key, markdown=f"## Refused: nothing was run\n\n{listed}", description=literal(first)
        )
        with get_client(sync_client=True) as client:
            client.update_flow_run(run.id, name=name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…")


def forget_refusal() -> None:
    """Give the flow run that is under way its name back, if it was refused before and is tried again."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run and REFUSED_IN_NAME in run.name:
        with suppress(*AWAY), get_client(sync_client=True) as client:
            run.name = run.name.partition(REFUSED_IN_NAME)[0]
            client.update_flow_run(run.id, name=run.name)
