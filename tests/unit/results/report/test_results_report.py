import re
from itertools import combinations

import polars as pl
import pytest

from corpora.schema import LabelSet
from labeling.votes.consensus import ConsensusConfig
from labeling.votes.vote import Vote, votes_frame
from results.advice.advice import manifest_entries
from results.advice.recommendation import recommend
from results.advice.retrieval_choice import choose_retrieval
from results.advice.verdict import reach_verdicts
from results.comparing.agreement import AGREEMENT
from results.comparing.comparison import compare_labelers
from results.comparing.shift import OnCorpus, compare_corpora
from results.config import ScoringConfig
from results.evidence.retrieval_metrics import SPAN_SCORES
from results.readers.answers import judge, question_facts
from results.readers.labelers import LABELERS, attrition, compare_rules, summarise_labeler
from results.readers.qualification import correct
from results.readers.slices import best_on_slices, slice_questions
from results.report.documents import render_documents
from results.report.text.report import render_agreement, render_report
from results.settings import Setting
from results.sweep.pairwise import COMPARISONS

BEATS, ONLY, CHANCE = "better than the majority label", "better than chance only", "at chance"
UNKNOWN = "cannot tell"


A, B = (f"tokens(size={size},overlap=0)" for size in (32, 64))
NAMES = {Setting("tokens", 32, 0, "minilm", "dense"): A, Setting("tokens", 64, 0, "minilm", "dense"): B}


def manifest(kind="run", verdicts=(), warnings=(), recommendations=(), choices=()):
    return {
        "name": "by hand",
        "kind": kind,
        "headline": verdicts[0].line if verdicts else "Gold sets: reader keeps 20 of 20.",
        **manifest_entries(verdicts, choices, recommendations, NAMES),
        "warnings": list(warnings),
        "corpus": {"name": "by hand", "documents": 20, "questions": 20, "split": "all"},
        "packages": {"tercet": "0", "llama-cpp-python": "0"},
        "sessions": [{"started": "now", "machine": {"cpus": 2}, "asked": {}, "seconds": {"label": 1.25}}],
    }


def sure_of(label):
    return tuple(0.8 if one == label else 0.1 for one in LabelSet())


@pytest.fixture
def made(sweep):
    """Verdicts and tables of a small sweep with a planted winner, in every arm."""
    arms = {
        "closed_book": [n < 5 for n in range(20)], "document": [True] * 20, "random": [n < 6 for n in range(20)],
        "oracle_chunk": [n != 9 for n in range(20)],
    }  # fmt: skip
    built = sweep({32: [False] * 16 + [True] * 4, 64: [True] * 20}, arms=arms)
    corpus, gold = built.corpus, built.golds["reader"]
    facts = question_facts(corpus)
    votes = votes_frame(
        Vote("f", "p", "document", n, n, question, label, None, sure_of(label), 0.0, 0.5, 9)
        for question, label, _ in facts.iter_rows()
        for n in range(3)
    )
    scored = built.score()
    labelers = correct(summarise_labeler("reader", votes, facts, corpus.labels, 0.95), 0.95)
    tables = {
        **scored._asdict(),
        "retrieval_means": built.retrieval_means(built_config()),
        "labelers": labelers,
        "consensus": compare_rules("reader", votes, facts, corpus.labels, ConsensusConfig(), 0.95),
        "attrition": attrition("reader", gold, corpus.labels),
        "gold": gold.select(pl.lit("reader").alias("reader"), pl.all()),
    }
    return reach_verdicts(scored.cells, scored.comparisons, labelers, built_config(), "unanimous"), tables


def built_config():
    return ScoringConfig(answers="drawn", n_resamples=100)


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
    *baselines, small, large = rows_of(report, "## Sweep")
    assert [row["read"] for row in baselines] == ["closed book", "whole document"]
    assert [(row["setting"], row["read"]) for row in (small, large)] == [(A, "k=3"), (B, "k=3")]
    # Never wrong on twenty questions is not certainty.
    low = tables["cells"]["gold_accuracy_low"][1]
    assert large["gold accuracy"] == f"1.000 [{low:.3f}, 1.000]"
    assert 0.6 < low < 0.9
    # The small one is cheaper, so that it stands on the frontier too, and is not near the best.
    assert (small["frontier"], small["p within"], small["tokens read"]) == ("yes", "1.000", "32")
    assert (large["frontier"], large["chunks"], large["failed"]) == ("yes", "3.0", "0")
    assert all(f"* {verdict.line}\n" in report for verdict in verdicts)


