"""Questions that a run drafts first, because its folder of documents has none yet."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.terminal import echo

if TYPE_CHECKING:
    from flows.cli.output import Given
    from flows.run.questions.missing import Missing
    from flows.session.experiment import Experiment, Kind
    from flows.session.session import Session
    from flows.session.workspace import Workspace


def draft_first(
    experiment: Experiment, kind: Kind, file: Path, workspace: Workspace, given: Given, *, quiet: bool
) -> Experiment:  # fmt: skip
    """Draft the questions that an experiment's folder lacks, if it says `[drafting]`; then it is run as any other.

    Args:
        experiment: as loaded.
        kind: what is run.
        file: where it was loaded from.
        workspace: where the drafts are kept.
        given: what the next command needs as well.
        quiet: whether only what matters is said.

    Returns:
        The experiment to run: the same one; or the same one without readers, where chunk sizes are to be compared by
        retrieval alone at first, or where too few questions were kept for a reader to tell them apart.

    Raises:
        InputError: as `missing_questions` and `draft_questions`, the embedder is not on this machine, or no draft
            passed every filter.
    """
    from flows.run.pipeline import verify_models
    from flows.run.questions.missing import missing_questions
    from flows.session.session import Session

    missing = missing_questions(experiment, file, workspace.data, workspace.conversions)
    if missing is not None:
        echo(f"{missing.source.name} has no questions yet: {missing.reader.label} drafts {missing.wish.n}.", err=True)
        with Session(workspace) as session:
            # A missing embedder is said now, not after the minutes that drafting takes.
            verify_models(without_readers(experiment), session, sweeps=_reads(experiment, kind))
            _draft(missing, session, _places_in(given), quiet=quiet)
    why = why_no_reader(experiment, kind, file, workspace, given)
    if why:
        echo(why, err=True)
        return without_readers(experiment)
    return experiment


def without_readers(experiment: Experiment) -> Experiment:
    """The same experiment, but chunk sizes are compared by retrieval alone."""
    return experiment.model_copy(update={"readers": ()})


def why_no_reader(experiment: Experiment, kind: Kind, file: Path, workspace: Workspace, given: Given) -> str:
    """Why the first run on drafted questions asks no reader, and what to do; empty if it may.

    It follows from what is on disk, so that a command that was stopped after drafting goes on as it would have.

    Args:
        experiment: as loaded.
        kind: what is run.
        file: where it was loaded from.
        workspace: where runs are kept.
        given: what the next command needs as well.

    Raises:
        InputError: as `made_questions`.
    """
    from flows.cli.options import READING
    from flows.run.questions.missing import FEWEST, made_questions
    from results.store.listing import has_asked

    made = made_questions(experiment, file) if _reads(experiment, kind) else None
    if made is None or experiment.drafting is None or (made.by_votes and len(made.question_ids) >= FEWEST):
        return ""
    if has_asked(workspace.root, experiment.name, READING, made.question_ids):
        return ""
    again = f"`tercet {kind} {shlex.quote(str(file))}{given.options}`"
    if made.by_votes:
        draft = draft_again(made.folder, made.table, experiment.drafting.n, _places_in(given))
        return _too_few(len(made.question_ids), draft, again)
    drops = experiment.consensus.rule == "unanimous_and_correct"
    votes = ": its votes on whole documents drop the drafts that do not hold" if drops else ""
    return (
        "At first, chunk sizes are compared by retrieval alone, which takes minutes. "
        f"{again} then asks the reader{votes}."
    )


def _reads(experiment: Experiment, kind: Kind) -> bool:
    """Whether a command lets readers read chunks."""
    from flows.cli.options import READING

    return kind in READING and bool(experiment.readers)


def _places_in(given: Given) -> str:
    """The options that name the store and the data: all that a command that drafts takes of them."""
    return given._replace(settings=()).options


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
    from flows.run.questions.missing import FEWEST, missing_questions
    from flows.run.questions.planning import plan_drafting
    from flows.session.session import Session

    missing = missing_questions(experiment, file, workspace.data, workspace.conversions)
    if missing is None:
        return ""
    with Session(workspace) as session:
        text = plan_drafting(missing.source, missing.reader, missing.wish, session).text
    few = ""
    if _reads(experiment, kind):
        few = f": with fewer than {FEWEST} of them, chunk sizes are compared by retrieval alone"
        few = few if missing.wish.votes else ": the first run on them compares chunk sizes by retrieval alone"
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


def _draft(missing: Missing, session: Session, options: str, *, quiet: bool) -> None:
    """Draft, and write the files."""
    from corpora.errors import InputError
    from flows.cli.experiments.questions import draft_and_report
    from flows.run.questions.files import questions_text, refuse_strange_report, write_files
    from flows.run.questions.summary import summary

    source, reader, wish, places, folder = missing
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
        for line in summary(drafted, draft_again(folder, places.questions, wish.n, options)):
            echo(line, err=True)
    echo(f"Nobody has checked the questions in {places.questions} yet; the run goes on with them.", err=True)


def draft_again(folder: Path, table: Path, n: int, options: str) -> str:
    """The command that drafts more questions in place of those that a run has drafted."""
    from flows.run.questions.drafting import TRIES

    which = f"{shlex.quote(str(folder))} --reader NAME --n {n} --most {2 * TRIES * n}"
    return f"`tercet questions draft {which} --out {shlex.quote(str(table))}{options} --force`"
