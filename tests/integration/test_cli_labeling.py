"""Labeling on the command line: several labelers and corpora, generate mode, a Modelfile, the plan's money."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from flows.cli.main import main
from tests.conftest import needs_model

TWO_READERS = """
name = "two"
[corpus]
source = "generated"
name = "expert"
split = "held_out"
sample = 4
generator = { n_documents = 12, words = 60, seed = 1 }
[[other_corpora]]
source = "generated"
name = "artificial"
sample = 4
generator = { n_documents = 4, words = 60 }
[calibration]
per_label = 1
[[readers]]
model = "smollm2-135m"
num_ctx = 2048
threads = 1
[[readers]]
model = "smollm2-135m"
name = "permuted"
diversity = "permute"
num_ctx = 2048
threads = 1
"""
WRITING = """
name = "writing"
[corpus]
source = "generated"
sample = 2
generator = { n_documents = 4, words = 60 }
[calibration]
per_label = 0
[[readers]]
model = "smollm2-135m"
mode = "generate"
num_predict = 12
num_ctx = 2048
threads = 1
"""
MODELFILE = '''
FROM smollm2-135m
SYSTEM You answer from the text only.
TEMPLATE """<|im_start|>system
{{ .System }}<|im_end|>
<|im_start|>user
{{ .Prompt }}<|im_end|>
<|im_start|>assistant
{{ .Response }}<|im_end|>"""
PARAMETER temperature 0.7
PARAMETER num_ctx 2048
PARAMETER mirostat 2
'''


def finished(result) -> Path:
    assert result.exit_code == 0, result.output
    return Path(result.stdout.partition("Report: ")[2].splitlines()[0]).parent


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {file.stem: pl.read_parquet(file) for file in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison that has ended: the arguments of its command, and its folder."""
    needs_model("smollm2-135m")
    root = tmp_path_factory.mktemp("compared")
    (root / "two.toml").write_text(TWO_READERS)
    command = ["compare", str(root / "two.toml"), "--store", str(root / "runs"), "--quiet"]
    return command, finished(CliRunner().invoke(main, command, prog_name="tercet"))


@pytest.mark.slow
@pytest.mark.model
def test_labelers_are_compared_on_several_corpora(compared):
    _, folder = compared
    found = tables(folder)
    assert set(found["corpora"]["corpus"]) == {"expert", "artificial"}
    assert found["shifts"]["reader"].to_list() == ["smollm2-135m", "permuted"]
    assert len(found["votes@artificial"]) == len(found["votes"]) == 2 * 4 * 3
    assert found["calibration"]["n_tune"].unique().to_list() == [2]  # a yes and a no
    assert set(found["slices"]["slice"]) >= {"document words", "question opener"}
    # Drawn votes are one outcome of the law: what it calls impossible is not drawn.
    law = found["vote_law"].join(found["gold"], on=["reader", "question_id"])
    agreed = law.filter(pl.col("votes").list.n_unique() == 1)
    assert (agreed["p_unanimous"] > 0).all()
    manifest = json.loads((folder / "manifest.json").read_text())
    session = manifest["sessions"][0]
    assert [one["reader"] for one in session["speeds"]] == ["smollm2-135m", "permuted"]
    assert all(one["memory"] > 50e6 and one["tokens_per_second"] > 0 for one in session["speeds"])
    report = (folder / "report.md").read_text()
    for section in (
        "## Readers compared",
        "## On several corpora",
        "## Label bias",
        "## By group of questions",
        "## Speed and cost",
    ):
        assert section in report
    for name in ("risk_coverage.svg", "vote_curves.svg", "excluded.md"):
        assert (folder / name).is_file()
        assert name in report


@pytest.mark.slow
@pytest.mark.model
def test_a_second_run_asks_nothing_and_changes_no_table(compared, tercet):
    command, folder = compared
    first = {file.name: file.read_bytes() for file in folder.glob("*.parquet")}
    assert finished(tercet(*command)) == folder
    assert {file.name: file.read_bytes() for file in folder.glob("*.parquet")} == first
    asked = json.loads((folder / "manifest.json").read_text())["sessions"][-1]["asked"]
    assert {one["new"] for of in asked.values() for one in of} == {0}


