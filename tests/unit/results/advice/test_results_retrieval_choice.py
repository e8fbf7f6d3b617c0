from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from results.advice.advice import retrieval_entry
from results.advice.retrieval_choice import choose_retrieval
from results.config import ScoringConfig
from results.evidence.retrieval_metrics import DOCUMENT_SCORES, SPAN_SCORES
from results.settings import name_settings, names_in
from tests.doubles.judged_by_hand import first, questions_by_hand

N = 300
CONFIG = ScoringConfig(answers="drawn", n_resamples=1000)


def rows_of(size: int, n_found: int, n_spans: int | None = None, cut: str = "k", amount: int = 3) -> pl.DataFrame:
    """The document of the first so many questions is found, and the evidence of the first so many; None for none."""
    columns = {"splitter": "tokens", "size": size, "overlap": 0, "embedder": "e", "retriever": "dense", "cut": cut}
    columns |= {"amount": amount, "n_context_tokens": size * amount, "question_id": [f"q{n:03d}" for n in range(N)]}
    found = np.array(first(n_found, N), dtype=float)
    spans = [None] * N if n_spans is None else np.array(first(n_spans, N), dtype=float).tolist()
    columns |= {name: found for name in DOCUMENT_SCORES}
    columns |= {name: pl.Series(spans, dtype=pl.Float64) for name in SPAN_SCORES}
    return pl.DataFrame(columns)


def choices(*parts: pl.DataFrame, per_document: int = 1, config: ScoringConfig = CONFIG) -> list[SimpleNamespace]:
    """The advice on retrieval as a manifest holds it."""
    rows = pl.concat(parts)
    found = choose_retrieval(questions_by_hand(N, per_document), rows, config)
    assert all(one.told == (one.recommended is not None) for one in found)
    return [SimpleNamespace(**retrieval_entry(one, names_in(name_settings(rows)))) for one in found]


def name(size: int) -> str:
    return f"tokens(size={size},overlap=0)"


def test_the_setting_that_reads_least_of_those_near_the_best_is_chosen():
    (one,) = choices(rows_of(32, 200), rows_of(64, 269), rows_of(128, 270))
    assert (one.cut, one.score, one.best, one.recommended) == ("k=3", "ndcg", name(128), name(64))
    assert one.line == (
        "Retrieve the best 3 chunks of 64 tokens: nDCG 0.897, 192 tokens read, over 300 questions; it reads the "
        "least of the 2 settings (of 3) within 5 points of the best (the best 3 chunks of 128 tokens: nDCG 0.900)."
    )


def test_evidence_comes_before_documents():
    (one,) = choices(rows_of(32, 300, n_spans=100), rows_of(64, 100, n_spans=250))
    assert (one.score, one.best, one.recommended) == ("span_recall", name(64), name(64))
    assert "83 % of the evidence" in one.line


def test_cannot_tell_where_no_setting_is_shown_near_the_best():
    even, odd = (rows_of(size, 0).with_columns(ndcg=pl.Series(np.arange(N) % 2 == of, dtype=pl.Float64))
                 for size, of in ((32, 0), (64, 1)))  # fmt: skip
    (one,) = choices(even, odd)
    assert one.recommended is None
    assert one.best == name(32)  # of equal ones the one that reads less
    assert one.line == (
        "No winner yet in retrieval, the best 3 chunks read: both settings are equal so far (nDCG 0.500, over 300 "
        "questions); no setting is shown to be within 5 points of the best."
    )
    worse = rows_of(128, 0).with_columns(ndcg=pl.lit(0.49))
    assert choices(even, odd, worse)[0].line.startswith(
        "No winner yet in retrieval, the best 3 chunks read. Best so far, and equal: 32-token chunks and 64-token "
        "chunks (nDCG 0.500, over 300 questions); "
    )


