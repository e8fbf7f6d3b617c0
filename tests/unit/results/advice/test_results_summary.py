"""The summary of a run, a sentence for each situation."""

import json
from pathlib import Path

import jsonschema
import polars as pl
import pytest

from results.advice.cards.in_full import advice_in_full
from results.advice.cards.run import Run
from results.advice.summary import first_finding, record, summarise, summary_schema
from results.comparing.comparison import PAIRS
from results.store.finished import read_manifest, read_tables
from results.store.listing import list_run
from results.sweep.attribution import LADDER
from results.sweep.race import LOOKS
from tests.doubles.run_by_hand import advice, cell, choice, found, gold_of, reader, run_of

PUBLISHED = sorted(file.parent for file in (Path(__file__).parents[4] / "results/published").glob("*/manifest.json"))


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


def test_a_size_that_is_told_under_every_cut_is_named_where_the_best_cut_is_not():
    cells = [
        cell(size, 0.7 + size / 1000, cut=cut, amount=of)
        for size in (64, 128)
        for cut, of in (("k", 1), ("budget", 256))
    ]
    manifest, tables = run_of(cells, [advice(128, told=False, n_more=85, cut="k=1")])

    def said(*recommended):
        manifest["verdicts"] = [{"reader": "reader", "recommended": one} for one in recommended]
        return next(one.sentence for one in summarise(manifest, tables).answers if one.question == SIZE)

    small, large = (f"tokens(size={size},overlap=0)" for size in (64, 128))
    assert said(large, large).startswith(
        "Use 128-token chunks, under both cuts; which cut is best is open. Best so far, and equal: "
    )
    for open_ in ((large, small), (large, None), (None, None), (large,), ()):
        assert said(*open_).startswith("No winner yet. Best so far, and equal: ")
    assert said(large, large, large).startswith("Use 128-token chunks, under all 3 cuts; ")


def test_of_several_within_the_margin_the_one_that_reads_the_least_is_named():
    three = [cell(32, p_within=0.01), cell(64, p_within=0.02), cell(128, p_within=0.5)]
    assert sentence(SIZE, three, [advice(32)]).endswith(
        "reads the least of the 2 settings (of 3) within 5 points of the best."
    )


def test_where_all_sizes_are_alike_any_will_do():
    alike = [cell(size, p_within=0.01) for size in (32, 64, 256)]
    assert sentence(SIZE, alike, [advice(32)]) == (
        "Any size of 32, 64 or 256 tokens will do: all are within 5 points of each other. The least text is read with "
        "32: 80 % right (74 to 86 %), on 100 gold questions."
    )
    best = [cell(size, p_within=0.01, cut="k", amount=amount) for size in (32, 64) for amount in (1, 3)]
    assert sentence(SIZE, best, [advice(32, cut="k=1")]).startswith(
        "Any of the 4 settings will do: all are within 5 points of each other. The least text is read with the best "
        "single chunk of 32 tokens: "
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
        (17, "drawn", "17 gold questions are too few to name a leader; about 170 more gold questions are needed."),
        (1, "drawn", "1 gold question is too few to name a leader; about 170 more gold questions are needed."),
        (
            0.3,
            "expected",
            "less than 1 gold question cannot tell 2 settings apart; it takes at least 58, on as many documents.",
        ),
        (30, "drawn", "256 tokens read (76 %, 70 to 82 %); about 170 more gold questions are needed."),
    ],
)
def test_too_few_gold_questions_name_no_leader(n_gold, answers, said):
    cells = [cell(64, 0.76, n_gold=n_gold), cell(128, 0.7, n_gold=n_gold)]
    advices = [advice(64, told=False, n_more=166, n_gold=n_gold)]
    assert sentence(SIZE, cells, advices, choices=[choice(64)], answers=answers).endswith(said)


@pytest.mark.parametrize("answers", ["drawn", "expected"])
def test_with_fewer_than_ten_gold_questions_no_accuracy_is_named(answers):
    said = sentence(SIZE, [cell(64, p_within=0.0, n_gold=5)], [advice(64)], answers=answers)
    assert said.endswith("the only setting that was tried: 5 gold questions are too few to name its accuracy.")
    told = sentence(SIZE, [cell(64, p_within=0.0, n_gold=10)], [advice(64)], answers=answers)
    assert told.endswith("80 % right (74 to 86 %), on 10 gold questions.")


