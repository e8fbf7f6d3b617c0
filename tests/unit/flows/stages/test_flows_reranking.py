"""A sweep with a reranker, on the scripted embedder and a scripted reranker."""

import polars as pl
import pytest

from corpora.errors import InputError
from flows.planning.whole_plan import whole_plan
from flows.run.pipeline import execute
from flows.session.experiment import check_experiment, parse_experiment
from flows.session.session import Session
from flows.session.speeds import Speeds
from flows.session.workspace import Workspace
from flows.stages.runner import Runner
from results.store.finished import read_manifest
from tests.doubles.scripted import ScriptedReaders, open_word_embedder
from tests.doubles.scripted_reranker import scripted_rerankers

pytestmark = pytest.mark.usefixtures("no_plots")


def experiment_of(**retrieval):
    given = {"sizes": [16, 32], "k": [1, 3], "budgets": [64], "retrievers": ["dense", "bm25"],
             "rerankers": ["none", "org/longest"], "rerank_depth": 4}  # fmt: skip
    return parse_experiment(
        {
            "name": "reranked",
            "readers": [],
            "corpus": {"source": "generated", "generator": {"n_documents": 6, "words": 60}, "sample": 8},
            "retrieval": given | retrieval,
            "scoring": {"n_resamples": 100},
        },
        "the test",
    )


@pytest.fixture
def session(tmp_path):
    def longest(question, chunk):
        return float(len(chunk))

    with Session(
        Workspace(tmp_path, tmp_path), ScriptedReaders(lambda *_: ()), open_word_embedder, Speeds(tmp_path),
        scripted_rerankers(longest),
    ) as opened:  # fmt: skip
        yield opened


def test_every_ranking_gets_the_order_of_the_reranker(session):
    outcome = execute(experiment_of(), "sweep", session, Runner())
    hits = pl.read_parquet(outcome.folder / "hits.parquet")
    assert hits["retriever"].unique().sort().to_list() == ["bm25", "bm25+longest", "dense", "dense+longest"]
    key = ["embedder", "chunking", "question_id"]
    reranked = hits.filter(pl.col("retriever") == "dense+longest", pl.col("rank") <= 4)
    assert reranked.select(pl.col("score").diff().over([*key], order_by="rank").max()).item() <= 0
    ends = pl.col("chunk_id").str.extract_all(r"\d+")
    lengths = ends.list.get(-1).cast(pl.Int64) - ends.list.get(-2).cast(pl.Int64)
    assert reranked.filter(pl.col("score") != lengths).is_empty()
    means = pl.read_parquet(outcome.folder / "retrieval_means.parquet")
    assert len(means) == 2 * 4 * 3
    assert "Quality and speed of the retrievers" in outcome.report


def test_the_plain_rankings_are_those_without_a_reranker(session):
    both = execute(experiment_of(), "sweep", session, Runner())
    alone = execute(experiment_of(rerankers=["none"]), "sweep", session, Runner())
    hits = pl.read_parquet(both.folder / "hits.parquet").filter(~pl.col("retriever").str.contains("+", literal=True))
    assert hits.equals(pl.read_parquet(alone.folder / "hits.parquet"))


def test_no_pair_is_scored_twice(session):
    execute(experiment_of(), "sweep", session, Runner())
    asked = len(session.reranker("org/longest").asked)
    assert asked == len(set(session.reranker("org/longest").asked))
    execute(experiment_of(rerankers=["org/longest"], k=[1]), "sweep", session, Runner())
    assert len(session.reranker("org/longest").asked) == asked


def test_the_manifest_has_the_digest_and_the_speed(session):
    manifest = read_manifest(execute(experiment_of(), "sweep", session, Runner()).folder)
    assert manifest["rerankers"]["longest"]["with_all_that_changes_scores"] == session.reranker("org/longest").digest
    timed = {one["retriever"]: one for one in manifest["sessions"][-1]["rankings"]}
    assert timed["dense+longest"]["pairs"] == 2 * 8 * 4
    assert timed["dense+longest"]["questions"] == timed["dense"]["questions"] == 2 * 8
    assert timed["dense+longest"]["pairs_per_second"] > 0
    assert timed["dense"]["pairs_per_second"] is None


def test_a_run_without_rerankers_has_the_name_that_it_had():
    plain = experiment_of(rerankers=["none"]).retrieval
    assert not {"rerankers", "rerank_depth"} & set(plain.model_dump(mode="json"))
    assert experiment_of().retrieval.model_dump(mode="json")["rerankers"] == ["none", "org/longest"]


def test_chunks_that_the_reranker_would_cut_are_refused_before_they_are_embedded(session):
    experiment = experiment_of(sizes=[16, 250], budgets=[250])
    experiment = experiment.model_copy(
        update={"corpus": experiment.corpus.model_copy(
            update={"generator": experiment.corpus.generator.model_copy(update={"words": 400})})}
    )  # fmt: skip
    with pytest.raises(InputError, match="at most 200 tokens together"):
        execute(experiment, "sweep", session, Runner())
    (config,) = experiment.retrieval.embedders
    assert session.embedder(config).n_embedded <= 8  # the questions


def test_the_plan_says_how_many_pairs_and_how_long(session):
    text = whole_plan(experiment_of(), "sweep", session, measures=False).text
    assert "longest scores at most 128 pairs of a question and a chunk (8 questions, 4 chunks each, 4 rankings)" in text
    assert "its speed was never measured" in text
    text = whole_plan(experiment_of(), "sweep", session, measures=True).text
    assert "pairs a second, as last seen" in text


@pytest.mark.parametrize(
    ("given", "said"),
    [(["a/one", "b/one"], "two rerankers are called 'one'"), (["none", "none"], "holds 'none' twice")],
)
def test_names_that_would_be_mixed_up_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        check_experiment(experiment_of(rerankers=given))
