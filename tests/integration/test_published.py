"""What is published is what was run: tables as sealed, reports as rendered, README as the manifests say."""

import re

import pytest

from flows.cli.readme import PUBLISHED, ROOT, render_block, rewrite
from flows.run.pipeline import render_again
from flows.session.experiment import EXPERIMENTS, load_experiment
from results.store import REPORT

RUNS = sorted(manifest.parent for manifest in PUBLISHED.glob("*/manifest.json"))


def test_something_is_published():
    assert RUNS


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_published_report_is_rendered_from_its_sealed_tables(folder):
    assert render_again(folder).report == (folder / REPORT).read_text(encoding="utf-8")


def test_the_numbers_in_the_readme_are_those_of_the_published_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert rewrite(readme, render_block()) == readme


def test_every_file_in_the_readmes_tree_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.partition("## Where things are")[2].split("```")[1]
    folder = None
    for line in tree.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            folder = ROOT / words[0]
            assert folder.is_dir(), words[0]
            continue
        for name in words:
            if not name.endswith((".py", ".toml", "/")):
                break
            assert (folder / name).exists(), f"{folder.name}/{name}"


def test_every_file_that_the_readme_links_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert len(linked) > 10
    assert [name for name in linked if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_bundled_experiments_are_sound(file):
    assert load_experiment(file).name