@pytest.mark.parametrize(("n_gold", "figures"), [(9, "on 9 gold questions"), (10, "90 % right with it, 80 % without")])
def test_that_the_document_may_not_matter_is_said_with_figures_only_of_enough_questions(n_gold, figures):
    cells = [cell(64, n_gold=n_gold)]
    rung = {name: cells[0][name] for name in LADDER if name in cells[0]}
    rung |= {"questions": "gold", "n": n_gold, "closed_book": 0.8, "document": 0.9, "n_failed": 0}
    ladder = pl.DataFrame([rung], schema=LADDER)
    distrust = summarise(*run_of(cells, [advice(64)], readers=[reader()], ladder=ladder)).distrust
    assert f"What is retrieved may not matter: the document is not shown to help ({figures}" in distrust[-1]


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
    means = [found(64, 0.9), found(128, 0.8)]
    said = sentence(SIZE, cells, [advice(64, told=False)], choices=[choice(64, 128)], means=means)
    assert said.endswith("By retrieval alone, use 128-token chunks, 256 tokens read.")
    said = sentence(SIZE, cells, [advice(64, told=False)], choices=[choice(64, 64)])
    assert said.endswith(
        "By retrieval alone, both settings are equal; the cheapest is 64-token chunks, 256 tokens read."
    )
    assert "retrieval alone" not in sentence(SIZE, cells, [advice(64, told=False)], choices=[choice(64)])


def test_qualified_readers_come_first_and_told_before_untold():
    cells = [cell(size, p_within=0.01, reader=name) for name in ("weak", "open", "good") for size in (64, 128)]
    advices = [advice(64, name="weak"), advice(64, told=False, name="open"), advice(128, name="good")]
    readers = [reader("weak", qualified=False), reader("open"), reader("good")]
    manifest, tables = run_of(cells, advices, readers=readers)
    assert [one["reader"] for one in Run(manifest, tables).recommendations] == ["good", "open", "weak"]
    said = sentence(SIZE, cells, advices, readers=readers)
    assert said.startswith("Any size of 64 or 128 tokens will do with good: all are")
    assert said.endswith("With weak: 64-token chunks, 256 tokens read; with open: no winner yet.")
    both = [{"reader": "open", "recommended": "tokens(size=128,overlap=0)"}] * 2
    said = summarise(manifest | {"verdicts": both}, tables).answers[0].sentence
    assert said.endswith("With open: 128-token chunks, under both cuts; with weak: 64-token chunks, 256 tokens read.")
    same = [advice(64, name="good"), advice(64, name="open")]
    assert sentence(SIZE, cells[2:], same, readers=readers[1:]).endswith("The same goes for open.")


def test_a_run_without_readers_answers_by_retrieval_alone():
    means = [found(64, 0.98), found(128, 0.9)]
    assert sentence(SIZE, means=means, choices=[choice(64, 64)]) == (
        "By retrieval alone, use 64-token chunks, 256 tokens read. No reader was asked."
    )
    assert sentence(FINDS, means=means, choices=[choice(64, 64)]) == (
        "It finds the right document for 98 % (93 to 103 %) of the questions, with 64-token chunks, 256 tokens read. "
        "Of 2 settings, this one leads by nDCG, and it is shown to be within 5 points of the best."
    )
    assert sentence(TRUST, means=means) == "No reader was asked, so only retrieval is judged."


def test_evidence_comes_before_documents_and_what_is_told_before_what_is_not():
    means = [found(64, 1.0, 0.5, cut="k", amount=1), found(128, 0.9, 0.4), found(64, 0.8, 0.45)]
    means.append(found(128, 0.9, 0.3, cut="k", amount=1))
    choices = [choice(64, cut="k=1", score="span_recall"), choice(64, 128, score="span_recall")]
    assert sentence(FINDS, means=means, choices=choices) == (
        "It finds 40 % (30 to 50 %) of the evidence, and the right document for 90 % of the questions, with 128-token "
        "chunks, 256 tokens read. This setting reads less than 64-token chunks, which lead, and it is shown to be "
        "within 5 points of the best."
    )
    assert sentence(FINDS, means=means, choices=choices[:1]).endswith(
        "the best single chunk of 64 tokens. That setting leads, but none is shown to be within 5 points of the best."
    )


