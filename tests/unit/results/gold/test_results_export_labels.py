"""People's labels come back from each format to their questions, and what does not fit is said, a line each."""

import csv
import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from corpora.errors import InputError
from results.gold.export.formats.argilla import write_argilla
from results.gold.export.formats.given import moment
from results.gold.export.formats.label_studio import labeling_config, write_label_studio
from results.gold.export.formats.spreadsheet import write_spreadsheet
from results.gold.export.items import Items, item_schema
from results.gold.export.labels import LabelsError, read_labels
from results.gold.export.reviewed import with_reviews
from results.gold.review.reviews import REVIEWS
from results.gold.shown import show_question, text_digest
from tests.doubles.labeled_run import ASKED, LABELS, TEXTS
from tests.doubles.reviews import reviews_of

SHOWN = {one: show_question(text, [TEXTS[name] for name in of]) for one, text, of, *_ in ASKED}
WRITERS = {"label-studio": write_label_studio, "argilla": write_argilla, "csv": write_spreadsheet}


@pytest.fixture
def items():
    """All questions, none of them kept, so that a format has one file."""
    rows = [
        {"question_id": one, "question": text, "document_ids": list(of), "kept": False, "reason": "votes differ",
         "votes": ["no", None, "no"], "reference": reference,
         "text_digest": text_digest(text, [TEXTS[name] for name in of])}
        for one, text, of, reference, _ in ASKED
    ]  # fmt: skip
    schema = item_schema(LABELS)
    rows = [dict.fromkeys(schema) | row for row in rows]
    found = Items("a reader", LABELS, pl.DataFrame(rows, schema=schema), TEXTS)
    # What people said before travels along, and does not come back as said anew.
    return with_reviews(found, reviews_of(("q/1", "eve", "no"), ("q/5", "eve", None)))


@pytest.fixture
def review(items, tmp_path):
    """Write an export, let somebody fill it in, and read it back."""

    def review(kind, answers, reasons=None, edit=lambda content: content, reviewer="", known=()):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        WRITERS[kind](items, "a", folder, reasons)
        file = FILL[kind](folder, answers, edit)
        return read_labels(file, kind, SHOWN, LABELS, reviewer=reviewer, known=known)

    return review


def fill_label_studio(folder, answers, edit):
    tasks = json.loads((folder / "a.tasks.json").read_text(encoding="utf-8"))
    for number, task in enumerate(tasks):
        label, note = answers.get(task["data"]["question_id"], (None, None))
        chosen = {"from_name": "human_label", "type": "choices", "value": {"choices": [label]}}
        written = {"from_name": "human_note", "type": "textarea", "value": {"text": [note]}}
        task["annotations"] = [
            {"id": number, "completed_by": {"email": "ann@here"}, "was_cancelled": label == "skip",
             "updated_at": f"2026-11-30T01:00:0{number}.5Z", "result": [chosen, written] if note else [chosen]}
        ] if label is not None else []  # fmt: skip
    file = folder / "exported.json"
    file.write_text(json.dumps(edit(tasks)), encoding="utf-8")
    return file


def fill_argilla(folder, answers, edit):
    file = folder / "a" / "records.json"
    records = json.loads(file.read_text(encoding="utf-8"))
    for record in records:
        label, note = answers.get(record["id"], (None, None))
        if label is not None:
            values = {"label": label, "note": note}
            record["responses"] = {
                name: [{"value": value, "user_id": "ann@here"}] for name, value in values.items() if value
            }
            record["status"] = "pending" if label == "skip" else "completed"
    file.write_text(json.dumps(edit(records)), encoding="utf-8")
    return folder / "a"


def fill_csv(folder, answers, edit):
    file = folder / "a.excluded.csv"
    with file.open(encoding="utf-8-sig", newline="") as source:
        table = list(csv.DictReader(source))
    for row in table:
        label, note = answers.get(row["question_id"], (None, None))
        if label is not None:
            row |= {"reviewer": "ann@here", "reviewer_label": "" if label == "skip" else label, "reviewer_note": note}
    table = edit(table)
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, table[0].keys(), delimiter=";")  # as a spreadsheet in much of Europe saves it
        writer.writeheader()
        writer.writerows(table)
    return file


