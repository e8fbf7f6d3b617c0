"""The report of a small fixed run, word for word: a change of it is seen, and made on purpose.

`TERCET_GOLDEN=write` writes both files anew; the difference is for whoever reviews the change.
"""

import os
import re
from pathlib import Path

import polars as pl
import pytest

from corpora.defects import Defect, LeftOut
from corpora.schema import LabelSet
from results.advice.examples import pick_examples
from results.advice.summary import record, summarise
from results.report.html.page import render_html
from results.report.text.report import render_report
from tests.doubles.read_back import Page, as_seen, tables_in

GOLDEN = Path(__file__).parent / "golden"
LABELS = LabelSet(("yes", "no", "maybe"))
STRONG, WEAK = "small", "large"
SPEEDS = [
    {"reader": STRONG, "questions": 3, "seconds": 12.34, "memory": 512_000_000, "tokens_per_second": 72.9,
     "seconds_per_1000": 4113.3, "usd_per_1000": 0.0},
    {"reader": WEAK, "questions": 0, "seconds": 0.0, "memory": 1_000_000, "tokens_per_second": None,
     "seconds_per_1000": None, "usd_per_1000": None},
]  # fmt: skip


def sure_of(label, p):
    """A distribution that gives a label the probability p."""
    return tuple(p if one == label else (1 - p) / 2 for one in LABELS)


@pytest.fixture(scope="module")
def run(run_of, tables_of, ballots, corpus_of):
    """A sweep with two readers, and what their votes say: one knows the answers, one always says maybe."""
    made = run_of(sizes=(64, 128), cuts=(("k", 1), ("budget", 256)))
    right = made.corpus.questions["reference"].to_list()
    corpus = corpus_of(
        right, tune=right[:6], tags={"ki|nd": ["a", "b"] * 6}, annotators={"Ann": right, "Bert": right[::-1]}
    )
    ids, spare = corpus.questions["question_id"], corpus.tune["question_id"]

    def knows(ids):
        """Surer of each question than of the one before."""
        return {one: sure_of(label, 0.4 + at / 20) for at, (one, label) in enumerate(zip(ids, right, strict=False))}

    votes = {STRONG: ballots(knows(ids)), WEAK: ballots(dict.fromkeys(ids, (0.1, 0.1, 0.8)))}
    tune = {STRONG: ballots(knows(spare)), WEAK: ballots(dict.fromkeys(spare, (0.1, 0.1, 0.8)))}
    tables = tables_of(corpus, votes, tune=tune) | made.tables
    tables["examples"] = pick_examples(made.corpus, made.tables, made.recommended)
    defects = [Defect("qrels.tsv", str(row), "judgement", f"q{row} d9", "document 'd9' is missing") for row in range(7)]
    tables["left_out"] = LeftOut((*defects, Defect("docs.csv", "3", "document", "d3", "no text"))).frame()
    manifest = made.manifest | {"kind": "run"}
    a, b = made.tables["cells"]["setting"].unique(maintain_order=True)
    manifest["retrieval"] = [
        {"cut": "k=1", "score": "span_recall", "best": a, "recommended": b, "line": f"Retrieve with {b} at k=1."},
        {"cut": "budget=256", "score": "span_recall", "best": a, "recommended": None, "line": "Cannot tell."},
    ]
    manifest["sessions"] = [manifest["sessions"][0] | {"speeds": SPEEDS}]
    return manifest, tables


@pytest.fixture(scope="module")
def markdown(run):
    return render_report(*run)


@pytest.fixture(scope="module")
def page(run):
    return Page(render_html(*run, []))


@pytest.mark.parametrize("name", ["report.md", "page.txt"])
def test_the_report_is_the_golden_one(name, markdown, page):
    text = {"report.md": markdown, "page.txt": page.seen}[name]
    if os.environ.get("TERCET_GOLDEN") == "write":
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_page_and_the_markdown_report_have_the_same_numbers(markdown, page):
    written, shown = tables_in(markdown), page.tables
    assert len(written) > 25
    for title, rows in written.items():
        if title.startswith("Worst examples"):
            continue  # the worst examples, which the page shows with their texts
        assert [list(map(as_seen, row)) for row in shown[title][: len(rows)]] == rows, title


def test_both_say_what_the_summary_says(run, markdown, page):
    summary = summarise(*run)
    text = " ".join(as_seen(markdown).split())
    for said in (summary.facts, *(answer.sentence for answer in summary.answers), *summary.distrust):
        assert " ".join(said.split()) in text
        assert " ".join(said.split()) in " ".join(page.seen.split())


def test_the_json_summary_has_the_numbers_of_both(run, page):
    """What a program reads is what a table of the page says."""
    told = record(*run)
    assert told.facts in " ".join(page.seen.split())
    labelers = {row[0].rstrip(" †‡"): row for row in page.tables["Readers on whole documents"][1:]}
    assert len(told.readers) == len(labelers) == 2
    for one in told.readers:
        row = labelers[one.reader]
        assert row[1] == str(one.n)
        assert row[2] == f"{one.accuracy:.3f} [{one.accuracy_low:.3f}, {one.accuracy_high:.3f}]"
        assert row[3:5] == [one.majority_label, f"{one.majority_share:.3f}"]
    for one in told.recommendations:
        cells = [rows for title, rows in page.tables.items() if re.match(rf"{one.reader}( †)?: every cell", title)]
        (row,) = [row for rows in cells for row in rows if "recommended" in row[-1]]
        assert row[2] == f"{one.accuracy:.3f} [{one.accuracy_low:.3f}, {one.accuracy_high:.3f}]"
        assert row[8] == f"{one.context_tokens:.0f}"


def test_every_answer_leads_to_a_section_that_is_there(run, page):
    ids = {value for _, name, value in page.attributes if name == "id"}
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href" and value.startswith("#")]
    assert len(links) > len(summarise(*run).answers)
    assert {link[1:] for link in links} <= ids


def test_one_of_something_is_not_several(markdown):
    assert not re.findall(r"(?<![\d.,])1 (?!by |at |for |of )\w+s\b(?<!is)(?<!as)(?<!has)", markdown)


def test_nothing_of_python_shows(markdown, page):
    for text in (markdown, page.seen):
        assert not re.findall(r"\b(?:None|nan|NaN|inf|True|False)\b|-0\.000", text)


def test_the_same_report_every_time(run, markdown):
    shuffled = {
        name: frame if name != "gold" else frame.sort(pl.all().exclude("votes")) for name, frame in run[1].items()
    }
    assert render_report(*run) == markdown
    assert sorted(render_report(run[0], shuffled).splitlines()) == sorted(markdown.splitlines())
