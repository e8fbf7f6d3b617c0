"""`tercet export`, on a run whose texts are hard to carry: what is in each format, and what is refused in one line."""

import csv
import json
import re
import shutil
from datetime import UTC, datetime

import polars as pl
import pytest
from click.testing import CliRunner

import tercet
from corpora.errors import InputError
from corpora.storage import sha256_file
from flows.cli.gold.export import FORMATS
from flows.cli.main import main
from flows.run.gold.exporting import Wanted, export_run, labels_from_file, take_run
from flows.session.workspace import Workspace
from labeling.specialist.folder import folder_of
from results.gold.export import write
from results.gold.export.folder import RECORD
from results.gold.export.labels import KINDS
from results.gold.export.place import OWN_FOLDERS
from results.gold.review.reviews import REVIEWS
from results.gold.review.storage import ReviewFolder, reviews_folder
from results.store.finished import SEAL, manifest_digest, read_manifest
from results.store.replacing import MAKING
from tests.doubles.labeled_run import ASKED, LABELS, TEXTS, label_run, write_corpus

DOCUMENTS = {one: [{"document_id": name, "text": TEXTS[name]} for name in of] for one, _, of, *_ in ASKED}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two readers; nobody may change it."""
    root = tmp_path_factory.mktemp("labeled")
    return label_run(root, "sure", "org/sure too")


@pytest.fixture
def project(made, tmp_path):
    """A copy of the run with its corpus, to be changed."""
    shutil.copytree(made.parents[1], tmp_path / "moved")
    return tmp_path / "moved" / "runs" / made.name


def command(*arguments):
    return CliRunner().invoke(main, ["export", *map(str, arguments)], prog_name="tercet")


def rows(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


def amend(run, **changes):
    """Change a manifest, and seal it anew."""
    manifest = {**read_manifest(run), **changes}
    (run / "manifest.json").write_text(json.dumps({**manifest, SEAL: manifest_digest(manifest)}))


def test_the_command_knows_the_formats_there_are():
    assert FORMATS == write.FORMATS


def test_every_question_is_in_json_lines_whole(made, tmp_path):
    ended = command(made, tmp_path / "out", "--as", "jsonl")
    assert ended.exit_code == 0
    assert "sure: 3 gold questions, 2 excluded; with texts." in ended.output
    names = {one.name for one in (tmp_path / "out").iterdir()}
    assert names == {
        "README.md", RECORD, "sure.gold.jsonl", "sure.excluded.jsonl", "org-sure-too.gold.jsonl",
        "org-sure-too.excluded.jsonl",
    }  # fmt: skip
    gold, excluded = rows(tmp_path / "out" / "sure.gold.jsonl"), rows(tmp_path / "out" / "sure.excluded.jsonl")
    assert [one["question_id"] for one in gold] == ["q/1", "q/2", "q/3"]
    assert [one["question_id"] for one in excluded] == ["q/4", "q/5"]
    for one in (*gold, *excluded):
        text, of, reference, chances = next(known[1:] for known in ASKED if known[0] == one["question_id"])
        assert (one["question"], tuple(one["document_ids"]), one["reference"]) == (text, of, reference)
        assert one["documents"] == DOCUMENTS[one["question_id"]]
        assert one["evidence"] == [{"document_id": of[0], "start": 3, "end": 7}]
        assert one["probabilities"] == pytest.approx(dict(zip(LABELS, chances, strict=True)))
        assert one["p_unanimous"] == pytest.approx(sum(chance**3 for chance in chances))
        assert len(one["votes"]) == 3
    assert {(one["label"], one["reason"]) for one in gold} == {("yes", "unanimous")}
    assert {one["label"] for one in excluded} == {None}
    assert "unanimous" not in {one["reason"] for one in excluded}


def test_references_take_ids_and_offsets_only_and_need_no_corpus(project, tmp_path):
    shutil.rmtree(project.parents[1] / "project")
    ended = command(project, tmp_path / "out", "--as", "jsonl", "--references", "--reader", "sure")
    assert "ids and offsets only" in ended.output
    (first, *_) = rows(tmp_path / "out" / "sure.gold.jsonl")
    assert "documents" not in first
    assert (first["document_ids"], first["evidence"][0]["end"]) == (["a"], 7)
    refused = command(project, tmp_path / "more", "--as", "argilla", "--references")
    assert refused.exit_code == 2
    assert "argilla without the texts of documents" in refused.output
    assert not (tmp_path / "more").exists()


def test_the_corpus_is_found_where_the_experiment_lay_when_all_is_moved(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(project, "out").exit_code == 0
    amend(project, sessions=[{}])  # a run of an older version did not say where
    refused = command(project, "again")
    assert refused.exit_code == 2
    assert "--base FOLDER" in refused.output
    assert command(project, "again", "--base", project.parents[1] / "project").exit_code == 0


def test_a_corpus_that_changed_is_refused_by_its_digest(project, tmp_path):
    write_corpus(project.parents[1] / "project" / "corpus", TEXTS | {"a": "Another text, long enough."})
    ended = command(project, tmp_path / "out")
    assert ended.exit_code == 2
    (line,) = ended.output.splitlines()
    assert re.search(r"has changed since .*: \S*documents.jsonl has sha256 [0-9a-f]{64}: expected a file with", line)
    assert not (tmp_path / "out").exists()


def test_texts_that_the_reader_did_not_see_are_refused_whatever_the_files_say(project):
    write_corpus(project.parents[1] / "project" / "corpus", TEXTS | {"a": "Another text, long enough."})
    manifest = read_manifest(project)
    with pytest.raises(InputError) as refused:
        take_run(project, Wanted())
    now = re.search(r"has sha256 (\w+)", str(refused.value)).group(1)
    name = next(file for file in manifest["corpus"]["inputs"] if "documents" in file)
    amend(project, corpus=manifest["corpus"] | {"inputs": manifest["corpus"]["inputs"] | {name: now}})
    with pytest.raises(InputError, match="'q/1' and its documents are not the texts that the run saw"):
        take_run(project, Wanted())


def test_an_export_is_replaced_only_if_that_is_said_and_nothing_else_is_there(made, tmp_path):
    out = tmp_path / "out"
    assert command(made, out, "--as", "csv").exit_code == 0
    refused = command(made, out)
    assert refused.exit_code == 2
    assert "exists already" in refused.output
    assert (out / "sure.gold.csv").is_file()
    assert command(made, out, "--force", "--reader", "sure").exit_code == 0
    assert {one.name for one in out.iterdir()} == {"README.md", RECORD, "sure"}
    (out / "notes.txt").write_text("mine")
    refused = command(made, out, "--force")
    assert refused.exit_code == 2
    assert "holds notes.txt, which is not part of an export" in refused.output
    assert (out / "notes.txt").read_text() == "mine"


SAID = {
    "q/1": ([("ann", "yes", 'clear;\n"sure"'), ("bob", "yes", None)], "yes"),
    "q/3": ([("ann", None, None)], None),
    "q/4": ([("ann", "no", None), ("bob", "yes", None)], None),
    "q/5": ([("bob", "no", None)], "no"),
}


@pytest.fixture
def reviewed(project):
    """The run with people's labels, one of them on another text."""
    digests = dict(tercet.load(project).gold.select("question_id", "text_digest").iter_rows())
    rows = [(one, *word) for one, (words, _) in SAID.items() for word in words] + [("q/2", "eve", "yes", None)]
    at = datetime(2026, 11, 30, 8, tzinfo=UTC)
    given = [
        {**dict.fromkeys(REVIEWS), "question_id": one, "reviewer": name, "label": label, "note": note,
         "text_digest": digests[one] if name != "eve" else "0" * 64, "reviewed_at": at}
        for one, name, label, note in rows
    ]  # fmt: skip
    given = pl.DataFrame(given, schema=REVIEWS)
    ReviewFolder(reviews_folder(project.parent, read_manifest(project)["corpus"]["name"])).append(given)
    return project


