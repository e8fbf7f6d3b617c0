"""Samples and splits depend on ids and seeds alone: not on row order, not on what else is in the frame."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.schema import Question, questions_frame
from corpora.shaping.selection import assign_split, balanced_sample, hashed_split, id_hash, sample_questions

# No deadline: a shared machine that is busy must not fail a property.
unhurried = settings(deadline=None, max_examples=50)

id_sets = st.sets(st.text("abcdefgh0123456789", min_size=1, max_size=6), min_size=1, max_size=40)


def frame_of(ids):
    return questions_frame(Question(question_id, "Is it?", ("d",)) for question_id in ids)


def ids_of(frame):
    return frame["question_id"].to_list()


def numbered(n, prefix="q"):
    return [f"{prefix}{number}" for number in range(n)]


# Samples


def test_an_id_hash_is_the_same_on_every_machine():
    # printf '7\037sample\037q1' | b2sum -l 64
    assert id_hash(7, "sample", "q1") == 0x8EE0773852DB0C07


@unhurried
@given(ids=id_sets, n=st.integers(1, 40), seed=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_the_order_of_the_rows(ids, n, seed, order):
    shuffled = sorted(ids)
    order.shuffle(shuffled)
    assert set(ids_of(sample_questions(frame_of(shuffled), n, seed))) == set(
        ids_of(sample_questions(frame_of(sorted(ids)), n, seed))
    )


@unhurried
@given(ids=id_sets, n=st.integers(1, 40), seed=st.integers(0, 5))
def test_a_sample_has_n_rows_or_all_of_them_in_the_order_of_the_frame(ids, n, seed):
    given_order = sorted(ids)
    drawn = ids_of(sample_questions(frame_of(given_order), n, seed))
    assert len(drawn) == min(n, len(ids))
    assert drawn == [question_id for question_id in given_order if question_id in set(drawn)]


@unhurried
@given(old=id_sets, new=id_sets, n=st.integers(1, 20), seed=st.integers(0, 5))
def test_a_question_stays_drawn_unless_a_newcomer_displaces_it(old, new, n, seed):
    newcomers = new - old
    before = set(ids_of(sample_questions(frame_of(sorted(old)), n, seed)))
    after = set(ids_of(sample_questions(frame_of(sorted(old | newcomers)), n, seed)))
    assert after <= before | newcomers  # nobody who was passed over comes back in
    displaced_by = after & newcomers
    room = n - len(before)
    assert len(before - after) == max(0, len(displaced_by) - room)


@unhurried
@given(ids=id_sets, n=st.integers(1, 20), seed=st.integers(0, 5))
def test_a_larger_sample_contains_the_smaller_one(ids, n, seed):
    frame = frame_of(sorted(ids))
    assert set(ids_of(sample_questions(frame, n, seed))) <= set(ids_of(sample_questions(frame, n + 3, seed)))


def test_different_seeds_draw_different_samples():
    frame = frame_of(numbered(200))
    samples = {tuple(ids_of(sample_questions(frame, 20, seed))) for seed in range(10)}
    assert len(samples) == 10


def test_over_many_seeds_every_question_is_drawn_about_equally_often():
    frame = frame_of(numbered(10))
    counts = dict.fromkeys(numbered(10), 0)
    for seed in range(1000):
        for question_id in ids_of(sample_questions(frame, 3, seed)):
            counts[question_id] += 1
    # Binomial(1000, .3): standard deviation 14.5, so 60 is four of them.
    assert all(abs(count - 300) < 60 for count in counts.values())


@pytest.mark.parametrize("n", [0, -1])
def test_a_sample_of_nothing_is_refused(n):
    with pytest.raises(InputError, match=f"sample of {n} questions: expected at least 1"):
        sample_questions(frame_of(numbered(3)), n, 0)


# Pinned samples


def test_a_pinned_sample_stays_exactly_the_same_when_the_frame_grows(tmp_path):
    pin = tmp_path / "not" / "yet" / "there.json"
    first = sample_questions(frame_of(numbered(50)), 10, 0, pin)
    grown = frame_of(numbered(500, "new") + numbered(50))
    assert ids_of(sample_questions(grown, 10, 0)) != ids_of(first)  # else the pin would prove nothing
    assert sample_questions(grown, 10, 0, pin).equals(first)


def test_a_first_pinned_sample_is_the_one_without_a_pin(tmp_path):
    frame = frame_of(numbered(50))
    assert sample_questions(frame, 10, 0, tmp_path / "pin.json").equals(sample_questions(frame, 10, 0))


def test_a_question_that_vanished_from_a_pinned_sample_is_refused_by_name(tmp_path):
    pin = tmp_path / "pin.json"
    gone, *_ = ids_of(sample_questions(frame_of(numbered(50)), 10, 0, pin))
    shrunk = frame_of(question_id for question_id in numbered(50) if question_id != gone)
    with pytest.raises(InputError, match=f"1 questions of the pinned sample .*pin.json.*'{gone}'"):
        sample_questions(shrunk, 10, 0, pin)


def test_a_frame_smaller_than_the_sample_is_not_pinned_so_that_the_sample_can_fill_up(tmp_path):
    pin = tmp_path / "pin.json"
    assert sample_questions(frame_of(numbered(5)), 10, 0, pin).height == 5
    assert sample_questions(frame_of(numbered(50)), 10, 0, pin).height == 10


def test_a_pin_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(InputError, match=r"cannot write the sample to .*\(Not a directory\)"):
        sample_questions(frame_of(numbered(9)), 3, 0, tmp_path / "store" / "samples" / "pin.json")


def test_no_partial_pin_file_is_left_behind(tmp_path):
    sample_questions(frame_of(numbered(50)), 10, 0, tmp_path / "pin.json")
    assert [file.name for file in tmp_path.iterdir()] == ["pin.json"]


# Balanced samples


def labelled(*references):
    return questions_frame(
        Question(f"q{number}", "Is it?", ("d",), reference=reference) for number, reference in enumerate(references)
    )


def counts_of(frame):
    return dict(frame["reference"].value_counts().iter_rows())


def test_a_balanced_sample_has_so_many_of_each_label():
    frame = labelled(*["yes"] * 50, *["no"] * 30, *["maybe"] * 10)
    assert counts_of(balanced_sample(frame, 8, 3, 0)) == {"yes": 8, "no": 8, "maybe": 8}


def test_a_label_with_too_few_questions_gives_all_that_it_has():
    frame = labelled(*["yes"] * 50, *["maybe"] * 3, *["no"] * 30)
    drawn = balanced_sample(frame, 8, 3, 0)
    assert counts_of(drawn) == {"yes": 8, "no": 8, "maybe": 3}
    assert drawn.filter(pl.col("reference") == "maybe").equals(frame.filter(pl.col("reference") == "maybe"))


def test_each_label_is_drawn_as_if_it_were_alone():
    frame = labelled(*["yes", "no", "maybe", "yes", "no"] * 20)
    drawn = balanced_sample(frame, 5, 3, 7)
    for label in ("yes", "no", "maybe"):
        of_label = frame.filter(pl.col("reference") == label)
        assert drawn.filter(pl.col("reference") == label).equals(sample_questions(of_label, 5, 7))


def test_questions_without_a_reference_are_drawn_only_where_none_has_one():
    mixed = labelled(*["yes", None, "no", None] * 10)
    assert counts_of(balanced_sample(mixed, 4, 2, 0)) == {"yes": 4, "no": 4}
    unlabelled = labelled(*[None] * 40)
    # As many as there would be with labels, whatever they turn out to be.
    assert balanced_sample(unlabelled, 4, 3, 0).equals(sample_questions(unlabelled, 12, 0))


def test_a_balanced_sample_of_a_label_set_with_an_unused_label_has_what_there_is():
    assert counts_of(balanced_sample(labelled(*["yes", "no"] * 10), 4, 3, 0)) == {"yes": 4, "no": 4}


references = st.lists(st.sampled_from(["yes", "no", "maybe", None]), min_size=1, max_size=30)


@unhurried
@given(references, st.integers(1, 6), st.integers(0, 5), st.randoms(use_true_random=False))
def test_a_balanced_sample_depends_on_ids_alone_and_keeps_the_order_of_the_frame(references, per_label, seed, order):
    frame = labelled(*references)
    drawn = ids_of(balanced_sample(frame, per_label, 3, seed))
    assert drawn == [question_id for question_id in ids_of(frame) if question_id in set(drawn)]
    shuffled = list(range(len(frame)))
    order.shuffle(shuffled)
    assert set(ids_of(balanced_sample(frame[shuffled], per_label, 3, seed))) == set(drawn)
    assert set(drawn) <= set(ids_of(balanced_sample(frame, per_label + 1, 3, seed)))


def test_balanced_samples_of_other_seeds_differ():
    frame = labelled(*["yes", "no"] * 50)
    assert len({tuple(ids_of(balanced_sample(frame, 5, 2, seed))) for seed in range(5)}) == 5


# Splits


def questions_on(documents, per_document=1):
    return questions_frame(
        Question(f"{document}-{number}", "Is it?", (document,))
        for document in documents
        for number in range(per_document)
    )


def test_the_hashed_split_is_stable():
    # Written down once: a change of the hash would move questions from tune to held_out under a user's feet.
    assert [hashed_split(f"doc-{number}", 0.5, 0) for number in range(6)] == ["held_out"] * 2 + ["tune"] * 4


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_the_held_out_share_of_2000_documents_is_near_the_fraction(fraction):
    split = assign_split(questions_on(numbered(2000)), fraction, seed=0)["split"]
    # Four standard deviations of a binomial share at n = 2,000 are at most .045.
    assert (split == "held_out").mean() == pytest.approx(fraction, abs=0.045)


def test_a_larger_fraction_only_adds_to_what_is_held_out():
    def held_out(fraction):
        frame = assign_split(questions_on(numbered(300)), fraction).filter(pl.col("split") == "held_out")
        return set(ids_of(frame))

    assert held_out(0.3) < held_out(0.6)


def test_all_questions_of_one_document_share_its_split():
    frame = assign_split(questions_on(numbered(50), per_document=4))
    by_document = frame.group_by(pl.col("document_ids").list.first()).agg(pl.col("split").n_unique())
    assert by_document["split"].to_list() == [1] * 50
    assert frame["split"].n_unique() == 2


def test_the_split_does_not_depend_on_the_order_of_the_rows():
    frame = questions_on(numbered(100))
    split = dict(assign_split(frame).select("question_id", "split").iter_rows())
    assert dict(assign_split(frame.reverse()).select("question_id", "split").iter_rows()) == split


def test_different_seeds_split_differently():
    frame = questions_on(numbered(100))
    assert assign_split(frame, seed=0)["split"].to_list() != assign_split(frame, seed=1)["split"].to_list()


@unhurried
@given(splits=st.lists(st.sampled_from(["tune", "held_out", None]), min_size=1, max_size=30))
def test_a_split_that_the_source_gives_is_never_overwritten(splits):
    frame = questions_frame(
        Question(f"q{number}", "Is it?", (f"d{number}",), split=split) for number, split in enumerate(splits)
    )
    assigned = assign_split(frame)["split"].to_list()
    assert [new for new, old in zip(assigned, splits, strict=True) if old] == [old for old in splits if old]
    assert set(assigned) <= {"tune", "held_out"}