GETS = "reader gets 60 % right (50 to 70 %) from whole documents"
SO = "so do not trust its labels"
NO_CHANCE = "that is not shown to be better than chance"
AGAINST = "against 50 % for always answering no (n = 20)"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (reader(), f"Yes: {GETS}, {AGAINST}."),
        (reader(qualified=False, standing="cannot tell"), f"Not shown, {SO}: {GETS}, {AGAINST}."),
        (reader(qualified=False, standing="at chance"), f"No, {SO}: {GETS}, {AGAINST}; {NO_CHANCE}."),
        (reader(qualified=None), "Unknown: the questions of reader have no reference labels to check it against."),
    ],
)
def test_trust_is_the_accuracy_against_a_constant_answer(told, said):
    assert sentence(TRUST, readers=[told], kind="label", choices=[]) == said


def test_that_labels_are_not_to_be_trusted_is_said_once_for_all_readers():
    several = [reader(name, 0.4, qualified=False) for name in "abcde"] + [reader("good")]
    summary = summarise(*run_of(readers=several, kind="label", choices=[]))
    assert summary.answers[0].sentence.endswith(
        "It is not shown for a (40 % against 50 %, n = 20), b (40 % against 50 %, n = 20), c (40 % against 50 %, n = "
        "20) and 2 more, so do not trust their labels."
    )
    assert summary.distrust == (), "the answer says it"
    many = "no significant difference"
    two = [reader("a", qualified=False), reader("b", 0.39, qualified=False) | {"majority_label": many}]
    said = sentence(TRUST, readers=two, kind="label", choices=[])
    assert said.endswith(f'Nor is it shown for b (39 % against 50 % for always answering "{many}", n = 20).')


def test_what_a_label_run_keeps_is_said_of_the_best_reader_and_the_others_in_short():
    readers = [reader("a", 0.9), reader("b", 0.8), reader("c", 0.7)]
    gold = pl.concat([gold_of("a"), gold_of("b", labels=["yes"]), gold_of("c", labels=["yes", "no", "no"])])
    summary = summarise(*run_of(readers=readers, kind="label", choices=[], gold=gold))
    assert summary.answers[-1].sentence == (
        "a keeps 2 of 3 questions; 1 of 2 labels match the reference. The 2 other readers keep 1 to 3."
    )
    assert summary.answers[0].sentence.endswith("So can b and c.")


TIES = (
    # What the sizes 32, 64 and 128 score, what is advised, and what is said of it.
    ((0.9, 0.9, 0.9), 32, "all 3 settings are equal; the cheapest is 32-token chunks, 256 tokens read.",
     "All 3 settings are equal by nDCG; this one reads no more than the others."),
    ((0.9, 0.9, 0.8), 32, "use 32-token chunks, 256 tokens read.",
     "32-token chunks and 64-token chunks lead by nDCG, and are equal; this one reads no more than the other."),
    ((0.88, 0.9, 0.9), 32, "use 32-token chunks, 256 tokens read.",
     "This setting reads less than 64-token chunks and 128-token chunks, which lead by nDCG and are equal, and it is "
     "shown to be within 5 points of the best."),
    ((0.9, 0.9, 0.9), None, "By retrieval alone, all 3 settings are equal so far, 256 tokens read.",
     "All 3 settings are equal by nDCG, but none is shown to be within 5 points of the best."),
    ((0.9, 0.8, 0.9), None,
     "Best so far, by retrieval alone, and equal: 32-token chunks and 128-token chunks, 256 tokens read.",
     "32-token chunks and 128-token chunks lead by nDCG, and are equal, but none is shown to be within 5 points of the "
     "best."),
    ((0.0, 0.0, 0.0), 32,
     "Nothing can be told: with 256 tokens read, no setting finds the right document for any question.",
     "No: with 256 tokens read, no setting finds the right document for any question."),
)  # fmt: skip


@pytest.mark.parametrize(("scores", "advised", "size", "finds"), TIES)
def test_equal_settings_are_said_to_be_equal_and_none_of_them_leads(scores, advised, size, finds):
    means = [found(one, score) for one, score in zip((32, 64, 128), scores, strict=True)]
    leader = (32, 64, 128)[scores.index(max(scores))]
    made = {"means": means, "choices": [choice(leader, advised)]}
    assert sentence(SIZE, **made).endswith(f"{size} No reader was asked.")
    assert sentence(FINDS, **made).endswith(finds)
    if len(set(scores)) < 3 and scores[0] == max(scores):
        assert not record(*run_of(**made)).at_edge, "no size leads alone"


