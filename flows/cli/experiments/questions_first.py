"""Questions that a run drafts first, because its folder of documents has none yet."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.terminal import echo

if TYPE_CHECKING:
    from flows.run.questions.missing import Missing
    from flows.session.experiment import Experiment
    from flows.session.session import Session
    from flows.session.workspace import Workspace


def draft_first(experiment: Experiment, file: Path, workspace: Workspace, *, quiet: bool) -> None:
    """Draft the questions that an experiment's folder lacks, if it says `[drafting]`; then it is run as any other.

    Raises:
        InputError: as `missing_questions` and `draft_questions`, or no draft passed every filter.
    """
    from flows.run.questions.missing import missing_questions
    from flows.session.session import Session

    missing = missing_questions(experiment, file, workspace.data, workspace.conversions)
    if missing is None:
        return
    echo(f"{missing.source.name} has no questions yet: {missing.reader.label} drafts {missing.wish.n}.", err=True)
    with Session(workspace) as session:
        _draft(missing, session, quiet=quiet)


def plan_first(experiment: Experiment, file: Path, workspace: Workspace) -> str:
    """What a run would draft first, and why no more can be planned; empty if it drafts nothing.

    Raises:
        InputError: as `missing_questions` and `plan_drafting`.
    """
    from flows.run.questions.missing import missing_questions
    from flows.run.questions.planning import plan_drafting
    from flows.session.session import Session

    missing = missing_questions(experiment, file, workspace.data, workspace.conversions)
    if missing is None:
        return ""
    with Session(workspace) as session:
        text = plan_drafting(missing.source, missing.reader, missing.wish, session).text
    return f"Questions are drafted first: {text}\nThe rest can be planned once there are questions."


def _draft(missing: Missing, session: Session, *, quiet: bool) -> None:
    from corpora.errors import InputError
    from flows.cli.experiments.questions import draft_and_report
    from flows.run.questions.files import questions_text, refuse_strange_report, write_files
    from flows.run.questions.summary import summary

    source, reader, wish, places, _ = missing
    refuse_strange_report(places.report)
    drafted, report = draft_and_report(source, reader, wish, session, quiet=quiet)
    texts = {places.report: report}
    if drafted.kept:
        texts[places.questions] = questions_text(drafted)
    write_files(texts)
    if not drafted.kept:
        raise InputError(
            f"none of {len(drafted.judged)} drafts passed every filter ({places.report} says what became of each)",
            "questions that a run can ask",
            "name a larger reader in [drafting], or write questions",
        )
    if not quiet:
        for line in summary(drafted, draft_again(missing)):
            echo(line, err=True)
    echo(f"Nobody has checked the questions in {places.questions} yet; the run goes on with them.", err=True)


def draft_again(missing: Missing) -> str:
    """The command that drafts more questions in place of those that a run has drafted."""
    wish, table = missing.wish, shlex.quote(str(missing.places.questions))
    which = f"{shlex.quote(str(missing.folder))} --reader NAME --n {wish.n} --most {2 * wish.limit}"
    return f"`tercet questions draft {which} --out {table} --force`"
