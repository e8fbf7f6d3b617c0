"""PubMedQA: the official labeled part row by row, and what happens to a file that is not of its layout."""

import json
from collections import Counter

import polars as pl
import pytest

from corpora.errors import InputError, RowError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.loading.recognised import guess_config
from corpora.schema import iter_questions
from corpora.shaping.validate import validate
from corpora.sources.formats.pubmedqa import ANNOTATORS, read_pubmedqa
from corpora.storage import sha256_file
from tests.conftest import needs_data, own_data

DATA = own_data("pubmedqa")
is_here = needs_data(DATA)

ITEM = {
    "QUESTION": "Does it work?",
    "CONTEXTS": ["We tried it.", "It often worked."],
    "LABELS": ["METHODS", "RESULTS"],
    "YEAR": "2001",
    "reasoning_required_pred": "no",
    "reasoning_free_pred": "yes",
    "final_decision": "yes",
    "LONG_ANSWER": "It works, we conclude.",
}


@pytest.fixture(scope="module")
def pubmedqa():
    return read_pubmedqa(DATA)


@pytest.fixture(scope="module")
def official_items():
    return json.loads((DATA / "ori_pqal.json").read_text(encoding="utf-8"))


def write_items(folder, **items):
    file = folder / "ori_pqal.json"
    file.write_text(json.dumps(items), encoding="utf-8")
    return file


def item_without(name):
    return {key: value for key, value in ITEM.items() if key != name}


# The official labeled part


@is_here
def test_the_labeled_part_has_1000_documents_and_questions_and_is_sound(pubmedqa):
    assert (pubmedqa.documents.height, pubmedqa.questions.height) == (1000, 1000)
    assert validate(pubmedqa) is pubmedqa


@is_here
def test_the_labels_are_counted_as_the_paper_counts_them(pubmedqa):
    # Jin et al. 2019, table 1: 55.2 % yes, 33.8 % no, 11.0 % maybe.
    assert Counter(pubmedqa.questions["reference"]) == {"yes": 552, "no": 338, "maybe": 110}


@is_here
@pytest.mark.parametrize(
    ("row", "pubmed_id", "question_starts", "reference", "split", "year", "section_names"),
    [
        pytest.param(
            0,
            "21645374",
            "Do mitochondria play a role in remodelling lace plant",
            "yes",
            "held_out",
            "2011",
            ["BACKGROUND", "RESULTS"],
            id="first",
        ),
        pytest.param(
            499,
            "10593212",
            "Does loss of consciousness predict neuropsychological decrements",
            "no",
            "tune",
            "1999",
            ["OBJECTIVE", "DESIGN", "SETTING", "PATIENTS", "MAIN OUTCOME MEASURES", "RESULTS"],
            id="500th",
        ),
        pytest.param(
            999,
            "17559449",
            "Are sugars-free medicines more erosive",
            "no",
            "tune",
            "2007",
            ["OBJECTIVE", "METHODS", "RESULTS"],
            id="last",
        ),
    ],
)
def test_known_rows_stand_where_the_official_file_has_them(
    pubmedqa, row, pubmed_id, question_starts, reference, split, year, section_names
):
    question = list(iter_questions(pubmedqa.questions))[row]
    document = pubmedqa.documents.row(row, named=True)
    assert (question.id, question.document_ids, document["document_id"]) == (pubmed_id, (pubmed_id,), pubmed_id)
    assert question.text.startswith(question_starts)
    assert (question.reference, question.split, question.tags) == (reference, split, {"year": year})
    assert [section["name"] for section in document["sections"]] == section_names


@is_here
def test_the_official_500_test_ids_are_held_out_and_the_other_500_are_for_tuning(pubmedqa):
    official = set(json.loads((DATA / "test_ground_truth.json").read_text(encoding="utf-8")))
    split = dict(pubmedqa.questions.select("question_id", "split").iter_rows())
    assert Counter(split.values()) == {"held_out": 500, "tune": 500}
    assert {pubmed_id for pubmed_id, part in split.items() if part == "held_out"} == official


@is_here
def test_each_section_slices_its_context_out_of_the_text_exactly(pubmedqa, official_items):
    for document in pubmedqa.documents.iter_rows(named=True):
        item = official_items[document["document_id"]]
        slices = [document["text"][section["start"] : section["end"]] for section in document["sections"]]
        assert slices == item["CONTEXTS"]
        assert [section["name"] for section in document["sections"]] == item["LABELS"]