def test_no_evidence_found_by_any_setting_is_said_with_what_is_found_of_the_documents():
    means = [found(64, 0.8, 0.0), found(128, 1.0, 0.0)]
    made = {"means": means, "choices": [choice(64, 64, score="span_recall")]}
    assert sentence(FINDS, **made) == (
        "No: with 256 tokens read, no setting finds any of the evidence; the right document is found for every "
        "question at best."
    )
    cells = [cell(64), cell(128)]
    assert "alone" not in sentence(SIZE, cells, [advice(64, told=False)], **made)


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ((0.8, 0.8, 0.8), "No winner yet: all 3 settings are equal so far (80 %); about 170 more questions are "),
        ((0.7, 0.8, 0.8), "Best so far, and equal: 64-token chunks and 128-token chunks, 256 tokens read (80 %); "),
        ((0.0, 0.0, 0.0), "Nothing can be told: no setting gets any gold question right."),
    ],
)  # fmt: skip
def test_equal_cells_of_a_reader_are_said_to_be_equal(accuracies, said):
    cells = [cell(size, one) for size, one in zip((32, 64, 128), accuracies, strict=True)]
    advices = [advice(64, told=False, n_more=166)]
    assert said in sentence(SIZE, cells, advices, choices=[])
    assert not record(*run_of(cells, advices, choices=[])).at_edge
    if not any(accuracies):
        told = [one | {"p_within": 0.01} for one in cells]
        assert sentence(SIZE, told, [advice(32)], choices=[]) == said, "an older version advised the cheapest"


def test_equal_cells_of_different_cuts_are_named_with_their_cuts():
    budget, best_chunk = cell(128, amount=128), cell(128, cut="k", amount=1)
    said = sentence(SIZE, [cell(64, 0.7), budget, best_chunk], [advice(128, told=False, n_more=166)], choices=[])
    assert "and equal: the best single chunk of 128 tokens, and 128-token chunks, 128 tokens read (80 %); about" in said


def test_readers_that_are_equal_do_not_lead():
    pair = dict.fromkeys(PAIRS, 0) | {"a": "a", "b": "b", "n": 20, "p_holm": 1.0, "detectable": 0.1, "finding": ""}

    def said(*accuracies):
        readers = [reader(name, one) for name, one in zip("ab", accuracies, strict=True)]
        made = run_of(readers=readers, kind="compare", choices=[], pairs=pl.DataFrame([pair], schema=PAIRS))
        return summarise(*made).answers[0].sentence

    blind = "a true difference under 10 points would probably be missed"
    assert said(0.6, 0.6) == f"No winner yet. a and b are equal, 60 % right (50 to 70 %) from whole documents; {blind}."
    assert said(0.6, 0.5).startswith("No winner yet. a leads, 60 % right")
    assert said(0.0, 0.0) == "Nothing can be told: no reader gets any question right from whole documents."


def test_what_a_rule_keeps_by_construction_is_no_finding():
    manifest, tables = run_of(readers=[reader("a")], kind="label", choices=[])

    def said(rule):
        manifest["config"]["consensus"] = {"rule": rule}
        return summarise(manifest, tables).answers[-1].sentence

    assert said("unanimous_and_correct") == (
        "a keeps 2 of 3 questions, those on which its three votes agree and match the reference."
    )
    assert said("reviewed").endswith("agree with what people say; 1 of 2 labels match the reference.")


def test_few_questions_one_label_and_the_edge_of_the_grid_are_a_line_each():
    cells = [cell(64, 0.9), cell(128, 0.8)]
    manifest, tables = run_of(cells, [advice(64, told=False)], readers=[reader()], choices=[])
    assert summarise(manifest, tables).distrust == (
        "The leading size is the smallest that was tried, 64: try 32 and 48 as well.",
    )
    assert record(manifest, tables).at_edge
    both = [one | {"reader": name} for name in ("a", "b") for one in cells]
    advices = [advice(64, told=False, name=name) for name in ("a", "b")]
    distrust = summarise(*run_of(both, advices, readers=[reader("a"), reader("b")], choices=[])).distrust
    assert "The leading size with a is the smallest that was tried, 64: try 32 and 48 as well." in distrust
    few = [cell(64, n_gold=1.0), cell(128, n_gold=1.0)]
    gold = gold_of("reader", labels=["no"] * 3)
    summary = summarise(*run_of(few, [advice(64, told=False, n_gold=1)], readers=[reader()], choices=[], gold=gold))
    assert summary.distrust == ("All 3 gold questions are no: always answering no would be 100 % right.",)
    assert summary.answers[0].sentence.startswith("Nothing can be told: 1 gold question cannot tell 2 settings apart")


