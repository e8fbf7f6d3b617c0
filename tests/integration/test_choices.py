"""SQuAD's answers as choices, read by a real small model."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from corpora.choices import PLACES
from flows.cli.main import main
from results.store.finished import read_manifest, read_tables
from tests.conftest import needs_model

pytestmark = [pytest.mark.model, pytest.mark.slow]

LOG = (
    "The lighthouse of Cape Orla was lit on 4 May 1871 by Ines Marrow. It holds 14 lamps and 388 mirrors. In 1903 the "
    "keeper Tobias Venn left for Port Sallow."
)
ASKED = {"who": ("Who lit the lighthouse?", "Ines Marrow"), "lamps": ("How many lamps does it hold?", "14")}
EXPERIMENT = """
name = "log"
[corpus]
source = "squad"
path = "log.json"
choices = 3
not_stated = "not stated"
[retrieval]
sizes = [16]
[[readers]]
model = "smollm2-135m"
num_ctx = 1024
threads = 1
"""


def test_a_model_chooses_among_answers_of_the_document(tmp_path):
    needs_model("smollm2-135m")
    qas = [
        {"id": one, "question": question, "answers": [{"text": text, "answer_start": LOG.index(text)}]}
        for one, (question, text) in ASKED.items()
    ]
    qas.append({"id": "why", "question": "Why did the ships leave?", "answers": [], "is_impossible": True})
    content = {"data": [{"title": "Log", "paragraphs": [{"context": LOG, "qas": qas}]}]}
    (tmp_path / "log.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "log.toml").write_text(EXPERIMENT, encoding="utf-8")
    command = ["label", str(tmp_path / "log.toml"), "--store", str(tmp_path / "runs"), "--quiet"]
    result = CliRunner().invoke(main, command, prog_name="tercet")
    assert result.exit_code == 0, result.output
    (folder,) = (tmp_path / "runs").glob("log-label-*")
    tables = read_tables(folder, read_manifest(folder))
    votes = tables["votes"].filter(pl.col("failure").is_null())
    assert len(votes) == 9
    assert set(votes["label"]) <= {*PLACES[:3], "not stated"}
    assert all(len(one) == 4 and 0 < sum(one) <= 1.001 for one in votes["probabilities"])
    asked = {row["question_id"]: row for row in tables["questions"].iter_rows(named=True)}
    assert asked["who"]["choices"][PLACES.index(asked["who"]["reference"])] == "Ines Marrow"
    assert asked["why"]["reference"] == "not stated"