FILL = {"label-studio": fill_label_studio, "argilla": fill_argilla, "csv": fill_csv}
each_kind = pytest.mark.parametrize("kind", list(FILL))


@each_kind
def test_labels_skips_and_notes_come_back_to_their_questions(review, kind):
    answers = {"q/2": ("no", 'clear; "sure"'), "q/3": ("not said", None), "q/4": ("skip", None)}
    found = review(kind, answers, reasons={"q/2": "audit"})
    assert found.schema == REVIEWS
    assert found.select("question_id", "label", "note").rows() == [
        ("q/2", "no", 'clear; "sure"'), ("q/3", "not said", None), ("q/4", None, None),
    ]  # fmt: skip
    assert set(found["reviewer"]) == {"ann@here"}
    assert set(found["origin"]) == {kind}
    assert found["reason"].to_list() == ["audit", "other", "other"]
    assert found["text_digest"].to_list() == [SHOWN[one].digest for one in found["question_id"]]


def test_label_studio_says_when(review):
    found = review("label-studio", {"q/2": ("no", None)})
    assert found["reviewed_at"].to_list() == [datetime(2026, 11, 30, 1, 0, 1, 500_000, UTC)]
    assert review("argilla", {"q/2": ("no", None)})["reviewed_at"].to_list() == [None]


def test_json_min_is_read_too(items, tmp_path):
    (task, *_) = fill_label_studio_min(items, tmp_path)
    rows = [
        {**task["data"], "human_label": "yes", "human_note": "n", "annotator": 7, "annotation_id": 3,
         "updated_at": "2026-11-30T01:00:00Z", "id": 1},
        {**task["data"], "annotator": {}, "annotation_id": None, "id": 2},  # nobody annotated it
    ]  # fmt: skip
    (tmp_path / "min.json").write_text(json.dumps(rows), encoding="utf-8")
    found = read_labels(tmp_path / "min.json", "label-studio", SHOWN, LABELS)
    assert found.select("question_id", "reviewer", "label", "note").rows() == [("q/1", "user 7", "yes", "n")]


def fill_label_studio_min(items, folder):
    write_label_studio(items, "a", folder)
    return json.loads((folder / "a.tasks.json").read_text(encoding="utf-8"))


def test_a_prediction_is_what_most_votes_say(items, tmp_path):
    (task, *_) = fill_label_studio_min(items, tmp_path)
    (prediction,) = task["predictions"]
    assert prediction["result"][0]["value"] == {"choices": ["no"]}
    assert prediction["score"] == pytest.approx(2 / 3)


def test_labels_are_spelt_out_in_the_labeling_config():
    assert '<Choice value="a &amp; &lt;b&gt;" hotkey="2"/>' in labeling_config(("yes", "a & <b>"))


def test_a_label_in_other_letters_is_the_same_label(review):
    assert review("csv", {"q/1": (" YES ", None)})["label"].to_list() == ["yes"]


def changed(asked, /, **fields):
    """Change fields of one question wherever the format has them."""

    def edit(content):
        for one in content:
            places = [one, one.get("data", {}), one.get("fields", {}), one.get("metadata", {})]
            if asked in (one.get("question_id"), one.get("id"), one.get("data", {}).get("question_id")):
                for name, value in fields.items():
                    for place in places:
                        if name in place:
                            place[name] = value
        return content

    return edit


@each_kind
def test_everything_wrong_is_told_a_line_each_and_nothing_is_taken_over(review, kind):
    def edit(content):
        content = changed("q/2", document="Another document.")(content)
        return changed("q/3", text_digest="0" * 64)(content)

    answers = {one: ("perhaps" if one == "q/1" else "no", None) for one in ("q/1", "q/2", "q/3", "q/5")}
    with pytest.raises(LabelsError) as refused:
        review(kind, answers, edit=edit)
    lines = [str(one) for one in refused.value.problems]
    assert len(lines) == 3
    assert "question 'q/1': the label is 'perhaps': expected yes, no or not said" in lines[0]
    assert "question 'q/2': the document in the file was changed" in lines[1]
    assert "question 'q/3': the run has another text than the one that was reviewed" in lines[2]
    assert "(and 2 more problems in that file)" in str(refused.value)