@is_here
def test_no_conclusion_appears_in_any_document(pubmedqa, official_items):
    everything = "\n".join(pubmedqa.texts.values())
    assert [pubmed_id for pubmed_id, item in official_items.items() if item["LONG_ANSWER"] in everything] == []


@is_here
def test_both_annotators_are_kept_and_both_agree_with_the_final_label_on_701_questions(pubmedqa):
    questions = list(iter_questions(pubmedqa.questions))
    assert {tuple(question.annotators) for question in questions} == {
        ("reasoning_required_pred", "reasoning_free_pred")
    }
    assert sum(set(question.annotators.values()) == {question.reference} for question in questions) == 701


@is_here
def test_the_58_questions_without_a_year_carry_no_year_tag(pubmedqa):
    assert sum("year" not in question.tags for question in iter_questions(pubmedqa.questions)) == 58


@is_here
def test_both_files_are_named_by_their_digest(pubmedqa):
    assert set(pubmedqa.inputs) == {"ori_pqal.json", "test_ground_truth.json"}
    assert all(len(digest) == 64 for digest in pubmedqa.inputs.values())


# Small files of the same layout


def test_the_conclusion_is_not_read_into_the_document(tmp_path):
    corpus = read_pubmedqa(write_items(tmp_path, **{"1": ITEM}))
    assert corpus.texts == {"1": "We tried it.\n\nIt often worked."}


def test_without_the_official_test_ids_no_split_is_set(tmp_path):
    corpus = read_pubmedqa(write_items(tmp_path, **{"1": ITEM}))
    assert corpus.questions["split"].to_list() == [None]


def test_an_unlabeled_item_has_no_reference_and_no_annotators(tmp_path):
    unlabeled = {name: ITEM[name] for name in ("QUESTION", "CONTEXTS", "LABELS", "LONG_ANSWER")}
    (tmp_path / "ori_pqau.json").write_text(json.dumps({"1": unlabeled}), encoding="utf-8")
    (question,) = iter_questions(read_pubmedqa(tmp_path).questions)
    assert (question.reference, question.annotators, question.tags) == (None, {}, {})


def test_texts_keep_their_blanks_and_their_unicode(tmp_path):
    contexts = [" leading, trailing \n", "\N{WINKING FACE} e\N{COMBINING ACUTE ACCENT}\N{LINE SEPARATOR}\r\n"]
    corpus = read_pubmedqa(write_items(tmp_path, **{"1": ITEM | {"CONTEXTS": contexts}}))
    assert corpus.texts["1"] == "\n\n".join(contexts)


def test_a_missing_file_is_refused_with_the_place_and_the_name_that_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"ori_pqal\.json") as error:
        read_pubmedqa(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(error.value)


def test_a_folder_without_a_pubmedqa_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no PubMedQA file"):
        read_pubmedqa(tmp_path)


@pytest.mark.parametrize("name", ["ori_pqal.json", "test_ground_truth.json"])
@pytest.mark.parametrize("content", [b'{"1": ', b'{"1": "\xe9"}'], ids=["broken JSON", "not UTF-8"])
def test_a_file_that_does_not_parse_is_refused_by_name(tmp_path, name, content):
    write_items(tmp_path, **{"1": ITEM})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}(, line 1)? (does not parse|is not UTF-8)"):
        read_pubmedqa(tmp_path)