def test_the_evidence_behind_the_verdict_is_shown(made):
    verdicts, tables = made
    report = render_report(manifest(verdicts=verdicts), tables)
    (row,) = rows_of(report, "### Settings pair by pair, on the gold set")
    low, high = tables["comparisons"].select("low", "high").row(0)
    assert (row["reader"], row["read"], row["a"], row["b"], row["n"]) == ("reader", "k=3", A, B, "20")
    assert row["a minus b"] == f"-0.800 [{low:.3f}, {high:.3f}]"
    assert row["p"] == row["p (Holm)"] == "< 0.001"


def test_recommendations_come_first_in_the_verdict_then_retrieval_then_every_cut(sweep, made):
    built = sweep({32: [True] * 12 + [False] * 8, 64: [True] * 20}, cuts=[("k", 3), ("budget", 64)])
    scored, config = built.score(), built_config()
    recommended = recommend(scored.cells, scored.comparisons, scored.ladder, made[1]["labelers"], config)
    choices = choose_retrieval(built.corpus, built.retrieval, config)
    verdicts = built.verdicts()
    described = manifest(verdicts=verdicts, recommendations=recommended, choices=choices)
    text = section(render_report(described, made[1] | scored._asdict()), "## Verdict")
    lines = [line[2:] for line in text.splitlines() if line.startswith("* ")]
    assert lines == [one.line for one in (*recommended, *choices, *verdicts)]
    assert (len(recommended), len(choices), len(verdicts)) == (1, 2, 2)
    headings = [line for line in text.splitlines() if line.startswith("### ")]
    assert headings == [
        "### What to use, over all settings and cuts", "### What retrieves best", "### By reader and cut",
        "### Settings pair by pair, on the gold set",
    ]  # fmt: skip


def test_a_manifest_without_recommendations_is_rendered_as_one_with_none(made):
    verdicts, tables = made
    full = manifest(verdicts=verdicts)
    older = {name: value for name, value in full.items() if name not in ("recommendations", "retrieval")}
    assert render_report(older, tables) == render_report(full, tables)
    older = {name: value for name, value in manifest(kind="label").items() if name in older}
    assert "## Verdict" not in render_report(older, label_tables(tables))


def many_pairs(n_settings, readers=("reader",), amounts=(3,)):
    """Comparisons of all pairs of so many settings."""
    rows = [
        {"reader": reader, "cut": "k", "amount": amount, "a": f"s{a:02d}", "b": f"s{b:02d}", "n": 20,
         "difference": 0.1, "low": 0.0, "high": 0.2, "standard_error": 0.05, "p_value": 0.03, "p_holm": 1.0}
        for reader in readers for amount in amounts for a, b in combinations(range(n_settings), 2)
    ]  # fmt: skip
    return {"comparisons": pl.DataFrame(rows, schema=COMPARISONS)}


def test_of_many_settings_only_the_pairs_with_the_best_of_each_reader_and_cut_are_shown(made):
    (verdict,), tables = made
    tables = judged(tables | many_pairs(31, ("reader", "other"), (1, 3)), CHANCE)
    described = manifest(verdicts=[verdict])
    (entry,) = described["verdicts"]
    described["verdicts"] = [
        entry | {"reader": reader, "cut": cut, "best": best}
        for reader, cut, best in (("reader", "k=1", "s07"), ("reader", "k=3", "s30"), ("other", "k=1", "s00"))
    ]
    heading = "### Settings pair by pair, on the gold set"
    report = render_report(described, tables)
    shown = [(row["reader"], row["read"], {row["a"], row["b"]}) for row in rows_of(report, heading)]
    assert [reader for reader, *_ in shown] == ["reader ‡"] * 60 + ["other"] * 30  # that has no verdict at k=3
    best = {("reader ‡", "k=1"): "s07", ("reader ‡", "k=3"): "s30", ("other", "k=1"): "s00"}
    assert all(best[reader, cut] in pair for reader, cut, pair in shown)
    text = section(report, heading)
    assert "With 31 settings, only the pairs with the best of each reader and cut are shown" in text
    assert "all 1860 are in `comparisons.parquet`" in text


def test_of_thirty_settings_all_pairs_are_shown(made):
    report = render_report(manifest(verdicts=made[0]), made[1] | many_pairs(30))
    assert len(rows_of(report, "### Settings pair by pair, on the gold set")) == 30 * 29 / 2
    assert "comparisons.parquet" not in report


