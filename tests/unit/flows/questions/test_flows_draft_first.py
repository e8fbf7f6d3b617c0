"""A folder of documents without questions: `init` and `run` are enough, as the run drafts questions first."""

import json
import re
import shlex

import pytest

from corpora.errors import InputError
from flows.session import session as sessions
from labeling.drafting.writer import WriterConfig
from tests.doubles.drafting import answers, documents, good
from tests.doubles.scripted import scripted_session

pytestmark = pytest.mark.usefixtures("no_plots")


def opens(writes):
    """Opens sessions whose reader writes these questions."""

    def opened(workspace, readers=None):
        return scripted_session(workspace.root, answers, base=workspace.base, writes=writes).session

    return opened


@pytest.fixture
def folder(tmp_path, tercet, monkeypatch):
    """Documents in files, and the experiment that `tercet init` writes on them."""

    monkeypatch.setattr(sessions, "Session", opens(good))
    folder = tmp_path / "halls"
    folder.mkdir()
    for name, text in documents().items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    made = tercet("init", folder)
    assert made.exit_code == 0, made.output
    assert made.stdout.splitlines()[-1].endswith("drafts questions first, as `tercet plan` says")
    text = (folder / "tercet.toml").read_text(encoding="utf-8")
    reader = text[text.index("[[readers]]\n") : text.index("# The first run drafts")]
    text = text.replace(reader, '[[readers]]\nmodel = "smollm2-135m"\n\n').replace("n = 100", "n = 8\nvotes = true")
    (folder / "tercet.toml").write_text(text, encoding="utf-8")
    return folder


def label(tercet, folder, tmp_path):
    return tercet("label", folder / "tercet.toml", "--store", tmp_path / "store", "--quiet")


def test_a_run_drafts_first_and_only_once(folder, tercet, tmp_path):
    first = label(tercet, folder, tmp_path)
    assert first.exit_code == 0, first.output
    assert "halls has no questions yet: smollm2-135m drafts 8." in first.stderr
    assert (
        f"Nobody has checked the questions in {folder}/questions.jsonl yet; the run goes on with them." in first.stderr
    )
    table = (folder / "questions.jsonl").read_text(encoding="utf-8")
    assert len(table.splitlines()) == 8
    assert {json.loads(row)["origin"] for row in table.splitlines()} == {"drafted"}
    assert sorted(one.suffix for one in folder.glob("questions.*")) == [".json", ".jsonl"]
    assert "8 questions" in first.stdout
    again = label(tercet, folder, tmp_path)
    assert again.exit_code == 0, again.output
    assert "has no questions yet" not in again.stderr
    assert (folder / "questions.jsonl").read_text(encoding="utf-8") == table


@pytest.fixture
def opened(monkeypatch):
    """The scripted readers of each session that a command opens, in order."""
    opened = []

    def opens_and_keeps(workspace, readers=None):
        made = scripted_session(workspace.root, answers, base=workspace.base, writes=good)
        opened.append(made.readers)
        return made.session

    monkeypatch.setattr(sessions, "Session", opens_and_keeps)
    return opened


def test_few_questions_end_in_a_finding_by_retrieval_and_the_next_run_asks_the_reader(folder, tercet, tmp_path, opened):
    file = folder / "tercet.toml"
    text = re.sub(r"sizes = .*", "sizes = [16, 32]", file.read_text(encoding="utf-8"))
    file.write_text(text.replace("[retrieval]", '[retrieval]\nretrievers = ["bm25"]'), encoding="utf-8")
    first = tercet("run", file, "--store", tmp_path / "store", "--quiet")
    assert first.exit_code == 0, first.output
    line = next(one for one in first.stderr.splitlines() if "cannot tell chunk sizes apart" in one)
    assert line.startswith("8 questions cannot tell chunk sizes apart by a reader's answers (40 is the least")
    assert line.endswith(f"`tercet run {file} --store {tmp_path}/store` asks the reader, whatever the number is.")
    assert "By retrieval alone" in first.stdout or "by retrieval alone" in first.stdout
    assert "No reader was asked." in first.stdout
    assert not opened[-1].asked
    again = tercet("run", file, "--store", tmp_path / "store", "--quiet")
    assert again.exit_code == 0, again.output
    assert "cannot tell chunk sizes apart by" not in again.stderr
    assert "retrieved" in {prompt.arm for prompt in opened[-1].asked}


