"""How a command that makes a run ends: the findings, what to distrust, the report, and the command to try next."""

from __future__ import annotations

import itertools
import os
import shlex
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from flows.cli.options import USUAL_STORE
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from pydantic import BaseModel

    from corpora.storage import StorePath
    from flows.run.pipeline import Outcome
    from results.advice.cards.record import ReaderRecord, RunRecord

Command = TypeVar("Command", bound=Callable[..., Any])
GUARD_STORE = "guard"


class Shown(NamedTuple):
    """What is shown at the end.

    Attributes:
        whole: the whole report as Markdown, before the findings.
        json: the summary as JSON, and nothing else.
        opens: the report in a browser.
    """

    whole: bool = False
    json: bool = False
    opens: bool = False


def output_options(command: Command) -> Command:
    """The options that say how a command ends; `shown_of` reads them."""
    for option in (
        click.option("--open", "opens", is_flag=True, help="Open the report in a browser."),
        click.option("--json", "is_json", is_flag=True, help="Print only the summary, as JSON (docs/report.md)."),
        click.option("--print", "prints", is_flag=True, help="Print the whole report as Markdown too."),
    ):
        command = option(command)
    return command


def shown_of(*, prints: bool, is_json: bool, opens: bool) -> Shown:
    """What the options say.

    Raises:
        click.UsageError: they contradict each other.
    """
    if prints and is_json:
        raise click.UsageError("--json prints nothing but JSON, so it cannot be combined with --print.")
    return Shown(prints, is_json, opens)


def show_ending(
    outcome: Outcome, shown: Shown, next_step: str | None, failed: tuple[str, ...] = (), audits: tuple[str, ...] = ()
) -> None:  # fmt: skip
    """Print the end of a command.

    Args:
        outcome: the run.
        shown: what is wanted.
        next_step: the command to try next, with a reason behind `#`.
        failed: what `--fail-if` found.
        audits: how often the gold sets are right, by people's labels.
    """
    report = report_of(outcome.folder)
    if shown.json:
        command = next_step.split("  #")[0] if next_step else None
        told = {"folder": str(outcome.folder), "report": str(report), "next": command, "failed": failed}
        click.echo(json_of(outcome.record.model_copy(update=told)))
    else:
        if shown.whole:
            echo(outcome.report)
        for line in ending(outcome.record, str(report), next_step, failed, audits):
            echo(line)
    if shown.opens:
        open_report(report)


def json_of(record: BaseModel) -> str:
    """A record as JSON, escaped beyond ASCII, so that nothing in it acts on a terminal."""
    import json

    return json.dumps(record.model_dump(mode="json"), indent=2)


def ending(
    record: RunRecord, report: str, next_step: str | None, failed: tuple[str, ...], audits: tuple[str, ...] = ()
) -> list[str]:  # fmt: skip
    """The lines, ten at most.

    Args:
        record: the summary of the run.
        report: file of the report.
        next_step: as in `show_ending`.
        failed: as in `show_ending`.
        audits: as in `show_ending`.
    """
    distrust = [f"Beware: {one}" for one in record.distrust[:1]]
    if len(record.distrust) > 1:
        distrust[0] += f" ({len(record.distrust) - 1} more in the report)"
    lines = [
        record.facts,
        *(f"{one.question} {one.sentence}" for one in record.answers),
        *distrust,
        *([" ".join(audits)] if audits else []),
        *(f"Failed: {one}" for one in failed[:2]),
        f"Report: {report}",
    ]
    return [" ".join(line.split()) for line in lines] + ([f"Next: {next_step}"] if next_step else [])


def report_of(folder: StorePath) -> StorePath:
    """The file to open: the HTML report, or what else an older run has."""
    from results.report.html.page import HTML_REPORT
    from results.store.finished import REPORT

    return next((folder / name for name in (HTML_REPORT, REPORT) if (folder / name).is_file()), folder)


def open_report(report: StorePath) -> None:
    """Open the report in a browser, or say why not."""
    if not isinstance(report, Path):
        echo(f"tercet: {report} is not on this machine, so no browser can open it; copy it here first.", err=True)
    elif not webbrowser.open(report.resolve().as_uri()):
        echo(f"tercet: no browser answers here; open {report} in one yourself.", err=True)


