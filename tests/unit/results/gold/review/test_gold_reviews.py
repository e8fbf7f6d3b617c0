"""People's labels: kept line by line, whatever is killed, and counted for the text that they were given for."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from upath import UPath

from corpora.errors import InputError
from corpora.reading.damage import set_aside
from results.gold.review.reviews import REVIEWS, check_reviewer, counted_reviews, latest
from results.gold.review.storage import ReviewFolder, damaged_reviews, file_name, reviews_folder

START = datetime(2026, 11, 30, 8, tzinfo=UTC)


def reviews(*given, digest="text"):
    """Rows from (question, reviewer, label), a minute apart."""
    rows = [
        {
            "question_id": question, "reviewer": reviewer, "label": label, "note": "a\nb \u2028 ü", "origin": "page",
            "reason": "split", "text_digest": digest, "reviewed_at": START + timedelta(minutes=at),
        }
        for at, (question, reviewer, label) in enumerate(given)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=REVIEWS)


@pytest.fixture
def folder(tmp_path):
    return ReviewFolder(reviews_folder(tmp_path, "handbook"))


def test_what_was_kept_is_read_as_it_was_given(folder):
    given = reviews(("q1", "ann", "yes"), ("q2", "ann", None), ("q1", "ann", "no"))
    for row in range(3):
        folder.append(given[row])
    folder.append(reviews(("q1", "bob", "yes")))
    assert folder.read().equals(pl.concat([given, reviews(("q1", "bob", "yes"))]))
    assert sorted(one.name for one in folder.folder.glob("*.jsonl")) == ["ann.jsonl", "bob.jsonl"]
    assert latest(folder.read()).select("reviewer", "question_id", "label").rows() == [
        ("ann", "q2", None), ("ann", "q1", "no"), ("bob", "q1", "yes"),
    ]  # fmt: skip


def test_nothing_is_read_from_a_store_without_labels(folder):
    assert folder.read().equals(pl.DataFrame(schema=REVIEWS))


@pytest.mark.parametrize("cut", [1, 40])
def test_half_a_line_of_a_killed_process_is_set_aside_with_a_word(folder, caplog, cut):
    folder.append(reviews(("q1", "ann", "yes"), ("q2", "ann", "no")))
    file = folder.folder / "ann.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    assert folder.read()["question_id"].to_list() == ["q1"]
    folder.append(reviews(("q3", "ann", "no")))
    assert folder.read()["question_id"].to_list() == ["q1", "q3"]
    torn = folder.folder / "damaged" / "ann.jsonl"
    assert torn.read_bytes() == whole.splitlines()[1][: 1 - cut or None] + b"\n"
    assert [one.getMessage() for one in caplog.records] == [
        f"{file} ended in half a line, from a process that was killed: it is now in {torn}."
    ]


def test_a_damaged_line_does_not_count_and_the_store_check_keeps_the_others(folder, tmp_path, caplog):
    folder.append(reviews(("q1", "ann", "yes"), ("q2", "ann", "yes"), ("q3", "ann", "yes")))
    file = folder.folder / "ann.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"yes"', b'"no"')
    file.write_bytes(b"".join(lines))
    assert folder.read()["question_id"].to_list() == ["q1", "q3"]
    assert "ann.jsonl, line 2 is damaged" in caplog.text
    folder.append(reviews(("q4", "ann", "no")))
    (damage,) = damaged_reviews(tmp_path)
    assert damage.path == file
    set_aside(damage)
    folder.append(reviews(("q1", "ann", "no")))
    assert list(damaged_reviews(tmp_path)) == []
    assert folder.read().select("question_id", "label").rows() == [
        ("q1", "yes"), ("q3", "yes"), ("q4", "no"), ("q1", "no"),
    ]  # fmt: skip


def test_two_writers_for_one_reviewer_leave_every_line_whole(folder):
    def write(number):
        for at in range(10):  # opened anew each time, as by a process of its own: the lock is the file's
            ReviewFolder(folder.folder).append(reviews((f"{number}-{at}", "ann", "yes")))

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, range(2)))
    found = folder.read()["question_id"].to_list()
    assert sorted(found) == sorted(f"{number}-{at}" for number in range(2) for at in range(10))
    assert [one for one in found if one.startswith("1-")] == [f"1-{at}" for at in range(10)]


def test_a_folder_that_cannot_be_written_to_is_said_in_a_line(folder):
    folder.folder.parent.mkdir()
    folder.folder.write_text("a file")
    with pytest.raises(InputError, match=r"cannot keep labels in .*ann\.jsonl"):
        folder.append(reviews(("q1", "ann", "yes")))


def test_a_store_that_is_not_here_cannot_be_appended_to():
    with pytest.raises(InputError, match="which is not on this machine"):
        reviews_folder(UPath("memory://store"), "handbook")


def test_a_corpus_whose_name_is_a_path_stays_below_the_store(tmp_path):
    folder = reviews_folder(tmp_path, "../../etc")
    assert folder.parent == tmp_path / "reviews"
    assert folder.name.startswith("corpus-")


@pytest.mark.parametrize("name", ["ann", "Ann Lee", "Zoë", "ann.lee+gold@example.org", "李雷", "7"])
def test_names_of_people_are_taken(name):
    assert check_reviewer(f" {name} ") == name


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../ann", "a/b", "a\\b", "-ann", ".ann", "ann.", "a\nb", "a\0", "a" * 41]
)
def test_names_that_are_no_file_names_are_refused(name):
    with pytest.raises(InputError, match="the reviewer name"):
        check_reviewer(name)


@pytest.mark.parametrize(
    "name",
    ["CON", "con", "Nul", "aux", "prn", "COM1", "lpt9", "com\u00b9", "con.ann", "\uff23\uff2f\uff2e", "Con .x"],
)
def test_a_person_named_like_a_device_has_a_file_that_is_none(folder, name):
    folder.append(reviews(("q1", name, "yes")))
    (file,) = folder.folder.glob("*.jsonl")
    assert file.name.split(".")[0].endswith("=")
    assert folder.read()["reviewer"].to_list() == [name]


@pytest.mark.parametrize("name", ["ann", "Connie", "com10", "ann.con", "auxilia", "null"])
def test_other_people_have_a_file_of_their_name(name):
    assert file_name(name) == f"{name}.jsonl"


@pytest.mark.parametrize(("first", "second"), [("ann", "Ann"), ("Fritz Wei\u00df", "FRITZ WEISS"), ("ann", "\uff41nn"),
                                               ("\ufb01na", "fina"), ("con", "CON")])  # fmt: skip
def test_two_names_never_share_a_file(folder, first, second):
    folder.append(reviews(("q1", first, "yes")))
    with pytest.raises(InputError, match=f"'{second}', which differs from '{first}' only in capitals or the form"):
        folder.append(reviews(("q1", second, "no")))
    with pytest.raises(InputError, match="which differs from"):
        folder.append(reviews(("q1", "Bob", "no"), ("q2", "bob", "yes")))
    assert folder.read().select("reviewer", "label").rows() == [(first, "yes")]


def test_a_store_that_holds_both_spellings_is_read_and_written_as_before(folder):
    folder.append(reviews(("q1", "ann", "yes")))
    line = (folder.folder / "ann.jsonl").read_bytes()
    told = json.loads(line) | {"reviewer": "Ann"}
    told.pop("check")
    check = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    (folder.folder / "Ann.jsonl").write_text(json.dumps(told | {"check": check}) + "\n", encoding="utf-8")
    folder.append(reviews(("q2", "Ann", "no"), ("q2", "ann", "no")))
    assert sorted(folder.read()["reviewer"]) == ["Ann", "Ann", "ann", "ann"]


def test_one_name_in_two_spellings_of_unicode_is_one_reviewer(folder):
    folder.append(reviews(("q1", "Zoe\u0308", "yes")))
    folder.append(reviews(("q2", "Zo\u00eb", "yes")))
    assert folder.read()["reviewer"].unique().to_list() == ["Zo\u00eb"]


def test_a_label_for_another_text_does_not_count_and_that_is_said():
    old = reviews(("q1", "ann", "yes"), ("q2", "ann", "yes"), digest="old")
    new = reviews(("q1", "ann", "no"), ("q3", "bob", "perhaps"), ("elsewhere", "bob", "yes"), digest="new")
    counted = counted_reviews(pl.concat([old, new]), {"q1": "new", "q2": "new", "q3": "new"}, ["yes", "no"])
    assert counted.reviews.select("question_id", "reviewer", "label").rows() == [("q1", "ann", "no")]
    assert counted.notes == [
        "1 label does not count, as it is given for another text of the question.",
        "1 label does not count, as it is not in the label set of this run.",
    ]
    back = counted_reviews(pl.concat([old, new]), {"q1": "old", "q2": "old"}, ["yes", "no"])
    assert back.reviews["label"].to_list() == ["yes", "yes"], "a text that is brought back brings its labels back"
    assert back.notes == []


def test_labels_of_several_people_are_all_kept_or_none(folder):
    folder.append(reviews(("q1", "zoe", "yes")))
    (folder.folder / ".bob.jsonl.lock").mkdir()  # bob's labels cannot be written
    with pytest.raises(InputError, match="cannot keep labels in"):
        folder.append(reviews(("q1", "ann", "yes"), ("q1", "bob", "no")))
    assert folder.read()["reviewer"].to_list() == ["zoe"]


def test_what_is_no_file_of_labels_is_passed_over_and_a_deep_line_is_damaged(folder):
    folder.append(reviews(("q1", "ann", "yes")))
    (folder.folder / "x.jsonl").mkdir()
    (folder.folder / "lost.jsonl").symlink_to(folder.folder / "nothing")
    (folder.folder / "bob.jsonl").write_text("[" * 100_000 + "\n", encoding="utf-8")
    assert folder.read()["reviewer"].to_list() == ["ann"]
