"""Evidence Inference 2.0: articles on clinical trials, each with questions about what an intervention changed.

Lehman et al. 2019, https://aclanthology.org/N19-1371; version 2.0: DeYoung et al. 2020,
https://aclanthology.org/2020.bionlp-1.13. Reads the official layout: `prompts_merged.csv`, `v2_annotations.csv`,
`txt_files/PMC*.txt`, and the lists of article ids that make up the splits.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from corpora.defects import Defects
from corpora.errors import InputError, RowError
from corpora.reading.strict_csv import read_csv
from corpora.reading.text import is_file, read_exactly, read_text
from corpora.schema import (
    Corpus,
    Document,
    LabelSet,
    Question,
    Section,
    Span,
    Split,
    documents_frame,
    questions_frame,
)
from corpora.storage import sha256_file, sha256_text

PROMPTS, ANNOTATIONS, TEXTS = "prompts_merged.csv", "v2_annotations.csv", "txt_files"
SPLITS: dict[str, Split] = {"ev2_train_article_ids.txt": "tune", "ev2_validation_article_ids.txt": "held_out"}
LABELS = LabelSet(("significantly increased", "significantly decreased", "no significant difference"))
QUESTION = "Compared with {Comparator}, what was the effect of {Intervention} on {Outcome}?"
# Both spellings are in the official file.
_SPELT = {"significantly increase": "significantly increased", "significantly decrease": "significantly decreased"}
_HEADING = re.compile(r"^((?:TITLE|ABSTRACT|BODY)\b[^\n]*?):{1,2}[ \t]*$", re.MULTILINE)
_PROMPT_FIELDS = ("PromptID", "PMCID", "Outcome", "Intervention", "Comparator")
_ANNOTATION_FIELDS = ("UserID", "PromptID", "Valid Label", "Valid Reasoning", "Label", "Annotations")
_OFFSETS = ("Evidence Start", "Evidence End")
_NUMBER = re.compile(r"-?[0-9]+(\.0*)?")
_MOST_DIGITS = 18  # of an offset into a text
_ARTICLE = re.compile(r"[0-9]+")
_REMEDY = "correct the row"


class Annotation(NamedTuple):
    """What one annotator says about a prompt.

    Attributes:
        user: the annotator.
        label: the label in its canonical spelling.
        span: the evidence; None if the annotator marked none.
    """

    user: str
    label: str
    span: tuple[int, int] | None


class _Asked(NamedTuple):
    """A prompt: its row, the valid annotations with their rows and the texts they mark, and its split."""

    number: int
    row: Mapping[str, str]
    found: list[tuple[int, Annotation, str]]
    split: Split | None


def read_evidence_inference(folder: Path, defects: Defects | None = None) -> Corpus:
    """Read Evidence Inference from its official folder, or from a folder with a part of it.

    A question is built from a prompt's outcome, intervention and comparator (see `QUESTION`), each without the blanks
    around it. Only annotations whose label and reasoning were both judged valid count. Only prompts on which these
    agree become questions, because the others have no right answer; the annotators' labels and evidence stay with the
    question. Articles on the official training list are `tune`, those on the validation list `held_out`.

    Where something may be left out, an annotation that cannot be read is, and a prompt without its article; a prompt
    keeps the evidence that is at its offsets.

    Args:
        folder: see above.
        defects: what to do with a row that cannot be used; by default the first one is refused.

    Raises:
        InputError: a file is missing or does not parse.
        RowError: a field is missing or bad, an article is missing, or evidence is not at its offsets, and nothing may
            be left out.
    """
    defects = defects or Defects()
    files = [folder / PROMPTS, folder / ANNOTATIONS]
    splits = _splits(folder)
    annotations = _annotations(files[1], defects)
    texts: dict[str, str] = {}
    questions: list[Question] = []
    for number, row in _rows(files[0], _PROMPT_FIELDS):
        found = annotations.get(row["PromptID"], [])
        if len({one.label for _, one, _ in found}) != 1:
            continue
        asked = _Asked(number, row, found, splits.get(row["PMCID"]))
        questions += defects.made("question", row["PromptID"], partial(_question, folder, asked, texts, defects))
    documents = [Document(_document_id(article), text, _sections(text)) for article, text in texts.items()]
    read = {file.name: sha256_file(file) for file in files}
    read[TEXTS] = sha256_text("\x1e".join(text for _, text in sorted(texts.items())))
    return Corpus("evidence-inference", documents_frame(documents), questions_frame(questions), LABELS, read)


def _document_id(article: str) -> str:
    return f"PMC{article}"


def _splits(folder: Path) -> dict[str, Split]:
    """The split of each article, by article number."""
    found: dict[str, Split] = {}
    for name, split in SPLITS.items():
        if is_file(folder / name):
            found |= dict.fromkeys(read_text(folder / name).split(), split)
    return found


def _rows(file: Path, fields: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Rows of a CSV file with their numbers, once every field is known to be there."""
    if not is_file(file):
        raise InputError(
            f"no file {file}", f"a folder with {PROMPTS}, {ANNOTATIONS} and {TEXTS}/", "give that folder as `path`"
        )
    for number, row in read_csv(file):
        missing = next((field for field in fields if field not in row), None)
        if missing is not None:
            raise InputError(f"{file} has no column {missing!r}", f"the columns {', '.join(map(repr, fields))}")
        yield number, row