@each_kind
def test_unknown_and_lost_ids_are_refused(review, kind):
    name = "id" if kind == "argilla" else "question_id"
    with pytest.raises(LabelsError, match="'q/99': the run has no such question: expected a question of this run"):
        review(kind, {"q/1": ("yes", None)}, edit=changed("q/1", **{name: "q/99"}))
    with pytest.raises(LabelsError, match="has no question_id"):
        review(kind, {"q/1": ("yes", None)}, edit=changed("q/1", **{name: ""}))


def test_a_reviewer_must_be_named_in_the_file_or_for_it(review):
    edit = changed("q/1", reviewer="")
    with pytest.raises(LabelsError, match="nobody is named as its reviewer"):
        review("csv", {"q/1": ("yes", None)}, edit=edit)
    assert review("csv", {"q/1": ("yes", None)}, edit=edit, reviewer="bo")["reviewer"].to_list() == ["bo"]


def test_two_labels_on_one_question_are_no_label(review):
    def both(tasks):
        tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["yes", "no"]
        return tasks

    with pytest.raises(LabelsError, match="the label is 'yes, no'"):
        review("label-studio", {"q/1": ("yes", None)}, edit=both)


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("label-studio", "{}", "is not a list of tasks"),
        ("label-studio", '[{"question": 1}]', "neither `data` nor `annotation_id`"),
        ("label-studio", "[1]", "task 1 is not an object"),
        ("argilla", '[{"fields": 1}]', "not a list of Argilla's records"),
        ("csv", "question_id,reviewer_label\n1,yes\n", "'question_id', 'reviewer_label', and no text_digest"),
        ("csv", "a;b\n", "has the columns 'a', 'b', and no question_id, text_digest or reviewer_label: expected the "
                         "columns question_id, text_digest and reviewer_label of the export"),
        ("csv", f"{','.join(f'c{n}' for n in range(14))}\n", "'c11' and 2 more, and no question_id"),
        ("csv", "labels\n", "has the column 'labels', and no question_id"),
        ("csv", "", "is empty"),
    ],
)  # fmt: skip
def test_another_file_is_refused(tmp_path, kind, content, told):
    file = tmp_path / "file"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_labels(file, kind, SHOWN, LABELS)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no"):
        read_labels(tmp_path / "gone.csv", "csv", SHOWN, LABELS)


@pytest.mark.parametrize("note", [{"text": ["a", "b"]}, [{"text": "a"}, "b"], "a b", {"text": "a b"}, ["a", None, "b"]])
def test_a_note_is_read_in_every_form_that_label_studio_writes(items, tmp_path, note):
    (task, *_) = fill_label_studio_min(items, tmp_path)
    row = {**task["data"], "human_label": "yes", "human_note": note, "annotator": 7, "annotation_id": 3, "id": 1}
    (tmp_path / "min.json").write_text(json.dumps([row]), encoding="utf-8")
    assert read_labels(tmp_path / "min.json", "label-studio", SHOWN, LABELS)["note"].to_list() == ["a b"]


@pytest.mark.parametrize(
    ("kind", "place", "value", "told"),
    [
        ("label-studio", ("annotations", 0, "result", 1, "value", "text"), {"lost": "words"}, "`human_note` is"),
        ("label-studio", ("annotations", 0, "result", 1, "value"), "words", "the value of `human_note` is 'words'"),
        ("label-studio", ("data", "document"), ["a"], "`document` is ['a']: expected a text, or nothing"),
        ("label-studio", ("data", "text_digest"), 7, "`text_digest` is 7"),
        ("argilla", ("responses", "note", 0, "value"), {"lost": "words"}, "`note` is"),
        ("argilla", ("responses", "note"), {"lost": "words"}, "the responses to `note` are"),
        ("argilla", ("responses", "label", 0), "yes", "the responses to `label` are ['yes']"),
        ("argilla", ("id",), 5, "`id` is 5"),
    ],
)
def test_what_is_no_text_is_said_and_never_dropped(review, kind, place, value, told):
    def edit(content):
        (*way, last), at = place, content[0]
        for step in way:
            at = at[step]
        at[last] = value
        return content

    with pytest.raises(InputError, match=re.escape(told)):
        review(kind, {"q/1": ("yes", "sure")}, edit=edit)


