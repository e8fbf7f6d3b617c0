"""What the reports say of rows that were left out, and of text that an embedder does not know."""

import pytest

from corpora.defects import Defect, LeftOut
from results.report.documents import render_documents
from results.report.html.blocks import Limits
from results.report.html.corpus_sections import corpus_sections
from results.report.text.corpus import MOST_ROWS, left_out_section, unknown_section
from retrieval.embedding.unknown_tokens import Unread


def frame(n, kind="judgement"):
    return LeftOut(
        tuple(Defect("b/qrels/test.tsv", str(row), kind, f"q{row} d", "why|not") for row in range(n))
    ).frame()


MANIFEST = {
    "unknown_tokens": {
        "minilm": {"documents": Unread("documents", 4, 1, 90, 3, 200, 30, {"Thai": 25, "Korean": 5}).described()}
    }
}


def test_every_row_is_in_the_report_up_to_a_limit_and_all_are_in_the_file():
    tables = {"left_out": frame(MOST_ROWS + 5)}
    text = left_out_section(tables)
    assert "### 25 judgements" in text
    assert "| b/qrels/test.tsv | 19 | judgement | q19 d | why\\|not |" in text
    assert "q20 d" not in text
    assert text.endswith("… and 5 more in `left_out.md`.")
    whole = render_documents({"name": "x"}, tables, [])["left_out.md"]
    assert "q24 d" in whole
    assert "more in" not in whole


def test_each_corpus_has_its_own_list():
    text = left_out_section(
        {"left_out": frame(1), "left_out@artificial": frame(2, "document"), "gold@artificial": frame(1)}
    )
    assert "### 1 judgement\n" in text
    assert "### artificial: 2 documents\n" in text


@pytest.mark.parametrize(("limit", "n_shown", "note"), [(300, 3, ""), (2, 2, "… and 1 more in left_out.md.")])
def test_html_shows_as_many_rows_as_fit(limit, n_shown, note):
    (section,) = corpus_sections({}, {"left_out": frame(3)}, Limits(rows=limit))
    table = section.blocks[1]
    assert (section.title, table.caption) == ("What was left out of the corpus", "3 judgements")
    assert (len(table.rows), table.note) == (n_shown, note)


def test_the_share_that_an_embedder_does_not_know_is_shown_by_script():
    row = ["minilm", "documents", "90", "3", "0.150", "0.250", "Thai, Korean"]
    assert f"| {' | '.join(row)} |" in unknown_section(MANIFEST)
    (section,) = corpus_sections(MANIFEST, {}, Limits())
    assert section.blocks[1].rows == [row]


def test_nothing_is_said_where_there_is_nothing_to_say():
    assert left_out_section({"gold": frame(1)}) == ""
    assert unknown_section({}) == ""
    assert corpus_sections({}, {}, Limits()) == []