def test_the_ladder_shows_each_step_down_and_what_is_lost_there(made):
    # Right of twenty: 5 without context, 6 from random text, 20 with the document, 19 with its best chunks; with what
    # was retrieved 4 at size 32, none of them known before, and 20 at size 64.
    verdicts, tables = made
    small, large = rows_of(
        render_report(manifest(verdicts=verdicts), tables), "### reader: losses over 20 gold questions"
    )
    arms = ("closed book", "random text", "whole document", "best chunks", "retrieved")
    assert [small[arm] for arm in arms] == ["0.250", "0.300", "1.000", "0.950", "0.200"]
    assert small["wrong = reader + chunking + retrieval"] == "16 = 0 + 1 + 15"
    assert large["wrong = reader + chunking + retrieval"] == "0 = 0 + 1 + (-1)"
    row = tables["ladder"].filter(pl.col("questions") == "gold").row(0, named=True)
    assert small["retrieval loss"] == f"0.750 [{row['retrieval_loss_low']:.3f}, {row['retrieval_loss_high']:.3f}]"
    assert small["recovered"].startswith("-0.067 [")  # (4 - 5) / (20 - 5)
    assert (small["harmed"], small["harm"].split()[0]) == ("5", "0.250")
    assert (large["harmed"], large["recovered"].split()[0]) == ("0", "1.000")


def test_arms_that_were_not_asked_are_dashes_in_the_ladder(sweep, made):
    scored = sweep({64: [True] * 15 + [False] * 5}).score()
    report = render_report(manifest(verdicts=made[0]), made[1] | scored._asdict())
    (row,) = rows_of(report, "### reader: losses over 20 gold questions")
    assert row["wrong = reader + chunking + retrieval"] == "5 = — + — + —"
    assert {row[name] for name in ("closed book", "whole document", "recovered", "harmed", "harm", "reader loss")} == {
        "—"
    }
    assert row["retrieved"] == "0.750"
    assert [row["read"] for row in rows_of(report, "## Sweep")] == ["k=3"]  # no baseline above it


def test_an_empty_gold_set_has_no_ladder_and_dashes_for_its_scores(sweep, made):
    built = sweep({32: [True] * 20, 64: [True] * 20}, kept=[False] * 20)
    report = render_report(manifest(verdicts=built.verdicts()), made[1] | built.score()._asdict())
    assert "## Where answers are lost" not in report
    assert "pair by pair" not in report
    assert [row["gold accuracy"] for row in rows_of(report, "## Sweep")] == ["—", "—"]
    assert "### reader: 0 gold questions, 20 with a reference label" in report


def test_two_readers_that_want_different_sizes_are_shown_with_their_slopes(sweep, made):
    # The accuracy of one falls by half for each doubling of the size, that of the other rises by as much.
    falls, rises = (
        {32: [True] * 20, 64: [n < 10 for n in range(20)]},
        {32: [n < 10 for n in range(20)], 64: [True] * 20},
    )
    small, large = sweep(falls, readers=["reader"]), sweep(rises, readers=["large"])
    both = small._replace(answers=small.answers.vstack(large.answers), readers=(*small.readers, *large.readers))
    scored = both.score()
    tables = judged(made[1] | scored._asdict(), ONLY)
    rows = rows_of(render_report(manifest(verdicts=made[0]), tables), "## Do readers want different chunk sizes?")
    assert [(row["small"], row["large"], row["questions"], row["n"]) for row in rows] == [
        ("reader †", "large", "gold", "20"), ("reader †", "large", "all", "20")
    ]  # fmt: skip
    told = scored.interactions.row(0, named=True)
    assert rows[0]["slope of the small"].startswith("-0.500 [")
    assert rows[0]["slope of the large"].startswith("0.500 [")
    assert rows[0]["difference"] == f"-1.000 [{told['difference_low']:.3f}, {told['difference_high']:.3f}]"
    assert rows[0]["p"] == rows[0]["p (Holm)"] == "< 0.001"
    assert rows[0]["finding"] == "reader wants smaller chunks than large."


def test_one_reader_has_no_section_on_interactions(made):
    assert made[1]["interactions"].is_empty()
    assert "different chunk sizes?" not in render_report(manifest(verdicts=made[0]), made[1])


