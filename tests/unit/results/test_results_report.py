import re

import polars as pl
import pytest

from corpora.schema import LabelSet
from labeling.consensus import ConsensusConfig
from labeling.votes import Vote, votes_frame
from results.agreement import AGREEMENT
from results.comparison import compare_labelers
from results.labelers import attrition, compare_rules, summarise_labeler
from results.report import render_agreement, render_report
from results.retrieval_metrics import SPAN_SCORES
from results.scoring import ScoringConfig, score_documents
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


def sure_of(label):
    return tuple(0.8 if one == label else 0.1 for one in LabelSet())


@pytest.fixture
def made(sweep):
    """Verdicts and tables of a small sweep with a planted winner."""
    built = sweep({32: [False] * 16 + [True] * 4, 64: [True] * 20})
    corpus, gold = built.corpus, built.golds["reader"]
    references = corpus.questions.select("question_id", "reference")
    votes = votes_frame(
        Vote("f", "p", "document", n, n, question, label, None, sure_of(label), 0.0, 0.5, 9)
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
    return ScoringConfig(n_resamples=100)


def label_tables(tables):
    return {name: tables[name] for name in ("labelers", "consensus", "attrition", "gold")}


def table_rows(report):
    """The cells of every row, table by table; a pipe that is escaped parts no cells."""
    tables = [block for block in report.split("\n\n") if block.startswith("| ")]
    return [[re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()] for table in tables]


def test_the_verdict_comes_first_and_every_cell_has_a_row(made):
    verdicts, tables = made
    report = render_report(manifest(verdicts=verdicts, warnings=["mind the gap"]), tables)
    assert report.splitlines()[2] == f"**Verdict.** {verdicts[0].line}"
    assert "> Warning: mind the gap" in report
    rows = [line for line in report.splitlines() if line.startswith("| tokens(size=")]
    assert len(rows) == 2
    assert "1.000 [1.000, 1.000]" in rows[1]
    assert all(f"* {verdict.line}\n" in report for verdict in verdicts)


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
    tables = label_tables(made[1])
    report = render_report(manifest(kind="label"), tables)
    assert "**Result.** Gold sets: reader keeps 20 of 20." in report
    assert "## Sweep" not in report
    assert "Verdict" not in report
    assert "pair by pair" not in report
    assert "## Labelers compared" not in report
    assert "## Labelers on whole documents" in report


def test_a_name_with_a_pipe_does_not_break_its_table(made):
    tables = label_tables(made[1])
    tables["labelers"] = tables["labelers"].with_columns(reader=pl.lit("a|b"))
    assert "| a\\|b | 20 |" in render_report(manifest(kind="label"), tables)


def test_every_reader_and_cut_has_its_verdict_line(sweep, made):
    built = sweep({32: [True] * 12 + [False] * 8, 64: [True] * 20}, cuts=[("k", 1), ("k", 3), ("budget", 64)])
    verdicts = built.verdicts(qualified=False)
    report = render_report(manifest(verdicts=verdicts), made[1] | built.score()._asdict())
    assert [line[2:] for line in report.splitlines() if line.startswith("* ")] == [one.line for one in verdicts]
    assert len(verdicts) == 3


@pytest.mark.parametrize("has_spans", [True, False])
def test_every_row_of_every_table_has_as_many_cells_as_its_header(made, has_spans):
    verdicts, tables = made
    if not has_spans:
        unknown = [pl.lit(None, dtype=pl.Float64).alias(n + e) for n in SPAN_SCORES for e in ("", "_low", "_high")]
        tables = tables | {"cells": tables["cells"].with_columns(unknown)}
    report = render_report(manifest(verdicts=verdicts), tables)
    assert ("span recall" in report) == has_spans
    for rows in table_rows(report):
        assert len({len(row) for row in rows}) == 1


def test_the_whole_document_stands_above_the_cells_as_their_ceiling(made):
    report = render_report(manifest(verdicts=made[0]), made[1])
    sweep_table = table_rows(report)[0]
    assert [cell.strip() for cell in sweep_table[2][:3]] == ["(none)", "whole document", "1.000 [1.000, 1.000]"]
    assert [cell.strip() for cell in sweep_table[2][-2:]] == ["—", "0"]
    assert "### reader: 20 gold of 20 questions" in report


@pytest.mark.parametrize(
    ("p_value", "shown"),
    [(0.0, "< 0.001"), (0.00099, "< 0.001"), (0.001, "0.001"), (0.0499, "0.050"), (1.0, "1.000"), (None, "—")],
)
def test_a_p_value_is_never_shown_as_zero(made, p_value, shown):
    verdicts, tables = made
    tables = tables | {"comparisons": tables["comparisons"].with_columns(p_value=pl.lit(p_value, dtype=pl.Float64))}
    report = render_report(manifest(verdicts=verdicts), tables)
    (row,) = [line for line in report.splitlines() if line.startswith("| reader | k=3 |")]
    assert row.split(" | ")[-2] == shown
    assert "| 0.000 |" not in row


@pytest.mark.parametrize(("p_value", "shown"), [(0.0001, "p < 0.001"), (0.4, "p = 0.400")])
def test_a_reader_that_is_not_qualified_is_called_so_with_the_test_behind_it(made, p_value, shown):
    tables = label_tables(made[1])
    assert "Not qualified" not in render_report(manifest(kind="label"), tables)
    tables["labelers"] = tables["labelers"].with_columns(qualified=False, p_value=pl.lit(p_value))
    report = render_report(manifest(kind="label"), tables)
    assert "> **Not qualified: reader** is right on 1.000" in report
    assert f"(one-sided exact {shown})" in report


def test_what_no_reference_can_judge_is_a_dash_and_disqualifies_nobody(made):
    tables = label_tables(made[1])
    unknown = ["accuracy", "accuracy_low", "accuracy_high", "majority_share", "p_value", "vote_accuracy"]
    tables["labelers"] = tables["labelers"].with_columns(
        *(pl.lit(None, dtype=pl.Float64).alias(name) for name in unknown), qualified=pl.lit(None, dtype=pl.Boolean)
    )
    report = render_report(manifest(kind="label"), tables)
    assert "| reader | 20 | — |" in report
    assert "Not qualified" not in report
    assert "None" not in report


def test_labelers_that_were_compared_have_their_section(sweep, made):
    built = sweep({32: [True] * 20}, readers=["a|b", "c"])
    votes = {
        reader: votes_frame(
            Vote("f", "p", "document", 0, 0, f"q{n:03d}", label, None, sure_of(label), 0.0, 0.5, 9)
            for n, label in enumerate(["yes"] * n_yes + ["no"] * (20 - n_yes))
        )
        for reader, n_yes in (("a|b", 20), ("c", 10))
    }
    compared = compare_labelers(built.corpus, votes, built.golds, built_config())
    report = render_report(manifest(kind="compare"), label_tables(made[1]) | compared)
    assert "## Labelers compared" in report
    (row,) = [line for line in report.splitlines() if line.startswith("| a\\|b | c | 20 |")]
    assert "cannot tell: a true difference below about" in row
    for rows in table_rows(report):
        assert len({len(one) for one in rows}) == 1


def test_every_session_says_what_it_asked_and_how_long_it_took(made):
    asked = {"reader": "small", "prompts": 60, "new": 42, "tokens": 9000, "evaluated": 3100, "seconds": 12.4}
    once = manifest(verdicts=made[0])
    first = once["sessions"][0] | {"started": "monday", "asked": {"label": [asked], "read": []}}
    report = render_report(once | {"sessions": [first, once["sessions"][0]]}, made[1])
    assert "### Session 1: monday, 2 CPUs" in report
    assert "### Session 2: now, 2 CPUs" in report
    assert "| label | small | 60 | 42 | 9000 | 3100 | 12 |" in report
    assert report.count("| label | 1.2 |") == 2


def test_a_report_is_the_same_every_time(made):
    once = manifest(verdicts=made[0])
    assert render_report(once, made[1]) == render_report(once, made[1])


def test_the_agreement_of_two_runs_is_one_table():
    rows = [("votes", "a|b", 60, 1, 2, 0.0123, 0.00049), ("answers", "small", 9, 0, 0, None, None)]
    lines = render_agreement(pl.DataFrame(rows, schema=AGREEMENT, orient="row")).splitlines()
    assert lines[0].startswith("| table | reader | in both | in one only | labels differ |")
    assert lines[2:] == [
        "| votes | a\\|b | 60 | 1 | 2 | 0.012 | 0.000 |",
        "| answers | small | 9 | 0 | 0 | — | — |",
    ]


def test_without_references_nobody_is_scored_as_zero(made):
    names = ("labelers", "consensus", "attrition", "gold")
    tables = {name: made[1][name] for name in names}
    tables["labelers"] = tables["labelers"].with_columns(majority_label=None, majority_share=None, p_value=None)
    tables["pairs"] = pl.DataFrame()
    tables["own_gold"] = pl.DataFrame({"reader": ["reader"], "questions": ["all"], "n": [0]})
    report = render_report(manifest(kind="compare"), tables)
    assert "nothing to score the labelers against" in report
    assert "None" not in report