def told_of(question_id):
    """What an export has of people's words on a question."""
    words, settled = SAID.get(question_id, ([], None))
    at = "2026-11-30T08:00:00+00:00"
    said = [{"reviewer": name, "label": label, "note": note, "reviewed_at": at} for name, label, note in words]
    return {"reviews": said, "settled_label": settled}


def in_table(row):
    return row["question_id"], {name: row[name] for name in ("reviews", "settled_label")}


def in_csv(row):
    assert row["reviewer"] == row["reviewer_label"] == row["reviewer_note"] == "", "for a new reviewer to fill in"
    return row["question_id"], {"reviews": json.loads(row["reviews"]), "settled_label": row["settled_label"] or None}


def in_task(task):
    assert "annotations" not in task, "they would be put down to whoever imports the tasks"
    return in_table(task["data"])


def in_record(record):
    names = ("reviewers", "reviewer_labels", "reviewer_notes", "reviewed_at")
    lists = [[one or None for one in record["metadata"].get(name, ())] for name in names]
    fields = ("reviewer", "label", "note", "reviewed_at")
    said = [dict(zip(fields, words, strict=True)) for words in zip(*lists, strict=True)]
    assert record["responses"] == {}
    return record["id"], {"reviews": said, "settled_label": record["metadata"].get("settled_label")}


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("datasets", lambda out: [in_table(row) for file in sorted(out.rglob("*.parquet"))
                                  for row in pl.read_parquet(file).iter_rows(named=True)]),
        ("jsonl", lambda out: [in_table(row) for file in out.glob("*.jsonl") for row in rows(file)]),
        ("csv", lambda out: [in_csv(row) for file in out.glob("*.csv")
                             for row in csv.DictReader(file.open(encoding="utf-8-sig", newline=""))]),
        ("label-studio", lambda out: map(in_task, json.loads((out / "sure.tasks.json").read_text("utf-8")))),
        ("argilla", lambda out: map(in_record, json.loads((out / "sure" / "records.json").read_text("utf-8")))),
    ],
)  # fmt: skip
def test_what_people_said_is_in_every_format_and_does_not_come_back_as_new(reviewed, tmp_path, kind, read):
    ended = command(reviewed, tmp_path / "out", "--as", kind, "--reader", "sure")
    assert "People's labels: 5 labels and 1 skipped question, by ann and bob; --no-reviews leaves them" in ended.output
    assert "1 label does not count, as it is given for another text of the question." in ended.output
    assert dict(read(tmp_path / "out")) == {one: told_of(one) for one, *_ in ASKED}
    if kind in KINDS:
        assert f"Next: tercet review {reviewed} --import FILE --as {kind}" in ended.output
        file = {"label-studio": "sure.tasks.json", "argilla": "sure", "csv": ""}[kind]
        assert labels_from_file(reviewed, tmp_path / "out" / file, kind, Wanted()).is_empty()
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "People's labels: 5 labels and 1 skipped question, by 2 reviewers, on 4 of 5 questions." in card
    assert "They settled 1 kept question; the gold label is theirs in 1." in card
    assert "* `settled_label`: the label that most reviewers gave" in card