@pytest.fixture
def by_text(folder):
    """The same folder, but as `tercet init` leaves it: the text of a draft alone decides; quick to sweep."""
    file = folder / "tercet.toml"
    text = re.sub(r"sizes = .*", "sizes = [16, 32]", file.read_text(encoding="utf-8").replace("votes = true", ""))
    file.write_text(text.replace("[retrieval]", '[retrieval]\nretrievers = ["bm25"]'), encoding="utf-8")
    return file


FIRST = "At first, chunk sizes are compared by retrieval alone"


def test_a_first_run_drafts_by_text_and_retrieves_and_the_next_one_votes_and_reads(by_text, tercet, tmp_path, opened):
    store = "--store", tmp_path / "store", "--quiet"
    planned = tercet("plan", by_text, *store[:2])
    assert "for the first 8: at most 8 prompts, about " in planned.stdout, planned.output
    assert "questions: the first run on them compares chunk sizes by retrieval alone." in planned.stdout
    first = tercet("run", by_text, *store)
    assert first.exit_code == 0, first.output
    assert f"`tercet run {by_text} --store {tmp_path}/store` then asks the reader: its votes" in first.stderr
    assert first.stderr.count(FIRST) == 1
    assert "No reader was asked." in first.stdout
    drafting, run = opened[-2:]
    assert {isinstance(one.config, WriterConfig) for one in drafting.opened} == {True}  # neither closed book nor votes
    assert not run.asked
    rows = [json.loads(row) for row in (by_text.parent / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["drafted_by"], row.get("confirmed_by")) for row in rows] == [("smollm2-135m", None)] * 8
    again = tercet("run", by_text, *store)
    assert again.exit_code == 0, again.output
    assert FIRST not in again.stderr
    assert first.stdout.splitlines()[-1].startswith(f"Next: tercet run {by_text} --store {tmp_path}/store  # asks the")
    assert {"document", "retrieved"} <= {prompt.arm for prompt in opened[-1].asked}
    assert (
        "What smollm2-135m gets right from whole documents is how often it agrees with its own drafts." in again.stdout
    )


def test_a_run_that_was_stopped_after_drafting_retrieves_first_all_the_same(by_text, tercet, tmp_path, opened):
    store = "--store", tmp_path / "store", "--quiet"
    labeled = tercet("label", by_text, *store)  # drafts, and votes: a label run reads no chunks
    assert labeled.exit_code == 0, labeled.output
    assert FIRST not in labeled.stderr
    planned = tercet("plan", by_text, *store[:2], "--until-told")
    assert planned.stdout.startswith("No reader is asked and nothing is paid:"), planned.output
    assert f"`tercet run {by_text} --store {tmp_path}/store --until-told` then asks the reader" in planned.stdout
    swept = tercet("sweep", by_text, *store)
    assert FIRST in swept.stderr, swept.output
    assert not opened[-1].asked
    planned = tercet("plan", by_text, *store[:2])
    assert FIRST not in planned.stdout
    assert "1 reader, at most" in planned.stdout
    assert FIRST not in tercet("run", by_text, *store).stderr  # a sweep has compared them
    table = by_text.parent / "questions.jsonl"
    rows = [json.loads(row) for row in table.read_text(encoding="utf-8").splitlines()]
    others = [row | {"id": f"new-{at}"} for at, row in enumerate(rows)]
    table.write_text("".join(f"{json.dumps(row)}\n" for row in others), encoding="utf-8")
    assert FIRST in tercet("run", by_text, *store).stderr  # other drafts, which nothing has compared


def test_the_users_own_questions_in_place_of_drafts_are_read_at_once(by_text, tercet, tmp_path, opened):
    assert tercet("label", by_text, "--store", tmp_path / "store", "--quiet").exit_code == 0
    (by_text.parent / "questions.report.json").unlink()
    swept = tercet("sweep", by_text, "--store", tmp_path / "store", "--quiet")
    assert swept.exit_code == 0, swept.output
    assert FIRST not in swept.stderr
    assert "retrieved" in {prompt.arm for prompt in opened[-1].asked}