class Given(NamedTuple):
    """What a command was given that the next one needs as well.

    Attributes:
        store: of runs.
        data: folder of the user's own copies of published corpora.
        settings: the other options, by the names of their parameters.
    """

    store: StorePath | str = USUAL_STORE
    data: Path | None = None
    settings: tuple[tuple[str, object], ...] = ()

    @property
    def options(self) -> str:
        """The options as they are typed; empty where all of them are the usual ones."""
        # With $TERCET_STORE set, a store that is left out would be that one.
        usual = None if "TERCET_STORE" in os.environ else USUAL_STORE
        given = {"store": None if str(self.store) == usual else self.store, "data": self.data, **dict(self.settings)}
        return "".join(_typed(f" --{name.replace('_', '-')}", value) for name, value in given.items())

    def in_fresh_store(self) -> Given:
        """The same in a store that is not there yet."""
        names = (f"{GUARD_STORE}-{n}" if n > 1 else GUARD_STORE for n in itertools.count(1))
        return self._replace(store=next(one for one in names if not Path(one).exists()))


def _typed(name: str, value: object) -> str:
    """An option as it is typed; empty where it was not given."""
    if value is None or value is False or value == "":
        return ""
    return name if value is True else f"{name} {shlex.quote(str(value))}"


def next_of(
    record: RunRecord, experiment: Path | None, folder: StorePath, given: Given, *, reads_next: bool = False
) -> str:  # fmt: skip
    """A command that is useful after this run, and why.

    Args:
        record: the summary of the run.
        experiment: as it was given on the command line; None where only the folder of the run is known.
        folder: of the run.
        given: what the next command needs as well.
        reads_next: whether the experiment's readers were not asked, and the same command asks them now.
    """
    shows = "where answers are lost, and the worst examples" if record.readers else "every setting, and what it finds"
    report = f"tercet report {shlex.quote(str(folder))} --open  # {shows}"
    if record.drafted and record.readers:
        return f"tercet review {shlex.quote(str(folder))} --serve  # nobody has checked all of the drafted questions"
    if experiment is None:
        return report
    file, options = shlex.quote(str(experiment)), given.options
    again = f"tercet {record.kind} {file}{options}"
    if any(one.qualified is False for one in record.readers) and not any(one.qualified for one in record.readers):
        return _next_to_doubt(record, again if experiment.is_file() else "")
    if record.kind in ("label", "compare"):
        return f"tercet sweep {file}{options}  # which chunk size, judged against these gold sets"
    if not record.readers and (reading := _next_to_retrieval(record, again, reads_next=reads_next)):
        return reading
    if not experiment.is_file():
        return report  # bundled: there is nothing to change in it
    if record.recommendations and not record.recommendations[0].told:
        return f"{again}  # {_more_questions(record)}; those that were asked are not asked again"
    if record.at_edge:
        return f"{again}  # after adding the next sizes to it; what was asked is not asked again"
    if record.recommendations:
        # In the store of this run every vote would come from the ledger, and this run itself would be replaced.
        guard = f"tercet {record.kind} {file}{given.in_fresh_store().options} --fail-if worse"
        return f"{guard} --against {shlex.quote(str(folder))}  # guards this setting; asks anew, in a store of its own"
    return report


def _next_to_retrieval(record: RunRecord, again: str, *, reads_next: bool) -> str:
    """The command that lets a reader read; empty while retrieval has not told what to use and no reader comes next."""
    if reads_next:
        return f"{again}  # asks the reader this time, which takes longer: `tercet plan` says how long"
    if record.retrieval and record.retrieval[0].told:
        return "tercet models list  # a reader under [[readers]] shows what can be answered from what is found"
    return ""


def _next_to_doubt(record: RunRecord, again: str) -> str:
    """The command where no reader is shown to beat a constant answer; `again` is empty for a bundled experiment."""
    if again and any(_is_ahead(one) for one in record.readers):
        return f"{again}  # {_more_questions(record)}: these are too few to show that the reader can be trusted"
    return "tercet models list  # a larger reader, or a clearer prompt, may beat a constant answer"


def _more_questions(record: RunRecord) -> str:
    """How readers get more questions: those that a limit kept from them, or new ones."""
    if not record.unread:
        return "after adding questions to it"
    left = "1 more question is" if record.unread == 1 else f"{record.unread:,} more questions are"
    return f"after raising the limits in [reading], or --max-cost, as {left} there to be read"


def _is_ahead(reader: ReaderRecord) -> bool:
    """Whether a reader was right more often than a constant answer, shown or not."""
    return (reader.accuracy or 0) > (1 if reader.majority_share is None else reader.majority_share)
