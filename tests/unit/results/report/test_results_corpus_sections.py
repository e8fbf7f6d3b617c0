"""What the reports say of rows that were left out, and of text that an embedder does not know."""

import polars as pl
import pytest

from corpora.defects import Defect, LeftOut
from results.report.documents import render_documents
from results.report.sections.corpus import MOST_PLACES, left_out_blocks, left_out_section, unknown_section
from results.report.sections.source import source_of
from retrieval.embedding.unknown_tokens import Unread
from tests.doubles.read_back import rows_of, tables_in


def frame(n, kind="judgement", reason="document 'd{0}' is missing: why|not"):
    return LeftOut(
        tuple(Defect("b/qrels/test.tsv", str(row), kind, f"q{row} d{row}", reason.format(row)) for row in range(n))
    ).frame()


MANIFEST = {
    "unknown_tokens": {
        "minilm": {"documents": Unread("documents", 4, 1, 90, 3, 200, 30, {"Thai": 25, "Korean": 5}).described()}
    }
}


def test_one_defect_is_said_once_with_how_often_it_was_found():
    section = left_out_section(source_of({}, {"left_out": frame(25)}))
    (row,) = rows_of(section, "25 judgements")
    assert (row["how many"], row["reason"]) == (25, "document … is missing: why|not")
    assert row["ids"].startswith("q0 d0, q1 d1, ")
    assert row["ids"].endswith(f" and {25 - MOST_PLACES} more")
    assert "q24 d24" not in row["ids"]


def test_the_file_has_a_title_and_names_every_row():
    text = render_documents({"name": "x"}, {"left_out": frame(25)}, [])["left_out.md"]
    assert text.startswith("# x: what was left out of the corpus\n")
    (row,) = tables_in(text)["25 judgements"][1:]
    assert row[4].split(", ") == [str(number) for number in range(25)]
    assert row[5].split(", ") == [f"q{number} d{number}" for number in range(25)]
    assert text.count("is missing") == 1


def test_files_that_cannot_be_read_are_not_called_rows():
    files = frame(2, "document").with_columns(row=pl.lit(""), id=pl.lit(""))
    text = render_documents({"name": "x"}, {"left_out": files}, [])["left_out.md"]
    assert "These files cannot be used; everything else was read." in text
    header, *_ = tables_in(text)["2 documents"]
    assert "rows" not in header
    both = render_documents({"name": "x"}, {"left_out": files.vstack(frame(1))}, [])["left_out.md"]
    assert "These files and rows of the source cannot be used" in both


def test_another_defect_has_a_row_of_its_own():
    both = frame(2).vstack(frame(1, "judgement", "no score"))
    rows = rows_of(left_out_section(source_of({}, {"left_out": both})), "3 judgements")
    assert [(row["reason"], row["how many"]) for row in rows] == [
        ("document … is missing: why|not", 2), ("no score", 1),
    ]  # fmt: skip


def test_each_corpus_has_its_own_list():
    tables = {"left_out": frame(1), "left_out@artificial": frame(2, "document"), "gold@artificial": frame(1)}
    headings = [block.text for block in left_out_blocks(tables) if hasattr(block, "text")]
    assert headings == ["1 judgement", "artificial: 2 documents"]


def test_the_share_that_an_embedder_does_not_know_is_shown_by_script():
    (row,) = rows_of(unknown_section(source_of(MANIFEST, {})), "What each embedder cannot read")
    assert list(row.values()) == ["minilm", "documents", 90, 3, 0.15, 0.25, "Thai, Korean"]


@pytest.mark.parametrize("tables", [{}, {"gold": frame(1)}, {"left_out": frame(0)}])
def test_nothing_is_said_where_nothing_was_left_out(tables):
    assert left_out_blocks(tables) == []
    assert "left_out.md" not in render_documents({"name": "x"}, {"left_out": frame(0)}, [])
