"""What sections hold, read from the report as data: its tables before anybody writes them."""

import polars as pl
import pytest

from corpora.schema import LabelSet
from results.comparing.comparison import PAIRS, compare_labelers
from results.config import ScoringConfig
from results.readers.labelers import LABELERS
from results.readers.slices import BEST_ON_SLICE, SLICES
from results.report.model import Code, Estimate, Strong
from results.report.sections.build import build_report
from results.report.sections.comparison import compared_section
from results.report.sections.curves import curve_section
from results.report.sections.readers import gold_sentences, slice_section
from results.report.sections.source import legend_of, source_of
from results.report.sections.sweep import MOST_PAIRS
from results.report.text.report import render_report
from results.sweep.retrieval_means import BY_PASSAGES
from tests.doubles.read_back import rows_of, section_of, tables_in

PAIR = {"a": "a", "b": "b", "finding": "cannot tell"}
MATRIX = "What to use, by reader and by how much is read"


def slugs(report):
    return [section.slug for section in report.sections]


def sentences(section):
    return [line for block in section.blocks if hasattr(block, "lines") for line in block.lines]


@pytest.fixture(scope="module")
def report(small_run):
    return build_report(small_run.manifest, small_run.tables)


def test_the_story_is_open_and_comes_first(report):
    story = [section.slug for section in report.sections if not section.is_folded]
    assert story == slugs(report)[: len(story)] == ["verdict", "ladder"]
    assert all(answer.section in {*slugs(report), ""} for answer in report.answers)


def test_the_matrix_has_a_row_a_reader_and_a_column_a_cut(small_run):
    manifest = small_run.manifest | {
        "retrieval": [{"cut": "k=3", "recommended": None, "best": None, "score": "ndcg", "line": "?"}]
    }
    manifest["verdicts"] = [
        one | {"recommended": None if one["cut"] == "k=1" else one["recommended"]} for one in manifest["verdicts"]
    ]
    rows = rows_of(section_of(build_report(manifest, small_run.tables), "verdict"), MATRIX)
    assert [row["reader"] for row in rows] == ["small", "large", "retrieval alone"]
    assert list(rows[0]) == ["reader", "over all", "512 tokens read", "1 chunk read", "3 chunks read"]
    assert {row["1 chunk read"] for row in rows[:2]} == {"cannot tell"}
    assert isinstance(rows[0]["512 tokens read"], Strong)
    assert "-token chunks" in rows[0]["512 tokens read"].text
    assert (rows[2]["1 chunk read"], rows[2]["3 chunks read"]) == (None, "cannot tell")


def test_a_size_that_is_told_under_every_cut_is_named_over_all_too(small_run):
    size = small_run.tables["cells"]["setting"].drop_nulls()[0]

    def over_all(*, cut_missing=""):
        verdicts = [
            one | {"recommended": None if one["cut"] == cut_missing else size} for one in small_run.manifest["verdicts"]
        ]
        open_ = [one | {"setting": None, "cut": None} for one in small_run.manifest["recommendations"]]
        manifest = small_run.manifest | {"verdicts": verdicts, "recommendations": open_}
        rows = rows_of(section_of(build_report(manifest, small_run.tables), "verdict"), MATRIX)
        return {row["over all"] for row in rows if row["reader"] != "retrieval alone"}

    (told,) = over_all()
    assert isinstance(told, Strong)
    assert told.text == "64-token chunks, dense retriever, cut open"
    assert over_all(cut_missing="k=1") == {"cannot tell"}


def test_what_cannot_be_told_of_different_sizes_is_said_once(report, small_run):
    assert len(small_run.tables["interactions"]) == 3
    said = [line for section in report.sections for line in sentences(section) if "different sizes" in line]
    assert said == ["Cannot tell whether small and large want different sizes."]
    wants = pl.when(pl.col("cut") == "k").then(pl.lit("small wants smaller chunks than large."))
    told = small_run.tables["interactions"].with_columns(finding=wants.otherwise("finding"))
    found = build_report(small_run.manifest, small_run.tables | {"interactions": told})
    assert sentences(section_of(found, "sizes")) == [
        "small wants smaller chunks than large (gold questions; 1 chunk and 3 chunks read)."
    ]


