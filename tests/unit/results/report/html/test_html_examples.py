import polars as pl
import pytest

from results.advice.examples import EXAMPLES, pick_examples
from results.settings import cell_of


@pytest.fixture(scope="module")
def picked(small_run):
    return pick_examples(small_run.corpus, small_run.tables, small_run.recommended)


def test_a_kind_follows_from_the_other_arms(small_run):
    # Right are: retrieved 0, 5, 10; oracle chunks 0, 3, 6, 9; closed book 0, 4, 8; document all but 6. Gold: not 5, 11.
    found = pick_examples(small_run.corpus, small_run.tables, n=20)
    rows = found.filter(pl.col("reader") == "small").select("kind", "question_id").rows()
    assert rows == [
        *(("retrieval", one) for one in ("q009", "q003")),
        *(("chunking", one) for one in ("q007", "q002", "q001")),
        *(("harmed", one) for one in ("q008", "q004")),
        ("reader", "q006"),
    ]
    assert found.schema == EXAMPLES


def test_kinds_take_turns_and_the_surest_comes_first(small_run):
    few = pick_examples(small_run.corpus, small_run.tables, n=3).filter(pl.col("reader") == "small")
    assert few.select("kind", "question_id", "n_of_kind").rows() == [
        ("retrieval", "q009", 2),
        ("chunking", "q007", 3),
        ("harmed", "q008", 2),
    ]


def first_of_large(run, recommended):
    return pick_examples(run.corpus, run.tables, recommended).filter(pl.col("reader") == "large").row(0, named=True)


def test_examples_come_from_the_recommended_cell_or_the_most_accurate(small_run):
    cells = small_run.tables["cells"].filter(pl.col("reader") == "large")
    best = cells.sort("gold_accuracy", descending=True).row(0, named=True)
    row = first_of_large(small_run, [])
    assert (row["setting"], row["cut"], row["amount"]) == (best["setting"], best["cut"], best["amount"])
    other = cells.sort("gold_accuracy").row(0, named=True)
    row = first_of_large(small_run, {cell_of(other)})
    assert (row["setting"], row["cut"], row["amount"]) == (other["setting"], other["cut"], other["amount"])


def test_without_oracle_chunks_the_loss_is_not_split(small_run):
    answers = small_run.tables["answers"].filter(pl.col("arm") != "oracle_chunk")
    found = pick_examples(small_run.corpus, small_run.tables | {"answers": answers})
    assert set(found["kind"]) == {"retrieval or chunking", "harmed", "reader"}


def test_a_failed_answer_is_a_wrong_one(small_run):
    is_it = (pl.col("question_id") == "q009") & (pl.col("arm") == "retrieved")
    failed = small_run.tables["answers"].with_columns(
        label=pl.when(is_it).then(None).otherwise("label"),
        failure=pl.when(is_it).then(pl.lit("too_long")).otherwise("failure"),
        margin=pl.when(is_it).then(None).otherwise("margin"),
    )
    found = pick_examples(small_run.corpus, small_run.tables | {"answers": failed}).filter(question_id="q009")
    assert set(found.select("answer", "failure").rows()) == {(None, "too_long")}


def test_texts_are_those_of_the_documents_and_the_chunks_those_that_were_read(small_run, picked):
    for row in picked.iter_rows(named=True):
        texts = small_run.corpus.texts
        for document in row["documents"]:
            for piece in document["pieces"]:
                assert piece["text"] == texts[document["document_id"]][piece["start"] : piece["end"]]
            assert document["length"] == len(texts[document["document_id"]])
        ranks = sorted(chunk["rank"] for document in row["documents"] for chunk in document["chunks"])
        assert ranks == [1, 2, 3]
        assert [document["is_gold"] for document in row["documents"]] == [True, False]
        assert row["documents"][0]["evidence"] == [{"start": 100, "end": 150}]


@pytest.mark.parametrize("letter", ["x", "é", "日", "😀", "\x00"])
def test_examples_stay_small_whatever_the_documents(run_of, letter):
    made = run_of(readers=[f"reader {number}" for number in range(9)], n_questions=60, text=letter * 100_000)
    picked = pick_examples(made.corpus, made.tables, n=30)
    assert len(picked) > 200
    shown = "".join(piece["text"] for row in picked["documents"] for document in row for piece in document["pieces"])
    assert len(shown.encode()) < 1_000_000


def test_the_frame_survives_parquet(picked, tmp_path):
    picked.write_parquet(tmp_path / "examples.parquet")
    assert pl.read_parquet(tmp_path / "examples.parquet").equals(picked)


def test_nothing_wrong_gives_no_rows(small_run):
    gold = small_run.tables["gold"].select("reader", "question_id", right="label")
    answers = small_run.tables["answers"].join(gold, on=["reader", "question_id"], how="left")
    right = answers.with_columns(label="right").drop("right")
    found = pick_examples(small_run.corpus, small_run.tables | {"answers": right})
    assert found.is_empty()
    assert found.schema == EXAMPLES