def _annotations(file: Path, defects: Defects) -> dict[str, list[tuple[int, Annotation, str]]]:
    """Valid annotations by prompt, each with its row and the text it marks."""
    found: dict[str, list[tuple[int, Annotation, str]]] = defaultdict(list)
    for number, row in _rows(file, (*_ANNOTATION_FIELDS, *_OFFSETS)):
        if row["Valid Label"] != "True" or row["Valid Reasoning"] != "True":
            continue
        for one in defects.made("annotation", row["PromptID"], partial(_annotation, file, number, row)):
            found[row["PromptID"]].append((number, one, row["Annotations"]))
    return found


def _annotation(file: Path, number: int, row: Mapping[str, str]) -> Annotation:
    label = _SPELT.get(row["Label"], row["Label"])
    if label not in LABELS:
        raise RowError(str(file), number, "Label", repr(label), f"one of {list(LABELS)}", _REMEDY)
    return Annotation(row["UserID"], label, _span(file, number, row))


def _span(file: Path, number: int, row: Mapping[str, str]) -> tuple[int, int] | None:
    for field in _OFFSETS:
        if not _NUMBER.fullmatch(row[field]) or len(row[field]) > _MOST_DIGITS:
            raise RowError(str(file), number, field, f"{row[field]!r:.60}", "a whole number", _REMEDY)
    start, end = (int(row[field].partition(".")[0]) for field in _OFFSETS)
    return (start, end) if start >= 0 else None  # -1 means that nothing is marked


def _text(folder: Path, prompts: Path, number: int, article: str) -> str:
    if not _ARTICLE.fullmatch(article):
        raise RowError(str(prompts), number, "PMCID", f"{article!r:.60}", "the number of an article", _REMEDY)
    file = folder / TEXTS / f"{_document_id(article)}.txt"
    if not is_file(file):
        raise RowError(str(prompts), number, "PMCID", f"no file {file}", "the article's text", f"add it to {TEXTS}/")
    return read_exactly(file)


def _sections(text: str) -> tuple[Section, ...]:
    """Sections by their headings; a heading is not part of its section."""
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings), len(text)][1:]
    return tuple(
        Section(heading.group(1), min(heading.end() + 1, end), end) for heading, end in zip(headings, ends, strict=True)
    )


def _question(folder: Path, asked: _Asked, texts: dict[str, str], defects: Defects) -> Question:
    """The question of a prompt; the text of its article is added to `texts`."""
    row, article = asked.row, asked.row["PMCID"]
    if article not in texts:
        texts[article] = _text(folder, folder / PROMPTS, asked.number, article)
    spans: dict[Span, None] = {}
    for number, one, marked in asked.found:
        if one.span is not None:
            locate = partial(_located, folder / ANNOTATIONS, number, article, texts[article], one.span, marked)
            spans |= dict.fromkeys(defects.made("evidence span", row["PromptID"], locate))
    return Question(
        id=row["PromptID"],
        text=QUESTION.format(**{name: row[name].strip() for name in _PROMPT_FIELDS[2:]}),
        document_ids=(_document_id(article),),
        reference=asked.found[0][1].label,
        evidence=tuple(sorted(spans)),
        annotators={f"user {one.user}": one.label for _, one, _ in asked.found},
        split=asked.split,
    )


def _located(file: Path, number: int, article: str, text: str, span: tuple[int, int], marked: str) -> Span:
    start, end = span
    if not start < end <= len(text) or text[start:end] != marked:
        found = f"{text[start:end]!r:.60} at {start}"
        raise RowError(str(file), number, _OFFSETS[0], found, f"{marked!r:.60}", _REMEDY)
    return Span(_document_id(article), start, end)
