"""Headings before chunks: which stand over a chunk, what is embedded, and what gives way where that is too long."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.schema import Corpus, Document, LabelSet, Section, documents_frame, iter_documents, questions_frame
from corpora.shaping.stitch import stitch
from corpora.storage import sha256_text
from retrieval.chunking.chunks import CHUNKS
from retrieval.chunking.heading_paths import (
    HEADED,
    HEADING_PATHS,
    add_heading_paths,
    put_before,
    recorded_paths,
    titles_over,
)

TEXT = """The cat sat.

# Gates

One dog ran home.

## Hours

Two cats sat on the mat.

```
# no heading
```

Passes
======

Three dogs ran.
"""


def headed(document, pieces, tokenizer, limit=60):
    """The chunks that these pieces of a document are, with their headings."""
    rows = [(piece, document.text.index(piece)) for piece in pieces]
    chunks = pl.DataFrame(
        [
            ("c", f"{document.id}:{at}", document.id, at, at + len(piece), tokenizer.count(piece), "", piece)
            for piece, at in rows
        ],
        schema={**CHUNKS, "text": pl.String()}, orient="row",
    )  # fmt: skip
    made = add_heading_paths(
        documents_frame([document, Document("other", "# Not here\n\nx")]), chunks,
        lambda texts: [n + tokenizer.n_special for n in tokenizer.count_all(texts)], limit,
    )  # fmt: skip
    assert made.drop(HEADED.names()).equals(chunks)
    return made


def test_headings_of_markdown_stand_over_the_chunks_below_them(tiny):
    over = {
        "The cat sat.": "", "# Gates": "", "One dog ran home.": "Gates", "## Hours": "Gates",
        "Two cats sat on the mat.": "Gates > Hours", "# no heading": "Gates > Hours", "Three dogs ran.": "Passes",
    }  # fmt: skip
    made = headed(Document("d", TEXT), over, tiny)
    assert dict(zip(over, made["heading_path"], strict=True)) == over  # none gets the heading that it begins with
    embedded = dict(zip(over, made["embedded"], strict=True))
    assert embedded["Two cats sat on the mat."] == "Gates > Hours\n\nTwo cats sat on the mat."
    assert embedded["The cat sat."] == "The cat sat."


def test_sections_count_where_a_document_has_any(tiny):
    text = "One cat sat on the mat. Two dogs ran home and sat. Three cats ran home and sat on a mat."
    sections = [("title", 0, 10), ("AIMS", 0, 24), ("page 2", 24, len(text)), ("RESULTS", 24, len(text))]
    made = headed(Document("d", text, tuple(Section(*one) for one in sections)), ["One cat", "Two dogs", "home"], tiny)
    assert made["heading_path"].to_list() == ["AIMS", "RESULTS", "RESULTS"]


def test_a_chunk_in_which_a_section_begins_has_the_headings_of_its_first_character():
    outline = [Section("A", 0, 100), Section("B", 10, 50), Section("C", 50, 100)]
    assert titles_over(outline, 0, "# A and more") == []
    assert titles_over(outline, 0, "more") == ["A"]  # a section whose name is not in the text
    assert titles_over(outline, 10, "## B") == ["A"]
    assert titles_over(outline, 49, "x") == ["A", "B"]
    assert titles_over(outline, 50, "x") == ["A", "C"]
    assert titles_over(outline, 100, "x") == []


def words(texts):
    return [len(text.replace(">", " ").split()) for text in texts]


@pytest.mark.parametrize(
    ("limit", "path", "n_left_out"), [(9, "one > two two > three", 0), (8, "one > two two > three", 0),
     (7, "two two > three", 1), (6, "three", 2), (5, "three", 2), (4, "", 3), (1, "", 3)],
)  # fmt: skip
def test_outer_headings_give_way_one_by_one_and_the_chunk_never(limit, path, n_left_out):
    (found,) = put_before([["one", "two two", "three"]], ["the cat sat on"], words, limit)
    assert (found.path, found.n_left_out) == (path, n_left_out)
    assert found.text == (f"{path}\n\nthe cat sat on" if path else "the cat sat on")


@given(st.lists(st.lists(st.sampled_from(["a", "b c", "d e f"]), max_size=4), max_size=6), st.integers(4, 12))
def test_as_many_inner_headings_stay_as_fit(titles, limit):
    texts = ["x y z"] * len(titles)
    for mine, found in zip(titles, put_before(titles, texts, words, limit), strict=True):
        kept = mine[found.n_left_out :]
        assert found.path == " > ".join(kept)
        assert found.text.endswith("x y z")
        assert words([found.text])[0] <= limit
        longer = mine[max(found.n_left_out - 1, 0) :]
        assert found.n_left_out == 0 or words([" ".join(longer) + " x y z"])[0] > limit


def test_what_is_embedded_is_recorded_by_its_digest(tiny):
    pieces = ["The cat sat.", "One dog ran home.", "Two cats sat on the mat."]
    made = headed(Document("d", TEXT), pieces, tiny, limit=16)
    assert made["n_left_out"].to_list() == [0, 0, 1]
    kept = recorded_paths(made.with_columns(embedder=pl.lit("e")))
    assert kept.schema == HEADING_PATHS
    assert kept["embedded_sha256"].to_list() == [sha256_text(text) for text in made["embedded"]]


def test_joined_documents_have_their_own_headings_and_no_ids(tiny):
    texts = {"a": "# Gates\n\nOne dog ran home.", "b": "The cat sat.", "c": "Two cats sat on the mat."}
    documents = [Document(one, text) for one, text in texts.items() if one != "c"]
    documents.append(Document("c", texts["c"], (Section("Mats", 0, len(texts["c"])),)))
    joined = stitch(Corpus("x", documents_frame(documents), questions_frame([]), LabelSet()), 3, 0)
    (document,) = iter_documents(joined.documents)
    found = headed(document, ["One dog ran home.", texts["b"], texts["c"]], tiny)
    assert found["heading_path"].to_list() == ["Gates", "", "Mats"]