def test_what_is_left_is_named_where_the_others_are_shown_to_be_worse():
    even, odd = (rows_of(size, 0).with_columns(ndcg=pl.Series(np.arange(N) % 2 == of, dtype=pl.Float64))
                 for size, of in ((32, 0), (64, 1)))  # fmt: skip
    (one,) = choices(even, odd, rows_of(128, 0).with_columns(ndcg=pl.lit(0.1)), config=ScoringConfig())
    assert (one.recommended, one.not_worse) == (None, (name(32), name(64)))
    assert one.line == (
        "Retrieve 32-token chunks or 64-token chunks, the best 3 chunks read: the other one is shown to be worse, "
        "and these cannot be told apart yet. "
        "Equal so far: 32-token chunks and 64-token chunks (nDCG 0.500, over 300 questions)."
    )
    others = (rows_of(size, 0).with_columns(ndcg=even["ndcg"]) for size in (16, 8))
    many = [even, odd, *others]
    (one,) = choices(*many, rows_of(128, 0).with_columns(ndcg=pl.lit(0.1)), config=ScoringConfig())
    assert one.line.endswith(
        "; 1 of 5 settings is shown to be worse, but no setting is shown to be within 5 points of the best."
    )
    assert choices(even, odd, config=ScoringConfig())[0].not_worse == ()


def test_one_document_shows_nothing():
    (one,) = choices(rows_of(32, 100), rows_of(64, 290), per_document=N)
    assert (one.best, one.recommended) == (name(64), None)


def test_token_budgets_come_first_and_are_chosen_for_apart():
    found = choices(
        rows_of(32, 290), rows_of(64, 100), rows_of(32, 100, cut="budget", amount=256),
        rows_of(64, 290, cut="budget", amount=256),
    )  # fmt: skip
    assert [(one.cut, one.recommended) for one in found] == [("budget=256", name(64)), ("k=3", name(32))]
    assert "only this one of 2 settings is shown to be within 5 points of the best" in found[0].line


def test_questions_without_evidence_are_left_out_of_span_recall():
    gaps = rows_of(32, 300, n_spans=90).with_columns(pl.col(SPAN_SCORES).head(100).append(pl.Series([None] * 200)))
    (one,) = choices(gaps)
    assert "90 % of the evidence" in one.line


def test_equal_settings_share_the_lead_and_the_one_that_reads_least_is_chosen():
    (one,) = choices(rows_of(32, 270), rows_of(64, 270), rows_of(128, 270))
    assert (one.best, one.recommended) == (name(32), name(32))
    assert one.line.endswith("all 3 settings are equal, and it reads no more than the others.")
    (one,) = choices(rows_of(32, 100), rows_of(64, 270), rows_of(128, 270))
    assert one.recommended == name(64)
    assert one.line.endswith(
        "it is one of 2 settings (of 3) that lead and are equal, and reads no more than the other."
    )
    (one,) = choices(rows_of(32, 269), rows_of(64, 270), rows_of(128, 270))
    assert one.line.endswith("(64-token chunks and 128-token chunks: nDCG 0.900).")


def test_scores_that_differ_only_by_rounding_are_equal():
    thirds, halves = (rows_of(size, 0).with_columns(ndcg=pl.Series(scores * (N // 2)))
                      for size, scores in ((64, [0.1, 0.2]), (32, [0.15, 0.15])))  # fmt: skip
    assert np.mean(thirds["ndcg"].to_numpy()) != np.mean(halves["ndcg"].to_numpy()), "or this tests nothing"
    (one,) = choices(thirds, halves)
    assert one.best == name(32)


@pytest.mark.parametrize(
    ("spans", "nothing"), [(None, "the right document for any question"), (0, "any of the evidence")]
)
def test_where_nothing_is_found_nothing_is_recommended(spans, nothing):
    (one,) = choices(rows_of(32, 0, spans), rows_of(64, 0, spans))
    assert one.recommended is None
    said = f"no setting finds {nothing} (300 questions)"
    assert one.line == f"Nothing can be told of retrieval, the best 3 chunks read: {said}."