def doubled(**changes):
    """Give the first row that was filled in once more, with changes; in Label Studio as another annotation."""

    def edit(table):
        first = next(row for row in table if row["reviewer_label"] or row["reviewer"])
        return [*table, {**first, **changes}]

    return edit


@pytest.mark.parametrize(
    ("label", "changes", "told"),
    [
        ("yes", {"reviewer_label": "no"}, "gave the labels 'yes' and 'no'"),
        ("yes", {"reviewer_label": ""}, "gave the label 'yes' and skipped it"),
        ("yes", {"reviewer_note": "on second thought"}, "wrote different notes"),
    ],
)
def test_two_words_of_one_reviewer_on_one_question_are_refused_with_their_rows(review, label, changes, told):
    with pytest.raises(LabelsError) as refused:
        review("csv", {"q/1": (label, "sure"), "q/2": ("perhaps", None)}, edit=doubled(**changes))
    unknown, twice = map(str, refused.value.problems)
    assert "the label is 'perhaps'" in unknown
    assert re.search(rf"a\.excluded\.csv, rows 1 and 6, question 'q/1': ann@here {told}: expected one word of", twice)


@pytest.mark.parametrize("changes", [{}, {"reviewer_label": " YES"}, {"reviewer": "bo", "reviewer_label": "no"}])
def test_the_same_word_twice_and_words_of_two_reviewers_are_taken(review, changes):
    assert len(review("csv", {"q/1": ("yes", "sure")}, edit=doubled(**changes))) == 2


@pytest.mark.parametrize(("skipped_at", "is_taken"), [("00", True), ("02", False)])
def test_a_skip_counts_as_taken_back_only_by_a_later_label(review, skipped_at, is_taken):
    def edit(tasks):
        (first,) = tasks[0]["annotations"]
        skip = {**first, "was_cancelled": True, "updated_at": f"2026-11-30T01:00:{skipped_at}Z"}
        label = {**first, "updated_at": "2026-11-30T01:00:01Z"}
        tasks[0]["annotations"] = [label, skip]
        return tasks

    if is_taken:
        assert review("label-studio", {"q/1": ("yes", None)}, edit=edit)["label"].to_list() == [None, "yes"]
    else:
        with pytest.raises(LabelsError, match=r"task 1, question 'q/1': ann@here gave the label 'yes' and skipped it"):
            review("label-studio", {"q/1": ("yes", None)}, edit=edit)


def test_names_that_differ_in_letter_case_alone_are_refused(review):
    answers = {"q/1": ("yes", None), "q/2": ("no", None)}
    with pytest.raises(LabelsError, match=r"row 2: the reviewer name 'ANN@here', which differs from 'ann@here'"):
        review("csv", answers, edit=changed("q/2", reviewer="ANN@here"))
    with pytest.raises(LabelsError, match=r"row 1: the reviewer name 'ann@here', which differs from 'Ann@here'"):
        review("csv", answers, known=["Ann@here"])
    assert len(review("csv", answers, known=["Ann@here", "ann@here"])) == 2, "an older store may hold both"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *(("label-studio", [{"data": {}, "annotations": wrong}]) for wrong in ({}, ["a"], "a", 5)),
        ("label-studio", [{"data": {}, "annotations": [{"result": 5}]}]),
        *(("argilla", [{"id": "q", "responses": wrong}]) for wrong in (5, ["a"], "a")),
        *(("argilla", [{"id": "q", "responses": {}, name: "a"}]) for name in ("metadata", "fields")),
    ],
)
def test_a_file_of_another_shape_is_told_in_one_line(tmp_path, kind, content):
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"(task|record) 1: `\w+` is not"):
        read_labels(file, kind, SHOWN, LABELS, reviewer="ann")


def test_half_a_character_is_told(tmp_path):
    file = tmp_path / "labels.json"
    file.write_text(r'[{"data": {"question_id": "\ud800"}}]', encoding="utf-8")
    with pytest.raises(InputError, match=r"holds .ud800, half a character"):
        read_labels(file, "label-studio", SHOWN, LABELS)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+23:00", "yesterday"])
def test_a_time_that_is_none_is_left_out(text):
    assert moment(text) is None