def test_what_people_said_can_be_left_out(reviewed, tmp_path):
    ended = command(reviewed, tmp_path / "out", "--as", "jsonl", "--no-reviews")
    assert "People's labels" not in ended.output
    assert "reviews" not in rows(tmp_path / "out" / "sure.gold.jsonl")[0]
    assert "reviews" not in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert not any("bob" in file.read_text("utf-8") for file in (tmp_path / "out").glob("sure.*"))
    tercet.load(reviewed).export(tmp_path / "py", "jsonl", reviews=False)
    assert "reviews" not in rows(tmp_path / "py" / "sure.gold.jsonl")[0]


@pytest.mark.parametrize("kept", ["ledger", "reviews/corpus", "specialists", "embeddings/new", "recorded", "{run}/out",
                                  "{run}", "."])  # fmt: skip
def test_nothing_is_exported_into_a_run_or_a_folder_of_a_store(made, tmp_path, kept):
    target = made.parent / kept.format(run=made.name)
    before = {one for one in made.parent.rglob("*") if ".lock" not in one.name}
    (tmp_path / "link").symlink_to(target)
    for place in (target, tmp_path / "link"):
        refused = command(made, place, "--as", "csv", "--force")
        assert refused.exit_code == 2, refused.output
        assert re.search(r"(the folder (of the run|\S+ of the store)|is a store of runs).*: expected a place outside",
                         refused.output)  # fmt: skip
    assert {one for one in made.parent.rglob("*") if ".lock" not in one.name} == before


