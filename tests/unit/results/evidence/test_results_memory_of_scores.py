"""How much memory scoring and averaging hold beside their tables: a little for each question, whatever the cuts."""

import polars as pl
import pytest

from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from results.config import ScoringConfig
from results.evidence import retrieval_metrics
from results.evidence.retrieval_metrics import score_retrieval
from results.stats import resampling
from results.sweep.retrieval_means import mean_retrieval
from retrieval.context import Cut
from tests.doubles.chunk_frames import peak_bytes

N, DEPTH = 100, 8
CUTS = [Cut("k", 3), Cut("k", 8)]
SETTING = {"splitter": "tokens", "size": 8, "overlap": 0, "embedder": "e", "retriever": "dense"}


def corpus(n):
    documents = documents_frame(Document(f"d{at}", f"Gate {at} is closed on every Monday.") for at in range(40))
    spans = [(f"d{at % 40}", Span(f"d{at % 40}", 0, 6)) for at in range(n)]
    asked = questions_frame(Question(f"q{at}", "?", (d,), "yes", (span,)) for at, (d, span) in enumerate(spans))
    return Corpus("many", documents, asked, LabelSet())


def rankings(n):
    rows = [
        {"question_id": f"q{at}", "document_id": f"d{(at + 7 * rank) % 40}", "start": 0, "end": 12, "rank": rank,
         "n_tokens": 3}
        for at in range(n) for rank in range(1, DEPTH + 1)
    ]  # fmt: skip
    return [pl.DataFrame(rows).with_columns(pl.lit(value).alias(name) for name, value in SETTING.items())]


def bytes_a_question(work_on):
    """What each further question adds to the peak of Python and NumPy, where one block does not hold them all."""
    work_on(N)()  # what is loaded once
    few, many = (peak_bytes(work_on(n)) for n in (N, 4 * N))
    return (many - few) / (3 * N)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(retrieval_metrics, "_BLOCK", 25)
    monkeypatch.setattr(resampling, "_BLOCK", 5_000)


def test_scoring_holds_a_little_for_each_question_and_nothing_for_each_cut(tiny):
    def on(n):
        asked, ranked = corpus(n), rankings(n)
        return lambda: score_retrieval(asked, ranked, CUTS * 3, tiny)

    assert bytes_a_question(on) < 2_000  # 2,900 if ir-measures held all questions at once


def test_averaging_holds_the_scores_and_a_block_of_resamples(tiny):
    def on(n):
        asked = corpus(n)
        scored = score_retrieval(asked, rankings(n), CUTS, tiny)
        return lambda: mean_retrieval(asked, scored, ScoringConfig(n_resamples=300))

    assert bytes_a_question(on) < 1_000  # 5,000 if all resamples were drawn at once
