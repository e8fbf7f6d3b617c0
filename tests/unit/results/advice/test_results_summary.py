"""The summary of a run, a sentence for each situation."""

import json
from pathlib import Path

import jsonschema
import polars as pl
import pytest

from results.advice.cards.run import Run
from results.advice.summary import record, summarise, summary_schema
from results.advice.wording import about, listed, percent, points
from results.readers.labelers import LABELERS
from results.settings import Cell, Setting, Spoken, say_cut
from results.store.finished import read_manifest, read_tables
from results.sweep.cells import CELLS
from results.sweep.race import LOOKS
from results.sweep.retrieval_means import RETRIEVAL_MEANS
from retrieval.context import Cut

PUBLISHED = sorted(file.parent for file in (Path(__file__).parents[4] / "results/published").glob("*/manifest.json"))
USUAL = {"splitter": "tokens", "overlap": 0, "embedder": "e", "retriever": "dense", "cut": "budget", "amount": 256}


def cell(size, accuracy=0.8, p_within=1.0, n_gold=100.0, reader="reader", **more):
    place = USUAL | {"reader": reader, "size": size, "setting": f"tokens(size={size},overlap=0)"}
    shown = {"gold_accuracy": accuracy, "gold_accuracy_low": accuracy - 0.06, "gold_accuracy_high": accuracy + 0.06}
    costs = {"gold_n": n_gold, "n_context_tokens": float(size), "n_failed": 0, "n_too_long": 0}
    return place | shown | costs | {"p_within": p_within} | more


def found(size, hit=0.9, spans=None, **more):
    place = USUAL | {"size": size, "setting": f"tokens(size={size},overlap=0)", "n_context_tokens": float(size)}
    scores = {"hit": hit, "hit_low": hit - 0.05, "hit_high": hit + 0.05, "ndcg": hit, "span_recall": spans}
    if spans is not None:
        scores |= {"span_recall_low": spans - 0.1, "span_recall_high": spans + 0.1}
    return place | scores | more


def reader(name="reader", accuracy=0.6, qualified=True, standing="", share=0.5, n=20, **more):
    told = {"reader": name, "accuracy": accuracy, "qualified": qualified, "standing": standing, "n": n}
    ends = {"accuracy_low": accuracy - 0.1, "accuracy_high": accuracy + 0.1}
    return told | ends | {"majority_label": "no", "majority_share": share} | more


def advice(size, told=True, n_more=None, name="reader", cut="budget=256", n_gold=100):
    setting = f"tokens(size={size},overlap=0)"
    return {"reader": name, "setting": setting if told else None, "cut": cut if told else None, "n_gold": n_gold,
            "n_more": n_more, "best": f"{setting} at {cut}"}  # fmt: skip


def choice(best, recommended=None, score="ndcg", cut="budget=256"):
    names = [None if size is None else f"tokens(size={size},overlap=0)" for size in (best, recommended)]
    return {"cut": cut, "score": score, "best": names[0], "recommended": names[1]}


def run_of(cells=(), advices=(), choices=None, means=(), readers=(), answers="expected", kind="run", **tables):
    """Manifest and tables of a run, with nothing in them but what a test is about."""
    manifest = {
        "name": "by hand", "kind": kind, "recommendations": list(advices),
        "retrieval": [choice(64, 64)] if choices is None else list(choices),
        "config": {"scoring": {"margin": 0.05, "confidence": 0.95, "answers": answers}},
        "corpus": {"name": "handbook", "documents": 1000, "questions": 1, "labels": ["yes", "no"]},
        "readers": {one["reader"]: {} for one in readers},
        "sessions": [{"finished": "2026-11-22T01:14:53+00:00", "asked": {"label": [{"usd": 1.234}]}}],
    }  # fmt: skip
    sizes = {one["size"] for one in cells} or {64}
    frames = {"gold": gold_of(*(one["reader"] for one in readers))}
    if kind in ("run", "sweep"):
        frames["retrieval_means"] = pl.DataFrame(means or [found(size) for size in sorted(sizes)], RETRIEVAL_MEANS)
    if cells:
        frames["cells"] = pl.DataFrame(list(cells), schema=CELLS)
    if readers:
        frames["labelers"] = pl.DataFrame(list(readers), schema=LABELERS)
    return manifest, frames | tables