@pytest.mark.parametrize("name", ["ori_pqal.json", "test_ground_truth.json"])
def test_a_json_list_is_refused_by_name(tmp_path, name):
    write_items(tmp_path, **{"1": ITEM})
    (tmp_path / name).write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=rf"{name} holds a list"):
        read_pubmedqa(tmp_path)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        pytest.param(item_without("QUESTION"), "QUESTION", id="missing QUESTION"),
        pytest.param(ITEM | {"QUESTION": 7}, "QUESTION", id="QUESTION is a number"),
        pytest.param(item_without("CONTEXTS"), "CONTEXTS", id="missing CONTEXTS"),
        pytest.param(ITEM | {"CONTEXTS": "one text"}, "CONTEXTS", id="CONTEXTS is a text"),
        pytest.param(ITEM | {"CONTEXTS": ["a text", None]}, "CONTEXTS", id="a context is null"),
        pytest.param(ITEM | {"CONTEXTS": ["a text", ["x"]]}, "CONTEXTS", id="a context is a list"),
        pytest.param(ITEM | {"CONTEXTS": ["a text", "\ud800"]}, "CONTEXTS", id="a context has a lone surrogate"),
        pytest.param(ITEM | {"QUESTION": "\ud800"}, "QUESTION", id="the question has a lone surrogate"),
        pytest.param(item_without("LABELS"), "LABELS", id="missing LABELS"),
        pytest.param(ITEM | {"LABELS": ["METHODS"]}, "LABELS", id="fewer LABELS than CONTEXTS"),
        pytest.param(ITEM | {"LABELS": ["A", "B", "C"]}, "LABELS", id="more LABELS than CONTEXTS"),
        pytest.param("only a text", "item", id="not an object"),
    ],
)
def test_a_bad_item_is_refused_with_file_id_and_field(tmp_path, item, field):
    file = write_items(tmp_path, **{"1": ITEM, "2": item})
    with pytest.raises(RowError) as error:
        read_pubmedqa(tmp_path)
    assert (error.value.where, error.value.row, error.value.field) == (str(file), "2", field)
    assert str(error.value).startswith(f"{file}, row 2, field '{field}': ")


def test_unequal_labels_and_contexts_are_counted_in_the_message(tmp_path):
    write_items(tmp_path, **{"1": ITEM | {"LABELS": ["METHODS"]}})
    with pytest.raises(RowError, match="1 label for 2 contexts"):
        read_pubmedqa(tmp_path)


def test_a_duplicate_id_is_refused_and_not_overwritten(tmp_path):
    item = '{"QUESTION": "?", "CONTEXTS": ["a"], "LABELS": ["A"], "final_decision": "yes"}'
    (tmp_path / "ori_pqal.json").write_text(f'{{"1": {item}, "1": {item}}}', encoding="utf-8")
    with pytest.raises(InputError, match=r"has the key '1' twice"):
        read_pubmedqa(tmp_path)


