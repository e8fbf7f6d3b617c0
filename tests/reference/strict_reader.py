"""What files of every format say, read from the formats' definitions and not with Tercet's readers.

An oracle for fuzzed input. It refuses whatever a definition refuses. Where it is laxer than Tercet (an empty corpus, a
duplicate id), Tercet may refuse what it reads; what Tercet reads must be what it reads.

Sources: RFC 8259 and jsonlines.org (JSON), RFC 4180 (CSV), toml.io/en/v1.0.0, and the layouts that the publishers of
SQuAD, BEIR, PubMedQA, Evidence Inference and Chroma's evaluation describe.
"""

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class RefusedError(Exception):
    """The file is not of its format, or a field is not of its kind."""


@dataclass
class Asked:
    """A question as the files have it."""

    text: str
    documents: tuple[str, ...]
    reference: str | None = None
    evidence: tuple[tuple[str, int, int], ...] = ()
    split: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Content:
    """Documents and questions by id, and how many rows of a published corpus are none."""

    documents: dict[str, str] = field(default_factory=dict)
    questions: dict[str, Asked] = field(default_factory=dict)
    unsound: int = 0

    def sound(self, make: Callable[..., T], *values: object) -> Iterator[T]:
        """What is made of a row; nothing, and counted, if it is unsound."""
        try:
            yield make(*values)
        except RefusedError:
            self.unsound += 1


# Bytes and characters

MARKS = [
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
]


def text_in(file: Path) -> str:
    content = file.read_bytes()
    mark, encoding = next(((mark, name) for mark, name in MARKS if content.startswith(mark)), (b"", "utf-8"))
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise RefusedError(str(error)) from error


# JSON


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise RefusedError("a key twice")
    return dict(pairs)


def json_in(text: str, *, nan: bool = False) -> Any:
    def constant(name: str) -> None:
        if not nan:
            raise RefusedError(name)

    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError(str(error)) from error


def json_lines(file: Path, *, nan: bool = False) -> Iterator[dict[str, Any]]:
    for line in text_in(file).split("\n"):
        if line.strip(" \t\r"):
            row = json_in(line, nan=nan)
            if not isinstance(row, dict):
                raise RefusedError("no object")
            yield row


# CSV: RFC 4180, and a quote within an unquoted field is a quote


def csv_records(text: str, separator: str) -> Iterator[list[str]]:
    record: list[str] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] == '"':
            value, at = _quoted(text, at + 1)
        else:
            stop = re.compile(f"[{re.escape(separator)}\r\n]").search(text, at)
            stop_at = stop.start() if stop else end
            value, at = text[at:stop_at], stop_at
        record.append(value)
        if at < end and text[at] == separator:
            at += 1
            if at == end or text[at] in "\r\n":
                record.append("")
            else:
                continue
        at += 2 if text.startswith("\r\n", at) else 1
        if record != [""]:
            yield record
        record = []


def _quoted(text: str, at: int) -> tuple[str, int]:
    parts = []
    while True:
        quote = text.find('"', at)
        if quote < 0:
            raise RefusedError("an open quote")
        parts.append(text[at:quote])
        if text.startswith('""', quote):
            parts.append('"')
            at = quote + 2
            continue
        return "".join(parts), quote + 1


def csv_rows(file: Path, separator: str = ",") -> Iterator[dict[str, str]]:
    records = csv_records(text_in(file), separator)
    header = next(records, None)
    if header is None:
        raise RefusedError("empty")
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        raise RefusedError("a column twice")
    for record in records:
        if len(record) != len(header):
            raise RefusedError("another number of fields")
        yield {name: value for name, value in zip(header, record, strict=True) if name}


# Fields


def text_field(value: object) -> str:
    if not isinstance(value, str):
        raise RefusedError("no text")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise RefusedError("half a surrogate pair")
    return value


def filled(value: object) -> str:
    if not text_field(value).strip():
        raise RefusedError("empty")
    return str(value)


def id_field(value: object) -> str:
    return str(value) if type(value) is int else filled(value)


def whole(value: object) -> int:
    if type(value) is not int:
        raise RefusedError("no whole number")
    return value