@pytest.mark.parametrize(
    ("n_gold", "told", "said"),
    [
        ((0,), True, ("No gold question, so nothing is shown.",)),
        ((0.4,), True, ("Less than 1 gold question, so only very large differences show.",)),
        ((17,), True, ("Only 17 gold questions, so only very large differences show.",)),
        ((0, 17), True, ("Few gold questions (0 with a and 17 with b), so only very large differences show.",)),
        ((0, 0), True, ("No gold question with a and b, so nothing is shown.",)),
        ((17,), False, ()),
        ((17, 12), False, ("Only 12 gold questions with b, so only very large differences show.",)),
        ((17, 0), False, ("No gold question with b, so nothing is shown.",)),
        ((17, 100), False, ()),
    ],
)
def test_few_gold_questions_are_counted_where_no_answer_gives_them_as_its_reason(n_gold, told, said):
    names = "ab"[: len(n_gold)]
    cells = [cell(64, reader=name, n_gold=n) for name, n in zip(names, n_gold, strict=True)]
    cells += [one | {"size": 128, "gold_accuracy": 0.7} for one in cells]
    advices = [advice(64, told=told, name=name) for name in names]
    made = run_of(cells, advices, choices=[], readers=[reader(one) for one in names])
    assert tuple(one for one in summarise(*made).distrust if "leading size" not in one) == said


def test_the_facts_are_one_line():
    summary = summarise(*run_of(readers=[reader()], kind="label", choices=[]))
    assert summary.facts == "handbook: 1,000 documents, 1 question; reader reader; 22 November 2026; 1.23 USD"


@pytest.mark.parametrize(
    ("read", "said"),
    [((64, 128), "readers a, b on 64 and 128 of them;"), ((128, 128), "readers a, b on 128 of them;"),
     ((256, 256), "readers a, b;")],
)  # fmt: skip
def test_the_facts_say_how_many_questions_readers_were_asked(read, said):
    rows = [
        {"reader": name, "look": 1, "questions": n, "of_questions": 256} for name, n in zip("ab", read, strict=True)
    ]
    made = run_of(readers=[reader("a"), reader("b")], looks=pl.DataFrame(rows, schema=LOOKS))
    assert said in summarise(*made).facts


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda one: one.name)
def test_published_runs_have_a_summary_and_a_record_that_its_schema_holds(folder):
    manifest = read_manifest(folder)
    tables = read_tables(folder, manifest)
    summary = summarise(manifest, tables)
    assert len(summary.answers) in (2, 3)
    assert first_finding(list_run(folder)) == summary.answers[0].sentence
    full = list(advice_in_full(Run(manifest, tables)))
    assert len(full) == sum(len(manifest.get(name, ())) for name in ("recommendations", "retrieval"))
    lines = [summary.facts, *(one.sentence for one in summary.answers), *summary.distrust, *full]
    assert not [line for line in lines if "size=" in line or "budget=" in line or "[" in line or "WARNING" in line]
    told = json.loads(record(manifest, tables).model_dump_json())
    jsonschema.validate(told, summary_schema())
    assert [one["sentence"] for one in told["answers"]] == [one.sentence for one in summary.answers]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told | {"version": 2}, summary_schema())


def test_a_run_of_another_format_or_a_damaged_one_is_listed_with_what_its_manifest_says(tmp_path):
    told = {"name": "old", "kind": "run", "tables": {"cells.parquet": "a digest"}, "sessions": [], "headline": "Then."}
    (tmp_path / "manifest.json").write_text(json.dumps(told | {"format": 2}))
    assert first_finding(list_run(tmp_path)) == "Then."
    (tmp_path / "manifest.json").write_text(json.dumps(told | {"format": 3}))  # its table is missing
    assert first_finding(list_run(tmp_path)) == "Then."
    (tmp_path / "manifest.json").write_text("{")
    assert "does not parse" in first_finding(list_run(tmp_path))
