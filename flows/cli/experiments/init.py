"""`tercet init`: a first experiment on a folder of one's own."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.schema import Corpus
    from flows.cli.experiments.finding import Found

IN_FOLDER = "tercet.toml"  # of documents in files, whose experiment lies with them


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write; by default FOLDER's name and .toml, or FOLDER/tercet.toml for documents in files.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
def init(folder: Path, out: Path | None, force: bool) -> None:
    """Look at a FOLDER and write an experiment on it, with comments.

    FOLDER holds a corpus: documents in files (.txt, .md, .html, .pdf, .docx), with a table of questions or without; or
    two tables (CSV, JSON Lines or Parquet) of documents and questions, whatever their names and columns; or a published
    corpus. Columns are told apart by what is in them.
    """
    from flows.cli.experiments.finding import find_corpus
    from flows.cli.experiments.writing import SIZES, WITHOUT_LABELS, draft, facts, lengths_of, name_of, say_context
    from flows.planning.lengths import say_too_short
    from flows.session.experiment_schema import FILE, schema_text

    name = name_of(folder if folder.is_dir() else folder.parent)
    file = out or Path(f"{name}.toml")
    _check_target(file)
    table = file.with_name(f"{name}-documents.jsonl")
    found = _named(name, find_corpus(folder, table))
    if out is None and found.config.source == "folder":
        file = folder / IN_FOLDER
    corpus, n_problems = _read(found)
    lengths = lengths_of(corpus)
    context = "" if found.config.source in WITHOUT_LABELS else say_context(lengths)
    notes = (*found.notes, *_notes(corpus), *filter(None, [say_too_short(SIZES[1], lengths), context]))
    # The experiment comes last: whatever it names is there.
    texts = {table: found.documents} if found.documents else {}
    drafted = draft(name, found.config, corpus, lengths, notes, file.parent)
    texts |= {file.with_name(FILE): schema_text(), file: drafted}
    _refuse_to_overwrite(texts, force=force)
    for path, text in texts.items():
        _write(path, text)
        echo(f"Wrote {path}")
    echo(f"Found {facts(corpus)}.")
    for note in notes:
        echo(f"Note: {note}.")
    if n_problems:
        echo(f"Not all of it can be used as it is: `tercet check {shlex.quote(str(file))}` says what to correct.")
    echo(f"Next: {_next(file, corpus)}")


def _named(name: str, found: Found) -> Found:
    """The corpus by the name of its folder, where that is not the name of a published one."""
    from corpora.loading.config import OWN

    if found.config.source not in OWN:
        return found
    return found._replace(config=found.config.model_copy(update={"name": name}))


def _notes(corpus: Corpus) -> Iterator[str]:
    """What was unusual in the files of a folder."""
    if any(not one.row for one in corpus.left_out.defects):
        yield f"{corpus.left_out.line()} cannot be used, and are left out{corpus.left_out.files_line()}"
    yield from corpus.notes


def _next(file: Path, corpus: Corpus) -> str:
    """The command to go on with; without questions, the one that drafts them first."""
    from flows.cli.experiments.writing import suggest_reader
    from labeling.models.registry import registry
    from retrieval.embedding.embedder_config import EmbedderConfig

    if not corpus.questions.is_empty():
        return f"tercet check {shlex.quote(str(file))}"
    reader, is_here = suggest_reader()
    wanted = [] if is_here else [reader.name]
    embedder = EmbedderConfig().model
    wanted += [] if registry()[embedder].path.is_file() else [embedder]
    fetch = f"tercet models fetch {' '.join(wanted)} && " if wanted else ""
    return f"{fetch}tercet run {shlex.quote(str(file))}  # drafts questions first, as `tercet plan` says"


def _check_target(file: Path) -> None:
    from corpora.errors import InputError

    if file.suffix != ".toml":
        raise InputError(f"--out {file}", "a file that ends in .toml", "add the ending")
    if not file.parent.is_dir():
        raise InputError(f"no folder {file.parent} to write {file.name} in", "an existing folder", "make it first")


def _read(found: Found) -> tuple[Corpus, int]:
    """What can be used of a corpus, and the number of its problems.

    Raises:
        InputError: nothing of it can be used.
    """
    from corpora.loading.folder import NoQuestionsError
    from corpora.loading.load import list_problems

    with tempfile.TemporaryDirectory() as folder:
        config = found.config
        if found.documents:  # not written before all else is known to be sound
            written = Path(folder) / "documents.jsonl"
            written.write_text(found.documents, encoding="utf-8")
            config = config.model_copy(update={"documents": written})
        corpus, problems = list_problems(config)
        listed = list(problems)
    missing = [one for one in listed if isinstance(one, NoQuestionsError)]  # which can be drafted
    if corpus.documents.is_empty() or (corpus.questions.is_empty() and not missing):
        raise listed[0]
    return corpus, len(listed) - len(missing)


def _refuse_to_overwrite(paths: Iterable[Path], *, force: bool) -> None:
    from corpora.errors import InputError

    for path in paths:
        is_there = path.exists() or path.is_symlink()  # a link that leads nowhere is somebody's too
        if is_there and not force and not _is_our_schema(path):
            raise InputError(
                f"{path} is there already", "a name that is free", "give another --out, or --force to replace the file"
            )


def _is_our_schema(path: Path) -> bool:
    """Whether a file is a schema that an earlier `tercet init` wrote, which says nothing of the user's own."""
    from flows.session.experiment_schema import FILE, TITLE

    if path.name != FILE:
        return False
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["title"] == TITLE)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write(path: Path, text: str) -> None:
    from corpora.storage import written_whole

    with written_whole(path) as file:
        file.write(text.encode("utf-8"))
