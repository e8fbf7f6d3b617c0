"""How commands end, and what ends them with exit code 1: on scripted readers, through the command line."""

import json
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

import tercet
from corpora.errors import InputError
from corpora.schema import iter_questions
from corpora.sources.bundled import read_sample
from flows.cli import output
from flows.cli.guards import Guards
from flows.cli.output import Given, ending, next_of
from flows.run import pipeline
from flows.run.difference import difference_schema
from flows.session import session as sessions
from results.advice.summary import summary_schema
from results.store.finished import read_manifest, read_tables
from tests.doubles.scripted import scripted_session

QUESTIONS = {one.id: one for one in iter_questions(read_sample().questions)}
LABELS = ("yes", "no", "maybe")
EXPERIMENT = """
name = "guarded"
corpus = { source = "sample", split = "all", sample = %d }
calibration = { per_label = 0 }
retrieval = { sizes = %s, k = [1], budgets = [], controls = [] }
scoring = { n_resamples = 100 }
readers = [{ model = "one" }]
"""


def answers(share):
    """Sure of the reference; from chunks, of so many questions in a hundred only."""

    def script(_, prompt):
        known = prompt.arm == "document" or int(prompt.question_id.encode().hex(), 16) % 100 < share
        right = QUESTIONS[prompt.question_id].reference
        label = right if known else LABELS[LABELS.index(right) - 1]
        return tuple(0.98 if one == label else 0.01 for one in LABELS)

    return script


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run the command line on a scripted reader: share of right answers, store, arguments."""
    from click.testing import CliRunner

    from flows.cli.main import main

    root = tmp_path_factory.mktemp("ending")
    patch = pytest.MonkeyPatch()
    patch.setattr(pipeline, "draw_plots", lambda _: [])
    patch.chdir(root)

    def run(share, *arguments, questions=60, sizes="[64]"):
        Path("my.toml").write_text(EXPERIMENT % (questions, sizes), encoding="utf-8")
        real = sessions.Session
        opened = lambda workspace: scripted_session(Path(workspace.root), answers(share)).session  # noqa: E731
        sessions.Session = opened
        try:
            return CliRunner().invoke(main, [str(one) for one in arguments], prog_name="tercet")
        finally:
            sessions.Session = real

    yield run
    patch.undo()


@pytest.fixture(scope="module")
def good(made):
    """A run whose reader is right."""
    done = made(100, "sweep", "my.toml", "--store", "good", "--quiet", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_run_ends_in_few_lines(made, good):
    done = made(100, "report", good["folder"])
    lines = done.stdout.splitlines()
    assert len(lines) <= 10
    assert [line.partition(" ")[0] for line in lines[:4]] == ["orrin-handbook:", "Which", "Does", "Can"]
    assert lines[-2] == f"Report: {good['report']}"
    assert Path(good["report"]).is_file()
    assert lines[-1].startswith(f"Next: tercet report {good['folder']} --open")
    whole = made(100, "report", good["folder"], "--print").stdout
    assert whole.startswith("# guarded (sweep)")
    assert whole.splitlines()[-len(lines) :] == lines


def test_json_is_all_there_is_on_standard_output_and_holds_its_schema(made, good):
    jsonschema.validate(good, summary_schema())
    done = made(100, "report", good["folder"], "--json")
    again = json.loads(done.stdout)
    assert again | {"next": good["next"]} == good
    cells = read_tables(Path(good["folder"]), read_manifest(Path(good["folder"])))["cells"]
    (advice,) = good["recommendations"]
    assert (advice["told"], advice["cell"]["size"]) == (True, 64)
    assert advice["accuracy"] == pytest.approx(cells["gold_accuracy"][0])
    assert good["readers"][0]["qualified"] is True


def test_contradicting_options_are_refused(made, good):
    for arguments in (["report", good["folder"], "--print", "--json"], ["sweep", "my.toml", "--fail-if", "worse"],
                      ["sweep", "my.toml", "--against", good["folder"]]):  # fmt: skip
        done = made(100, *arguments)
        assert (done.exit_code, done.stdout) == (2, ""), done.output


def test_the_report_is_opened_or_it_is_said_that_none_can_be(made, good, monkeypatch):
    opened = []
    monkeypatch.setattr(output.webbrowser, "open", lambda address: opened.append(address) or True)
    assert made(100, "report", good["folder"], "--open").stderr == ""
    assert opened == [Path(good["report"]).resolve().as_uri()]
    monkeypatch.setattr(output.webbrowser, "open", lambda address: False)
    done = made(100, "report", good["folder"], "--open")
    assert done.exit_code == 0
    assert done.stderr == f"tercet: no browser answers here; open {good['report']} in one yourself.\n"


def test_a_drop_that_is_shown_fails_and_one_that_is_not_does_not(made, good):
    guard = ("--quiet", "--fail-if", "worse", "--against", good["folder"])
    worse = made(40, "sweep", "my.toml", "--store", "worse", *guard)
    assert worse.exit_code == 1, worse.output
    assert "Failed: one with the best single chunk of 64 tokens: accuracy 98 % before and " in worse.stdout
    assert "It is shown to be worse by more than 5 points" in worse.stdout
    assert len(worse.stdout.splitlines()) <= 10
    slightly = made(92, "sweep", "my.toml", "--store", "slightly", *guard)
    assert slightly.exit_code == 0, slightly.output
    assert "Failed" not in slightly.stdout
    (now,) = Path("slightly").glob("guarded-*")
    told = made(100, "diff", good["folder"], now, "--fail-if", "worse")
    assert told.exit_code == 0
    assert "It is not shown to be worse by more than 5 points (p = " in told.stdout
    (now,) = Path("worse").glob("guarded-*")
    assert made(100, "diff", good["folder"], now, "--fail-if", "worse").exit_code == 1
    assert made(100, "diff", good["folder"], now, "--fail-if", "worse", "--margin", "0.99").exit_code == 0
    done = made(100, "diff", good["folder"], now, "--fail-if", "worse", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    jsonschema.validate(found, difference_schema())
    (drop,) = found["drops"]
    assert (drop["is_shown"], drop["margin"], found["is_worse"]) == (True, 0.05, True)
    assert drop["after"] < drop["before"] - 0.3
    assert found["failed"] == found["sentences"] == [worse.stdout.partition("Failed: ")[2].splitlines()[0]]
    assert made(100, "diff", good["folder"], now).exit_code == 0, "only --fail-if fails"
    assert made(100, "diff", now, good["folder"], "--fail-if", "worse").exit_code == 0, "it became better"


def test_the_guard_that_is_printed_asks_anew_and_keeps_the_run_that_it_compares_with(made, good):
    kept = Path(good["folder"], "manifest.json").read_bytes()
    name, *guard = shlex.split(good["next"])
    assert (name, guard[0]) == ("tercet", "sweep"), good["next"]
    assert made(40, *guard, "--quiet").exit_code == 1
    assert Path(good["folder"], "manifest.json").read_bytes() == kept


def test_scores_before_are_those_of_the_earlier_run_and_labels_that_differ_are_counted(made, good):
    told = made(100, "diff", good["folder"], good["folder"])
    found = json.loads(made(100, "diff", good["folder"], good["folder"], "--json").stdout)
    assert (found["old"], found["new"], found["is_worse"], found["failed"]) == (*[good["folder"]] * 2, False, [])
    assert [(one["table"], one["n"], one["differ"]) for one in found["labels"]] == [
        ("votes", 180, 0), ("answers", 120, 0)
    ]  # fmt: skip
    assert "| answers | one | 120 | 0 | 0 |" in told.stdout
    assert told.stdout.splitlines()[-1] == (
        "one with the best single chunk of 64 tokens: accuracy 98 % before and 98 % now, on 60 effective gold "
        "questions of both runs. That is no drop."
    )


def test_advice_that_is_not_told_fails_where_that_is_wanted(made):
    arguments = ("sweep", "my.toml", "--store", "few", "--quiet", "--json")
    done = made(100, *arguments, "--fail-if", "untold", questions=8, sizes="[32, 64]")
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["failed"] == ["Nothing is recommended for one."]


def test_retrieval_is_told_where_any_cut_is(record):
    guards = Guards(("untold",))
    (cut,) = record.retrieval
    cuts = [cut.model_copy(update={"told": told}) for told in (False, True)]
    for some, failed in ((cuts, ()), (cuts[:1], ("Nothing is recommended under any cut; no reader was asked.",))):
        bare = record.model_copy(update={"recommendations": (), "retrieval": tuple(some)})
        assert guards.failures(SimpleNamespace(record=bare), None) == failed
    (said,) = guards.failures(SimpleNamespace(record=bare), None, reads_next=True)
    assert said.startswith("Nothing is recommended by retrieval alone, all that this run compares: run it again")


def test_runs_that_cannot_be_compared_are_wrong_input(made, good):
    labels = made(100, "label", "my.toml", "--store", "good", "--quiet", "--json")
    folder = json.loads(labels.stdout)["folder"]
    assert json.loads(labels.stdout)["next"] == "tercet sweep my.toml --store good"
    done = made(100, "diff", good["folder"], folder, "--fail-if", "worse")
    assert done.exit_code == 2
    assert done.stderr.startswith("tercet: runs that neither read from chunks nor retrieved")
    assert made(100, "sweep", "my.toml", "--fail-if", "worse", "--against", "nowhere").exit_code == 2
    assert not Path("runs").exists(), "an earlier run that is not there ends it before anything is asked"


def test_a_run_of_another_format_is_refused_before_anything_is_asked(made, good, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(good["folder"], old)
    manifest = read_manifest(old)
    (old / "manifest.json").write_text(json.dumps(manifest | {"format": 1}), encoding="utf-8")
    line = f"tercet: {old} holds tables of format 1: expected format 3; run the experiment again; its votes are kept.\n"
    guard = ("sweep", "my.toml", "--store", tmp_path / "now", "--quiet", "--fail-if", "worse", "--against", old)
    for arguments in (guard, ("diff", old, good["folder"]), ("diff", good["folder"], old), ("report", old)):
        done = made(100, *arguments)
        assert (done.exit_code, done.stdout, done.stderr) == (2, "", line), arguments
    assert not (tmp_path / "now").exists()
    with pytest.raises(InputError, match="holds tables of format 1"):
        tercet.load(old)


@pytest.fixture
def record(good):
    from results.advice.cards.record import RunRecord

    return RunRecord.model_validate(good)


def test_the_next_command_fits_what_was_found(record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, folder = tmp_path / "my file.toml", tmp_path / "runs" / "one"
    file.touch()

    def told(experiment=file, **changes):
        return next_of(record.model_copy(update=changes), experiment, folder, Given())

    quoted = f"'{file}'"
    assert told().startswith(f"tercet sweep {quoted} --store guard --fail-if worse --against {folder}  #")
    open_ = record.recommendations[0].model_copy(update={"told": False})
    assert told(recommendations=(open_,)).startswith(f"tercet sweep {quoted}  # after adding questions")
    unread = told(recommendations=(open_,), unread=1128)
    assert unread.startswith(
        f"tercet sweep {quoted}  # after raising the limits in [reading], or --max-cost, as 1,128 more"
    )
    assert told(at_edge=True).startswith(f"tercet sweep {quoted}  # after adding the next sizes")
    alone = record.model_copy(update={"readers": (), "drafted": 8})  # its readers have their turn in the next run
    told_alone = alone.model_copy(
        update={"retrieval": [one.model_copy(update={"told": True}) for one in alone.retrieval]}
    )
    for one in (alone, told_alone, alone.model_copy(update={"at_edge": True})):
        again = next_of(one, file, folder, Given(), reads_next=True)
        assert again.startswith(f"tercet sweep {quoted}  # asks the reader this time")
    weak = record.readers[0].model_copy(update={"qualified": False, "accuracy": 0.6, "majority_share": 0.6})
    assert told(readers=(weak,)).startswith("tercet models list  #")
    ahead = weak.model_copy(update={"accuracy": 0.9})
    assert told(readers=(ahead,)).startswith(f"tercet sweep {quoted}  # after adding questions")
    assert told(readers=(ahead,), unread=1).startswith(f"tercet sweep {quoted}  # after raising the limits")
    assert told(Path("demo"), readers=(ahead,)).startswith("tercet models list  #")
    for experiment in (file, None):  # whatever else was found rests on them
        assert told(experiment, drafted=3).startswith(f"tercet review {folder} --serve  #")
    assert "tercet review" not in told(drafted=3, readers=()), "without a gold set there is nothing to review"
    assert told(kind="compare").startswith(f"tercet sweep {quoted}  #")
    assert told(None).startswith(f"tercet report {folder} --open")
    assert told(Path("demo")).startswith(f"tercet report {folder} --open")


def test_the_next_command_repeats_what_was_given(record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TERCET_STORE", raising=False)
    settings = {"threads": 2, "n_batch": None, "max_cost": 0.5, "until_told": True, "prefect": False, "dask": ""}
    given = Given(Path("my store"), Path("data"), tuple(settings.items()))
    kept = " --data data --threads 2 --max-cost 0.5 --until-told"
    assert given.options == f" --store 'my store'{kept}"
    assert Given(Path("runs"), None).options == ""
    file = tmp_path / "my.toml"
    file.touch()
    guard = next_of(record, file, Path("runs/one"), given)
    assert guard.startswith(f"tercet sweep {file} --store guard{kept} --fail-if worse --against runs/one  #")
    (tmp_path / "guard").mkdir()
    assert " --store guard-2 " in next_of(record, file, Path("runs/one"), given), "a store with votes guards nothing"
    monkeypatch.setenv("TERCET_STORE", "elsewhere")
    assert Given(Path("runs"), None).options == " --store runs", "left out, it would be the other one"


def test_an_ending_has_ten_lines_at_most_and_each_is_one(record):
    many = record.model_copy(update={"distrust": ("First\nof all.", "Second.", "Third."), "facts": "a\nb"})
    lines = ending(many, "report.html", "tercet models list", ("one", "two", "three"))
    assert len(lines) <= 10
    assert not [line for line in lines if "\n" in line]
    assert "Beware: First of all. (2 more in the report)" in lines
