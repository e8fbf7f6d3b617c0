"""What the documents say of this repository holds: links, folders, pages, commands, messages, examples."""

import ast
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest

from flows.cli.main import main
from flows.session.experiment import check_experiment, parse_experiment

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
PACKAGES = ("corpora", "labeling", "retrieval", "results", "flows", "tercet")
MOST_README_BYTES = 12_000

each_document = pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(
        rf"^```{re.escape(language)}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


@each_document
def test_no_link_is_dead(page):
    assert dead_links(page) == []


def test_a_dead_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One two\n[a](#one-two) [b](#three) [c](page.md#one-two) [d](gone.md) [e](https://x.org) `[f](g)`\n"
    )
    assert dead_links(page) == ["#three", "gone.md", "g"]


def folders(parent: Path) -> set[str]:
    """Folders that hold anything which git does not ignore."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.endswith("/")]

    def counts(path: Path) -> bool:
        return not path.name.startswith(".") and not any(fnmatch(path.name, one) for one in ignored)

    def holds(folder: Path) -> bool:
        return any(counts(one) and (one.is_file() or holds(one)) for one in folder.iterdir())

    return {one.name for one in parent.iterdir() if one.is_dir() and counts(one) and holds(one)}


def test_the_readme_shows_the_folders_there_are():
    tree = re.search(
        r"^```\ncorpora/.*?^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    shown: dict[str, set[str]] = {}
    for line in tree.group().splitlines()[1:-1]:
        indent, name = re.match(r"( *)(\w+)/ +\S", line).groups()
        if indent:
            shown[list(shown)[-1]].add(name)
        else:
            shown[name] = set()
    assert set(shown) == folders(ROOT)
    assert {name: shown[name] for name in PACKAGES} == {name: folders(ROOT / name) for name in PACKAGES}


def test_the_navigation_names_the_pages_there_are():
    (toctree,) = blocks(ROOT / "docs" / "index.md", "{toctree}")
    named = [line for line in toctree.split() if not line.startswith(":")]
    assert sorted(named) == sorted(page.stem for page in DOCS if page.stem != "index")


def test_the_architecture_shows_the_layers_that_are_checked():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    checked = {one["containers"][0]: one["layers"] for one in contracts if "containers" in one}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for package in PACKAGES:
        row = re.search(rf"^\| `{package}` \| (`.*) \|$", page, re.MULTILINE)
        assert row is not None, package
        assert re.sub(r"[`\\]", "", row[1]).split(", ") == checked[package]


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= MOST_README_BYTES


def commands(page: Path) -> list[list[str]]:
    """Every `tercet` command line of a page, in blocks and in the text, without its comment."""
    text = page.read_text(encoding="utf-8")
    spans = re.findall(r"`((?:\.venv/bin/)?tercet [^`\n]+)`", text)
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    found = spans + [line for line in lines if re.match(r"(\.venv/bin/)?tercet ", line)]
    return [line.split("#")[0].split()[1:] for line in found]


def unknown(words: list[str]) -> list[str]:
    """The words of a command line that the program does not know: sub-commands and options."""
    command: click.Command = main
    found = []
    for word in words:
        if word.startswith("-"):
            options = {name for option in command.params for name in option.opts} | {"--help", "-h"}
            found += [] if word in options else [word]
        elif isinstance(command, click.Group) and re.match(r"[a-z]", word):
            if word not in command.commands:
                return [*found, word]
            command = command.commands[word]
    return found


@each_document
def test_every_command_is_one_of_the_program(page):
    assert [words for words in commands(page) if unknown(words)] == []


def test_an_unknown_command_is_found():
    assert unknown(["batches", "lost"]) == ["lost"]
    assert unknown(["run", "demo", "--dusk", "tcp://x"]) == ["--dusk"]


def strings() -> list[str]:
    """Every string of the packages' code, its values left out."""
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [one.value if isinstance(one, ast.Constant) else "\0" for one in node.values]
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return found


def test_troubleshooting_quotes_what_the_program_says():
    table = (
        (ROOT / "docs" / "troubleshooting.md")
        .read_text(encoding="utf-8")
        .partition("## Messages")[2]
        .partition("##")[0]
    )
    quoted = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(quoted) > 10
    said = strings()
    parts = {part.strip() for one in quoted for part in one.split("...") if part.strip(" ,")}
    assert [part for part in sorted(parts) if not any(part in one for one in said)] == []


@pytest.mark.parametrize("page", [page for page in DOCS if blocks(page, "toml")], ids=lambda page: page.name)
def test_every_example_is_an_experiment(page):
    for block in blocks(page, "toml"):
        check_experiment(parse_experiment(tomllib.loads(block), page.name))
