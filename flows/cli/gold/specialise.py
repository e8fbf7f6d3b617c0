"""`tercet specialise`: a small model trained on a run's gold labels, which is then a reader like any other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.options import StorePathType, base_option, data_option, quiet_option
from flows.cli.shell.completion import run_argument, usual_store
from flows.cli.stores.existing import named_run
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath


@click.command()
@run_argument
@click.option(
    "--kind",
    type=click.Choice(["linear", "encoder"]),
    default="linear",
    show_default=True,
    help="linear: a logistic regression on the embedder's vectors, in seconds; encoder: a fine-tuned model that reads "
    "the question and the text together.",
)
@click.option("--reader", help="The teacher: whose gold labels to learn. Needed where the run has several readers.")
@click.option("--name", default="", help="A name for experiments to use; by default made from run, reader and kind.")
@click.option("--plan", is_flag=True, help="Say what it would take, and train nothing.")
@click.option(
    "--store", type=StorePathType(), help="Store that the specialist goes to; by default the one that holds RUN."
)
@data_option
@base_option
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all that is drawn."
)
@click.option(
    "--passages", type=click.IntRange(min=1), default=3, show_default=True, help="How many passages of a text it sees."
)
@click.option(
    "--encoder",
    default="all-minilm-l6-v2",
    show_default=True,
    help="encoder: what fine-tuning starts from: an embedder from `tercet models list`, a hub id or a folder.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=8, show_default=True, help="encoder: at most so many.")
@click.option("--no-curve", is_flag=True, help="Draw no learning curve, which takes as long again as the training.")
@quiet_option
def specialise(
    run: StorePath, kind: Any, reader: str | None, name: str, plan: bool, store: StorePath | None, data: Path | None,
    base: Path | None, seed: int, passages: int, encoder: str, epochs: int, no_curve: bool, quiet: bool,
) -> None:  # fmt: skip
    """Train a small model on a run's gold labels, and say whether it can stand in for its teacher.

    RUN is the folder of a finished run in which a reader labeled tune questions. The model is scored by the human
    references of held-out questions; no document of theirs is learnt from. What is printed at the end says how an
    experiment uses it as a reader.
    """
    from corpora.published.registry import data_folder
    from corpora.storage import absolute
    from flows.run.gold.specialist.learning import Order
    from flows.run.gold.specialist.training import specialise as train
    from flows.session.session import Session
    from flows.session.workspace import Workspace
    from flows.stages.progress import Bars, Quiet
    from flows.stages.runner import Runner
    from labeling.specialist.fine_tuning import Recipe

    run = named_run(run, store or usual_store())
    workspace = Workspace(store or absolute(run).parent, data=data or data_folder())
    recipe = Recipe(epochs=epochs, seed=seed)
    order = Order(kind, name, n_passages=passages, base=encoder, recipe=recipe, draws_curve=not no_curve)
    with Session(workspace) as session:
        done = train(run, order, reader, session, Runner(Quiet() if quiet else Bars()), base=base, plans_only=plan)
    for line in done.lines:
        echo(line)