@pytest.mark.slow
@pytest.mark.model
def test_generated_votes_are_counted_by_how_they_were_read(tercet, tmp_path):
    needs_model("smollm2-135m")
    (tmp_path / "writing.toml").write_text(WRITING)
    folder = finished(tercet("label", "writing.toml", "--quiet"))
    found = tables(folder)
    row = found["generation"].row(0, named=True)
    assert row["n"] == 6 == row["strict"] + row["lenient"] + row["repaired"] + row["failed"]
    assert found["votes"]["text"].null_count() == 0
    assert "## Generated votes" in (folder / "report.md").read_text()
    assert found["unanimity"]["n_unknown"].to_list() == [2]
    # The report says why, instead of a figure.
    assert "unknown: no recorded distributions" in (folder / "report.md").read_text()


@pytest.mark.model
def test_a_modelfile_becomes_a_reader_that_runs(tercet, tmp_path):
    needs_model("smollm2-135m")
    (tmp_path / "Modelfile").write_text(MODELFILE)
    imported = tercet("models", "import", "Modelfile", "--name", "mine")
    assert imported.exit_code == 0, imported.output
    assert "mirostat" in imported.stderr
    head = 'name = "m"\n[corpus]\nsource = "generated"\ngenerator = { words = 60 }\nsample = 1\n'
    head += "[calibration]\nper_label = 0\n"
    (tmp_path / "m.toml").write_text(head + imported.stdout)
    folder = finished(tercet("label", "m.toml", "--quiet"))
    reader = json.loads((folder / "manifest.json").read_text())["config"]["readers"][0]
    assert (reader["name"], reader["temperature"]) == ("mine", 0.7)
    assert reader["system"] == "You answer from the text only."
    assert "{message}" in reader["frame"]


@pytest.mark.model
def test_the_plan_quotes_the_users_price_of_this_machine(tercet, tmp_path):
    needs_model("smollm2-135m")
    (tmp_path / "prices.toml").write_text("[machine]\nusd_per_hour = 3.5\n")
    (tmp_path / "writing.toml").write_text('prices = "prices.toml"\n' + WRITING)
    result = tercet("plan", "writing.toml", "--for", "label", "--measure")
    assert result.exit_code == 0, result.output
    assert "USD at 3.5 USD an hour" in result.output
    assert "at most 72 written" in result.output  # 2 questions, 3 votes, 12 tokens
    assert "read:" not in result.output


BAD_READERS = {
    "a rule without distributions": (
        '[consensus]\nrule = "min_probability"\n[[readers]]\nmode = "generate"\n', ["min_probability", "generate"]
    ),
    "a preset of a path": ('[[readers]]\nmodel = "x.gguf"\npreset = "family"\n', ["x.gguf"]),
    "a frame without a message": ('[[readers]]\nframe = "{system}"\n', ["{message}"]),
    "two corpora of one name": ('[[other_corpora]]\nsource = "sample"\n', ["two corpora", "name"]),
    "no price file": ('prices = "none.toml"\n', ["none.toml"]),
    "an unknown mode": ('[[readers]]\nmode = "think"\n', ["mode", "label or generate"]),
    "copies of one vote": ('[[readers]]\nmode = "generate"\ntemperature = 0\n', ["resample", "copies"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_READERS)
def test_a_bad_labeler_gets_one_line_before_any_work(name, tercet, tmp_path):
    text, expected = BAD_READERS[name]
    (tmp_path / "bad.toml").write_text(text)
    result = tercet("plan", "bad.toml", "--for", "label")
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    for part in expected:
        assert part in lines[0]


def test_a_modelfile_that_cannot_be_read_gets_one_line(tercet, tmp_path):
    (tmp_path / "Modelfile").write_text("SYSTEM hello\n")
    result = tercet("models", "import", "Modelfile")
    assert result.exit_code == 2
    assert result.stderr.startswith("tercet: ")
    assert "FROM" in result.stderr