def test_a_manifest_of_an_older_version_is_rendered(small_run):
    older = {name: of for name, of in small_run.manifest.items() if name not in ("recommendations", "retrieval")}
    found = build_report(older, small_run.tables)
    assert list(rows_of(section_of(found, "verdict"), MATRIX)[0])[:2] == ["reader", "512 tokens read"]


@pytest.mark.parametrize("name", ["ladder", "interactions", "classes", "comparisons", "gold"])
def test_a_section_without_its_frame_is_not_there(report, small_run, name):
    slug = {"interactions": "sizes", "classes": "labels", "comparisons": "pairs"}
    assert slug.get(name, name) in slugs(report)
    without = {of: frame for of, frame in small_run.tables.items() if of != name}
    for tables in (without, small_run.tables | {name: small_run.tables[name].clear()}):
        assert slug.get(name, name) not in slugs(build_report(small_run.manifest, tables))


def test_the_ladder_shows_how_its_parts_sum_negative_ones_too(report, small_run):
    (title,) = [one.title for one in section_of(report, "losses").blocks if str(one[0]).startswith("small: the ladder")]
    rows = rows_of(section_of(report, "losses"), title)
    ladder = small_run.tables["ladder"].filter(pl.col("reader") == "small", pl.col("questions") == "gold")
    assert len(rows) == len(ladder)
    for row, want in zip(rows, ladder.iter_rows(named=True), strict=True):
        total, parts = row["wrong = reader + chunking + retrieval"].split(" = ")
        assert int(total) == want["n_wrong"] == sum(int(part.strip("()")) for part in parts.split(" + "))
        assert row["retrieval loss"] == Estimate(*(want[f"retrieval_loss{end}"] for end in ("", "_low", "_high")))
    assert any("(-1)" in row["wrong = reader + chunking + retrieval"] for row in rows)


def test_arms_that_were_not_asked_are_unknown(small_run):
    unknown = ["closed_book", "oracle_chunk", "n_chunking", "n_retrieval", "chunking_loss", "retrieval_loss"]
    ladder = small_run.tables["ladder"].with_columns(pl.lit(None).cast(pl.Float64).alias(name) for name in unknown)
    found = build_report(small_run.manifest, small_run.tables | {"ladder": ladder})
    assert "nothing says where they are lost" in sentences(section_of(found, "ladder"))[0]
    title = section_of(found, "losses").blocks[2].title
    (row, *_) = rows_of(section_of(found, "losses"), title)
    assert row["wrong = reader + chunking + retrieval"].endswith(" = 1 + — + —")
    assert row["closed book"] is None


def test_pairs_with_the_leader_come_first_and_all_are_counted(small_run):
    many = pl.concat([small_run.tables["comparisons"]] * 8)
    text = render_report(small_run.manifest, small_run.tables | {"comparisons": many})
    rows = tables_in(text)["Settings pair by pair, on the gold set"][1:]
    assert len(rows) == MOST_PAIRS
    assert f"… and {len(many) - MOST_PAIRS} more rows in `comparisons.parquet`." in text
    led = {(one["reader"], one["cut"]): one["best"] for one in small_run.manifest["verdicts"]}
    leader = source_of(small_run.manifest, small_run.tables).setting(led["small", "k=1"])
    is_led = [leader in row[2:4] for row in rows if row[:2] == ["small", "1 chunk"]]
    assert is_led == sorted(is_led, reverse=True)
    assert any(is_led)


def test_without_evidence_there_are_no_span_scores(small_run):
    means = small_run.tables["retrieval_means"].with_columns(
        pl.lit(None, dtype=pl.Float64).alias(f"{name}{end}")
        for name in ("span_recall", "span_precision", "span_f1", "span_iou") for end in ("", "_low", "_high")
    )  # fmt: skip
    section = section_of(build_report(small_run.manifest, small_run.tables | {"retrieval_means": means}), "retrieval")
    assert "no span scores" in sentences(section)[0]
    assert not {"span recall", "with evidence"} & set(rows_of(section, "Scores of what was retrieved")[0])


