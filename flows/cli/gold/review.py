"""`tercet review`: what people should look at in a run, where they do, and what they have said so far."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.options import Amount, base_option, data_option, store_option
from flows.cli.shell.completion import RunType
from flows.cli.stores.existing import named_run
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath

WIDTH, PROMISE = 0.1, 0.95
USUAL_PORT = 4202  # beside the two of `tercet serve`


@click.command()
@click.argument("run", type=RunType())
@click.option("--reader", metavar="NAME", help="Whose votes to look at, where the run has several readers.")
@click.option(
    "--only",
    type=click.Choice(["split", "contradicts", "audit"]),
    help="Questions of one kind: with split votes, with a label that contradicts the reference, or the audit sample.",
)
@click.option(
    "--width",
    type=Amount(min=0, max=1, min_open=True, max_open=True),
    default=WIDTH,
    show_default=True,
    help="The audit sample is large enough for a 95 % interval of this width.",
)
@click.option(
    "--n",
    type=click.IntRange(min=1),
    help="At most so many questions; with --only audit, the size of the sample, in place of --width.",
)
@click.option(
    "--promise",
    type=Amount(min=0, max=1, min_open=True, max_open=True),
    default=PROMISE,
    show_default=True,
    metavar="SHARE",
    help="Look for a threshold on P(unanimous) that keeps this share of right questions.",
)
@click.option(
    "--serve", "serves", is_flag=True, help="Show the questions in a browser, and keep the labels given there."
)
@click.option("--port", type=click.IntRange(1, 65535), default=USUAL_PORT, show_default=True, help="Port of --serve.")
@click.option(
    "--export", "target", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the questions for another program: a CSV file, or a folder for the others.",
)  # fmt: skip
@click.option(
    "--import", "source", type=click.Path(path_type=Path), metavar="FILE",
    help="Take over the labels that people gave in another program.",
)  # fmt: skip
@click.option(
    "--as", "kind", type=click.Choice(["csv", "label-studio", "argilla"]), default="csv", show_default=True,
    help="The format of --export and --import.",
)  # fmt: skip
@click.option(
    "--with-labels", is_flag=True, help="With --export to a CSV file: a row for each label that people have given."
)
@click.option(
    "--reviewer", default="", metavar="NAME", help="Who gave the labels of --import that come without a name."
)
@store_option
@data_option
@base_option
def review(
    run: StorePath, store: StorePath, promise: float, serves: bool, port: int, target: Path | None,
    source: Path | None, kind: str, with_labels: bool, reviewer: str, data: Path | None, base: Path | None,
    **choice: Any,
) -> None:  # fmt: skip
    """Let people look at the labels of a run.

    RUN is its folder, or its name in the store. The command says what there is to look at: questions with split votes,
    questions whose label contradicts the reference, and a random sample of the gold set, the audit sample. It also says
    what reviewers have found so far, and what that proves of the gold set. Their labels are kept in the store, in the
    folder reviews, apart from votes and runs.
    """
    from flows.run.review.exchange import export_queue, import_labels
    from flows.run.review.opened import Choice, open_review
    from flows.run.review.status import status_lines

    if sum((serves, target is not None, source is not None)) > 1:
        raise click.UsageError("--serve, --export and --import are three commands: give one of them.")
    if with_labels and (target is None or kind != "csv"):
        raise click.UsageError("--with-labels is for --export FILE --as csv.")
    folder = named_run(run, store)
    if source is not None:
        brought = import_labels(folder, source, kind, reviewer, data, base)
        echo(f"From {source}: {brought.line}")
        if brought.total:
            whose = choice["reader"] or (brought.readers[0] if len(brought.readers) > 1 else None)
            _next(folder, {"reader": whose, "data": data, "base": base})
        return
    opened = open_review(folder, Choice(**choice), data, base)
    if target is not None:
        echo(export_queue(opened, target, kind, with_labels=with_labels))
        file, why = (
            (shlex.quote(str(target)), "once people have filled it in")
            if kind == "csv" else ("FILE", "FILE is what people filled in")
        )  # fmt: skip
        back = f"tercet review {_again(folder, {'data': data, 'base': base})} --import {file} --as {kind}"
        echo(f"Next: {back}  # {why}")
        return
    if serves:
        from flows.serving.review.desk import Desk
        from flows.serving.review.server import serve_review

        serve_review(Desk(opened), port, echo)
        _next(folder, choice | {"data": data, "base": base})
        return
    for line in status_lines(opened, _again(folder, choice | {"data": data, "base": base}), promise):
        echo(line)


def _next(folder: StorePath, options: Mapping[str, Any]) -> None:
    said = 'what these labels say about the gold set; with rule = "reviewed" in [consensus], a run goes by them'
    echo(f"Next: tercet review {_again(folder, options)}  # {said}")


def _again(folder: StorePath, options: Mapping[str, Any]) -> str:
    """The run and the options that say which questions are meant, as the next command needs them."""
    given = {name: value for name, value in options.items() if value is not None and (name, value) != ("width", WIDTH)}
    return " ".join([shlex.quote(str(folder)), *(f"--{name} {shlex.quote(str(one))}" for name, one in given.items())])
