import polars as pl
import pytest

from corpora.errors import InputError
from labeling.votes import Vote, votes_frame
from results.agreement import compare_runs


def vote(number, label="yes", failure=None, probabilities=(0.6, 0.3), margin=0.3):
    return Vote("f", f"p{number}", "document", 0, 7, f"q{number}", label, failure, probabilities, 0.1, margin, 9)


def run(*votes):
    return {"votes": votes_frame(votes).select(pl.lit("small").alias("reader"), pl.all())}


def only(agreement):
    assert len(agreement) == 1
    return agreement.row(0, named=True)


def test_equal_runs_agree_in_everything():
    votes = [vote(1), vote(2, "no"), vote(3, None, "no_label_mass", (), None)]
    row = only(compare_runs(run(*votes), run(*votes)))
    assert (row["table"], row["reader"], row["n"], row["only_in_one"], row["differ"]) == ("votes", "small", 3, 0, 0)
    assert row["largest_margin"] is None
    assert row["largest_change"] == 0


def test_a_turned_label_is_counted_with_its_margin_and_the_change_of_probability():
    ours = run(vote(1, margin=0.02, probabilities=(0.46, 0.44)), vote(2, margin=0.9))
    theirs = run(vote(1, "no", probabilities=(0.43, 0.47)), vote(2, margin=0.9))
    row = only(compare_runs(ours, theirs))
    assert (row["n"], row["differ"], row["largest_margin"]) == (2, 1, 0.02)
    assert row["largest_change"] == pytest.approx(0.03)


def test_a_vote_of_one_run_alone_is_counted_apart():
    row = only(compare_runs(run(vote(1), vote(2)), run(vote(1))))
    assert (row["n"], row["only_in_one"], row["differ"]) == (1, 1, 0)


def test_a_vote_that_failed_in_one_run_only_differs():
    row = only(compare_runs(run(vote(1)), run(vote(1, None, "no_label_mass", (), None))))
    assert (row["n"], row["only_in_one"], row["differ"]) == (1, 0, 1)


def test_runs_without_a_table_in_common_are_refused():
    with pytest.raises(InputError, match="without a table in common"):
        compare_runs(run(vote(1)), {})