def test_all_and_any_passages_are_shown_where_some_question_needs_several(small_run):
    means = small_run.tables["retrieval_means"]
    title = "Any and all of the passages, by how many a question needs"
    assert title not in str(section_of(build_report(small_run.manifest, small_run.tables), "retrieval"))
    row = {name: means[name][0] for name in BY_PASSAGES if name in means.columns}
    row |= {"needed": "2", "n": 7, "any_found": 0.75, "all_found": 0.25}
    frame = pl.DataFrame([row], schema=BY_PASSAGES)
    section = section_of(build_report(small_run.manifest, small_run.tables | {"by_passages": frame}), "retrieval")
    (shown,) = rows_of(section, title)
    assert (shown["passages"], shown["questions"], shown["any"].value, shown["all"].value) == ("2", 7, 0.75, 0.25)


def test_a_run_without_readers_is_told_from_its_retrieval(small_run):
    manifest = small_run.manifest | {
        "verdicts": [],
        "recommendations": [],
        "headline": "Retrieval only.",
        "kind": "sweep",
    }
    manifest["retrieval"] = [
        {"cut": "k=1", "score": "ndcg", "best": None, "recommended": None, "line": "k=1: size 64 finds most."}
    ]
    found = build_report(manifest, {"retrieval_means": small_run.tables["retrieval_means"]})
    assert slugs(found)[0] == "verdict"
    assert rows_of(section_of(found, "verdict"), MATRIX) == [
        {"reader": "retrieval alone", "1 chunk read": "cannot tell"}
    ]
    assert not {"accuracy", "readers", "gold"} & set(slugs(found))


# What gold sets are worth.


def test_the_sizes_of_one_gold_set_are_reconciled_in_one_sentence(small_run):
    is_it = pl.col("reader") == "small"
    cells = small_run.tables["cells"].with_columns(
        scores=pl.when(is_it).then(pl.lit("expected")).otherwise(pl.lit("drawn")),
        gold_n=pl.when(is_it).then(11.2).otherwise("gold_n"),
    )
    ladder = small_run.tables["ladder"].with_columns(n=pl.lit(7.4))
    source = source_of(small_run.manifest, small_run.tables | {"cells": cells, "ladder": ladder})
    small, large = gold_sentences(source)
    assert small == (
        "small: its drawn votes keep 10 of 12 questions, 7.4 on average over all draws; scores count each "
        "question with the probability that it is kept, and these weights are worth 11 equally weighted "
        "questions."
    )
    assert large == "large: its drawn votes keep 10 of 12 questions."


def test_a_gold_set_with_one_label_is_said_to_be_one(small_run):
    gold = small_run.tables["gold"].with_columns(kept=pl.col("question_id") == "q000")
    few = gold.with_columns(kept=pl.col("label") == "yes")
    one, some = (source_of(small_run.manifest, {"gold": frame}) for frame in (gold, few))
    assert gold_sentences(one)[0] == (
        "small: its drawn votes keep 1 of 12 questions. It has the label yes, so always answering yes would be right "
        "on every one."
    )
    assert "All of them have the label yes" in gold_sentences(some)[0]


def test_a_run_whose_gold_set_is_empty_is_rendered(small_run):
    scores = [name for name in small_run.tables["cells"].columns if name.startswith("gold_") and name != "gold_n"]
    cells = small_run.tables["cells"].with_columns(
        *(pl.lit(None).cast(pl.Float64).alias(name) for name in scores), gold_n=pl.lit(0), is_pareto=pl.lit(None)
    )
    ladder = small_run.tables["ladder"].with_columns(n=pl.lit(0))
    gold = small_run.tables["gold"].with_columns(kept=pl.lit(False))
    nothing = [one | {"setting": None, "cut": None, "best": ""} for one in small_run.manifest["recommendations"]]
    manifest = small_run.manifest | {"recommendations": nothing, "verdicts": []}
    found = build_report(manifest, small_run.tables | {"cells": cells, "gold": gold, "ladder": ladder})
    assert "no gold question to score" in sentences(section_of(found, "ladder"))[0]


