"""Questions that a run drafts first, because its folder of documents has none yet."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.terminal import echo

if TYPE_CHECKING:
    from flows.run.questions.missing import Missing
    from flows.session.experiment import Experiment, Kind
    from flows.session.session import Session
    from flows.session.workspace import Workspace


def draft_first(
    experiment: Experiment, kind: Kind, file: Path, workspace: Workspace, options: str, *, quiet: bool
) -> Experiment:  # fmt: skip
    """Draft the questions that an experiment's folder lacks, if it says `[drafting]`; then it is run as any other.

    Args:
        experiment: as loaded.
        kind: what is run.
        file: where it was loaded from.
        workspace: where the drafts are kept.
        options: that name the store and the data, as the next command needs them.
        quiet: whether only what matters is said.

    Returns:
        The experiment to run: the same one; or, where too few questions were kept for a reader to tell chunk sizes
        apart, the same one without readers.

    Raises:
        InputError: as `missing_questions` and `draft_questions`, or no draft passed every filter.
    """
    from flows.cli.options import READING
    from flows.run.questions.missing import FEWEST, missing_questions
    from flows.session.session import Session

    missing = missing_questions(experiment, file, workspace.data, workspace.conversions)
    if missing is None:
        return experiment
    echo(f"{missing.source.name} has no questions yet: {missing.reader.label} drafts {missing.wish.n}.", err=True)
    with Session(workspace) as session:
        n_kept = _draft(missing, session, options, quiet=quiet)
    if n_kept >= FEWEST or kind not in READING or not experiment.readers:
        return experiment
    again = f"`tercet {kind} {shlex.quote(str(file))}{options}`"
    echo(_too_few(n_kept, draft_again(missing, options), again), err=True)
    return experiment.model_copy(update={"readers": ()})


def plan_first(experiment: Experiment, kind: Kind, file: Path, workspace: Workspace) -> str:
    """What a run would draft first, and why no more can be planned; empty if it drafts nothing.

    Args:
        experiment: as loaded.
        kind: what would be run.
        file: where it was loaded from.
        workspace: where the drafts are kept.

    Raises:
        InputError: as `missing_questions` and `plan_drafting`.
    """
    from flows.cli.options import READING
    from flows.run.questions.missing import FEWEST, missing_questions
    from flows.run.questions.planning import plan_drafting
    from flows.session.session import Session

    missing = missing_questions(experiment, file, workspace.data, workspace.conversions)
    if missing is None:
        return ""
    with Session(workspace) as session:
        text = plan_drafting(missing.source, missing.reader, missing.wish, session).text
    may_not_ask = kind in READING and experiment.readers
    few = f": with fewer than {FEWEST} of them, chunk sizes are compared by retrieval alone" if may_not_ask else ""
    return f"Questions are drafted first: {text}\nThe rest can be planned once there are questions{few}."


def _too_few(n_kept: int, draft: str, again: str) -> str:
    """That a reader is not asked yet, and what to do: the commands that draft more, and that run it again."""
    from corpora.errors import counted
    from flows.run.questions.missing import FEWEST

    return (
        f"{counted(n_kept, 'question')} cannot tell chunk sizes apart by a reader's answers ({FEWEST} is the least, "
        "100 to 500 are usual), so no reader is asked now, and chunk sizes are compared by retrieval alone. For more "
        f"questions, name a larger reader in {draft}, or add documents. {again} asks the reader, "
        "whatever the number is."
    )


def _draft(missing: Missing, session: Session, options: str, *, quiet: bool) -> int:
    """Draft, write the files, and give the number of questions."""
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
        for line in summary(drafted, draft_again(missing, options)):
            echo(line, err=True)
    echo(f"Nobody has checked the questions in {places.questions} yet; the run goes on with them.", err=True)
    return len(drafted.kept)


def draft_again(missing: Missing, options: str) -> str:
    """The command that drafts more questions in place of those that a run has drafted."""
    wish, table = missing.wish, shlex.quote(str(missing.places.questions))
    which = f"{shlex.quote(str(missing.folder))} --reader NAME --n {wish.n} --most {2 * wish.limit}"
    return f"`tercet questions draft {which} --out {table}{options} --force`"