def own_questions(by_text):
    row = {"text": "Must guests wait?", "document_ids": ["elm-hall.txt"], "reference": "yes"}
    rows = [json.dumps({"id": f"own-{number}"} | row) for number in range(4)]
    (by_text.parent / "questions.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = by_text.read_text(encoding="utf-8")
    by_text.write_text(re.sub("question_columns.*", "", text), encoding="utf-8")


@pytest.mark.parametrize("writes", [good, lambda _: ("This is no question.", "yes")])
def test_own_questions_beside_the_report_of_a_drafting_are_read_at_once(by_text, tercet, tmp_path, monkeypatch, writes):
    monkeypatch.setattr(sessions, "Session", opens(writes))
    assert tercet("label", by_text, "--store", tmp_path / "store", "--quiet").exit_code == (0 if writes is good else 2)
    assert (by_text.parent / "questions.report.json").is_file()
    own_questions(by_text)
    swept = tercet("sweep", by_text, "--store", tmp_path / "store", "--quiet")
    assert swept.exit_code == 0, swept.output
    assert FIRST not in swept.stderr
    assert "No reader was asked" not in swept.stdout


def test_too_few_are_counted_in_the_table_as_it_is_now(folder, tercet, tmp_path):
    assert label(tercet, folder, tmp_path).exit_code == 0
    table = folder / "questions.jsonl"
    table.write_text("".join(table.read_text(encoding="utf-8").splitlines(keepends=True)[:5]), encoding="utf-8")
    planned = tercet("plan", folder / "tercet.toml", "--store", tmp_path / "store")
    assert "5 questions cannot tell chunk sizes apart by a reader's answers" in planned.stdout, planned.output


def test_settings_of_the_command_hold_for_the_drafting_too(folder, tercet, tmp_path, opened):
    settings = "--threads", "3", "--n-batch", "64"
    result = tercet("label", folder / "tercet.toml", "--store", tmp_path / "store", "--quiet", *settings)
    assert result.exit_code == 0, result.output
    drafted, labeled = opened
    assert {(one.config.threads, one.config.n_batch) for one in drafted.opened} == {(3, 64)}
    assert labeled.asked == []  # the votes of the drafting are the run's


def test_without_readers_it_is_not_said_that_none_is_asked(folder, tercet, tmp_path):
    file = folder / "tercet.toml"
    text = re.sub(r"sizes = .*", "sizes = [16, 32]", file.read_text(encoding="utf-8"))
    text = text.replace('[[readers]]\nmodel = "smollm2-135m"', "")
    text = text.replace("\n[drafting]", '\n[drafting]\nreader = "smollm2-135m"')
    text = text.replace("[retrieval]", '[retrieval]\nretrievers = ["bm25"]')
    file.write_text(f"readers = []\n{text}", encoding="utf-8")
    for kind in ("label", "sweep"):
        planned = tercet("plan", file, "--for", kind, "--store", tmp_path / "store")
        assert "The rest can be planned once there are questions.\n" in planned.stdout, planned.output
    swept = tercet("sweep", file, "--store", tmp_path / "store", "--quiet")
    assert swept.exit_code == 0, swept.output
    assert "asks the reader" not in swept.stderr
    assert "No reader was asked." in swept.stdout


def test_plan_and_check_say_that_questions_come_first(folder, tercet, tmp_path):
    planned = tercet("plan", folder / "tercet.toml", "--store", tmp_path / "store")
    assert planned.exit_code == 0, planned.output
    assert planned.stdout.startswith("Questions are drafted first: 8 drafts to begin with, at most 40")
    assert "on this machine, for the first 8: at most 40 prompts (5 a draft), about " in planned.stdout
    *_, last, then = planned.stdout.splitlines()
    assert last.endswith("with fewer than 40 of them, chunk sizes are compared by retrieval alone.")
    assert then.startswith(f"Next: tercet run {folder / 'tercet.toml'} --store {tmp_path / 'store'}  # ")
    checked = tercet("check", folder / "tercet.toml", "--store", tmp_path / "store")
    assert checked.exit_code == 0, checked.output
    assert "halls: there are no questions yet; a run drafts them first." in checked.stderr
    command = checked.stdout.splitlines()[-1].removeprefix("Next: ").partition("  #")[0]
    assert tercet(*shlex.split(command)[1:]).stdout == planned.stdout, command
    assert not (folder / "questions.jsonl").exists()


def test_the_reader_of_an_experiment_drafts_unless_another_is_named(folder, tercet, tmp_path):
    draft = ("questions", "draft", folder / "tercet.toml", "--n", "8", "--dry-run", "--store", tmp_path / "store")
    planned = tercet(*draft)
    assert "smollm2-135m on this machine" in planned.stdout, planned.output
    assert tercet(*draft, "--reader", "smollm2-135m").stdout == planned.stdout
    refused = tercet("questions", "draft", folder, "--dry-run")
    assert refused.exit_code == 2
    assert "missing option '--reader': `tercet models list` names the readers" in refused.stderr


def test_plan_and_check_say_which_documents_the_drafting_reader_cannot_read(folder, tercet, tmp_path):
    file = folder / "tercet.toml"
    text = file.read_text(encoding="utf-8")
    (folder / "long.txt").write_text("The yard of Long Hall is not open to guests. " * 100, encoding="utf-8")
    file.write_text(text.replace('"smollm2-135m"', '"smollm2-135m"\nnum_ctx = 600'), encoding="utf-8")
    said = "1 document does not fit in the reader's num_ctx of 600 tokens, so no question is drafted from it (long.txt)"
    checked = tercet("check", file, "--store", tmp_path / "store")
    assert checked.exit_code == 0, checked.output
    assert f"halls: {said}" in checked.stderr
    assert said in tercet("plan", file, "--store", tmp_path / "store").stdout
    file.write_text(text.replace('"smollm2-135m"', '"smollm2-135m"\nnum_ctx = 256'), encoding="utf-8")
    for command in ("check", "plan"):
        refused = tercet(command, file, "--store", tmp_path / "store")
        assert refused.exit_code == 2
        assert refused.stderr.count("no document fits in the num_ctx of reader 'smollm2-135m', 256 tokens") == 1


def test_check_refuses_documents_without_text(folder, tercet, tmp_path):
    for one in folder.glob("*.txt"):
        one.write_text("", encoding="utf-8")
    checked = tercet("check", folder / "tercet.toml", "--store", tmp_path / "store")
    assert checked.exit_code == 2
    assert checked.stderr.startswith("tercet: halls: 6 of 6 documents cannot be used")
    assert "; correct these files, or take them out of the folder (`tercet corpora check` lists them)" in checked.stderr


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_a_specialist_does_not_draft(folder, tercet, tmp_path, command):
    file = folder / "tercet.toml"
    text = file.read_text(encoding="utf-8").replace('"smollm2-135m"', '"specialist:halls"\nname = "quick"')
    file.write_text(text, encoding="utf-8")
    refused = tercet(command, file, "--store", tmp_path / "store")
    assert refused.exit_code == 2
    assert "reader 'quick' is a specialist: expected a model that writes text; name another reader." in refused.stderr


def test_plan_refuses_documents_without_a_sentence_as_the_run_does(folder, tercet, tmp_path):
    for one in folder.glob("*.txt"):
        one.write_text("| Room | Seats |\n|---|---|\n| Attic | 40 |\n", encoding="utf-8")
    planned = tercet("plan", folder / "tercet.toml", "--store", tmp_path / "store")
    assert planned.exit_code == 2
    assert planned.stderr.startswith("tercet: halls has no sentence that a question can be about: expected documents")


def test_a_kind_that_no_sentence_is_of_is_named(folder, tercet, tmp_path):
    for one in folder.glob("*.txt"):
        one.write_text("The hall is open to all guests.", encoding="utf-8")
    where = "--out", tmp_path / "q.jsonl", "--store", tmp_path / "store"
    for kinds in (["number"], ["number", "apart"]):
        options = [f"--kind={one}" for one in kinds]
        refused = tercet("questions", "draft", folder, "--reader", "smollm2-135m", *options, *where)
        assert refused.exit_code == 2
        said = f"tercet: halls has no sentence that a question of kind {' or '.join(kinds)} can be about"
        assert refused.stderr.startswith(said)
        assert refused.stderr.endswith("or name other kinds.\n")


def test_check_says_that_another_corpus_has_no_questions(folder, tercet, tmp_path):
    (folder / "questions.jsonl").write_text(
        '{"id": "a", "text": "Is it?", "document_ids": ["elm-hall.txt"], "reference": "yes", "kind": "fact"}\n',
        encoding="utf-8",
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "yard.txt").write_text("The yard is open to all guests.", encoding="utf-8")
    file = folder / "tercet.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        f'{text}\n[[other_corpora]]\nname = "other"\nsource = "folder"\npath = "{other}"\n'
        'labels = ["yes", "no"]\nquestions = "none.jsonl"\n', encoding="utf-8",
    )  # fmt: skip
    checked = tercet("check", file, "--store", tmp_path / "store")
    assert checked.exit_code == 2
    assert "a run drafts them first" not in checked.stderr