def gold_of(*readers, labels=("yes", "no"), excluded=1):
    rows = [
        {"reader": name, "label": label, "kept": label is not None, "reference": "yes"}
        for name in readers
        for label in [*labels, *[None] * excluded]
    ]
    schema = {"reader": pl.String, "label": pl.String, "kept": pl.Boolean, "reference": pl.String}
    return pl.DataFrame(rows, schema=schema)


def sentence(question, *made, **more):
    answers = summarise(*run_of(*made, **more)).answers
    return next(one.sentence for one in answers if one.question == question)


SIZE, FINDS, TRUST = "Which chunk size?", "Does retrieval find it?", "Can the reader be trusted?"
TWO = [cell(64, 0.76, 0.01), cell(128, 0.8)]


def test_a_told_size_comes_with_its_number():
    assert sentence(SIZE, TWO, [advice(64)]) == (
        "Use 64-token chunks, 256 tokens read: 76 % right (70 to 82 %), on 100 gold questions; only this one of 2 "
        "settings is shown to be within 5 points of the best."
    )
    look = {"reader": "reader", "questions": 128, "of_questions": 500, "is_told": True}
    looks = pl.DataFrame([look], schema=LOOKS)
    assert "76 % right (70 to 82 %), told after 128 of 500 questions;" in sentence(SIZE, TWO, [advice(64)], looks=looks)


def test_of_several_within_the_margin_the_one_that_reads_the_least_is_named():
    three = [cell(32, p_within=0.01), cell(64, p_within=0.02), cell(128, p_within=0.5)]
    assert sentence(SIZE, three, [advice(32)]).endswith(
        "reads the least of the 2 settings (of 3) within 5 points of the best."
    )


def test_where_all_sizes_are_alike_any_will_do():
    alike = [cell(size, p_within=0.01) for size in (32, 64, 256)]
    assert sentence(SIZE, alike, [advice(32)]) == (
        "Any of 32 to 256 tokens will do: all are within 5 points of each other. The least text is read with 32: 80 % "
        "right (74 to 86 %), on 100 gold questions."
    )
    best = [cell(size, p_within=0.01, cut="k", amount=amount) for size in (32, 64) for amount in (1, 3)]
    assert sentence(SIZE, best, [advice(32, cut="k=1")]).startswith(
        "Any of 4 settings will do: all are within 5 points of each other. The least text is read with the best chunk"
    )


def test_without_a_winner_the_leader_and_the_missing_questions_are_named():
    cells = [cell(64, 0.76), cell(128, 0.7)]
    assert sentence(SIZE, cells, [advice(64, told=False, n_more=166)], choices=[choice(64)]) == (
        "No winner yet. Best so far: 64-token chunks, 256 tokens read (76 %, 70 to 82 %); about 170 more questions are "
        "needed."
    )


@pytest.mark.parametrize(
    ("n_gold", "answers", "said"),
    [
        (0, "expected", "Nothing can be told: no question is in the gold set."),
        (
            1,
            "expected",
            "1 gold question cannot tell 2 settings apart; it takes at least 58, on as many documents.",
        ),
        (17, "expected", "17 gold questions are too few to name a leader; about 170 more questions are needed."),
        (17, "drawn", "256 tokens read (76 %, 70 to 82 %); about 170 more questions are needed."),
    ],
)
def test_too_few_gold_questions_name_no_leader(n_gold, answers, said):
    cells = [cell(64, 0.76, n_gold=n_gold), cell(128, 0.7, n_gold=n_gold)]
    advices = [advice(64, told=False, n_more=166, n_gold=n_gold)]
    assert sentence(SIZE, cells, advices, choices=[choice(64)], answers=answers).endswith(said)


def test_prompts_that_did_not_fit_tell_nothing():
    cells = [cell(64, n_too_long=0), cell(128, n_too_long=1)]
    assert sentence(SIZE, cells, [advice(64, told=False)], choices=[]) == (
        "Nothing can be told: 1 prompt did not fit in num_ctx; raise it."
    )


def test_one_setting_leaves_nothing_to_choose():
    assert sentence(SIZE, [cell(64, p_within=0.0)], [advice(64)]) == (
        "Nothing to choose: 64-token chunks, 256 tokens read, the only setting that was tried: 80 % right (74 to 86 "
        "%), on 100 gold questions."
    )


