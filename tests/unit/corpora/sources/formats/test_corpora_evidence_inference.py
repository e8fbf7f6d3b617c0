"""Evidence Inference: prompts, annotations and articles in their official layout."""

import csv

import pytest

from corpora.errors import InputError, RowError
from corpora.schema import Section, Span, iter_documents, iter_questions
from corpora.shaping.validate import find_problems
from corpora.sources.formats.evidence_inference import ANNOTATIONS, LABELS, PROMPTS, TEXTS, read_evidence_inference
from tests.conftest import needs_data, own_data

DATA = own_data("evidence_inference")
ARTICLE = "TITLE: \nOn naïve mice\n\n\n\nBODY.RESULTS::\nWeight rose 🐁 (p < .01).\r\nSleep did not.\n"
ROSE, NOT = "Weight rose 🐁 (p < .01).", "Sleep did not."


def annotation(user, prompt, label, marked, valid=("True", "True"), start=None):
    at = ARTICLE.index(marked) if start is None else start
    end = at + len(marked) if at >= 0 else -1
    return [user, prompt, "7", *valid, label, marked, "0", "UNK", at, end]


def write(folder, annotations, prompts=None, article=ARTICLE):
    (folder / TEXTS).mkdir(exist_ok=True)
    (folder / TEXTS / "PMC7.txt").write_bytes(article.encode())
    prompts = prompts or [["1", "7", "weight ", "cheese", "bread"], ["2", "7", "sleep", "cheese", "bread"]]
    head = ["UserID", "PromptID", "PMCID", "Valid Label", "Valid Reasoning", "Label", "Annotations", "Label Code"]
    for name, header, rows in (
        (PROMPTS, ["PromptID", "PMCID", "Outcome", "Intervention", "Comparator"], prompts),
        (ANNOTATIONS, [*head, "In Abstract", "Evidence Start", "Evidence End"], annotations),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    return folder


GOOD = [
    annotation("0", "1", "significantly increased", ROSE),
    annotation("3", "1", "significantly increase", "Weight rose"),
    annotation("3", "1", "significantly increased", ROSE),
    annotation("0", "2", "no significant difference", NOT),
]


def test_a_prompt_is_a_question_with_its_label_evidence_and_annotators(tmp_path):
    corpus = read_evidence_inference(write(tmp_path, GOOD))
    first, second = iter_questions(corpus.questions)
    assert first.text == "Compared with bread, what was the effect of cheese on weight?"
    assert (first.id, first.document_ids, first.reference) == ("1", ("PMC7",), "significantly increased")
    start = ARTICLE.index(ROSE)
    assert first.evidence == (Span("PMC7", start, start + 11), Span("PMC7", start, start + len(ROSE)))
    assert first.annotators == {"user 0": "significantly increased", "user 3": "significantly increased"}
    assert [corpus.texts["PMC7"][one.start : one.end] for one in second.evidence] == [NOT]
    assert corpus.labels == LABELS
    assert list(find_problems(corpus)) == []


def test_the_article_is_as_it_was_and_its_sections_begin_behind_their_headings(tmp_path):
    (document,) = iter_documents(read_evidence_inference(write(tmp_path, GOOD)).documents)
    assert document.text == ARTICLE
    (title, results) = document.sections
    assert document.text[title.start : title.end] == "On naïve mice\n\n\n\n"
    assert results == Section("BODY.RESULTS", ARTICLE.index("Weight"), len(ARTICLE))


def test_prompts_on_which_valid_annotations_differ_or_that_have_none_make_no_question(tmp_path):
    rows = [
        *GOOD[:3],
        annotation("5", "1", "no significant difference", ROSE, valid=("False", "True")),
        annotation("5", "1", "no significant difference", ROSE, valid=("True", "False")),
        annotation("0", "2", "no significant difference", NOT),
        annotation("1", "2", "significantly decreased", NOT),
    ]
    corpus = read_evidence_inference(write(tmp_path, rows, [["1", "7", "a", "b", "c"], ["2", "7", "a", "b", "c"],
                                                            ["3", "7", "a", "b", "c"]]))  # fmt: skip
    assert corpus.questions["question_id"].to_list() == ["1"]


def test_evidence_that_nobody_marked_is_none(tmp_path):
    corpus = read_evidence_inference(write(tmp_path, [annotation("0", "1", "significantly increased", ROSE, start=-1)]))
    assert [question.evidence for question in iter_questions(corpus.questions)] == [()]


def test_the_official_lists_are_the_splits(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / "ev2_validation_article_ids.txt").write_text("7\n", encoding="utf-8")
    assert read_evidence_inference(tmp_path).questions["split"].to_list() == ["held_out", "held_out"]
    (tmp_path / "ev2_validation_article_ids.txt").unlink()
    assert read_evidence_inference(tmp_path).questions["split"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.__setitem__(5, "went up"), r"row 1, field 'Label': 'went up': expected one of"),
        (lambda row: row.__setitem__(9, "soon"), r"row 1, field 'Evidence Start'"),
        (lambda row: row.__setitem__(9, row[9] + 1), r"row 1, field 'Evidence Start': 'eight rose"),
    ],
)
def test_a_bad_annotation_is_named_by_row_and_field(tmp_path, change, said):
    row = list(GOOD[0])
    change(row)
    with pytest.raises(RowError, match=said):
        read_evidence_inference(write(tmp_path, [row, *GOOD[1:]]))


def test_an_article_that_is_not_there_is_named(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / TEXTS / "PMC7.txt").unlink()
    with pytest.raises(RowError, match=r"row 1, field 'PMCID': no .*PMC7\.txt"):
        read_evidence_inference(tmp_path)


@pytest.mark.parametrize("name", [PROMPTS, ANNOTATIONS])
def test_a_file_that_is_missing_or_not_utf8_is_named(tmp_path, name):
    write(tmp_path, GOOD)
    (tmp_path / name).write_bytes(b"PromptID,UserID\n\xff\xfe,1\n")
    with pytest.raises(InputError, match=name):
        read_evidence_inference(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"no file .*{name}"):
        read_evidence_inference(tmp_path)


def test_a_row_that_is_cut_short_is_named(tmp_path):
    write(tmp_path, GOOD, [["1", "7", "weight"]])
    with pytest.raises(InputError, match="row 1 has 3 fields, and the header has 5 fields"):
        read_evidence_inference(tmp_path)


@needs_data(DATA)
def test_the_hundred_and_fifty_articles():
    corpus = read_evidence_inference(DATA)
    assert (len(corpus.documents), len(corpus.questions)) == (150, 395)
    counts = dict(corpus.questions["reference"].value_counts().iter_rows())
    assert counts == {
        "no significant difference": 177,
        "significantly increased": 109,
        "significantly decreased": 109,
    }
    first = next(iter_questions(corpus.questions))
    assert first.id == "11180"
    assert first.text.endswith(
        "what was the effect of tobacco-use prevention programs on Knowledge that smoking causes bad breath?"
    )
    assert corpus.texts["PMC88884"][first.evidence[0].start :].startswith("(1) Smoking causes bad breath")
    words = sorted(len(text.split()) for text in corpus.texts.values())
    assert (words[0], words[75], words[-1]) == (247, 3878, 7821)
    assert list(find_problems(corpus)) == []
