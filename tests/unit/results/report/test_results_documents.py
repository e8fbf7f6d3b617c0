import re
from collections import Counter
from xml.etree import ElementTree

import polars as pl
import pytest

from corpora.schema import LabelSet
from results.report.documents import render_documents, render_excluded
from results.report.sections.curves import CURVES_PLOT, RISK_PLOT
from results.report.sections.readers import EXCLUDED_FILE

P = (0.6, 0.3, 0.1)
TEXTS = ["Does it?", "Is a | b\nor   \\| c?", 'Is "it" `so`?', "$1 \\1 {x}", "Plain?", "Last?"]


@pytest.fixture(scope="module")
def tables(corpus_of, ballots, tables_of):
    corpus = corpus_of(["yes", "no", None, "yes", "no", "maybe"], texts=TEXTS)
    ids = corpus.questions["question_id"].to_list()
    drawn = {ids[0]: ("yes", "yes", "no"), ids[1]: ("no", "yes", "maybe")}
    votes = {
        "a|b $1": ballots({**dict.fromkeys(ids, P), ids[2]: [P, None, P]}, drawn=drawn),
        "writes": ballots({one: ["yes", "yes", "yes" if at % 2 else "no"] for at, one in enumerate(ids)}),
    }
    return tables_of(corpus, votes)


def sections(text):
    """Rows of the table under each heading, cells unescaped; the header and its rule left out."""
    found = {}
    for part in text.split("\n## ")[1:]:
        heading, _, body = part.partition("\n\n")
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in body.strip().splitlines()]
        assert len({len(row) for row in rows}) == 1
        found[heading] = [[cell.strip().replace("\\|", "|") for cell in row] for row in rows[2:]]
    return found


def test_every_excluded_question_is_listed_exactly_once_for_each_labeler(tables):
    listed = Counter(
        (heading.split(": ")[0].removesuffix(" †").removesuffix(" ‡"), row[0])
        for heading, rows in sections(render_excluded("by hand", tables, {})).items()
        for row in rows
    )
    excluded = tables["gold"].filter(~pl.col("kept")).select("reader", "question_id").rows()
    assert listed == Counter(excluded)
    assert set(listed.values()) == {1}
    assert len(excluded) == 3 + 3


def test_questions_stand_under_their_labeler_and_reason_with_their_number(tables):
    found = sections(render_excluded("by hand", tables, {"writes": "‡"}))
    assert {heading: [row[0] for row in rows] for heading, rows in found.items()} == {
        "a|b $1: failed vote: off_label (1)": ["q002"],
        "a|b $1: votes differ (2)": ["q000", "q001"],
        "writes ‡: votes differ (3)": ["q000", "q002", "q004"],
    }


def test_a_row_holds_text_votes_reference_and_the_law(tables):
    found = sections(render_excluded("by hand", tables, {}))
    differ, failed = found["a|b $1: votes differ (2)"], found["a|b $1: failed vote: off_label (1)"]
    assert differ[0] == ["q000", "Does it?", "yes, yes, no", "`yes`", "0.244"]
    assert differ[1] == ["q001", "Is a | b or \\\\| c?", "no, yes, maybe", "`no`", "0.244"]
    assert failed == [["q002", 'Is "it" \\`so\\`?', "yes, failed, yes", "—", "—"]]
    assert {row[-1] for row in found["writes: votes differ (3)"]} == {"—"}


def test_without_the_law_the_questions_are_listed_all_the_same(tables):
    without = {name: frame for name, frame in tables.items() if name != "vote_law"}
    found = sections(render_excluded("by hand", without, {}))
    assert [row[-1] for row in found["a|b $1: votes differ (2)"]] == ["—", "—"]


def test_the_rule_decides_what_is_listed_and_why(corpus_of, ballots, tables_of):
    corpus = corpus_of(["yes", "no", None])
    votes = {"small": ballots(dict.fromkeys(corpus.questions["question_id"], P))}
    found = sections(render_excluded("by hand", tables_of(corpus, votes, rule="unanimous_and_correct"), {}))
    assert {heading: [row[0] for row in rows] for heading, rows in found.items()} == {
        "small: no reference (1)": ["q002"],
        "small: unanimous but wrong (1)": ["q001"],
    }


def test_labels_with_pipes_and_quotes_stay_in_their_cells(corpus_of, ballots, tables_of):
    labels = LabelSet(("a|b", 'say "no"'))
    corpus = corpus_of(["a|b", 'say "no"'], labels=labels)
    votes = {"small": ballots({"q000": ["a|b", 'say "no"', "a|b"], "q001": ['say "no"', None, "a|b"]}, labels)}
    rows = [row for of in sections(render_excluded("by hand", tables_of(corpus, votes), {})).values() for row in of]
    assert [row[2:4] for row in rows] == [
        ['say "no", failed, a|b', '`say "no"`'],
        ['a|b, say "no", a|b', "`a|b`"],
    ]


def test_all_files_are_there_and_the_pictures_are_pictures(tables):
    files = render_documents({"name": "by hand"}, tables)
    assert set(files) == {RISK_PLOT, CURVES_PLOT, EXCLUDED_FILE}
    for name in (RISK_PLOT, CURVES_PLOT):
        assert ElementTree.fromstring(files[name]).tag.endswith("}svg")
    assert files[EXCLUDED_FILE].startswith("# by hand: ")
    # Neither labeler is right often enough to be qualified; the list carries the same signs as the report.
    assert "## a|b $1 ‡: " in files[EXCLUDED_FILE] or "## a|b $1 †: " in files[EXCLUDED_FILE]


def test_the_list_is_the_same_every_time(tables):
    shuffled = tables | {"gold": tables["gold"].sample(fraction=1, shuffle=True, seed=1)}
    assert render_excluded("by hand", tables, {}) == render_excluded("by hand", shuffled, {})


def test_a_file_without_anything_to_say_is_not_written(corpus_of, ballots, tables_of):
    corpus = corpus_of([None, None])
    everything_kept = tables_of(corpus, {"writes": ballots({"q000": ["yes"] * 3, "q001": ["no"] * 3})})
    assert render_documents({"name": "by hand"}, everything_kept) == {}
    assert render_documents({"name": "by hand"}, {}) == {}
