"""Takes the gold sets of a finished run away: its tables, the texts of its corpus, and the folder that holds them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError, counted, listed
from corpora.storage import StorePath
from flows.run.gold.finished_corpus import NO_READER_YET, corpus_of_run, corpus_section
from results.gold.export.card import Made
from results.gold.export.items import Items, choose_readers, take_items
from results.gold.export.labels import KINDS, read_labels
from results.gold.export.place import check_place
from results.gold.export.reviewed import reviews_line, with_reviews
from results.gold.export.write import Format, check_format, file_names, write_export
from results.gold.review.reviews import REVIEWS, counted_reviews
from results.gold.review.storage import ReviewFolder, reviews_folder
from results.store.finished import check_format as check_tables
from results.store.finished import read_manifest, read_tables


class Wanted(NamedTuple):
    """What is taken away of a run.

    Attributes:
        readers: their names; empty for all.
        corpus: the name of its corpus, where the run has several; None for the first.
        with_texts: whether the texts of documents come along, or only their ids and offsets.
        data: folder of the user's own copies of published corpora; by default `$TERCET_DATA`.
        base: folder that the paths of the corpus start from; by default the one that the run recorded.
        with_reviews: whether an export has people's labels too, with the names of the reviewers.
    """

    readers: Sequence[str] = ()
    corpus: str | None = None
    with_texts: bool = True
    data: Path | None = None
    base: Path | None = None
    with_reviews: bool = True


def export_run(folder: StorePath, target: Path, kind: Format, wanted: Wanted, *, replaces: bool = False) -> list[str]:
    """Write the gold sets of a run in the format of another program.

    Args:
        folder: of the run.
        target: the folder to write.
        kind: one of `results.gold.export.write.FORMATS`.
        wanted: what is taken away.
        replaces: whether an earlier export in that place is replaced.

    Returns:
        Lines that say what was written, and what to distrust.

    Raises:
        InputError: not a finished run with a gold set, the corpus is not here or has changed, or the folder may not be
            written, as in a run or in a folder of a store.
    """
    check_format(kind, has_texts=wanted.with_texts)
    target = target.expanduser().resolve()
    check_place(target)
    made, items = take_run(folder, wanted)
    notes: list[str] = []
    if wanted.with_reviews:
        reviews, left_out = _reviews(folder, made, items)
        items = [with_reviews(one, reviews) for one in items]
        notes = [*reviews_line(items), *left_out]
    write_export(made, items, kind, target, replaces=replaces)
    said = [f"Wrote {target}, as {kind}:", *map(_counted, items), *notes, *_distrust(made, items)]
    return said + _next(kind, target, items, None if made.at else folder)


def labels_from_file(folder: StorePath, file: Path, kind: str, wanted: Wanted, *, reviewer: str = "") -> pl.DataFrame:
    """Read back the labels that people gave in another program to questions of a run.

    Args:
        folder: of the run.
        file: what that program wrote.
        kind: one of `results.gold.export.labels.KINDS`.
        wanted: as it was exported.
        reviewer: who reviewed what the file gives no name for; empty to refuse that.

    Returns:
        Frame of schema `REVIEWS`; see `read_labels`.

    Raises:
        InputError: as `take_run`, and as `read_labels`.
    """
    made, items = take_run(folder, wanted)
    asked = {str(row["question_id"]): seen for one in items for row, seen in one.shown()}
    return read_labels(file, kind, asked, made.corpus["labels"], reviewer=reviewer)


def take_run(folder: StorePath, wanted: Wanted) -> tuple[Made, list[Items]]:
    """What a run holds, and what is taken away of each reader.

    Raises:
        InputError: as `export_run`.
    """
    manifest = read_manifest(folder)
    check_tables(folder, manifest)
    described, _ = corpus_section(folder, manifest, wanted.corpus)
    at = "" if described is manifest["corpus"] else f"@{described['name']}"
    tables = read_tables(folder, manifest)
    if f"gold{at}" not in tables:
        raise InputError(f"{folder} has no gold set", "a run that asked a reader", NO_READER_YET)
    readers = choose_readers(tables[f"gold{at}"], wanted.readers)
    texts = None
    if wanted.with_texts:
        texts = corpus_of_run(folder, manifest, wanted.corpus, data=wanted.data, base=wanted.base).texts
    made = Made(folder.name, manifest, tables, described, at)
    return made, [take_items(tables, one, described["labels"], texts, at.removeprefix("@")) for one in readers]


def _reviews(folder: StorePath, made: Made, items: Sequence[Items]) -> tuple[pl.DataFrame, list[str]]:
    """People's labels that count for the texts of a run, and what does not count, a sentence each."""
    if not isinstance(folder, Path):  # labels are only ever kept on this machine
        return pl.DataFrame(schema=REVIEWS), []
    given = ReviewFolder(reviews_folder(folder.resolve().parent, made.corpus["name"])).read()
    rows = pl.concat(one.rows.select("question_id", "text_digest") for one in items).unique("question_id")
    known = rows.filter(pl.col("text_digest").is_not_null())
    found = counted_reviews(given, dict(known.iter_rows()), made.corpus["labels"])
    n = len(given.join(rows, on="question_id").filter(~pl.col("question_id").is_in(known["question_id"].to_list())))
    unknown = f"{counted(n, 'label')} of people left out: without texts, nothing here says what they were given for."
    return found.reviews, [*found.notes, *([unknown] if n else [])]


def _counted(one: Items) -> str:
    n_kept = int(one.rows["kept"].sum())
    texts = "with texts" if one.texts is not None else "ids and offsets only"
    return f"{one.reader}: {counted(n_kept, 'gold question')}, {len(one.rows) - n_kept} excluded; {texts}."


def _distrust(made: Made, items: Sequence[Items]) -> list[str]:
    """Readers that are not shown to be better than the majority label, and corpora that are left out."""
    labelers = made.tables[f"labelers{made.at}"]
    known = {one["reader"]: one for one in labelers.to_dicts()}
    unfit = [one.reader for one in items if known[one.reader]["qualified"] is False]
    lines = [
        f"Beware: {listed(unfit, 'and')} {'is' if len(unfit) == 1 else 'are'} not shown to be better than "
        f"{_constant(known[unfit[0]]['majority_label'])}, as the card says."
    ] if unfit else []  # fmt: skip
    others = [one["name"] for one in (made.manifest["corpus"], *made.manifest.get("other_corpora", ()))]
    left = [one for one in others if one != made.corpus["name"]]
    return lines + (
        [f"Not in it: the gold sets on {listed(left, 'and')} (--corpus NAME exports them)."] if left else []
    )


def _constant(label: str | None) -> str:
    return "a choice at random" if label is None else f"always answering {label}"


def _next(kind: str, target: Path, items: Sequence[Items], reviewed: StorePath | None) -> list[str]:
    """How to go on; the run comes along where people's labels can be brought back to it."""
    name = file_names([one.reader for one in items])[items[0].reader]
    loads = {
        "datasets": f"datasets.load_dataset({str(target)!r}, {name!r})",
        "argilla": f"argilla.Dataset.from_disk({str(target / name)!r})",
    }
    said = [f"Load it with {loads[kind]}."] if kind in loads else []
    if kind in KINDS and isinstance(reviewed, Path):
        back = f"tercet review {shlex.quote(str(reviewed))} --import FILE --as {kind}"
        said.append(f"Next: {back}  # FILE is what people filled in")
    return said
