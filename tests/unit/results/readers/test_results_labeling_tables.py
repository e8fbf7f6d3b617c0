"""Everything that votes say, from end to end: whatever the votes lack, no table has a NaN and no report breaks."""

import math
import re

import numpy as np
import polars as pl
import pytest

from corpora.schema import LabelSet
from labeling.votes.sampling import Sampling
from results.readers.annotators import ANNOTATORS, HUMAN_CONSENSUS
from results.readers.diversity import DIVERSITY
from results.readers.label_bias import CALIBRATION, LABEL_BIAS
from results.readers.labelers import ATTRITION, CONSENSUS, LABELERS
from results.readers.labeling_tables import GENERATION, label_shares
from results.readers.slices import SLICES
from results.readers.unanimity import LAW, RISK_COVERAGE, UNANIMITY, VOTE_CURVES
from results.report.documents import render_documents
from results.report.plots.coverage_plots import CURVES_PLOT, RISK_PLOT
from results.report.plots.plot import Plot
from results.report.text.report import render_report

SCHEMAS = {
    "labelers": LABELERS,
    "consensus": CONSENSUS,
    "attrition": ATTRITION,
    "vote_law": LAW,
    "unanimity": UNANIMITY,
    "risk_coverage": RISK_COVERAGE,
    "vote_curves": VOTE_CURVES,
    "diversity": DIVERSITY,
    "calibration": CALIBRATION,
    "label_bias": LABEL_BIAS,
    "slices": SLICES,
    "generation": GENERATION,
    "annotators": ANNOTATORS,
    "human_consensus": HUMAN_CONSENSUS,
}
PIPES = LabelSet(("a|b", 'say "no"', "it's `so`"))
EIGHT = LabelSet(tuple("abcdefgh"))


def mixed(rng, ids, labels):
    """Some votes are sure, some not, a few fail."""
    shown = {}
    for one in ids:
        three = [tuple(rng.dirichlet(np.ones(len(labels)))) for _ in range(3)]
        shown[one] = [None if rng.random() < 0.1 else p for p in three]
    return shown


def written(rng, ids, labels):
    return {one: [None if rng.random() < 0.2 else str(rng.choice(list(labels))) for _ in range(3)] for one in ids}


def always(label):
    return lambda rng, ids, labels: {one: [0.9 if at == label else 0.01 for at in range(len(labels))] for one in ids}


def failing(rng, ids, labels):
    return {one: [None] * 3 for one in ids}


def references(n, labels):
    return [labels.labels[at % len(labels)] for at in range(n)]


SCENARIOS = {
    "plain": {"readers": {"small": mixed, "large": mixed}, "n": 24},
    "no references": {"readers": {"small": mixed}, "n": 12, "known": 0},
    "some references": {"readers": {"small": mixed}, "n": 18, "known": 12},
    "generate": {"readers": {"writes": written}, "n": 12},
    "generate beside label": {"readers": {"writes": written, "reads": mixed}, "n": 12},
    "all fail": {"readers": {"small": failing}, "n": 6},
    "all fail, no references": {"readers": {"small": failing}, "n": 6, "known": 0},
    "always the majority": {"readers": {"small": always(0)}, "n": 12},
    "always wrong": {"readers": {"small": always(2)}, "n": 4, "right": "yes"},
    "one question": {"readers": {"small": always(0)}, "n": 1},
    "one question without reference": {"readers": {"small": always(0)}, "n": 1, "known": 0},
    "one document": {"readers": {"small": mixed}, "n": 12, "questions_per_document": 12},
    "two labels": {"readers": {"small": mixed}, "n": 12, "labels": LabelSet(("so", "not so"))},
    "eight labels": {"readers": {"small": mixed}, "n": 24, "labels": EIGHT},
    "pipes and quotes": {"readers": {"s|m $1 \\1": mixed, 'l"x"': written}, "n": 12, "labels": PIPES},
    "greedy": {"readers": {"small": mixed}, "n": 12, "sampling": Sampling(0), "diversity": "permute"},
    "truncated": {"readers": {"small": mixed}, "n": 12, "sampling": Sampling(0.5, 2, 0.8, 0.1)},
    "annotators": {"readers": {"small": mixed}, "n": 12, "annotators": True},
    "calibrated": {"readers": {"small": mixed, "large": mixed}, "n": 12, "n_tune": 6},
    "calibrated without references": {"readers": {"small": mixed}, "n": 12, "known": 0, "n_tune": 6},
    "always one label, calibrated": {"readers": {"small": always(1)}, "n": 12, "n_tune": 6},
}