def test_a_duplicate_id_is_named_in_one_line_wherever_it_stands(tmp_path):
    item = json.dumps(ITEM)
    (tmp_path / "ori_pqal.json").write_text(f'{{"1": {item}, "22": {item}, "3": {item}, "22": {item}}}', "utf-8")
    with pytest.raises(InputError, match=r"ori_pqal\.json has the key '22' twice") as refusal:
        read_pubmedqa(tmp_path)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_duplicate_id_among_the_held_out_ones_is_refused_too(tmp_path):
    write_items(tmp_path, **{"1": ITEM, "2": ITEM})
    (tmp_path / "test_ground_truth.json").write_text('{"1": "yes", "1": "no"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"test_ground_truth\.json has the key '1' twice"):
        read_pubmedqa(tmp_path)


@pytest.mark.parametrize("value", [0, False, [], "", {}, 1.5, ["yes"]])
def test_a_label_of_the_wrong_kind_is_a_defect_and_not_a_missing_label(tmp_path, value):
    file = write_items(tmp_path, **{"1": ITEM, "2": ITEM | {"final_decision": value}})
    with pytest.raises(RowError) as error:
        read_pubmedqa(tmp_path)
    assert (error.value.where, error.value.row, error.value.field) == (str(file), "2", "final_decision")


@pytest.mark.parametrize("field", ["final_decision", *ANNOTATORS])
def test_a_label_that_is_null_is_missing(tmp_path, field):
    (question,) = iter_questions(read_pubmedqa(write_items(tmp_path, **{"1": ITEM | {field: None}})).questions)
    assert (question.reference is None) == (field == "final_decision")
    assert field not in question.annotators


# What is left out where something may be


def skipping(file):
    return load_corpus(CorpusConfig(source="pubmedqa", path=file, split="all"))


def noted(corpus):
    return [(one.kind, one.row, one.id, one.reason.partition(":")[0]) for one in corpus.left_out.defects]


def test_items_that_cannot_be_used_are_left_out_and_listed(tmp_path):
    items = {"1": ITEM, "2": ITEM | {"final_decision": False}, "3": ITEM | {"LABELS": ["A"]}, "4": "only a text"}
    corpus = skipping(write_items(tmp_path, **items, **{str(number): ITEM for number in range(5, 10)}))
    assert corpus.questions["question_id"].to_list() == ["1", "5", "6", "7", "8", "9"]
    assert corpus.documents["document_id"].to_list() == ["1", "2", "5", "6", "7", "8", "9"]
    assert noted(corpus) == [
        ("question", "2", "2", "final_decision"),
        ("document", "3", "3", "LABELS"),
        ("document", "4", "4", "item"),
        ("gold document", "id '3'", "3 3", "document_ids"),
        ("question", "id '3'", "3", "document_ids"),
    ]


def test_a_year_and_an_annotator_that_cannot_be_used_cost_only_themselves(tmp_path):
    odd = ITEM | {"YEAR": ["2019"], "reasoning_free_pred": "perhaps", "reasoning_required_pred": 0}
    corpus = skipping(write_items(tmp_path, **{"1": odd, "2": ITEM | {"YEAR": 2001.0}}))
    first, second = iter_questions(corpus.questions)
    assert (first.reference, first.annotators, first.tags) == ("yes", {}, {})
    assert (second.tags, len(second.annotators)) == ({"year": "2001"}, 2)
    assert noted(corpus) == [
        ("annotator", "1", "1", "reasoning_required_pred"),
        ("annotator", "1", "1", "reasoning_free_pred"),
        ("tag", "1", "1", "YEAR"),
    ]


# Parquet and lines of JSON, as the hub's `datasets` exports them


def exported(number, decision, **context):
    known = {"contexts": ["We tried it.", "It often worked."], "labels": ["METHODS", "RESULTS"], "meshes": ["Tea"],
             "reasoning_required_pred": list("no"), "reasoning_free_pred": list("yes")}  # fmt: skip
    return {"pubid": number, "question": "Does it work?", "context": known | context, "long_answer": "It works.",
            "final_decision": decision}  # fmt: skip


def write_export(folder, rows, name):
    file = folder / name
    if file.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(file)
    else:
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


EXPORTS = ["train-00000-of-00001.parquet", "train.json", "train.jsonl"]


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_reads_like_the_official_file(tmp_path, name):
    file = write_export(tmp_path, [exported(21645374, "yes"), exported(16418930, "no")], name)
    corpus = validate(read_pubmedqa(file))
    official = read_pubmedqa(write_items(tmp_path, **{"21645374": ITEM, "16418930": ITEM | {"final_decision": "no"}}))
    assert corpus.documents.equals(official.documents)
    assert corpus.questions.drop("tags").equals(official.questions.drop("tags"))  # an export has no years
    assert corpus.inputs == {name: sha256_file(file)}
    if file.suffix != ".jsonl":
        assert guess_config(file) == CorpusConfig(source="pubmedqa", path=file, split="all")


def test_an_annotator_that_is_no_label_costs_an_export_only_that(tmp_path):
    rows = [exported(1, "yes", reasoning_free_pred=["y"]), exported(2, "no")]
    corpus = skipping(write_export(tmp_path, rows, EXPORTS[0]))
    assert [len(question.annotators) for question in iter_questions(corpus.questions)] == [1, 2]
    assert noted(corpus) == [("annotator", "1", "1", "reasoning_free_pred")]


def test_an_unlabeled_export_has_no_references(tmp_path):
    rows = [
        {"pubid": 1, "question": "Does it work?", "context": {"contexts": ["It does."], "labels": ["RESULTS"]}},
        {"pubid": 2, "question": "Does it?", "context": {"contexts": ["It does not."], "labels": ["RESULTS"]}},
    ]
    corpus = validate(read_pubmedqa(write_export(tmp_path, rows, EXPORTS[0])))
    assert corpus.texts == {"1": "It does.", "2": "It does not."}
    assert corpus.questions["reference"].to_list() == [None, None]


def test_an_export_with_an_id_twice_is_refused_by_name(tmp_path):
    file = write_export(tmp_path, [exported(1, "yes"), exported(1, "no")], EXPORTS[0])
    with pytest.raises(InputError, match="duplicate id '1'"):
        skipping(file)
