"""What is highlighted for a reviewer: evidence, or else the chunks of the reader's best setting."""

import polars as pl
import pytest

from flows.run.review.highlights import Highlights

QUESTION = {"question_id": "q", "document_ids": ["d"], "evidence": []}
PLACE = {"embedder": "e", "retriever": "dense"}
SMALL, LARGE = "tokens(size=8,overlap=0)", "tokens(size=64,overlap=0)"


def chunk(chunking, document, start):
    chunk_id = f"{document}:{start}-{start + 4}"
    return {"embedder": "e", "chunking": chunking, "chunk_id": chunk_id, "document_id": document, "start": start,
            "end": start + 4}  # fmt: skip


def hit(one, rank):
    return {**PLACE, "chunking": one["chunking"], "question_id": "q", "rank": rank, "chunk_id": one["chunk_id"]}


@pytest.fixture
def tables():
    """Three hits in small chunks, the second of another document, and one hit in large chunks."""
    small = [chunk(SMALL, "d", 4), chunk(SMALL, "elsewhere", 0), chunk(SMALL, "d", 0)]
    large = chunk(LARGE, "d", 8)
    hits = [hit(large, 1), *(hit(one, rank) for rank, one in enumerate(small, 1))]
    return {"chunks": pl.DataFrame([*small, large]), "hits": pl.DataFrame(hits)}


def cells(*rows):
    columns = ["reader", "size", "gold_accuracy", "cut", "amount"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    more = {"splitter": "tokens", "overlap": 0, **PLACE, "setting": "x"}
    return frame.with_columns(pl.lit(value).alias(name) for name, value in more.items())


def test_evidence_goes_before_chunks(tables):
    span = {"document_id": "d", "start": 1, "end": 3}
    marked = Highlights(tables, "r").of({**QUESTION, "evidence": [span]})
    assert marked.evidence_in("d") == [span]
    assert marked.evidence_in("elsewhere") == []
    assert marked.chunks == ()


def test_chunks_are_those_of_the_readers_best_setting_as_far_as_it_read(tables):
    tables["cells"] = cells(("r", 64, 0.5, "k", 1), ("r", 8, 0.9, "k", 2), ("other", 64, 1.0, "k", 1))
    marked = Highlights(tables, "r").of(QUESTION)
    assert [(one["rank"], one["start"]) for one in marked.chunks] == [(1, 4)]
    assert marked.sentence == (
        f"What dense retrieval in {SMALL} found is highlighted, with its ranks; 1 more chunk is from elsewhere."
    )
    tables["cells"] = cells(("r", 8, 0.9, "budget", 256))
    assert [one["rank"] for one in Highlights(tables, "r").of(QUESTION).chunks_in("d")] == [1, 3]


def test_without_scores_the_first_setting_of_the_hits_is_shown(tables):
    assert [one["start"] for one in Highlights(tables, "r").of(QUESTION).chunks] == [8]


def test_nothing_of_this_document_and_nothing_at_all_are_two_things(tables):
    of_another = Highlights(tables, "r").of({**QUESTION, "document_ids": ["third"]})
    assert of_another.sentence == f"Nothing that dense retrieval in {LARGE} found is from here."
    assert Highlights({}, "r").of(QUESTION).sentence == ""