def of_type(value: object, kind: type) -> Any:
    if type(value) is not kind:
        raise RefusedError(f"no {kind.__name__}")
    return value


def key(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise RefusedError(f"no {name}")
    return row[name]


def label(value: object, labels: tuple[str, ...]) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return filled(value)
    spelt = single(value)
    if spelt not in labels:
        raise RefusedError("no label")
    return spelt


def single(value: object) -> str:
    """A number or truth value as text: JSON's spelling, whole numbers without a point."""
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return str(int(value)) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else repr(value)
    if isinstance(value, str):
        return text_field(value)
    raise RefusedError("no single value")


# Sources


def add(content: Content, questions: Iterator[tuple[str, Asked]]) -> Content:
    for question_id, asked in questions:
        content.questions[question_id] = asked
    return content


def rows_in(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".csv":
        return ({name: value or None for name, value in row.items()} for row in csv_rows(file))
    return json_lines(file)


def tables(documents: Iterator[dict[str, Any]], questions: Iterator[dict[str, Any]]) -> Content:
    content = Content({id_field(key(row, "id")): filled(key(row, "text")) for row in documents})
    return add(content, (_table_question(row) for row in questions))


def _table_question(row: dict[str, Any]) -> tuple[str, Asked]:
    given = key(row, "document_ids")
    documents = tuple(id_field(one) for one in (given if isinstance(given, list) else [given]))
    if not documents:
        raise RefusedError("no gold document")
    split = row.get("split") or None
    if split not in (None, "tune", "held_out"):
        raise RefusedError("no split")
    tags = {}
    if row.get("year") not in (None, "") and row["year"] == row["year"]:
        tags["year"] = single(row["year"])
    return id_field(key(row, "id")), Asked(
        text=filled(key(row, "text")),
        documents=documents,
        reference=label(row.get("reference"), ("yes", "no", "true", "0")),
        evidence=_table_evidence(row.get("evidence"), documents[0]),
        split=split,
        tags=tags,
    )


def _table_evidence(value: object, first: str) -> tuple[tuple[str, int, int], ...]:
    if isinstance(value, str) and value:
        value = json_in(value)
    if value is None or value == "":
        return ()
    spans = []
    for span in value if isinstance(value, list) else [value]:
        owner = of_type(span, dict).get("document_id")
        spans.append((first if owner is None else id_field(owner), whole(span.get("start")), whole(span.get("end"))))
    return tuple(spans)


def squad(file: Path) -> Content:
    content, counts = Content(), dict[str, int]()
    for article in of_type(of_type(json_in(text_in(file)), dict).get("data"), list):
        for title, paragraphs in content.sound(_squad_article, article, file.stem):
            for paragraph in paragraphs:
                counts[title] = counts.get(title, 0) + 1
                document = f"{title}-{counts[title]}"
                for context, asked in content.sound(_squad_paragraph, paragraph):
                    content.documents[document] = context
                    for item in asked:
                        add(content, content.sound(_squad_question, content, document, item))
    return content


def _squad_article(article: Any, stem: str) -> tuple[str, list[Any]]:
    return text_field(of_type(article, dict).get("title", "")) or stem, of_type(article.get("paragraphs"), list)


def _squad_paragraph(paragraph: Any) -> tuple[str, list[Any]]:
    return text_field(of_type(paragraph, dict).get("context")), of_type(paragraph.get("qas"), list)


def _squad_question(content: Content, document: str, item: Any) -> tuple[str, Asked]:
    impossible = of_type(of_type(item, dict).get("is_impossible", False), bool)
    answers = of_type(item.get("answers"), list)
    if impossible and any(not isinstance(one, dict) or one.get("text") != "" for one in answers):
        raise RefusedError("an answer to what has none")
    name, text = id_field(item.get("id")), text_field(item.get("question"))
    context = content.documents[document]
    spans = [
        (document, *span)
        for answer in ([] if impossible else answers)
        for span in content.sound(_located, context, answer, "text", "answer_start")
    ]
    tags = {"impossible": "true"} if impossible else {}
    return name, Asked(text, (document,), evidence=tuple(dict.fromkeys(spans)), tags=tags)


def _located(context: str, answer: Any, text: str, start: str) -> tuple[int, int]:
    quote, at = of_type(of_type(answer, dict).get(text), str), whole(answer.get(start))
    if not quote or at < 0 or context[at : at + len(quote)] != quote:
        raise RefusedError("no quote")
    return at, at + len(quote)


def beir(folder: Path) -> Content:
    """Titles and texts, and the queries that are judged; a null or NaN field is no field."""
    content, asked = Content(), dict[str, str]()
    for row in json_lines(folder / "corpus.jsonl", nan=True):
        key(row, "_id"), key(row, "text")
        content.documents.update(content.sound(_beir_document, row))
    for row in json_lines(folder / "queries.jsonl", nan=True):
        key(row, "_id"), key(row, "text")
        asked.update(content.sound(lambda row: (id_field(row["_id"]), text_field(row["text"])), row))
    gold: dict[str, dict[str, None]] = {}
    records = csv_records(text_in(folder / "qrels" / "test.tsv"), "\t")
    if next(records, None) != ["query-id", "corpus-id", "score"]:
        raise RefusedError("no header")
    for record in records:
        if len(record) != 3 or not re.fullmatch(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *", record[2], re.ASCII):
            raise RefusedError("no judgement")
        of_query = gold.setdefault(record[0], {})
        if float(record[2]) > 0:
            of_query[record[1]] = None
    return add(content, ((one, Asked(text, tuple(gold[one]))) for one, text in asked.items() if one in gold))


def _beir_document(row: dict[str, Any]) -> tuple[str, str]:
    title = "" if row.get("title") is None else text_field(row["title"])
    if row["text"] is None and title.strip():
        return id_field(row["_id"]), title
    text = text_field(row["text"])
    return id_field(row["_id"]), f"{title}\n{text}" if title else text


def chroma(folder: Path) -> Content:
    content = Content()
    for file in sorted((folder / "corpora").glob("*.md")):
        try:
            content.documents[file.stem] = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise RefusedError(str(error)) from error
    for number, row in enumerate(csv_rows(folder / "questions_df.csv"), 1):
        add(content, content.sound(_chroma_question, content.documents, number, row))
    return content


def _chroma_question(documents: dict[str, str], number: int, row: dict[str, str]) -> tuple[str, Asked]:
    document = key(row, "corpus_id")
    text = key(documents, document)
    spans = []
    for item in of_type(json_in(key(row, "references")), list):
        start, end = _located(text, item, "content", "start_index")
        if whole(item.get("end_index")) != end:
            raise RefusedError("another end")
        spans.append((document, start, end))
    asked = Asked(filled(key(row, "question")), (document,), evidence=tuple(dict.fromkeys(spans)))
    return f"{document}-{number}", asked


def pubmedqa(file: Path) -> Content:
    content = Content()
    for pubmed_id, item in of_type(json_in(text_in(file)), dict).items():
        if not isinstance(item, dict):
            content.unsound += 1
            continue
        content.documents.update(content.sound(_pubmedqa_document, pubmed_id, item))
        add(content, content.sound(_pubmedqa_question, content, pubmed_id, item))
    return content


def _pubmedqa_document(pubmed_id: str, item: dict[str, Any]) -> tuple[str, str]:
    contexts, names = ([text_field(one) for one in of_type(item.get(name), list)] for name in ("CONTEXTS", "LABELS"))
    if len(contexts) != len(names):
        raise RefusedError("another number of labels")
    return text_field(pubmed_id), "\n\n".join(contexts)


def _pubmedqa_question(content: Content, pubmed_id: str, item: dict[str, Any]) -> tuple[str, Asked]:
    decision, year = item.get("final_decision"), item.get("YEAR")
    reference = None if decision is None else filled(decision)
    asked = Asked(text_field(item.get("QUESTION")), (text_field(pubmed_id),), reference=reference)
    if year is not None:
        asked.tags.update(("year", one) for one in content.sound(_year, year))
    for name in ("reasoning_required_pred", "reasoning_free_pred"):
        if item.get(name) not in (None, "yes", "no", "maybe"):
            content.unsound += 1
    return pubmed_id, asked


def _year(value: object) -> str:
    if isinstance(value, bool) or not single(value):
        raise RefusedError("no year")
    return single(value)


def evidence_inference(folder: Path) -> Content:
    content = Content()
    valid: dict[str, list[tuple[str, tuple[int, int] | None, str]]] = {}
    for row in csv_rows(folder / "v2_annotations.csv"):
        for name in ("UserID", "PromptID", "Evidence Start", "Evidence End", "Label", "Annotations"):
            key(row, name)
        if key(row, "Valid Label") == "True" and key(row, "Valid Reasoning") == "True":
            valid.setdefault(row["PromptID"], []).extend(content.sound(_annotation, row))
    for row in csv_rows(folder / "prompts_merged.csv"):
        found = valid.get(key(row, "PromptID"), [])
        if len({one for one, _, _ in found}) == 1:
            add(content, content.sound(_evidence_question, content, folder, row, found))
    return content


def _annotation(row: dict[str, str]) -> tuple[str, tuple[int, int] | None, str]:
    start, end = (int(_number(row[name])) for name in ("Evidence Start", "Evidence End"))
    named = re.sub("(in|de)crease$", r"\1creased", row["Label"])
    if named not in ("significantly increased", "significantly decreased", "no significant difference"):
        raise RefusedError("no label")
    return named, None if start < 0 else (start, end), row["Annotations"]


def _evidence_question(content: Content, folder: Path, row: dict[str, str], found: list[Any]) -> tuple[str, Asked]:
    document = f"PMC{key(row, 'PMCID')}"
    file = folder / "txt_files" / f"{document}.txt"
    if not re.fullmatch(r"PMC[0-9]+", document) or not file.is_file():
        raise RefusedError("no article")
    try:
        text = content.documents[document] = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(str(error)) from error
    spans = set()
    for _, span, marked in found:
        if span is not None and (span[0] >= span[1] or text[slice(*span)] != marked):
            content.unsound += 1
        elif span is not None:
            spans.add((document, *span))
    outcome, given, other = (key(row, name).strip() for name in ("Outcome", "Intervention", "Comparator"))
    asked = f"Compared with {other}, what was the effect of {given} on {outcome}?"
    return row["PromptID"], Asked(asked, (document,), reference=found[0][0], evidence=tuple(sorted(spans)))


def _number(text: str) -> str:
    match = re.fullmatch(r"(-?\d+)(\.0*)?", text, re.ASCII)
    if match is None or len(match[1]) > 18:
        raise RefusedError("no number")
    return match[1]


# Settings


def toml_leaves(file: Path) -> dict[str, object]:
    """Every value of a TOML file by its place."""
    try:
        content = tomllib.loads(text_in(file).replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise RefusedError(str(error)) from error
    return dict(_leaves(content, ""))


def _leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(one, f"{place}.{name}" if place else str(name))
    else:
        yield place, value


def modelfile(file: Path) -> dict[str, list[str]]:
    """The values of every instruction by its name (with a parameter's own name), as Ollama's format has them."""
    text = "".join(one for one in text_in(file) if one.isprintable() or one in "\t\r\n")
    found: dict[str, list[str]] = {}
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
    while lines:
        line = lines.pop(0)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split(maxsplit=1)
        name, value = words[0].lower(), words[1] if len(words) > 1 else ""
        if name in ("parameter", "message"):
            inner = value.split(maxsplit=1)
            if not inner:
                raise RefusedError("no value")
            name, value = f"{name} {inner[0]}", inner[1] if len(inner) > 1 else ""
        for quote in ('"""', '"'):
            if value.strip().startswith(quote):
                while len(value.strip()) < 2 * len(quote) or not value.strip().endswith(quote):
                    if not lines:
                        raise RefusedError("an open quote")
                    value += lines.pop(0)
                value = value.strip()[len(quote) : -len(quote)]
                break
        else:
            value = value.strip()
        found.setdefault(name, []).append(value)
    return found


def prompt(file: Path) -> list[str]:
    """The three parts of a prompt file, without the line ends around them."""
    text = text_in(file).replace("\r\n", "\n").replace("\r", "\n")
    parts = [[]]  # type: list[list[str]]
    for line in text.split("\n"):
        if re.fullmatch(r"===[ \t]*", line):
            parts.append([])
        else:
            parts[-1].append(line)
    return ["\n".join(lines).strip("\n") for lines in parts]