def build(corpus_of, ballots, tables_of, scenario):
    rng = np.random.default_rng(0)
    n, labels = scenario["n"], scenario.get("labels", LabelSet())
    right = [scenario.get("right", one) for one in references(n, labels)]
    known = [one if at < scenario.get("known", n) else None for at, one in enumerate(right)]
    given = {"Anna": right, "Bert": right[::-1]} if "annotators" in scenario else None
    tune = [one if any(known) else None for one in references(scenario.get("n_tune", 0), labels)]
    corpus = corpus_of(
        known, labels=labels, annotators=given, tune=tune, tags={"t|g": ["x|y", *["z"] * (n - 1)]},
        questions_per_document=scenario.get("questions_per_document", 1),
    )  # fmt: skip
    votes, of_tune = {}, {}
    for name, cast in scenario["readers"].items():
        votes[name] = ballots(cast(rng, corpus.questions["question_id"].to_list(), labels), labels)
        if cast is written:
            votes[name] = votes[name].with_columns(
                n_generated=pl.lit(12, dtype=pl.Int32), parse=pl.lit("strict"), problem="failure"
            )
        if corpus.tune is not None:
            of_tune[name] = ballots(cast(rng, corpus.tune["question_id"].to_list(), labels), labels)
    options = {name: scenario[name] for name in ("sampling", "diversity") if name in scenario}
    return corpus, tables_of(corpus, votes, tune=of_tune, **options)


@pytest.fixture(scope="module", params=list(SCENARIOS))
def made(request, corpus_of, ballots, tables_of):
    corpus, tables = build(corpus_of, ballots, tables_of, SCENARIOS[request.param])
    return SCENARIOS[request.param], corpus, tables


def manifest(corpus, tables):
    return {
        "name": "by | hand",
        "kind": "label",
        "headline": "Gold sets: of some.",
        "verdicts": [],
        "warnings": [],
        "corpus": {"name": corpus.name, "documents": 1, "questions": len(corpus.questions), "split": "held_out"},
        "packages": {"tercet": "0", "llama-cpp-python": "0"},
        "sessions": [{"started": "now", "machine": {"cpus": 2}, "asked": {}, "seconds": {"label": 1.25}}],
    }


def test_every_table_has_its_schema(made):
    scenario, _, tables = made
    generates = written in scenario["readers"].values()
    expected = set(SCHEMAS) - {"generation", "annotators", "human_consensus"}
    expected |= {"generation"} if generates else set()
    expected |= {"annotators", "human_consensus"} if "annotators" in scenario else set()
    assert set(tables) - {"gold", "questions"} == expected
    for name in expected:
        assert tables[name].schema == SCHEMAS[name], name


def test_no_number_is_nan_or_infinite(made):
    for name, frame in made[2].items():
        numbers = frame.select(pl.col(pl.Float64))
        bad = [column for column in numbers.columns if not all(map(math.isfinite, numbers[column].drop_nulls()))]
        assert not bad, (name, bad)


def test_shares_and_their_intervals_are_in_order(made):
    for frame in made[2].values():
        for low in [name for name in frame.columns if name.endswith("_low") and not name.startswith("above")]:
            name = low.removesuffix("_low")
            if name in frame.columns:
                known = frame.drop_nulls([name, low])
                assert (known[low] <= known[name] + 1e-9).all(), name
                assert (known[name] <= known[f"{name}_high"] + 1e-9).all(), name


def test_every_labeler_and_every_question_is_accounted_for(made):
    scenario, corpus, tables = made
    names, n = list(scenario["readers"]), len(corpus.questions)
    for name in ("labelers", "unanimity", "diversity"):
        assert tables[name]["reader"].to_list() == names
    assert tables["calibration"]["reader"].unique(maintain_order=True).to_list() == names
    assert tables["labelers"]["n"].to_list() == [n] * len(names)
    assert (tables["unanimity"]["n"] + tables["unanimity"]["n_unknown"]).to_list() == [n] * len(names)
    counted = tables["slices"].group_by("reader", "slice").agg(pl.sum("n"), pl.sum("kept"))
    kept = dict(tables["gold"].group_by("reader").agg(pl.sum("kept")).iter_rows())
    assert set(counted["n"]) == {n}
    assert all(row["kept"] == kept[row["reader"]] for row in counted.iter_rows(named=True))