def test_retrieval_stands_once_for_all_readers(sweep):
    built = sweep({32: [True] * 20, 64: [True] * 20}, readers=["a", "b"])
    means = built.retrieval_means()
    report = render_report(manifest(verdicts=built.verdicts()), {**built.score()._asdict(), "retrieval_means": means})
    rows = rows_of(report, "## Retrieval")
    assert [(row["setting"], row["read"], row["questions"], row["with evidence"]) for row in rows] == [
        (A, "k=3", "20", "20"), (B, "k=3", "20", "20")
    ]  # fmt: skip
    expected = means.row(0, named=True)
    for name, column in (("MRR", "reciprocal_rank"), ("nDCG", "ndcg"), ("hit", "hit"), ("span recall", "span_recall")):
        ends = (expected[column + end] for end in ("", "_low", "_high"))
        assert rows[0][name] == "{:.3f} [{:.3f}, {:.3f}]".format(*ends)


def test_span_f1_is_shown_where_it_is_known(sweep):
    means = sweep({32: [True] * 20}).retrieval_means()
    told = means.with_columns(
        pl.lit(value).alias(f"span_f1{end}") for end, value in (("", 0.5), ("_low", 0.4), ("_high", 0.6))
    )
    (row,) = rows_of(render_report(manifest(kind="sweep"), {"retrieval_means": told}), "## Retrieval")
    assert row["span F1"] == "0.500 [0.400, 0.600]"
    gone = means.with_columns(pl.lit(None, pl.Float64).alias(f"span_f1{end}") for end in ("", "_low", "_high"))
    assert "span F1" not in render_report(manifest(kind="sweep"), {"retrieval_means": gone})


def test_a_run_without_readers_is_rendered_from_its_retrieval_alone(sweep):
    built = sweep({32: [True] * 20, 64: [True] * 20}, cuts=[("k", 3), ("budget", 64)])
    choices = choose_retrieval(built.corpus, built.retrieval, built_config())
    described = manifest(kind="sweep", choices=choices) | {"headline": choices[0].line}
    tables = {
        "chunks": pl.DataFrame(), "hits": pl.DataFrame(), "retrieval": built.retrieval,
        "retrieval_means": built.retrieval_means(built_config()), "index_recall": pl.DataFrame(),
        "questions": built.corpus.questions,
    }  # fmt: skip
    report = render_report(described, tables)
    assert report.splitlines()[2] == f"**Result.** {choices[0].line}"
    assert [line[2:] for line in report.splitlines() if line.startswith("* ")] == [one.line for one in choices]
    assert len(rows_of(report, "## Retrieval")) == 4
    for heading in ("## Sweep", "pair by pair", "## Readers", "## Where answers are lost", "gold questions"):
        assert heading not in report
    assert not re.findall(r"\b(?:None|nan|inf|True|False)\b", report)
    files = render_documents(described, tables)
    assert files
    assert all(file.startswith("retrieval_by_size_") for file in files)


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
    assert "## Readers compared" not in report
    assert "## Readers on whole documents" in report


def test_a_name_with_a_pipe_does_not_break_its_table(made):
    tables = label_tables(made[1])
    tables["labelers"] = tables["labelers"].with_columns(reader=pl.lit("a|b"))
    assert "| a\\|b | 20 |" in render_report(manifest(kind="label"), tables)


def test_every_reader_and_cut_has_its_verdict_line(sweep, made):
    built = sweep({32: [True] * 12 + [False] * 8, 64: [True] * 20}, cuts=[("k", 1), ("k", 3), ("budget", 64)])
    verdicts = built.verdicts(qualified=False)
    report = render_report(manifest(verdicts=verdicts), made[1] | built.score()._asdict())
    lines = section(report, "### By reader and cut").splitlines()
    assert [line[2:] for line in lines] == [one.line for one in verdicts]
    assert len(verdicts) == 3


@pytest.mark.parametrize("has_spans", [True, False])
def test_every_row_of_every_table_has_as_many_cells_as_its_header(made, has_spans):
    verdicts, tables = made
    if not has_spans:
        unknown = [pl.lit(None, dtype=pl.Float64).alias(n + e) for n in SPAN_SCORES for e in ("", "_low", "_high")]
        tables = tables | {"retrieval_means": tables["retrieval_means"].with_columns(unknown)}
    report = render_report(manifest(verdicts=verdicts), tables)
    assert ("span recall" in report) == ("with evidence" in report) == has_spans
    for rows in table_rows(report):
        assert len({len(row) for row in rows}) == 1