def test_a_run_stops_where_no_draft_passes(folder, tercet, tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "Session", opens(lambda _: ("This is no question.", "yes")))
    result = label(tercet, folder, tmp_path)
    assert result.exit_code == 2
    assert "drafts passed every filter" in result.stderr.splitlines()[-1]
    assert not (folder / "questions.jsonl").exists()
    assert (folder / "questions.report.json").exists()
    monkeypatch.setattr(sessions, "Session", opens(good))
    # A better reader, as the line says, whose answers are not in the store: the report of the first one is replaced.
    again = tercet("label", folder / "tercet.toml", "--store", tmp_path / "other", "--quiet")
    assert again.exit_code == 0, again.output
    assert json.loads((folder / "questions.report.json").read_text(encoding="utf-8"))["kept"] == 8


def test_a_report_that_no_drafting_wrote_is_not_replaced(folder, tercet, tmp_path):
    (folder / "questions.report.json").write_text('{"mine": 1}', encoding="utf-8")
    result = label(tercet, folder, tmp_path)
    assert result.exit_code == 2
    line = result.stderr.splitlines()[-1]
    assert "questions.report.json is there already, and no drafting wrote it" in line
    assert line.endswith("move the file away.")
    assert (folder / "questions.report.json").read_text(encoding="utf-8") == '{"mine": 1}'


