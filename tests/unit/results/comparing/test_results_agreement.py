import polars as pl
import pytest

from corpora.errors import InputError
from labeling.votes.vote import Vote, votes_frame
from results.comparing.agreement import AGREEMENT, compare_runs
from results.readers.answers import ANSWERS


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


def test_a_distribution_that_only_one_run_was_given_is_compared_with_nothing():
    row = only(compare_runs(run(vote(1, probabilities=(0.6, 0.3)), vote(2)), run(vote(1, probabilities=()), vote(2))))
    assert (row["n"], row["differ"], row["largest_change"]) == (2, 0, 0)


def test_runs_without_a_table_in_common_are_refused():
    with pytest.raises(InputError, match="without a table in common"):
        compare_runs(run(vote(1)), {})


def answer(number, label="yes", size=64, reader="small", failure=None, margin=0.2, arm="retrieved"):
    cell = {"reader": reader, "splitter": "tokens", "size": size, "overlap": 0, "embedder": "e", "retriever": "dense"}
    cell = cell | {"cut": "k", "amount": 3} if arm == "retrieved" else {"reader": reader}
    return cell | {"arm": arm, "question_id": f"q{number}", "label": label, "failure": failure, "margin": margin}


def answers(*rows):
    return {"answers": pl.DataFrame(rows, schema=ANSWERS)}


def test_answers_are_compared_cell_by_cell():
    failed = answer(3, None, failure="no_label_mass")
    ours = answers(answer(1), answer(1, "no", size=128), answer(2, "no", margin=0.01), failed)
    theirs = answers(answer(1, "no", size=128), answer(1), answer(2, margin=0.4), failed)
    row = only(compare_runs(ours, theirs))
    assert (row["table"], row["n"], row["only_in_one"], row["differ"]) == ("answers", 4, 0, 1)
    assert row["largest_margin"] == 0.01  # that of the first run
    assert row["largest_change"] is None  # answers hold no probabilities


def test_answers_that_no_cell_changes_are_compared_too_arm_by_arm():
    ours = answers(answer(1), answer(1, "no", arm="closed_book"), answer(1, arm="document"))
    theirs = answers(answer(1), answer(1, arm="closed_book"))
    row = only(compare_runs(ours, theirs))
    assert (row["n"], row["only_in_one"], row["differ"]) == (2, 1, 1)


def test_every_table_and_reader_has_its_own_row():
    ours = run(vote(1)) | answers(answer(1), answer(1, "no", reader="large"))
    theirs = run(vote(1)) | answers(answer(1), answer(1, reader="large"))
    found = compare_runs(ours, theirs)
    assert found.schema == AGREEMENT
    assert found.select("table", "reader", "n", "differ").rows() == [
        ("votes", "small", 1, 0), ("answers", "large", 1, 1), ("answers", "small", 1, 0)
    ]  # fmt: skip


def test_a_vote_of_the_second_run_alone_is_counted_apart_too():
    row = only(compare_runs(run(vote(1)), run(vote(1), vote(2), vote(3, None, "no_label_mass", (), None))))
    assert (row["reader"], row["n"], row["only_in_one"], row["differ"]) == ("small", 1, 2, 0)


def test_the_same_question_under_another_prompt_or_seed_is_another_vote():
    other = Vote("f", "p1", "document", 0, 8, "q1", "no", None, (0.3, 0.6), 0.1, 0.3, 9)
    row = only(compare_runs(run(vote(1)), run(other)))
    assert (row["n"], row["only_in_one"], row["differ"]) == (0, 2, 0)


def test_another_build_of_the_model_is_still_compared():
    # The labeler's fingerprint is not part of what pairs two votes.
    one = run(vote(1))
    other = {"votes": one["votes"].with_columns(labeler=pl.lit("g"))}
    assert only(compare_runs(one, other))["n"] == 1


def test_a_probability_may_change_without_a_label():
    row = only(compare_runs(run(vote(1, probabilities=(0.6, 0.3))), run(vote(1, probabilities=(0.55, 0.34)))))
    assert (row["differ"], row["largest_margin"]) == (0, None)
    assert row["largest_change"] == pytest.approx(0.05)


def test_runs_of_different_experiments_are_refused():
    with pytest.raises(InputError, match="without a question in common"):
        compare_runs(run(vote(1)), run(vote(2)))


def test_a_run_of_an_older_version_has_answers_without_distributions():
    answer = {"reader": "small", "arm": "retrieved", "question_id": "q", "label": "yes", "probabilities": [0.9, 0.1]}
    ours = pl.DataFrame([answer], schema=ANSWERS)
    (row,) = compare_runs({"answers": ours}, {"answers": ours.drop("probabilities")}).rows(named=True)
    assert (row["n"], row["differ"], row["largest_change"]) == (1, 0, None)