def test_retrieval_alone_is_pointed_at_where_the_reader_cannot_tell():
    cells = [cell(64), cell(128)]
    said = sentence(SIZE, cells, [advice(64, told=False)], choices=[choice(64, 128)])
    assert said.endswith("Retrieval alone can tell: 128-token chunks, 256 tokens read.")
    assert "Retrieval alone" not in sentence(SIZE, cells, [advice(64, told=False)], choices=[choice(64)])


def test_qualified_readers_come_first_and_told_before_untold():
    cells = [cell(size, p_within=0.01, reader=name) for name in ("weak", "open", "good") for size in (64, 128)]
    advices = [advice(64, name="weak"), advice(64, told=False, name="open"), advice(128, name="good")]
    readers = [reader("weak", qualified=False), reader("open"), reader("good")]
    manifest, tables = run_of(cells, advices, readers=readers)
    assert [one["reader"] for one in Run(manifest, tables).recommendations] == ["good", "open", "weak"]
    said = sentence(SIZE, cells, advices, readers=readers)
    assert said.startswith("Any of 64 to 128 tokens will do with good: all are")
    assert said.endswith("With weak: 64-token chunks, 256 tokens read; with open: no winner yet.")
    same = [advice(64, name="good"), advice(64, name="open")]
    assert sentence(SIZE, cells[2:], same, readers=readers[1:]).endswith("The same goes for open.")


def test_a_run_without_readers_answers_by_retrieval_alone():
    means = [found(64, 0.98), found(128, 0.9)]
    assert sentence(SIZE, means=means, choices=[choice(64, 64)]) == (
        "By retrieval alone, use 64-token chunks, 256 tokens read. No reader was asked."
    )
    assert sentence(FINDS, means=means, choices=[choice(64, 64)]) == (
        "It finds the right document for 98 % (93 to 103 %) of the questions, with 64-token chunks, 256 tokens read. "
        "That is the best of 2 settings."
    )
    assert sentence(TRUST, means=means) == "No reader was asked, so only retrieval is judged."


def test_evidence_comes_before_documents_and_what_is_told_before_what_is_not():
    means = [found(64, 1.0, 0.5, cut="k", amount=1), found(128, 0.9, 0.4), found(64, 0.8, 0.45)]
    choices = [choice(64, cut="k=1", score="span_recall"), choice(64, 128, score="span_recall")]
    assert sentence(FINDS, means=means, choices=choices) == (
        "It finds 40 % (30 to 50 %) of the evidence, and the right document for 90 % of the questions, with 128-token "
        "chunks, 256 tokens read. That reads less than the best, 64-token chunks, and is within 5 points of it."
    )
    assert sentence(FINDS, means=means, choices=choices[:1]).endswith(
        "with the best chunk of 64 tokens. That setting leads, but none is shown to be within 5 points of the best."
    )


GETS = "reader gets 60 % right (50 to 70 %) from whole documents"
AGAINST = "against 50 % for always answering no (n = 20)"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (reader(), f"Yes: {GETS}, {AGAINST}."),
        (reader(qualified=False, standing="cannot tell"), f"Not shown: {GETS}, {AGAINST}."),
        (reader(qualified=False, standing="at chance"), f"No: {GETS}, as by chance, {AGAINST}."),
        (reader(qualified=None), "Unknown: the questions of reader have no reference labels to check it against."),
    ],
)
def test_trust_is_the_accuracy_against_a_constant_answer(told, said):
    assert sentence(TRUST, readers=[told], kind="label", choices=[]) == said


def test_labels_are_distrusted_once_for_all_readers():
    (line,) = summarise(*run_of(readers=[reader(accuracy=0.4, qualified=False)], kind="label", choices=[])).distrust
    assert line == "Do not trust these labels: no better than always answering no (40 % against 50 %, n = 20)."
    several = [reader(name, 0.4, qualified=False) for name in "abcde"] + [reader("good")]
    (line,) = summarise(*run_of(readers=several, kind="label", choices=[])).distrust
    assert line.startswith(
        "Do not trust the labels of 5 of 6 readers: no better than always answering no (a 40 % against"
    )
    assert line.endswith("; 2 more).")