def test_closed_book_and_the_whole_document_stand_above_the_cells(made):
    report = render_report(manifest(verdicts=made[0]), made[1])
    floor, ceiling = rows_of(report, "## Sweep")[:2]
    assert (floor["setting"], floor["read"], ceiling["read"]) == ("(none)", "closed book", "whole document")
    assert (floor["gold accuracy"].split()[0], ceiling["gold accuracy"].split()[0]) == ("0.250", "1.000")
    unknown = ("chunks", "tokens read", "p within", "frontier")
    assert {row[name] for row in (floor, ceiling) for name in unknown} == {"—"}
    assert (ceiling["fragile"], ceiling["failed"]) == ("0.000", "0")
    assert "### reader: 20 gold questions, 20 with a reference label" in report


@pytest.mark.parametrize(
    ("p_value", "shown"),
    [(0.0, "< 0.001"), (0.00099, "< 0.001"), (0.001, "0.001"), (0.0499, "0.050"), (1.0, "1.000"), (None, "—")],
)
def test_a_p_value_is_never_shown_as_zero(made, p_value, shown):
    verdicts, tables = made
    tables = tables | {"comparisons": tables["comparisons"].with_columns(p_value=pl.lit(p_value, dtype=pl.Float64))}
    report = render_report(manifest(verdicts=verdicts), tables)
    (row,) = rows_of(report, "### Settings pair by pair, on the gold set")
    assert row["p"] == shown
    assert "0.000" not in row.values()


def judged(tables, standing, p_holm=0.4):
    """The tables with the standing of the reader changed."""
    changed = {
        "standing": standing,
        "qualified": standing == BEATS,
        "p_vs_majority_holm": p_holm,
        "p_vs_chance_holm": p_holm,
    }
    literals = {name: pl.lit(value, dtype=LABELERS[name]) for name, value in changed.items()}
    return tables | {"labelers": tables["labelers"].with_columns(**literals)}


@pytest.mark.parametrize(("p_value", "shown"), [(0.0001, "p < 0.001"), (0.4, "p = 0.400")])
def test_a_reader_that_is_not_qualified_is_called_so_with_the_test_behind_it(made, p_value, shown):
    tables = label_tables(made[1])
    assert "Not qualified" not in render_report(manifest(kind="label"), tables)
    report = render_report(manifest(kind="label"), judged(tables, ONLY, p_value))
    (line,) = [line for line in report.splitlines() if line.startswith("> **Not qualified: reader")]
    assert "right on 1.000" in line
    assert "right on 0.500" in line  # what the majority label would be
    assert shown in line
    assert "at chance" not in line


def test_a_reader_at_chance_is_called_so(made):
    report = render_report(manifest(kind="label"), judged(label_tables(made[1]), CHANCE))
    (line,) = [line for line in report.splitlines() if line.startswith("> **Not qualified: reader")]
    assert "**at chance**" in line


@pytest.mark.parametrize(("standing", "mark"), [(BEATS, ""), (ONLY, " †"), (UNKNOWN, " †"), (CHANCE, " ‡")])
def test_a_name_carries_the_sign_of_its_standing_wherever_it_heads_a_row(made, standing, mark):
    verdicts, tables = made
    report = render_report(manifest(verdicts=verdicts), judged(tables, standing))
    cells = [cell.strip() for rows in table_rows(report) for row in rows for cell in row]
    assert {cell for cell in cells if cell.rstrip(" †‡") == "reader" and cell != "reader"} == (
        {f"reader{mark}"} - {"reader"}
    )
    assert f"### reader{mark}: 20 gold questions, 20 with a reference label" in report
    assert f"### reader{mark}: losses over 20 gold questions" in report
    legend = [line for line in report.split("\n\n") if line.startswith(("†", "‡"))]
    assert [line[0] for line in legend] == ([mark.strip()] if mark else [])


def test_what_no_reference_can_judge_is_a_dash_and_disqualifies_nobody(made):
    tables = label_tables(made[1])
    facts = pl.DataFrame({"question_id": ["q000"], "reference": [None], "cluster": ["d0"]}).cast(pl.String)
    votes = votes_frame([Vote("f", "p", "document", 0, 0, "q000", "yes", None, sure_of("yes"), 0.0, 0.5, 9)])
    tables["labelers"] = correct(summarise_labeler("reader", votes, facts, LabelSet(), 0.95), 0.95)
    report = render_report(manifest(kind="label"), tables)
    assert "| reader | 1 | — | — | — | — | — | — | — |" in report
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
    assert "## Readers compared" in report
    (row,) = [line for line in report.splitlines() if line.startswith("| a\\|b | c | 20 |")]
    assert "cannot tell: a true difference under" in row
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
    tables["labelers"] = tables["labelers"].with_columns(majority_label=None, majority_share=None)
    tables["pairs"] = pl.DataFrame()
    tables["own_gold"] = pl.DataFrame({"reader": ["reader"], "questions": ["all"], "n": [0]})
    report = render_report(manifest(kind="compare"), tables)
    assert "nothing to compare" in report
    assert "None" not in report