def test_without_references_nothing_is_judged(made):
    scenario, _, tables = made
    if scenario.get("known") == 0:
        for name in ("accuracy", "majority_share", "p_vs_majority", "p_vs_chance_holm", "qualified", "standing"):
            assert tables["labelers"][name].null_count() == len(tables["labelers"]), name
        assert tables["risk_coverage"].is_empty()
        assert tables["unanimity"]["accuracy"].null_count() == len(tables["unanimity"])
        assert tables["calibration"]["raw"].null_count() == len(tables["calibration"])
    else:
        assert tables["labelers"]["standing"].null_count() == 0


def test_the_report_has_whole_tables_and_no_python_in_it(made):
    _, corpus, tables = made
    report = render_report(manifest(corpus, tables), tables)
    assert not re.findall(r"\b(?:None|nan|NaN|inf|True|False)\b|[{}]", report)
    for block in (block for block in report.split("\n\n") if block.startswith("| ")):
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_the_report_is_the_same_every_time(made):
    _, corpus, tables = made
    assert render_report(manifest(corpus, tables), tables) == render_report(manifest(corpus, tables), tables)


def test_every_file_that_the_report_links_to_is_written_and_no_other(made, monkeypatch):
    _, corpus, tables = made
    # Drawn for real in tests of their own.
    for name, file in (("plot_coverage", RISK_PLOT), ("plot_vote_curves", CURVES_PLOT)):
        monkeypatch.setattr(f"results.report.documents.{name}", lambda *_, file=file: [Plot(file, "", "", "<svg/>")])
    report = render_report(manifest(corpus, tables), tables)
    linked = set(re.findall(r"\]\(([^)#]+)\)", report))
    assert linked == set(render_documents(manifest(corpus, tables), tables))


def test_a_reader_that_was_asked_some_questions_only_is_judged_on_these(corpus_of, ballots, tables_of):
    corpus = corpus_of(["yes", "no"] * 6)
    ids = corpus.questions["question_id"].to_list()
    p = (0.7, 0.2, 0.1)
    tables = tables_of(corpus, {"all": ballots(dict.fromkeys(ids, p)), "some": ballots(dict.fromkeys(ids[:5], p))})
    assert tables["labelers"]["n"].to_list() == [12, 5]
    assert tables["unanimity"]["n"].to_list() == [12, 5]
    assert tables["attrition"].filter(pl.col("reader") == "some")["n"].sum() == 5
    of_some = tables["slices"].filter((pl.col("reader") == "some") & (pl.col("slice") == "document words"))
    assert of_some["n"].sum() == 5


def test_the_shares_of_labels_are_those_of_the_known_references():
    facts = pl.DataFrame({"reference": ["no", None, "no", "yes"]})
    assert label_shares(facts, LabelSet()) == pytest.approx([1 / 3, 2 / 3, 0])
    assert label_shares(facts.with_columns(reference=pl.lit(None, dtype=pl.String)), LabelSet()) is None


def test_calibration_weighs_labels_as_the_whole_tune_split_does_and_not_as_those_asked(corpus_of, ballots, tables_of):
    corpus = corpus_of(["yes", "no"], tune=["yes"] * 8 + ["no"] * 2)
    asked = {"t000": (0.8, 0.1, 0.1), "t008": (0.2, 0.7, 0.1)}
    votes = {"small": ballots(dict.fromkeys(["q000", "q001"], (0.5, 0.4, 0.1)))}
    bias = tables_of(corpus, votes, tune={"small": ballots(asked)})["label_bias"]
    of_batch = bias.filter(pl.col("method") == "batch")["prior"].to_list()
    assert of_batch == pytest.approx([0.8 * 0.8 + 0.2 * 0.2, 0.8 * 0.1 + 0.2 * 0.7, 0.1])