def test_what_only_looks_like_a_store_may_be_exported_into(made, tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    assert command(made, tmp_path / "ledger" / "out", "--as", "csv").exit_code == 0
    assert command(made, made.parent / "taken", "--as", "csv").exit_code == 0
    shutil.rmtree(made.parent / "taken")


def test_the_folders_of_a_store_are_all_known(tmp_path):
    space = Workspace(tmp_path, recorded="0" * 64)
    recorded, own = space.votes.parent, Workspace(tmp_path)
    found = {one.name for one in (recorded, own.ledger, own.embeddings, own.samples, own.converted)}
    found |= {reviews_folder(tmp_path, "a").parent.name, folder_of(tmp_path, "0").parent.name, MAKING}
    assert found == set(OWN_FOLDERS)


def test_the_card_says_by_whom_and_how_well(made, tmp_path):
    command(made, tmp_path / "out", "--reader", "sure")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    manifest = read_manifest(made)
    assert card.startswith("---\n# license: choose one")
    assert manifest["readers"]["sure"]["sha256"] in card
    assert next(iter(manifest["readers"]["sure"]["prompts"].values())) in card
    assert "Question: {question}" in card  # the prompt itself
    assert "3 of 5 questions are kept (60.0%)" in card
    assert "Accuracy: 50.0% of the 2 kept questions with a reference label have that label (95% interval" in card
    assert "**Do not trust these labels.**" in card
    assert "not known to Tercet" in card  # the licence of these texts


def test_the_card_names_the_provider_of_a_remote_reader(project, tmp_path):
    manifest = read_manifest(project)
    config = manifest["config"]
    config["readers"][0]["remote"] |= {"provider": "groq", "served_as": "served/one"}
    readers = {name: {**one} for name, one in manifest["readers"].items()}
    readers["sure"].pop("sha256")
    amend(project, config=config, readers=readers, recorded="1" * 64, warnings=["Its votes come from a recording."])
    export_run(project, tmp_path / "out", "csv", Wanted(["sure"], with_texts=False))
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "The model `served/one`, at groq." in card
    assert "Its votes come from a recording." in card
    assert not card.startswith("---")  # metadata is for the hub alone


def test_gold_tables_have_texts_ids_and_digests(made):
    gold = tercet.load(made).gold.filter(pl.col("reader") == "sure")
    assert gold["question"].to_list() == [text for _, text, *_ in ASKED]
    assert gold["document_ids"].to_list() == [list(of) for _, _, of, *_ in ASKED]
    assert gold["text_digest"].n_unique() == len(ASKED)


def test_python_exports_as_the_command_does(made, tmp_path):
    run = tercet.load(made)
    out = run.export(tmp_path / "out", "jsonl", readers=["sure"])
    assert len(rows(out / "sure.gold.jsonl")) == 3
    with pytest.raises(InputError, match="no format 'json'"):
        run.export(tmp_path / "more", "json")


def test_an_older_run_without_digests_and_probabilities_is_exported(project, tmp_path):
    gold = pl.read_parquet(project / "gold.parquet").drop("text_digest", "question", "document_ids", "p_unanimous")
    gold.write_parquet(project / "gold.parquet")
    manifest = read_manifest(project)
    amend(project, tables=manifest["tables"] | {"gold.parquet": sha256_file(project / "gold.parquet")})
    export_run(project, tmp_path / "out", "jsonl", Wanted())
    (first, *_) = rows(tmp_path / "out" / "sure.gold.jsonl")
    assert len(first["text_digest"]) == 64
    assert first["p_unanimous"] == pytest.approx(sum(one**3 for one in ASKED[0][-1]))


def test_unknown_readers_and_corpora_are_refused(made, tmp_path):
    assert "did you mean 'sure'?" in command(made, tmp_path / "out", "--reader", "sur").output
    assert "has no corpus 'other'" in command(made, tmp_path / "out", "--corpus", "other").output
    assert not (tmp_path / "out").exists()
