import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.votes.vote import VOTES, Prompt, VoteKey, failed_vote, vote_id, votes_frame

PROMPT = Prompt("q1", "document", 1, 7, "Be brief.", "Does it float?", "Answer:")
KEY = VoteKey(PROMPT.hash, "document", 1, 7, "q1")


def test_a_prompt_names_the_vote_that_it_asks_for():
    assert PROMPT.key == KEY
    # printf 'Be brief.\036Does it float?\036Answer:' | sha256sum | cut -c -32
    assert PROMPT.hash == "f244c5073242985b3bf7d8793658d85e"


def test_the_name_of_a_vote_stays_what_it_was():
    # Batches that are under way name their requests so: with other names their results would be nobody's.
    # b2sum -l 128 of the four parts, with the control character 037 between them.
    assert VoteKey("abc", "document", 1, 7, "q1").id == "a0499d653cd6ce825b123db92bd5959f"
    assert vote_id("abc", "document", 1, 7).hex() == "a0499d653cd6ce825b123db92bd5959f"


def test_a_vote_a_key_and_a_prompt_give_the_same_name():
    vote = failed_vote("f1", KEY, "empty", 17)
    assert vote.id == KEY.id == PROMPT.key.id == vote_id(PROMPT.hash, "document", 1, 7).hex()
    assert (vote.prompt_hash, vote.arm, vote.vote, vote.seed, vote.question_id) == KEY
    assert (vote.labeler, vote.label, vote.failure, vote.n_prompt_tokens) == ("f1", None, "empty", 17)


@pytest.mark.parametrize(
    "other",
    [
        PROMPT._replace(arm="random"),
        PROMPT._replace(vote=2),
        PROMPT._replace(seed=8),
        PROMPT._replace(system="Be long."),
        PROMPT._replace(message="Does it sink?"),
        PROMPT._replace(start=""),
    ],
    ids=["arm", "vote", "seed", "system", "message", "start"],
)
def test_another_arm_vote_seed_or_prompt_is_another_vote(other):
    assert other.key.id != PROMPT.key.id


def test_labelers_and_questions_are_no_part_of_a_name():
    # The ledger has a folder a labeler; the question follows from the prompt and the seed.
    assert failed_vote("f2", KEY._replace(question_id="q2"), "empty", 0).id == KEY.id


PARTS = st.tuples(
    st.text("0123456789abcdef", max_size=4),
    st.sampled_from(["closed_book", "random", "document", "oracle_chunk", "retrieved"]),
    st.integers(0, 12),
    st.integers(0, 2**63 - 1) | st.integers(0, 12),
)


@given(PARTS, PARTS)
def test_two_votes_have_one_name_only_where_they_are_one(one, other):
    names = [VoteKey(*parts, "q1").id for parts in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


@given(PARTS)
def test_a_name_survives_the_ledger(parts):
    row = votes_frame([failed_vote("f1", VoteKey(*parts, "q1"), "empty", 0)]).row(0, named=True)
    assert vote_id(row["prompt_hash"], row["arm"], row["vote"], row["seed"]) == vote_id(*parts)


def test_what_a_provider_says_of_itself_is_kept_as_text():
    assert VOTES["served"] == VOTES["text"]