def test_a_run_that_drafts_too_few_names_a_command_that_drafts_more(folder, tercet, tmp_path, monkeypatch):
    def few(prompt):
        return good(prompt) if "Birch" in prompt.message else ("This is no question.", "yes")

    monkeypatch.setattr(sessions, "Session", opens(few))
    result = tercet("label", folder / "tercet.toml", "--store", tmp_path / "store")
    assert "fewer than wanted" in result.stderr, result.output
    command = re.search(r"`tercet (questions draft .*?)` allows more drafts", result.stderr).group(1)
    assert "questions kept after 8 drafts" in result.stderr
    assert f"--store {tmp_path}/store" in command
    again = tercet(*shlex.split(command.replace("NAME", "smollm2-135m")), "--dry-run")
    assert again.exit_code == 0, again.output
    assert again.stdout.startswith("8 drafts to begin with, at most 80")


@pytest.mark.parametrize(("reader", "line"), [
    ("qwen3-4b", "model 'qwen3-4b' is not on this machine"),
    ("nobody", "model 'nobody' is not in the registry"),
    ("all-minilm-l6-v2", "model 'all-minilm-l6-v2' embeds text"),
])  # fmt: skip
def test_check_looks_at_the_reader_that_drafts(folder, tercet, tmp_path, monkeypatch, reader, line):
    monkeypatch.undo()
    file = folder / "tercet.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("\n[drafting]", f'\n[drafting]\nreader = "{reader}"'), encoding="utf-8")
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "empty"))
    checked = tercet("check", file, "--store", tmp_path / "store")
    assert checked.exit_code == 2
    assert line in checked.stderr


def test_the_folder_in_place_of_its_experiment_is_pointed_out(folder, tercet):
    checked = tercet("check", folder)
    assert checked.exit_code == 2
    assert f"no experiment {folder} (did you mean '{folder}/tercet.toml'?)" in checked.stderr


@pytest.mark.parametrize(("before", "after", "line"), [
    ('source = "folder"', 'source = "tables"', "[drafting] is set for source 'tables'"),
    ('[[readers]]\nmodel = "smollm2-135m"', "", "[drafting] names no reader"),
    ("n = 8\n", "n = 1\n", "drafting.n is 1: expected at least 2"),
    ('"questions.jsonl"', '"asked.csv"', "asked.csv, which is not there: expected a file that ends in .jsonl"),
])  # fmt: skip
def test_drafting_that_cannot_be_is_refused(folder, tercet, tmp_path, before, after, line):
    file = folder / "tercet.toml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    readers = "readers = []\n" if not after else ""
    file.write_text(readers + text.replace(before, after), encoding="utf-8")
    result = label(tercet, folder, tmp_path)
    assert result.exit_code == 2
    assert line in result.stderr
    assert not (folder / "questions.jsonl").exists()


def test_a_missing_embedder_is_said_before_anything_is_drafted(by_text, tercet, tmp_path, opened, monkeypatch):
    def not_here(*_, **__):
        raise InputError("model 'one' is not on this machine", "the model's file", "fetch it")

    monkeypatch.setattr("flows.run.pipeline.check_sizes", not_here)
    refused = tercet("run", by_text, "--store", tmp_path / "store", "--quiet")
    assert refused.exit_code == 2, refused.output
    assert "model 'one' is not on this machine" in refused.stderr
    assert not (by_text.parent / "questions.jsonl").exists()
