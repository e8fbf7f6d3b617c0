"""`tercet questions`: questions on documents that have none."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.guards import EXIT_FAILED
from flows.cli.options import Share, WholeNumber, data_option, quiet_option, store_option, threads_option
from flows.cli.output import Given
from flows.cli.shell.groups import Listing
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath
    from flows.run.questions.documents import Source
    from flows.run.questions.drafting import Drafted, Wish
    from flows.run.questions.files import Places
    from flows.session.experiment import ReaderConfig
    from flows.session.session import Session

KINDS = ("fact", "number", "negation", "apart")


@click.group(cls=Listing)
def questions() -> None:
    """Draft questions from documents."""


@questions.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option(
    "--reader",
    metavar="NAME",
    help="A model, or a reader of the experiment, by its name. By default the reader that the experiment drafts with.",
)
@click.option("--n", type=WholeNumber(min=2), default=200, show_default=True, help="How many questions to keep.")
@click.option("--most", type=WholeNumber(min=2), help="How many drafts to try; five times as many by default.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The table of questions to write, a .jsonl file; by default questions.jsonl in CORPUS, if that is a folder.",
)
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="May be given again; all but apart by default."
)
@click.option(
    "--closed-book",
    type=Share(min=0.5, max=1),
    default=0.95,
    show_default=True,
    help="Drop a question if the reader, without the document, gives its answer this probability.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order of the documents.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked and how long it would take, and ask nothing.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@store_option
@data_option
@threads_option
@quiet_option
def draft(
    corpus: Path, reader: str | None, out: Path | None, kinds: tuple[str, ...], store: StorePath, data: Path | None,
    threads: int | None, *, dry_run: bool, force: bool, quiet: bool, **wished: Any,
) -> None:  # fmt: skip
    """Draft yes/no questions on the documents of CORPUS, and keep those that pass every filter.

    CORPUS is an experiment, a table of documents, a folder, or the name of a published corpus. The reader writes a
    question about a sentence; everything else is fixed by --seed. A question is kept if it stands alone,
    is no duplicate, cannot be answered without the document, and gets the drafted answer from three votes on the whole
    document. All answers are kept in the store: a drafting that was stopped goes on where it stopped.
    """
    from flows.run.questions.documents import open_source
    from flows.run.questions.drafting import Wish
    from flows.run.questions.files import default_place, places_beside, refuse_to_overwrite
    from flows.run.questions.planning import plan_drafting
    from flows.run.questions.readers import reader_for
    from flows.session.session import Session
    from flows.session.workspace import Workspace

    places = places_beside(out or default_place(corpus))
    if not force and not dry_run:
        refuse_to_overwrite(places)
    workspace = Workspace(store, data=data)
    source = open_source(corpus, data, workspace.conversions)
    asked = reader_for(reader or _usual_reader(source), source, threads)
    wish = Wish(**wished | ({"kinds": kinds} if kinds else {}))
    with Session(workspace) as session:
        if dry_run:
            echo(plan_drafting(source, asked, wish, session).text)
            return
        drafted, report = draft_and_report(source, asked, wish, session, quiet=quiet)
    _finish(drafted, report, places, Given(store, data).options)


def _usual_reader(source: Source) -> str:
    """The reader that an experiment drafts with.

    Raises:
        UsageError: the documents are not from an experiment, or it has no readers.
    """
    from flows.run.questions.missing import drafter

    if source.experiment is None or not source.experiment.readers:
        raise click.UsageError("Missing option '--reader': `tercet models list` names the readers.")
    return drafter(source.experiment).label


def draft_and_report(
    source: Source, reader: ReaderConfig, wish: Wish, session: Session, *, quiet: bool
) -> tuple[Drafted, str]:  # fmt: skip
    """Say what it takes, draft, and give what came of it, for people and as the text of the report's file.

    Raises:
        InputError: as `plan_drafting` and `draft_questions`.
    """
    from flows.run.questions.drafting import draft_questions
    from flows.run.questions.files import report_text
    from flows.run.questions.planning import plan_drafting
    from flows.stages.progress import Bars, Quiet
    from flows.stages.runner import Runner

    plan = plan_drafting(source, reader, wish, session)  # refuses what cannot be drafted, however little is said
    if not quiet:
        echo(plan.text, err=True)
    drafted = draft_questions(source, reader, wish, session, Runner(Quiet() if quiet else Bars()))
    about = {"name": reader.label, "model": reader.model, "sha256": session.readers.sha256(reader.model)}
    return drafted, report_text(drafted, about)


def _finish(drafted: Drafted, report: str, places: Places, options: str) -> None:
    """Write the files, and say what is in them; the next command has the options, for the answers are in that store."""
    from flows.run.questions.files import documents_text, questions_text, write_files
    from flows.run.questions.summary import summary

    texts = {places.report: report}
    if drafted.kept:
        if drafted.source.own is None:
            texts[places.documents] = documents_text(drafted)
        texts[places.questions] = questions_text(drafted)
    write_files(texts)
    if drafted.kept:
        texts[places.experiment] = _experiment(drafted, places)
        write_files({places.experiment: texts[places.experiment]})
    for line in summary(drafted):
        echo(line)
    for path in texts:
        echo(f"Wrote {path}")
    if not drafted.kept:
        echo(f"tercet: no draft passed every filter; {places.report} says what became of each.", err=True)
        sys.exit(EXIT_FAILED)
    file = shlex.quote(str(places.experiment))
    echo(f"Nobody has checked these questions: look through {places.questions}, then run them and review the run.")
    echo(f"Next: tercet check {file}{options}")


def _experiment(drafted: Drafted, places: Places) -> str:
    """An experiment on the questions, as `tercet init` writes it."""
    from corpora.loading.config import CorpusConfig
    from corpora.loading.load import read_source
    from corpora.schema import DRAFT_TAGS
    from corpora.sources.tables.columns import QuestionColumns
    from flows.cli.experiments.writing import draft as experiment_text
    from flows.cli.experiments.writing import lengths_of, name_of
    from flows.run.questions.drafting import LABELS

    own = drafted.source.own or CorpusConfig(source="tables", documents=places.documents)
    config = own.model_copy(
        update={"questions": places.questions, "labels": tuple(LABELS),
                "question_columns": QuestionColumns(tags=DRAFT_TAGS)}
    )  # fmt: skip
    corpus = read_source(config)
    notes = (f"{drafted.reader.label} drafted the questions, and nobody has checked them",)
    name = name_of(places.questions.with_suffix(""))
    return experiment_text(name, config, corpus, lengths_of(corpus), notes, places.experiment.parent)
