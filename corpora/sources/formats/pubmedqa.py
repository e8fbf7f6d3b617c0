"""PubMedQA: abstracts without their conclusion, each with the yes / no / maybe question that its title asks.

Jin et al. 2019, https://aclanthology.org/D19-1259. Reads the layout of the official `ori_pqal.json` (also of the
artificial and unlabeled parts, `ori_pqaa.json` and `ori_pqau.json`), and the rows that the hub's `datasets` exports.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from corpora.defects import Defects
from corpora.errors import InputError, RowError, counted, shown
from corpora.reading.exports import Row, exported_rows, is_export, shards_in
from corpora.reading.strict_json import json_name, read_json
from corpora.schema import Corpus, Document, LabelSet, Question, Section, Split, documents_frame, questions_frame
from corpora.sources.fields import REMEDY, id_of, of_kind, spelling_of, text_of
from corpora.storage import sha256_file

SECTION_BREAK = "\n\n"
TEST_IDS = "test_ground_truth.json"
# Annotators' fields: one saw the conclusion (reasoning free), one did not (reasoning required).
ANNOTATORS = ("reasoning_required_pred", "reasoning_free_pred")
PARTS = ("ori_pqal.json", "ori_pqaa.json", "ori_pqau.json")
EXPORTED = frozenset({"pubid", "question", "context"})  # the columns of an export that must be there
LABELS = LabelSet()


def read_pubmedqa(path: Path, defects: Defects | None = None) -> Corpus:
    """Read PubMedQA from a folder with `ori_pqal.json` or an export, or from such a file.

    The document of an item is its CONTEXTS, joined by blank lines, each a named section; question and document share
    the PubMed id. LONG_ANSWER, the removed conclusion, never enters a document. The official test ids
    (`test_ground_truth.json` in the same folder) are held out and the rest is `tune`; without that file no split is
    set. Where a year or an annotator's label cannot be used, only that is left out.

    Args:
        path: the folder or the file.
        defects: what to do with an item that cannot be used; by default the first one is refused.

    Raises:
        InputError: there is no such file, or it is not JSON of that layout.
        RowError: a field is missing or of the wrong kind, and nothing may be left out.
    """
    defects = defects or Defects()
    files = _find(path)
    inputs = {file.name: sha256_file(file) for file in files}
    test_file = files[0].with_name(TEST_IDS)
    test_ids: set[str] | None = None
    if test_file.exists():
        test_ids = set(_load(test_file))
        inputs[test_file.name] = sha256_file(test_file)
    documents: list[Document] = []
    questions: list[Question] = []
    for file in files:
        for pubmed_id, item in _items(file, defects):
            documents += defects.made("document", pubmed_id, partial(_document, file, pubmed_id, item))
            questions += defects.made(
                "question", pubmed_id, partial(_question, file, pubmed_id, item, test_ids, defects)
            )
    return Corpus("pubmedqa", documents_frame(documents), questions_frame(questions), LABELS, inputs)


def _find(path: Path) -> list[Path]:
    candidates = [path / name for name in PARTS] if path.is_dir() else [path]
    found = [file for file in candidates if file.is_file()][:1] or shards_in(path)
    if not found:
        raise InputError(
            f"no PubMedQA file at {path}",
            f"a folder with {PARTS[0]} or with Parquet files, or such a file itself",
            'correct `path`, or run `tercet corpora fetch pubmedqa` and set `published = "pubmedqa"` instead',
        )
    return found


def _items(file: Path, defects: Defects) -> Iterator[tuple[str, Row]]:
    """Every item with its PubMed id, in the layout of the official files."""
    if not is_export(file, EXPORTED):
        for pubmed_id, item in _load(file).items():
            yield from defects.made("document", pubmed_id, partial(_official, file, pubmed_id, item))
        return
    for number, row in exported_rows(file, EXPORTED):
        yield from defects.made("document", row["pubid"], partial(_exported, file, number, row))


def _load(file: Path) -> Row:
    content = read_json(file)
    if not isinstance(content, dict):
        raise InputError(f"{file} holds {json_name(content)}", "an object that maps PubMed ids to items")
    return content


def _official(file: Path, pubmed_id: str, item: object) -> tuple[str, Row]:
    name = text_of(file, ascii(pubmed_id), "id", pubmed_id)
    return name, of_kind(file, name, "item", item, dict)


def _exported(file: Path, number: int, row: Row) -> tuple[str, Row]:
    """A row of an export in the layout of the official files."""
    context = of_kind(file, number, "context", row["context"], dict)
    item = {"QUESTION": row["question"], "CONTEXTS": context.get("contexts"), "LABELS": context.get("labels")}
    item |= {name: _joined(context.get(name)) for name in ANNOTATORS}
    return id_of(file, number, "pubid", row["pubid"]), item | {"final_decision": row.get("final_decision")}


def _joined(value: object) -> object:
    """An annotator's label, which the hub's export has as a list of its letters."""
    if isinstance(value, list) and all(isinstance(letter, str) for letter in value):
        return "".join(value) or None
    return value


def _document(file: Path, pubmed_id: str, item: Row) -> Document:
    contexts, names = (_texts(file, pubmed_id, item, name) for name in ("CONTEXTS", "LABELS"))
    if len(contexts) != len(names):
        found = f"{counted(len(names), 'label')} for {counted(len(contexts), 'context')}"
        raise RowError(str(file), pubmed_id, "LABELS", found, "one label per context", REMEDY)
    sections, start = [], 0
    for name, context in zip(names, contexts, strict=True):
        sections.append(Section(name, start, start + len(context)))
        start += len(context) + len(SECTION_BREAK)
    return Document(pubmed_id, SECTION_BREAK.join(contexts), tuple(sections))


def _texts(file: Path, pubmed_id: str, item: Row, name: str) -> list[str]:
    return [text_of(file, pubmed_id, name, one) for one in of_kind(file, pubmed_id, name, item.get(name), list)]


def _question(file: Path, pubmed_id: str, item: Row, test_ids: set[str] | None, defects: Defects) -> Question:
    split: Split | None = None
    if test_ids is not None:
        split = "held_out" if pubmed_id in test_ids else "tune"
    return Question(
        id=pubmed_id,
        text=text_of(file, pubmed_id, "QUESTION", item.get("QUESTION")),
        document_ids=(pubmed_id,),
        reference=_label(file, pubmed_id, item, "final_decision"),
        annotators=dict(_annotators(file, pubmed_id, item, defects)),
        split=split,
        tags=dict(_year(file, pubmed_id, item, defects)),
    )


def _label(file: Path, pubmed_id: str, item: Row, name: str) -> str | None:
    """A label; None where it is missing or null, and nowhere else."""
    value = item.get(name)
    if value is None:
        return None
    label = text_of(file, pubmed_id, name, value)
    if not label:
        raise RowError(str(file), pubmed_id, name, "an empty text", "a label, or null where it is not known", REMEDY)
    return label


def _annotators(file: Path, pubmed_id: str, item: Row, defects: Defects) -> Iterator[tuple[str, str]]:
    for name in ANNOTATORS:
        if item.get(name) is not None:
            yield from defects.made("annotator", pubmed_id, partial(_annotator, file, pubmed_id, item, name))


def _annotator(file: Path, pubmed_id: str, item: Row, name: str) -> tuple[str, str]:
    label = _label(file, pubmed_id, item, name)
    if label is None or label not in LABELS:
        raise RowError(str(file), pubmed_id, name, f"{label!r:.60}", f"one of {', '.join(LABELS)}", REMEDY)
    return name, label


def _year(file: Path, pubmed_id: str, item: Row, defects: Defects) -> Iterator[tuple[str, str]]:
    if item.get("YEAR") is not None:
        yield from defects.made("tag", pubmed_id, partial(_year_of, file, pubmed_id, item["YEAR"]))


def _year_of(file: Path, pubmed_id: str, value: object) -> tuple[str, str]:
    year = None if isinstance(value, bool) else spelling_of(value)  # 2019.0 is the year 2019
    if not year:
        raise RowError(str(file), pubmed_id, "YEAR", shown(value), "a year, or null where it is not known", REMEDY)
    return "year", year
