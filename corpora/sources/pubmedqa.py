"""PubMedQA: abstracts without their conclusion, each with the yes / no / maybe question that its title asks.

Jin et al. 2019, https://aclanthology.org/D19-1259. Reads the layout of the official `ori_pqal.json` (also of the
artificial and unlabeled parts, `ori_pqaa.json` and `ori_pqau.json`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpora.errors import InputError, RowError
from corpora.schema import Corpus, Document, LabelSet, Question, Section, Split, documents_frame, questions_frame
from corpora.storage import sha256_file

SECTION_BREAK = "\n\n"
TEST_IDS = "test_ground_truth.json"
# Annotators' fields: one saw the conclusion (reasoning free), one did not (reasoning required).
ANNOTATORS = ("reasoning_required_pred", "reasoning_free_pred")
_REMEDY = "correct the item or fetch the file again"
PARTS = ("ori_pqal.json", "ori_pqaa.json", "ori_pqau.json")


def read_pubmedqa(path: Path) -> Corpus:
    """Read PubMedQA from a folder with `ori_pqal.json`, or from such a file.

    The document of an item is its CONTEXTS, joined by blank lines, each a named section; question and document share
    the PubMed id. LONG_ANSWER, the removed conclusion, never enters a document. The official test ids
    (`test_ground_truth.json` in the same folder) are held out and the rest is `tune`; without that file no split is
    set.

    Raises:
        InputError: there is no such file, or it is not JSON of that layout.
    """
    file = _find(path)
    items = _load(file)
    inputs = {file.name: sha256_file(file)}
    test_file = file.with_name(TEST_IDS)
    test_ids: set[str] | None = None
    if test_file.exists():
        test_ids = set(_load(test_file))
        inputs[test_file.name] = sha256_file(test_file)
    documents, questions = [], []
    for pubmed_id, item in items.items():
        document = _document(file, pubmed_id, item)
        documents.append(document)
        questions.append(_question(file, pubmed_id, item, test_ids))
    return Corpus("pubmedqa", documents_frame(documents), questions_frame(questions), LabelSet(), inputs)


def _find(path: Path) -> Path:
    candidates = [path / name for name in PARTS] if path.is_dir() else [path]
    found = [file for file in candidates if file.is_file()]
    if not found:
        raise InputError(
            f"no PubMedQA file at {path}",
            f"a folder with {PARTS[0]}, or that file itself",
            "download it from the PubMedQA repository and give its folder as `path`",
        )
    return found[0]


def _load(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_unique(file))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} does not parse ({error})", "UTF-8 JSON", "fetch the file again") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{file} holds a JSON {type(content).__name__}",
            "an object that maps PubMed ids to items",
            "fetch the file again",
        )
    return content


def _unique(file: Path) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Refuse equal keys: Python's parser silently keeps the last of them, so an item would vanish."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise RowError(str(file), twice, "id", f"duplicate id {twice!r}", "unique ids", "remove one of the two")
        return found

    return build


def _field(file: Path, pubmed_id: str, item: Any, name: str, kind: type) -> Any:
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, kind):
        raise RowError(
            str(file),
            pubmed_id,
            name,
            f"{value!r:.60}",
            f"a {kind.__name__}",
            _REMEDY,
        )
    return value


def _text(file: Path, pubmed_id: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RowError(str(file), pubmed_id, name, f"{value!r:.60}", "a text", _REMEDY)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(
            str(file), pubmed_id, name, f"a lone surrogate at character {error.start}", "valid Unicode", _REMEDY
        ) from error
    return value


def _optional(file: Path, pubmed_id: str, item: Any, name: str) -> str | None:
    value = item.get(name)
    return _text(file, pubmed_id, name, value) if value else None


def _document(file: Path, pubmed_id: str, item: Any) -> Document:
    contexts = [_text(file, pubmed_id, "CONTEXTS", one) for one in _field(file, pubmed_id, item, "CONTEXTS", list)]
    names = [_text(file, pubmed_id, "LABELS", one) for one in _field(file, pubmed_id, item, "LABELS", list)]
    if len(contexts) != len(names):
        raise RowError(
            str(file),
            pubmed_id,
            "LABELS",
            f"{len(names)} labels for {len(contexts)} contexts",
            "one label per context",
            _REMEDY,
        )
    sections, start = [], 0
    for name, context in zip(names, contexts, strict=True):
        sections.append(Section(name, start, start + len(context)))
        start += len(context) + len(SECTION_BREAK)
    return Document(pubmed_id, SECTION_BREAK.join(contexts), tuple(sections))


def _question(file: Path, pubmed_id: str, item: Any, test_ids: set[str] | None) -> Question:
    split: Split | None = None
    if test_ids is not None:
        split = "held_out" if pubmed_id in test_ids else "tune"
    year = item.get("YEAR")
    return Question(
        id=pubmed_id,
        text=_text(file, pubmed_id, "QUESTION", item.get("QUESTION")),
        document_ids=(pubmed_id,),
        reference=_optional(file, pubmed_id, item, "final_decision"),
        annotators={name: label for name in ANNOTATORS if (label := _optional(file, pubmed_id, item, name))},
        split=split,
        tags={"year": year} if year else {},
    )