# Everything at once


STRONG, WEAK = "strong", "w|eak $1 \\1 {x}"
SPEEDS = [
    {"reader": STRONG, "questions": 3, "seconds": 12.34, "evaluated": 900, "memory": 512_000_000,
     "tokens_per_second": 72.9, "seconds_per_1000": 4113.3, "usd_per_1000": 0.0},
    {"reader": WEAK, "questions": 0, "seconds": 0.0, "evaluated": 0, "memory": 1_000_000,
     "tokens_per_second": None, "seconds_per_1000": None, "usd_per_1000": None},
]  # fmt: skip


@pytest.fixture(scope="module")
def full(corpus_of, ballots, tables_of):
    """The tables of a comparison with all there can be: `STRONG` is right, `WEAK` always says "maybe".

    40 questions, as the upper bound of an accuracy of 0 falls below a tenth at 35.
    """
    labels = LabelSet(("yes", "no|t", 'may "be"'))
    right = [labels.labels[n % 2] for n in range(40)]
    corpora = []
    for name in ("here", "there"):
        corpus = corpus_of(
            right, labels=labels, tune=right[:6], name=name, tags={"ki|nd": ["a|b", "c"] * 20},
            annotators={"An|na": right, "Bert": right[::-1]},
        )  # fmt: skip
        ids, spare = corpus.questions["question_id"], corpus.tune["question_id"]
        knows = {"yes": (0.7, 0.2, 0.1), "no|t": (0.2, 0.7, 0.1)}

        def of_strong(ids, knows=knows):
            return {one: knows[label] for one, label in zip(ids, right, strict=False)}

        def of_weak(ids):
            return dict.fromkeys(ids, (0.1, 0.1, 0.8))

        votes = {STRONG: ballots(of_strong(ids), labels), WEAK: ballots(of_weak(ids), labels)}
        # One vote of the weak one is generated and fails.
        told = pl.col("question_id") == "q003"
        votes[WEAK] = votes[WEAK].with_columns(
            n_generated=pl.lit(12, dtype=pl.Int32),
            parse=pl.when(~told).then(pl.lit("lenient")),
            problem=pl.when(told).then(pl.lit("empty")),
            failure=pl.when(told).then(pl.lit("empty")),
            label=pl.when(~told).then("label"),
        )
        tune = {STRONG: ballots(of_strong(spare), labels), WEAK: ballots(of_weak(spare), labels)}
        corpora.append((corpus, votes, tables_of(corpus, votes, tune=tune)))
    corpus, votes, tables = corpora[0]
    golds = {name: tables["gold"].filter(pl.col("reader") == name).drop("reader") for name in votes}
    answers = [{name: judge(one, cast) for name, cast in votes.items()} for one, votes, _ in corpora]
    every = [OnCorpus(one.name, of_one["labelers"], by) for (one, _, of_one), by in zip(corpora, answers, strict=True)]
    tables |= compare_labelers(corpus, votes, golds, built_config())
    tables |= {"best_on_slice": best_on_slices(answers[0], slice_questions(corpus), 0.95)}
    tables |= compare_corpora(every, 0.95)
    described = manifest(kind="compare")
    described["sessions"][0] |= {"speeds": SPEEDS}
    return described, tables


def section(report, heading):
    """From a heading up to the next of its level or above."""
    level = heading.index(" ")
    _, _, rest = report.partition(f"\n{heading}\n")
    assert rest, heading
    return re.split(rf"\n#{{1,{level}}} ", rest)[0].strip()


def rows_of(report, heading, number=0):
    """Rows of a table of a section as dictionaries by header; headers that occur twice get a number."""
    header, _, *body = table_rows(section(report, heading))[number]
    names = [name.strip() for name in header]
    names = [
        f"{name} {names[:at].count(name) + 1}" if names[:at].count(name) else name for at, name in enumerate(names)
    ]
    return [dict(zip(names, (cell.strip().replace("\\|", "|") for cell in row), strict=True)) for row in body]