# Readers: their labels and names, whatever they are.


STRONG, WEAK = "strong", "w|eak $1 \\1 {x}"


@pytest.fixture(scope="module")
def compared(corpus_of, ballots, tables_of):
    """`STRONG` is right, `WEAK` always says the last label; a label holds a backtick."""
    labels = LabelSet(("`a`", "no|t", "b"))
    right = [labels.labels[n % 2] for n in range(40)]
    corpus = corpus_of(right, labels=labels)
    ids = corpus.questions["question_id"]
    knows = {label: tuple(0.8 if one == label else 0.1 for one in labels) for label in labels}
    votes = {
        STRONG: ballots({one: knows[label] for one, label in zip(ids, right, strict=True)}, labels),
        WEAK: ballots(dict.fromkeys(ids, (0.1, 0.1, 0.8)), labels),
    }
    tables = tables_of(corpus, votes)
    golds = {name: tables["gold"].filter(pl.col("reader") == name).drop("reader") for name in votes}
    return tables | compare_labelers(corpus, votes, golds, ScoringConfig(answers="drawn", n_resamples=100))


@pytest.fixture(scope="module")
def manifest(small_run):
    return small_run.manifest | {
        "kind": "compare", "verdicts": [], "recommendations": [], "headline": "strong is best.",
    }  # fmt: skip


def test_a_name_is_marked_in_every_table_and_stays_in_its_cell(compared, manifest):
    tables = tables_in(render_report(manifest, compared))
    cells = [cell for rows in tables.values() for row in rows for cell in row]
    assert f"{WEAK} ‡" in cells
    assert STRONG in cells
    assert not {WEAK, f"{STRONG} ‡", f"{STRONG} †"} & set(cells)
    assert all(len({len(row) for row in rows}) == 1 for rows in tables.values())


def test_a_comparison_is_told_from_its_readers(compared, manifest):
    found = build_report(manifest, compared)
    assert slugs(found)[:4] == ["compared", "readers", "gold", "curves"]
    assert not any(section.is_folded for section in found.sections[:4])
    (row,) = rows_of(section_of(found, "compared"), "Readers pair by pair")
    assert (row["a"], row["questions"], row["only b right"]) == (STRONG, 40, 0)


def test_a_label_with_a_backtick_is_one_piece_of_code(compared, manifest):
    text = render_report(manifest, compared)
    assert "| `` `a` `` |" in text
    row = rows_of(section_of(build_report(manifest, compared), "gold"), "How much of each label is kept")[0]
    assert row["label"] == Code("`a`")


def test_readers_without_a_question_in_common_are_not_compared(compared, manifest):
    tables = compared | {"pairs": compared["pairs"].clear()}
    assert "No two readers share a question" in sentences(section_of(build_report(manifest, tables), "compared"))[0]


def test_without_references_nobody_is_scored_as_zero(corpus_of, ballots, tables_of, manifest):
    corpus = corpus_of([None, None])
    tables = tables_of(corpus, {"reader": ballots(dict.fromkeys(("q000", "q001"), (0.8, 0.1, 0.1)))})
    (row,) = rows_of(section_of(build_report(manifest, tables), "readers"), "Readers on whole documents")
    assert row["accuracy"] == Estimate(None, None, None)
    assert row["majority label"] is None
    assert "None" not in render_report(manifest, tables)


# Both curves.


