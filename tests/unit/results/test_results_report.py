import polars as pl
import pytest

from labeling.consensus import ConsensusConfig
from labeling.votes import Vote, votes_frame
from results.labelers import attrition, compare_rules, summarise_labeler
from results.report import render_report
from results.scoring import score_documents
from results.verdict import reach_verdicts


def manifest(kind="run", verdicts=(), warnings=()):
    return {
        "name": "by hand",
        "kind": kind,
        "headline": verdicts[0].line if verdicts else "Gold sets: reader keeps 20 of 20.",
        "verdicts": [verdict._asdict() for verdict in verdicts],
        "warnings": list(warnings),
        "corpus": {"name": "by hand", "documents": 20, "questions": 20, "split": "all"},
        "packages": {"tercet": "0", "llama-cpp-python": "0"},
        "sessions": [{"started": "now", "machine": {"cpus": 2}, "asked": {}, "seconds": {"label": 1.25}}],
    }


@pytest.fixture
def made(sweep):
    """Verdicts and tables of a small sweep with a planted winner."""
    built = sweep({32: [False] * 16 + [True] * 4, 64: [True] * 20})
    corpus, gold = built.corpus, built.golds["reader"]
    references = corpus.questions.select("question_id", "reference")
    votes = votes_frame(
        Vote("f", "p", "document", n, n, question, label, None, (0.7, 0.2, 0.1), 0.0, 0.5, 9)
        for question, label in references.iter_rows()
        for n in range(3)
    )
    scored = built.score()
    labelers = summarise_labeler("reader", votes, references, corpus.labels, 0.95)
    tables = {
        **scored._asdict(),
        "whole_document": score_documents(corpus, {"reader": votes}, built.golds, built_config()),
        "labelers": labelers,
        "consensus": compare_rules("reader", votes, references, corpus.labels, ConsensusConfig(), 0.95),
        "attrition": attrition("reader", gold, corpus.labels),
        "gold": gold.select(pl.lit("reader").alias("reader"), pl.all()),
    }
    return reach_verdicts(scored.cells, scored.comparisons, labelers, built_config(), "unanimous"), tables


def built_config():
    from results.scoring import ScoringConfig

    return ScoringConfig(n_resamples=100)


def test_the_verdict_comes_first_and_every_cell_has_a_row(made):
    verdicts, tables = made
    report = render_report(manifest(verdicts=verdicts, warnings=["mind the gap"]), tables)
    assert report.splitlines()[2] == f"**Verdict.** {verdicts[0].line}"
    assert "> Warning: mind the gap" in report
    rows = [line for line in report.splitlines() if line.startswith("| tokens(size=")]
    assert len(rows) == 2
    assert "1.000 [1.000, 1.000]" in rows[1]
    assert all(verdict.line in report for verdict in verdicts)


def test_the_evidence_behind_the_verdict_is_shown(made):
    verdicts, tables = made
    report = render_report(manifest(verdicts=verdicts), tables)
    (row,) = [line for line in report.splitlines() if line.startswith("| reader | k=3 |")]
    assert "-0.8" in row or "0.8" in row
    assert "< 0.001" in row


def test_what_is_so_by_construction_is_not_sold_as_accuracy(made):
    verdicts, tables = made
    report = render_report(manifest(verdicts=verdicts), tables)
    (row,) = [line for line in report.splitlines() if "`unanimous_and_correct`" in line]
    assert row.endswith("| 1 by construction |")


def test_a_run_without_a_sweep_has_no_section_on_one(made):
    tables = {name: made[1][name] for name in ("labelers", "consensus", "attrition", "gold")}
    report = render_report(manifest(kind="label"), tables)
    assert "**Result.** Gold sets: reader keeps 20 of 20." in report
    assert "## Sweep" not in report
    assert "## Labelers on whole documents" in report


def test_a_name_with_a_pipe_does_not_break_its_table(made):
    tables = {name: made[1][name] for name in ("labelers", "consensus", "attrition", "gold")}
    tables["labelers"] = tables["labelers"].with_columns(reader=pl.lit("a|b"))
    assert "| a\\|b | 20 |" in render_report(manifest(kind="label"), tables)