HEADINGS = (
    "## Readers on whole documents", "## What unanimity is worth", "### How much the three votes can differ",
    "## Generated votes", "## Readers compared", "### Do they fail together?", "### On which questions",
    "### Which reader is best on which slice", "## On several corpora", "## Speed and cost", "## What the filter keeps",
    "### How much of each label is kept", "### Why questions are in or out", "## Label bias",
    "## Compared with the human annotators", "## By slice", "## How this was made",
)  # fmt: skip


def test_a_full_report_has_all_its_sections_once_and_in_order(full):
    report = render_report(*full)
    places = [report.index(f"\n{heading}\n") for heading in HEADINGS]
    assert places == sorted(places)
    assert all(report.count(f"\n{heading}\n") == 1 for heading in HEADINGS)
    for rows in table_rows(report):
        assert len({len(row) for row in rows}) == 1
    assert not re.findall(r"\b(?:None|nan|inf|True|False)\b", report)


def test_a_name_with_dollars_backslashes_and_pipes_is_marked_in_every_table(full):
    report = render_report(*full)
    cells = [cell.strip().replace("\\|", "|") for rows in table_rows(report) for row in rows for cell in row]
    assert full[1]["labelers"]["standing"].to_list() == [BEATS, CHANCE]
    assert f"{WEAK} ‡" in cells
    assert STRONG in cells
    assert f"{STRONG} ‡" not in cells
    # The speed of a labeler says nothing about its answers, and several corpora tell the standing on each: there it
    # stands as it is called.
    unmarked = [row["labeler"] for row in rows_of(report, "## Speed and cost")]
    unmarked += [row["labeler"] for number in (0, 1) for row in rows_of(report, "## On several corpora", number)]
    assert cells.count(WEAK) == unmarked.count(WEAK) == 4


def test_the_standing_of_each_labeler_is_shown_with_both_tests(full):
    strong, weak = rows_of(render_report(*full), "## Readers on whole documents")
    row = full[1]["labelers"].row(0, named=True)
    assert (strong["labeler"], strong["n"], strong["standing"]) == (STRONG, "40", BEATS)
    assert strong["accuracy"] == f"1.000 [{row['accuracy_low']:.3f}, 1.000]"
    assert strong["p"] == strong["p 2"] == "< 0.001"
    assert (weak["labeler"], weak["standing"], weak["failed"]) == (f"{WEAK} ‡", CHANCE, "3")


def test_the_worth_of_unanimity_is_that_of_the_table(full):
    report, row = render_report(*full), full[1]["unanimity"].row(0, named=True)
    strong, _ = rows_of(report, "## What unanimity is worth")
    assert strong["P(unanimous)"] == f"{0.7**3 + 0.2**3 + 0.1**3:.3f}"
    assert strong["drawn unanimous"] == "1.000"
    gains, _ = rows_of(report, "## What unanimity is worth", 1)
    assert gains["gain over a single vote"] == f"{row['gain']:.3f} [{row['gain_low']:.3f}, {row['gain_high']:.3f}]"
    assert row["finding"] in gains.values()


def test_the_design_numbers_on_temperature_stand_below_the_table_of_diversity(full):
    text = section(render_report(*full), "### How much the three votes can differ")
    assert ".24 at temperature 1 and .91 at 0.2" in text
    strong, weak = rows_of(render_report(*full), "### How much the three votes can differ")
    assert strong["at 1"] == f"{0.7**3 + 0.2**3 + 0.1**3:.3f}"
    assert weak["labeler"] == f"{WEAK} ‡"


def test_generated_votes_are_counted(full):
    (row,) = rows_of(render_report(*full), "## Generated votes")
    assert (row["labeler"], row["votes"], row["lenient"], row["failed"], row["empty"]) == (
        f"{WEAK} ‡",
        "120",
        "117",
        "3",
        "3",
    )


def test_slices_stand_value_by_value_with_every_labeler(full):
    rows = [row for row in rows_of(render_report(*full), "## By slice") if row["slice"] == "tag ki|nd"]
    assert [(row["value"], row["labeler"], row["n"]) for row in rows] == [
        ("a|b", STRONG, "20"), ("a|b", f"{WEAK} ‡", "20"), ("c", STRONG, "20"), ("c", f"{WEAK} ‡", "20"),
    ]  # fmt: skip


def test_who_is_best_where_is_shown_with_both_accuracies(full):
    rows = rows_of(render_report(*full), "### Which reader is best on which slice")
    assert [row["value"] for row in rows if row["slice"] == "tag ki|nd"] == ["a|b", "c"]
    assert {row["leads"] for row in rows} == {f"{STRONG} 1.000"}
    assert {row["second"] for row in rows} == {f"{WEAK} ‡ 0.000"}