def test_both_curves_stand_side_by_side_at_the_same_share(ballots, corpus_of, tables_of, manifest):
    # The surer half is right, the other half is wrong: the ranking knows it, three draws mostly do.
    right = ["yes", "no"] * 10
    p = {f"q{n:03d}": (0.9, 0.05, 0.05) if n % 2 == 0 else (0.6 + n / 1000, 0.2, 0.2) for n in range(20)}
    tables = tables_of(corpus_of(right), {"reader": ballots(p)})
    section = curve_section(source_of(manifest, tables))
    law = tables["unanimity"].row(0, named=True)
    share, accuracy = round(100 * law["p_unanimous"]), round(100 * law["accuracy"])
    curve = tables["risk_coverage"].sort((pl.col("coverage") - law["p_unanimous"]).abs())
    ranked = round(100 * curve["accuracy"][0])
    assert ranked > accuracy
    assert sentences(section)[0] == (
        f"reader †: three votes agree on {share} % of the questions and are right in {accuracy} % of these. Keeping "
        f"the same share ({share} %) by probability would be right in {ranked} % instead of {accuracy} %."
    )
    title = "Accuracy of what is kept, by coverage: kept where three votes agree, or where they most probably would"
    rows = rows_of(section, title)
    assert rows[0]["votes drawn at"] == "its own sampling"
    assert rows[0]["where three votes agree"].value == law["accuracy"]
    assert len(rows) > 5


def test_where_all_are_equally_sure_no_share_can_be_chosen(ballots, corpus_of, tables_of, manifest):
    tables = tables_of(
        corpus_of(["yes", "no"] * 10), {"reader": ballots({f"q{n:03d}": (0.6, 0.2, 0.2) for n in range(20)})}
    )
    section = curve_section(source_of(manifest, tables))
    assert not [line for line in sentences(section) if "instead" in line]


@pytest.mark.parametrize(
    ("n_gold", "said"),
    [
        (9, "9 gold questions are too few to say where answers are lost."),
        (10, "of the answers to 10 gold questions are wrong: the reader loses 8 %, the chunking "),
    ],
)
def test_where_answers_are_lost_is_said_of_enough_questions(small_run, n_gold, said):
    cells = small_run.tables["cells"].with_columns(gold_n=pl.lit(n_gold))
    lines = sentences(section_of(build_report(small_run.manifest, small_run.tables | {"cells": cells}), "ladder"))
    assert [said in line for line in lines[:2]] == [True, True]


def pairs_of(run, **columns):
    """The sentences of the section on pairs, where all pairs have these values."""
    frame = run.tables["comparisons"].with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    untold = [one | {"recommended": None} for one in run.manifest["verdicts"]]
    found = build_report(run.manifest | {"verdicts": untold}, run.tables | {"comparisons": frame})
    return sentences(section_of(found, "pairs"))[1:], len(frame)


def test_that_an_interval_excludes_0_where_the_test_cannot_tell_is_explained_once(small_run):
    assert pairs_of(small_run)[0] == []
    n_pairs = len(small_run.tables["comparisons"].filter(pl.col("reader") == "small", pl.col("cut") == "budget"))
    (said,), n = pairs_of(small_run, low=0.01, p_value=0.02)
    assert said == (
        f"{n} intervals exclude 0 where the test cannot tell. An interval looks at one pair alone; over all {n_pairs} "
        "pairs of a reader and cut at once it is not enough."
    )
    (said,), _ = pairs_of(small_run, low=-0.2, high=-0.1, p_value=0.2)
    assert said.endswith("The test is exact, and stricter than an interval.")
    (said,), _ = pairs_of(small_run, low=0.01, p_holm=0.01)
    assert said == (
        "A setting that is shown to be better than another need not be within 5 points of the best of all, which the "
        "advice asks for."
    )