def test_what_a_label_run_keeps_is_said_of_the_best_reader_and_the_others_in_short():
    readers = [reader("a", 0.9), reader("b", 0.8), reader("c", 0.7)]
    gold = pl.concat([gold_of("a"), gold_of("b", labels=["yes"]), gold_of("c", labels=["yes", "no", "no"])])
    summary = summarise(*run_of(readers=readers, kind="label", choices=[], gold=gold))
    assert summary.answers[-1].sentence == (
        "a keeps 2 of 3 questions; 50 % of their labels match the reference. The 2 other readers keep 1 to 3."
    )
    assert summary.answers[0].sentence.endswith("So can b and c.")


def test_few_questions_one_label_and_the_edge_of_the_grid_are_a_line_each():
    cells = [cell(64, 0.9), cell(128, 0.8)]
    manifest, tables = run_of(cells, [advice(64, told=False)], readers=[reader()], choices=[])
    assert summarise(manifest, tables).distrust == (
        "The best size is the smallest that was tried, 64: try 32 and 48 as well.",
    )
    assert record(manifest, tables).at_edge
    few = [cell(64, n_gold=1.0), cell(128, n_gold=1.0)]
    gold = gold_of("reader", labels=["no"] * 3)
    summary = summarise(*run_of(few, [advice(64, told=False, n_gold=1)], readers=[reader()], choices=[], gold=gold))
    assert summary.distrust == (
        "Only 1 gold question, so only very large differences show.",
        "All 3 gold questions are no: always answering no would be 100 % right.",
    )


def test_the_facts_are_one_line():
    summary = summarise(*run_of(readers=[reader()], kind="label", choices=[]))
    assert summary.facts == "handbook: 1,000 documents, 1 question; reader reader; 22 November 2026; 1.23 USD"


@pytest.mark.parametrize(
    ("setting", "cut", "varying", "said"),
    [
        (("tokens", 64, 0, "e", "dense"), ("budget", 256), (), "64-token chunks, 256 tokens read"),
        (("tokens", 128, 0, "e", "dense"), ("k", 3), (), "best 3 chunks of 128 tokens"),
        (("tokens", 128, 0, "e", "dense"), ("k", 1), ("splitter",), "best chunk of 128 tokens, token splitter"),
        (
            ("recursive", 128, 32, "e", "dense"), ("budget", 512), (),
            "128-token chunks with 32 overlap, recursive splitter, 512 tokens read",
        ),
        (
            ("tokens", 8, 0, "e", "bm25"), ("budget", 8), ("embedder", "retriever"),
            "8-token chunks, e embedder, bm25 retriever, 8 tokens read",
        ),
    ],
)  # fmt: skip
def test_settings_are_named_as_people_say_them(setting, cut, varying, said):
    assert Spoken(varying).cell(Cell(None, Setting(*setting), Cut(*cut))) == said


def test_numbers_are_said_as_people_say_them():
    assert [percent(share) for share in (0, 0.001, 0.764, 0.999, 1)] == [
        "0 %",
        "under 1 %",
        "76 %",
        "over 99 %",
        "100 %",
    ]
    assert [about(n) for n in (7, 166, 1348)] == ["about 7", "about 170", "about 1,400"]
    assert [points(share) for share in (0.01, 0.05, 0.025)] == ["1 point", "5 points", "2.5 points"]
    assert [listed(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == ["", "a", "a and b", "a, b and c"]
    assert [say_cut(Cut(*cut)) for cut in (("budget", 256), ("k", 1), ("k", 3))] == [
        "256 tokens read", "the best chunk read", "the best 3 chunks read",
    ]  # fmt: skip


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda one: one.name)
def test_published_runs_have_a_summary_and_a_record_that_its_schema_holds(folder):
    manifest = read_manifest(folder)
    tables = read_tables(folder, manifest)
    summary = summarise(manifest, tables)
    assert len(summary.answers) in (2, 3)
    lines = [summary.facts, *(one.sentence for one in summary.answers), *summary.distrust]
    assert not [line for line in lines if "size=" in line or "budget=" in line or "[" in line or "WARNING" in line]
    told = json.loads(record(manifest, tables).model_dump_json())
    jsonschema.validate(told, summary_schema())
    assert [one["sentence"] for one in told["answers"]] == [one.sentence for one in summary.answers]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told | {"version": 2}, summary_schema())
