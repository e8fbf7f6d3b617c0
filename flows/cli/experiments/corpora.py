"""`tercet corpora`: list and fetch published corpora, and check any corpus."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.options import EXIT_INPUT, data_option, quiet_option
from flows.cli.shell.groups import Listing
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.loading.config import CorpusConfig
    from corpora.published.registry import PublishedCorpus

LINE, INDENT = 100, "    "


@click.group(cls=Listing)
def corpora() -> None:
    """List, fetch and check corpora."""


@corpora.command("list")
@data_option
def list_corpora(data: Path | None) -> None:
    """List the published corpora that Tercet knows by name.

    "here" means that a corpus is fetched, "own" that your folder of corpora holds it.
    """
    from corpora.published.registry import data_folder, own_copy, published

    width = max(map(len, published()))
    for corpus in published().values():
        size = f"{corpus.n_bytes / 1e6:.1f} MB" if corpus.n_bytes < 1e8 else f"{corpus.n_bytes / 1e6:.0f} MB"
        here = "own" if own_copy(corpus, data or data_folder()) else "here" if corpus.path.is_dir() else "-"
        pinned = "" if corpus.is_pinned else "; the first fetch records its digest"
        echo(f"{corpus.name:{width}} {size:>8}  {here:4}  {corpus.licence}{pinned}")
        for line in textwrap.wrap(corpus.what, LINE - len(INDENT)):
            echo(f"{INDENT}{line}")


@corpora.command()
@click.argument("names", nargs=-1, required=True)
@quiet_option
def fetch(names: tuple[str, ...], quiet: bool) -> None:
    """Fetch published corpora by NAME and verify their digests.

    Each comes from where its authors published it. It is kept with the models, in the cache folder.
    """
    from corpora.published.fetch import fetch_corpus
    from corpora.published.registry import find_published

    for corpus in [find_published(name) for name in names]:
        _say_licence(corpus)
        fetch_corpus(corpus, (lambda _: None) if quiet else lambda line: echo(line, err=True))


def _say_licence(corpus: PublishedCorpus) -> None:
    """Told even where progress is not: who uses a corpus has to know its licence."""
    from corpora.errors import listed

    echo(f"{corpus.name}: {corpus.what}", err=True)
    from_where = listed(corpus.hosts)
    echo(f"{corpus.name}: licence {corpus.licence}; {corpus.n_bytes / 1e6:.1f} MB from {from_where}", err=True)


@corpora.command()
@click.argument("path", type=click.Path(path_type=Path))
@data_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Maximum number of problems to show."
)
def check(path: Path, data: Path | None, limit: int) -> None:
    """Check the corpus at PATH: a folder, a file, an experiment's .toml, or the name of a published corpus.

    Rows of a published corpus that cannot be used are listed as left out. A file that cannot be parsed ends the check
    at its first bad row; otherwise all problems are listed.
    """
    from corpora.errors import counted, said_once
    from corpora.loading.load import list_problems

    corpus, problems = list_problems(_config(path, data))
    said = said_once(problems)
    shown = said[:limit]
    left_out = corpus.left_out
    for defect in left_out.defects[:limit]:
        echo(f"left out: {defect.line}", err=True)
    if len(left_out.defects) > limit:
        echo(f"left out: {len(left_out.defects) - limit} more; raise --limit to see more of them.", err=True)
    for note in corpus.note_lines:
        echo(f"tercet: {note}", err=True)
    for problem in shown:
        echo(f"tercet: {problem}", err=True)
    more = len(said) - len(shown)
    if more:
        echo(f"tercet: and {more} more problems; raise --limit to see more of them.", err=True)
    if shown:
        sys.exit(EXIT_INPUT)
    rest = f"no other problems; left out: {left_out.line()}" if left_out.defects else "no problems"
    documents, questions = counted(len(corpus.documents), "document"), counted(len(corpus.questions), "question")
    echo(f"{corpus.name}: {documents}, {questions}, {rest}.")


def _config(path: Path, data: Path | None) -> CorpusConfig:
    """The corpus section that a PATH stands for; a file or folder comes before the name of a published corpus."""
    from corpora.loading.config import CorpusConfig
    from corpora.loading.recognised import guess_config
    from corpora.published.registry import data_folder, published
    from flows.session.experiment import load_experiment

    if path.suffix == ".toml":
        config = load_experiment(path).corpus.resolved(path.parent)
    elif str(path) in published() and not path.exists():
        config = CorpusConfig.model_validate({"published": str(path)})
    else:
        return guess_config(path)
    return config.located(data or data_folder())