@pytest.mark.parametrize(
    ("accuracies", "row"),
    [
        ((0.5, 0.4, 0.3), ["a", 0.5, "b", 0.4, 1.0, "cannot tell"]),
        ((0.5, 0.5, 0.3), ["a and b", 0.5, None, None, 1.0, "equal"]),
        ((0.5, 0.5, 0.5), ["a, b and c", 0.5, None, None, 1.0, "equal"]),
        ((0.0, 0.0, 0.0), [None, 0.0, None, None, 1.0, "no reader is right"]),
    ],
)
@pytest.mark.parametrize("has_slices", [True, False])
def test_readers_that_are_equal_on_a_group_of_questions_do_not_lead_it(small_run, accuracies, row, has_slices):
    of_group = {"slice": "question opener", "value": "is", "n": 10}
    best = of_group | {"best": "a", "accuracy": accuracies[0], "second": "b", "second_accuracy": accuracies[1]}
    best_on_slice = pl.DataFrame([best | {"p_holm": 1.0, "finding": "cannot tell"}], schema=BEST_ON_SLICE)
    slices = pl.DataFrame(
        [of_group | {"reader": name, "accuracy": one} for name, one in zip("abc", accuracies, strict=True)], SLICES
    )
    tables = {"best_on_slice": best_on_slice, **({"slices": slices} if has_slices else {})}
    source = source_of(small_run.manifest, tables)
    section = compared_section(source, pl.DataFrame([dict.fromkeys(PAIRS, 1) | PAIR], schema=PAIRS))
    (found,) = rows_of(section, "Which reader is best on which group of questions")
    if not has_slices and accuracies[2] == 0.5:
        row = ["a and b", *row[1:]]  # all that the table tells
    assert list(found.values())[3:] == row


def test_settings_that_are_equal_under_a_cut_do_not_lead_it(small_run):
    cells = small_run.tables["cells"]

    def leads(accuracy):
        tables = small_run.tables | {"cells": cells.with_columns(gold_accuracy=accuracy)}
        rows = rows_of(section_of(build_report(small_run.manifest, tables), "advice"), "The advice by reader and cut")
        return {row["leads"] for row in rows}

    n = cells.filter(pl.col("reader") == "small", pl.col("cut") == "budget").height
    assert leads(pl.lit(0.8)) == {f"all {n} settings, equal"}
    assert leads(pl.lit(0.0)) == {None}
    assert leads(pl.when(pl.col("size") == 64).then(0.8).otherwise(0.7)) == {
        "64-token chunks, bm25 retriever, and 64-token chunks, dense retriever, equal"
    }
    one = (pl.col("size") == 64) & (pl.col("retriever") == "bm25")
    assert leads(pl.when(one).then(0.8).otherwise(0.7)) == {"64-token chunks, bm25 retriever"}


@pytest.mark.parametrize(
    ("labels", "than"),
    [
        (("yes", "no"), "always giving the majority label"),
        ((None, None), "a choice at random"),
        (("yes", None), "always giving the majority label or a choice at random"),
    ],
)
def test_the_mark_of_a_reader_says_what_it_did_not_beat(labels, than):
    rows = {"reader": ["a", "b"], "qualified": [False, False], "majority_label": labels, "standing": ["", ""]}
    source = source_of({"corpus": {}}, {"labelers": pl.DataFrame(rows, schema_overrides=LABELERS)})
    assert legend_of(source).startswith(f"† not shown to beat {than}: gold sets")
    rows |= {"standing": ["at chance", ""]}
    source = source_of({"corpus": {}}, {"labelers": pl.DataFrame(rows, schema_overrides=LABELERS)})
    neither = "at best a little better than chance" if None in labels else f"shown to beat neither {than} nor chance"
    assert f"; ‡ {neither}: gold sets" in legend_of(source)


def test_what_a_rule_keeps_by_construction_has_no_accuracy(small_run):
    group = {"reader": "a", "slice": "question opener", "value": "is", "n": 10, "kept_accuracy": 1.0}
    slices = pl.DataFrame([group, group | {"value": "do", "kept_accuracy": None}], schema=SLICES)

    def kept(rule):
        manifest = small_run.manifest | {"config": {"consensus": {"rule": rule}}}
        found = rows_of(slice_section(source_of(manifest, {"slices": slices})), "By group of questions")
        return [row["accuracy of what is kept"] for row in found]

    assert kept("unanimous") == [Estimate(1.0, None, None), Estimate(None, None, None)]
    assert kept("unanimous_and_correct") == ["1 by construction", Estimate(None, None, None)]