def test_several_corpora_and_the_change_between_them_are_shown(full):
    report = render_report(*full)
    assert [(row["labeler"], row["corpus"]) for row in rows_of(report, "## On several corpora")] == [
        (STRONG, "here"), (WEAK, "here"), (STRONG, "there"), (WEAK, "there"),
    ]  # fmt: skip
    assert [row["standing"] for row in rows_of(report, "## On several corpora")] == [BEATS, CHANCE] * 2
    shifts = rows_of(report, "## On several corpora", 1)
    assert [(row["labeler"], row["finding"]) for row in shifts] == [
        (STRONG, "cannot tell"), (WEAK, "stays at chance"),
    ]  # fmt: skip


def test_speed_and_money_are_shown_and_what_was_not_measured_is_a_dash(full):
    strong, weak = rows_of(render_report(*full), "## Speed and cost")
    assert (strong["tokens/s"], strong["memory"], strong["seconds for 1,000 questions"]) == ("73", "512 MB", "4113")
    assert strong["money for 1,000 questions"] == "0.00 USD"
    assert weak["tokens/s"] == weak["money for 1,000 questions"] == "—"


def test_annotators_and_calibration_are_shown_for_every_labeler(full):
    report = render_report(*full)
    persons = rows_of(report, "## Compared with the human annotators")
    assert [(row["labeler"], row["annotator"]) for row in persons] == [
        (STRONG, "An|na"), (STRONG, "Bert"), (f"{WEAK} ‡", "An|na"), (f"{WEAK} ‡", "Bert"),
    ]  # fmt: skip
    together = rows_of(report, "## Compared with the human annotators", 1)
    for rows, table, column in ((persons, "annotators", "p_holm"), (together, "human_consensus", "p_coverage_holm")):
        shown = [f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in full[1][table][column]]
        assert [row["p (Holm)"] for row in rows] == shown
    labels = {row["label"] for row in rows_of(report, "## Label bias", 1)}
    assert labels == {"`yes`", "`no|t`", '`may "be"`'}


def test_the_same_full_report_every_time(full):
    assert render_report(*full) == render_report(*full)


def test_a_tag_of_two_lines_stays_in_its_cell(corpus_of, ballots, tables_of):
    corpus = corpus_of(["yes", "no"], tags={"note": ["one\ntwo", "three"]})
    votes = {"small": ballots({"q000": (0.7, 0.2, 0.1), "q001": (0.7, 0.2, 0.1)})}
    report = render_report(manifest(kind="label"), tables_of(corpus, votes))
    for rows in table_rows(section(report, "## By slice")):
        assert len({len(row) for row in rows}) == 1


@pytest.fixture(scope="module")
def ticked(corpus_of, ballots, tables_of):
    """Report of a labeler whose labels hold backticks and stand in every table that names labels."""
    labels = LabelSet(("`a`", "b"))
    corpus = corpus_of(["`a`", "`a`", "b"], labels=labels, tune=["`a`", "b"])
    votes = {"small": ballots({f"q{n:03d}": (0.7, 0.3) for n in range(3)}, labels)}
    tune = {"small": ballots({f"t{n:03d}": (0.7, 0.3) for n in range(2)}, labels)}
    return render_report(manifest(kind="label"), tables_of(corpus, votes, tune=tune))


def test_a_label_with_a_backtick_is_one_piece_of_code(ticked):
    assert [row["label"] for row in rows_of(ticked, "### How much of each label is kept")] == ["`` `a` ``", "`b`"]
    assert {row["label"] for row in rows_of(ticked, "## Label bias", 1)} == {"`` `a` ``", "`b`"}


def test_a_majority_label_with_a_backtick_is_one_piece_of_code(ticked):
    (row,) = rows_of(ticked, "## Readers on whole documents")
    assert row["majority label"] == "`` `a` `` 0.667"


def test_labelers_without_a_question_in_common_are_not_told_that_there_are_no_references(corpus_of, ballots, tables_of):
    corpus = corpus_of(["yes", "no"])
    votes = {"a": ballots({"q000": (0.7, 0.2, 0.1)}), "b": ballots({"q001": (0.2, 0.7, 0.1)})}
    tables = tables_of(corpus, votes)
    golds = {name: tables["gold"].filter(pl.col("reader") == name).drop("reader") for name in votes}
    report = render_report(manifest(kind="compare"), tables | compare_labelers(corpus, votes, golds, built_config()))
    assert "No reference labels" not in section(report, "## Readers compared")
