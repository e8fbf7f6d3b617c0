"""Words for people read as plain English: errors are phrases in three parts, and banned phrases are nowhere."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("corpora", "labeling", "retrieval", "results", "flows", "tercet")
COVERED = PACKAGES
FEW = {"tercet": 1}  # errors at least: it is small
MARKDOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

RENDERED = re.compile(r"\* \[[\w-]+\]\([./]*results/published/")  # what the program itself says of a published run

# Where the three parts begin among the arguments.
ERRORS = {"InputError": 0, "LimitError": 0, "NoTableError": 0, "RowError": 3}
PARTS = ("found", "expected", "remedy")
VALUE = "\0"  # a value that is filled in

PHRASES = (
    r"laid at the door",
    r"stands? beside",
    r"\bthe lid\b",
    r"\bunbidden\b",
    r"expected (?:one|them|none|it)(?=\s*(?:$|[.,;:)\"']))",
    r"proves little",
    r"of which the\b",
    r"not to be told",
    r"as good as the best",
    r"what of it\b",
    r"the user is told",
    r"where there is none",
    r"\b(?:a|an|the|each|every|this|that|one|two|no|all|of|over|remote|local|same) labelers?\b",  # for people: a reader
)
BANNED = re.compile("|".join(f"(?:{phrase})" for phrase in PHRASES), re.IGNORECASE)
# A pronoun in the place of the thing: alone, or before what describes it; "one of", "one GGUF file" are phrases.
PRONOUN = re.compile(
    r"(?:one|ones|it|them|none|those|these|this)"
    r"(?=$|\s*[,;:(]|\s+(?:that|which|who|with|without|for|to|in|at|on|as|than|by|from|it|only|after|before)\b)"
)
NOT_A_VERB = re.compile(r"(?:it|its|the|an?|they|them|you|your|did|each|all|no|none|this|that|there|what|where)\b")
NAMES = (
    "Ollama",
    "Groq",
    "Parquet",
    "Python",
    "Unicode",
    "Tercet",
    "Prefect",
    "Dask",
    "Chroma",
    "Markdown",
    "Chromium",
)


class ErrorPart(NamedTuple):
    """One way in which a part of an error can read, values as `VALUE`."""

    place: str
    name: str
    text: str


def faults(part: ErrorPart) -> list[str]:
    """What is wrong with the words of a part."""
    text, found = part.text.strip(), []
    first = re.match(r"\w+", text)
    if first and re.match(r"[A-Z][a-z]*$", first.group()) and len(first.group()) > 1 and first.group() not in NAMES:
        found.append("starts with a capital letter")
    if part.name == "expected" and PRONOUN.match(text):
        found.append("names no thing")
    if part.name == "remedy" and text.endswith("."):
        found.append("ends in a full stop")
    if part.name == "remedy" and NOT_A_VERB.match(text):
        found.append("starts without a verb")
    if banned := BANNED.search(text):
        found.append(f"says {banned.group()!r}")
    return found


def files(package: str, pattern: str) -> list[Path]:
    return sorted((ROOT / package).rglob(pattern))


def readings(node: ast.expr, names: dict[str, list[ast.expr]]) -> list[str]:
    """Every text that an expression can give, as far as it is written in the code."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(one.value if isinstance(one, ast.Constant) else VALUE for one in node.values)]
    if isinstance(node, ast.IfExp):
        return readings(node.body, names) + readings(node.orelse, names)
    if isinstance(node, ast.Name) and node.id in names:
        others = {name: values for name, values in names.items() if name != node.id}
        return [text for value in names[node.id] for text in readings(value, others)]
    return [VALUE]


def assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """What is assigned to each name, anywhere below a node."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return found


def parts_of(tree: ast.AST, place: str, constants: dict[str, list[ast.expr]]) -> Iterator[ErrorPart]:
    """The parts of every error that a module raises, makes or yields."""
    scopes: dict[ast.AST, dict[str, list[ast.expr]]] = {}
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        scopes |= dict.fromkeys(ast.walk(function), assigned(function))
    for node in ast.walk(tree):
        called = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
        if called not in ERRORS:
            continue
        given = dict(zip(PARTS, node.args[ERRORS[called] :], strict=False))
        given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg in PARTS}
        for name, value in given.items():
            for text in readings(value, constants | scopes.get(node, {})):
                yield ErrorPart(f"{place}:{node.lineno}", name, text)


@cache
def constants() -> dict[str, list[ast.expr]]:
    """Texts at the top of any module, by name: some errors take a remedy from another module."""
    found: dict[str, list[ast.expr]] = {}
    for package in PACKAGES:
        for file in files(package, "*.py"):
            top = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
            for name, values in assigned(ast.Module(top, [])).items():
                found.setdefault(name, []).extend(
                    one for one in values if isinstance(one, ast.Constant | ast.JoinedStr)
                )
    return found


def errors(package: str) -> list[ErrorPart]:
    known = constants()
    return [
        part
        for file in files(package, "*.py")
        for part in parts_of(ast.parse(file.read_text(encoding="utf-8")), str(file.relative_to(ROOT)), known)
    ]


@pytest.mark.parametrize("package", COVERED)
def test_errors_are_phrases(package):
    found = errors(package)
    assert len(found) >= FEW.get(package, 11), "the errors are not found any more"
    assert {f"{part.place}: {part.name} {part.text!r}": faults(part) for part in found if faults(part)} == {}


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("expected", "one", "names no thing"),
        ("expected", "them", "names no thing"),
        ("expected", "one that exists", "names no thing"),
        ("expected", "it, for this reader", "names no thing"),
        ("expected", "one (of several)", "names no thing"),
        ("remedy", "correct it.", "ends in a full stop"),
        ("remedy", "it is cut short: fetch it again", "starts without a verb"),
        ("remedy", "Correct the path", "starts with a capital letter"),
        ("found", "No such file", "starts with a capital letter"),
        ("found", "what stands beside the file", "says 'stands beside'"),
        ("found", f"{VALUE} and the labeler", "says 'the labeler'"),
    ],
)
def test_a_bad_part_is_found(name, text, wrong):
    assert wrong in faults(ErrorPart("here", name, text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expected", "one of a, b, c"),
        ("expected", "one JSON object per line"),
        ("expected", "UTF-8 text"),
        ("expected", "SQuAD's format"),
        ("found", "Ollama's store"),
        ("remedy", "restore them, or delete the pin file to draw again"),
    ],
)
def test_a_good_part_passes(name, text):
    assert faults(ErrorPart("here", name, text)) == []


def test_parts_are_read_through_names_branches_and_keywords():
    code = """
def check(path):
    found = f"no file {path}"
    raise errors.InputError(found, "a file" if path else "one", remedy=REMEDY)
"""
    parts = list(parts_of(ast.parse(code), "here", {"REMEDY": [ast.Constant("check the path")]}))
    assert {(part.name, part.text) for part in parts} == {
        ("found", f"no file {VALUE}"), ("expected", "a file"), ("expected", "one"), ("remedy", "check the path")
    }  # fmt: skip


def prose_of(code: str) -> Iterator[tuple[int, str]]:
    """Docstrings and comments with their lines; comments that follow each other are one text."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "lineno", 1), ast.get_docstring(node) or ""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    yield from joined((one.start[0], one.string) for one in tokens if one.type == tokenize.COMMENT)


def joined(comments: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Comments on neighbouring lines as one text."""
    first, last, text = 0, -1, ""
    for line, comment in comments:
        if line != last + 1:
            yield first, text
            first, text = line, ""
        text, last = f"{text} {comment.strip('# ')}", line
    yield first, text


def banned_in(texts: Iterator[tuple[int, str]]) -> list[str]:
    """Banned phrases with the line where their text begins; what is quoted as code does not count."""
    plain = ((line, " ".join(re.sub(r"`[^`]*`", "``", text).split())) for line, text in texts)
    return [f"line {line}: {match.group()}" for line, text in plain for match in BANNED.finditer(text)]


@pytest.mark.parametrize("package", COVERED)
def test_docstrings_and_comments_have_no_banned_phrase(package):
    found = {}
    for file in files(package, "*.py"):
        found[str(file)] = banned_in(prose_of(file.read_text(encoding="utf-8")))
    for file in files(package, "*.toml"):
        lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        found[str(file)] = banned_in(joined((number, line) for number, line in lines if line.startswith("#")))
    assert len(found) > 9
    assert {file: phrases for file, phrases in found.items() if phrases} == {}


def shown_by(code: str) -> Iterator[tuple[int, str]]:
    """Every text that a module may show, values as `VALUE`."""
    nodes = list(ast.walk(ast.parse(code)))
    inner = {id(one) for node in nodes if isinstance(node, ast.JoinedStr) for one in node.values}
    for node in nodes:
        is_text = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        if is_text and id(node) not in inner:
            yield node.lineno, readings(node, {})[0]


@pytest.mark.parametrize("package", COVERED)
def test_what_is_shown_has_no_banned_phrase(package):
    found = {str(file): banned_in(shown_by(file.read_text(encoding="utf-8"))) for file in files(package, "*.py")}
    for file in files(package, "*.j2"):
        lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        found[str(file)] = banned_in(joined(lines))
    assert {file: phrases for file, phrases in found.items() if phrases} == {}


def test_a_banned_phrase_is_found_in_what_is_shown():
    code = 'def say(n):\n    return f"{n} proves " "little: the labeler"\nx = ["labelers"]\n'
    assert banned_in(shown_by(code)) == ["line 2: proves little", "line 2: the labeler"]


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_documents_have_no_banned_phrase(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    written = [(number, line) for number, line in enumerate(lines, 1) if line and not RENDERED.match(line)]
    assert banned_in(joined(iter(written))) == []


def test_a_banned_phrase_is_found_across_lines():
    code = '"""What stands\nbeside it."""\n# never\n# unbidden\nx = "the labeler"  # the `lid`\n'
    assert banned_in(prose_of(code)) == ["line 1: stands beside", "line 3: unbidden"]
