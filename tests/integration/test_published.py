"""What is published is what was run: tables as sealed, reports as rendered, README and docs as the manifests say."""

import polars as pl
import pytest

from flows.cli.readme import OVERVIEW, PUBLISHED, README, SCHEMA, render_full, render_schema, render_short, rewrite
from flows.run.pipeline import render_again
from flows.session.experiment import EXPERIMENTS, load_experiment
from labeling.votes.ledger import Ledger
from labeling.votes.vote import KEY
from results.store.finished import REPORT

RUNS = sorted(manifest.parent for manifest in PUBLISHED.glob("*/manifest.json"))


def test_something_is_published():
    assert RUNS


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_published_report_is_rendered_from_its_sealed_tables(folder):
    assert render_again(folder).report == (folder / REPORT).read_text(encoding="utf-8")


def test_answers_beside_a_published_run_are_those_that_it_was_scored_by():
    with_answers = [folder for folder in RUNS if (folder / "ledger").is_dir()]
    assert with_answers
    for folder in with_answers:
        scored = pl.read_parquet(folder / "votes.parquet").select(*KEY, "probabilities")
        for labeler, votes in scored.group_by("labeler"):
            kept = Ledger(folder / "ledger", str(labeler[0])).votes().select(*KEY, "probabilities")
            assert len(votes.join(kept, on=[*KEY, "probabilities"], how="anti")) == 0


@pytest.mark.parametrize(("page", "render"), [(README, render_short), (OVERVIEW, render_full)], ids=["readme", "docs"])
def test_what_a_page_says_of_published_runs_is_rendered_from_them(page, render):
    text = page.read_text(encoding="utf-8")
    assert "<!-- published: begin" in text
    assert rewrite(text, render()) == text


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_bundled_experiments_are_sound(file):
    assert load_experiment(file).name


def test_the_schema_of_summaries_is_the_one_that_is_published():
    assert SCHEMA.read_text(encoding="utf-8") == render_schema()
