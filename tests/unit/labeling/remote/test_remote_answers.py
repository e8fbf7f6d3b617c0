import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.answers import MalformedAnswerError, is_overruled, label_distribution, read_vote, refusal
from labeling.remote.client import ProviderError
from labeling.votes.vote import Vote, VoteKey, votes_frame

LABELS = LabelSet()
CHANGE = LabelSet(("no change", "no effect", "yes"))
NESTED = LabelSet(("no", "no change", "yes"))
KEY = VoteKey("abc", "document", 1, 7, "q1")
READER = LabelerConfig(remote=RemoteConfig(provider="groq"))
TELLING = LabelerConfig(remote=RemoteConfig(provider="server", base_url="http://127.0.0.1/v1"))
REASONING = LabelerConfig(mode="generate", remote=RemoteConfig(provider="openai"))


def place(said, **top):
    """One place of an answer: the token that was said, and the tokens told with their probabilities."""
    return {
        "token": said,
        "logprob": -0.1,
        "top_logprobs": [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in top.items()],
    }


def logprobs_of(**top):
    return {"content": [place(next(iter(top)), **top)]}


def body_of(content="yes", *, finish="stop", logprobs=None, usage=(17, 2), **message):
    return {
        "id": "chatcmpl-1",
        "model": "m-2026-10-01",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "logprobs": logprobs,
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]},
    }


def read(body, config=READER, labels=LABELS):
    return read_vote(config, labels, "f1", KEY, body)


# The distribution of the first token


def test_each_label_has_the_probability_of_the_tokens_that_begin_it():
    assert label_distribution(logprobs_of(yes=0.5, no=0.25, maybe=0.125, The=0.1), LABELS) == pytest.approx(
        [0.5, 0.25, 0.125]
    )


def test_cases_spaces_and_pieces_of_a_label_are_summed():
    spelt = {"Yes": 0.25, " yes": 0.125, "YES": 0.0625, "y": 0.03125, "No": 0.25, "may": 0.125, "Ma": 0.0625}
    assert label_distribution(logprobs_of(**spelt), LABELS) == pytest.approx([0.46875, 0.25, 0.1875])


def test_a_label_that_is_not_among_the_tokens_told_has_none():
    assert label_distribution(logprobs_of(yes=0.75, The=0.2), LABELS) == pytest.approx([0.75, 0, 0])


def test_the_order_is_that_of_the_labels():
    reverse = LabelSet(tuple(LABELS)[::-1])
    assert label_distribution(logprobs_of(yes=0.5, maybe=0.125), reverse) == pytest.approx([0.125, 0, 0.5])


@pytest.mark.parametrize("blanks", [["\n"], [" ", "\n\n"], ["\t"]])
def test_blank_tokens_before_the_answer_are_passed_over(blanks):
    before = [place(blank, **{blank: 0.5, "maybe": 0.25}) for blank in blanks]
    looked = {"content": [*before, place("yes", yes=0.5, no=0.25), place(".", no=0.75)]}
    assert label_distribution(looked, LABELS) == pytest.approx([0.5, 0.25, 0])


def test_what_is_told_after_the_first_token_does_not_count():
    looked = {"content": [place("The", The=0.9, yes=0.05), place("no", no=0.99)]}
    assert label_distribution(looked, LABELS) == pytest.approx([0.05, 0, 0])


def test_a_token_with_which_two_labels_begin_leaves_the_distribution_unknown():
    assert label_distribution(logprobs_of(no=0.6, yes=0.3), CHANGE) is None
    assert label_distribution(logprobs_of(yes=0.9, no=0.002), CHANGE) is None


def test_unless_next_to_nothing_lies_on_it():
    assert label_distribution(logprobs_of(yes=0.9, no=0.0009), CHANGE) == pytest.approx([0, 0, 0.9])
    # 0.0006 + 0.0006 is more than 0.001.
    assert label_distribution(logprobs_of(yes=0.9, no=0.0006, No=0.0006), CHANGE) is None


def test_a_token_that_is_a_label_and_begins_another_leaves_the_distribution_unknown():
    assert label_distribution(logprobs_of(no=0.6, yes=0.3), NESTED) is None
    assert label_distribution(logprobs_of(yes=0.9, no=1e-9), NESTED) is None
    # Nothing is told of it: what is told is of one label.
    assert label_distribution(logprobs_of(yes=0.9), NESTED) == pytest.approx([0, 0, 0.9])


@pytest.mark.parametrize(
    "looked",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": "yes"},
        {"content": [None]},
        {"content": [{"token": "yes"}]},
        {"content": [{"token": "yes", "top_logprobs": None}]},
        {"content": [{"token": "yes", "top_logprobs": []}]},
        {"content": [{"token": "yes", "top_logprobs": 5}]},
        {"content": [{"token": "yes", "top_logprobs": {"yes": -0.1}}]},
        {"content": [{"token": "yes", "top_logprobs": [{"token": "yes"}, {"token": "no", "logprob": None}]}]},
        {"content": [{"token": "yes", "top_logprobs": [{"token": "yes", "logprob": math.nan}]}]},
        {"content": [{"token": "yes", "top_logprobs": [{"token": "yes", "logprob": -math.inf}]}]},
        {"content": [place("\n", **{"\n": 0.9, "yes": 0.1})]},  # blank to its end
        logprobs_of(**{"**": 0.9, "The": 0.1}),  # nothing lies on a label
        {"tokens": ["yes"], "token_logprobs": [-0.1]},  # the older shape
    ],
    ids=str,
)
def test_without_a_distribution_over_labels_there_is_none(looked):
    assert label_distribution(looked, LABELS) is None


def told_of_yes(logprob):
    return {"content": [{"token": "yes", "top_logprobs": [{"token": "yes", "logprob": logprob}]}]}


def test_a_log_probability_of_0_is_certain_but_for_rounding():
    for told in (0, 0.0, -1e-9, 1e-6):
        assert label_distribution(told_of_yes(told), LABELS) == pytest.approx([1, 0, 0], abs=1e-5)


@pytest.mark.parametrize("told", [0.1, 5000, math.inf, 10**400, True, -math.inf, -(10**400), math.nan])
def test_a_log_probability_that_cannot_be_one_is_no_distribution(told):
    assert label_distribution(told_of_yes(told), LABELS) is None


def test_probabilities_that_sum_to_more_than_1_are_no_distribution():
    assert label_distribution(logprobs_of(yes=0.6, no=0.6), LABELS) is None


TOKENS = st.sampled_from(["yes", "Yes", " no", "N", "maybe", "m", "\n", "The", "no change", ""])


@given(st.lists(st.tuples(TOKENS, st.floats(-60, 0)), max_size=8), st.sampled_from([LABELS, CHANGE, NESTED]))
def test_the_order_in_which_tokens_are_told_does_not_matter_and_no_mass_is_invented(told, labels):
    def distribution(told):
        top = [{"token": token, "logprob": logprob} for token, logprob in told]
        return label_distribution({"content": [{"token": "x", "top_logprobs": top}]}, labels)

    one, other = distribution(told), distribution(told[::-1])
    assert one == other if one is None else one == pytest.approx(other)
    if one is not None:
        assert len(one) == len(labels)
        assert 0 < sum(one) <= sum(math.exp(logprob) for _, logprob in told) + 1e-9


# From an answer to a vote


def test_an_answer_becomes_the_vote_that_was_asked_for():
    assert read(body_of("Yes, it floats.")) == Vote(
        labeler="f1",
        prompt_hash="abc",
        arm="document",
        vote=1,
        seed=7,
        question_id="q1",
        label="yes",
        failure=None,
        probabilities=(),
        outside_mass=None,
        margin=None,
        n_prompt_tokens=17,
        text="Yes, it floats.",
        parse="lenient",
        problem=None,
        n_generated=2,
        served="m-2026-10-01 fp_1",
    )


@pytest.mark.parametrize(
    ("content", "finish", "label", "parse", "problem"),
    [
        ("yes", "stop", "yes", "strict", None),
        ("Answer: no", "stop", "no", "lenient", None),
        ("It depends.", "stop", None, None, "off_label"),
        ("It depends on", "length", None, None, "truncated"),
        ("yes", "length", "yes", "strict", None),
        ("I cannot answer this.", "stop", None, None, "refused"),
        ("yes", "content_filter", None, None, "refused"),
        ("", "content_filter", None, None, "refused"),
        ("", "stop", None, None, "empty"),
        (None, "stop", None, None, "empty"),
        ("", "length", None, None, "truncated"),  # all of it went into reasoning that is not shown
        (None, "length", None, None, "truncated"),
    ],
)
def test_a_text_has_a_label_or_a_failure_with_a_name(content, finish, label, parse, problem):
    vote = read(body_of(content, finish=finish))
    assert (vote.label, vote.parse, vote.problem, vote.failure) == (label, parse, problem, problem)
    assert vote.text == (content or "")
    assert (vote.probabilities, vote.n_prompt_tokens, vote.n_generated) == ((), 17, 2)


def test_a_refusal_in_its_own_field_is_one_whatever_the_text():
    vote = read(body_of("yes", refusal="I cannot help with that."))
    assert (vote.label, vote.failure, vote.problem, vote.text) == (None, "refused", "refused", "yes")
    assert read(body_of("yes", refusal=None)).label == "yes"
    assert read(body_of("yes", refusal="")).label == "yes"


def test_generate_mode_reads_the_last_line_and_not_the_first_word():
    text = "No crew was tired.\nAnswer: yes"
    assert (read(body_of(text), REASONING).label, read(body_of(text), REASONING).parse) == ("yes", "strict")
    assert read(body_of("No, because of rain."), REASONING).failure == "off_label"
    assert read(body_of("No, because of rain."), READER).label == "no"


def test_a_bare_label_that_may_go_on_where_it_was_cut_is_truncated():
    assert read(body_of("no", finish="length"), labels=NESTED).failure == "truncated"
    assert read(body_of("no", finish="stop"), labels=NESTED).label == "no"


CERTAIN = logprobs_of(no=0.5, The=0.25)


@pytest.mark.parametrize(
    ("content", "finish"), [("no", "stop"), (" No", "stop"), ("no", "length"), ("no, because the", "length")]
)
def test_where_the_text_bears_out_the_distribution_the_label_is_drawn_from_it(content, finish):
    looked = {"content": [place(content[:3].rstrip(","), no=0.5, The=0.25)]}
    vote = read(body_of(content, finish=finish, logprobs=looked), TELLING)
    assert (vote.label, vote.failure, vote.parse, vote.problem) == ("no", None, None, None)
    assert vote.probabilities == pytest.approx((0, 0.5, 0))
    assert vote.outside_mass == pytest.approx(0.5)
    assert vote.margin == 1
    assert vote.text == content


# The complete answer outranks a distribution that it does not bear out

THINKING = {"content": [place("Okay", Okay=0.96, The=0.03, No=0.002), place("yes", yes=0.99, no=0.01)]}
CUT_THINKING = {"content": [place("Okay", Okay=0.96, No=0.002)]}
SURE_OF_NO = {"no": 0.9, "yes": 1e-4}


@pytest.mark.parametrize(
    ("content", "finish", "logprobs", "label", "failure"),
    [
        # what is told stands before hidden reasoning
        ("yes", "stop", THINKING, "yes", None),
        ("yes", "stop", {"content": [place("Okay", no=0.9), place("yes", yes=0.9)]}, "yes", None),
        (None, "length", CUT_THINKING, None, "truncated"),
        ("", "length", logprobs_of(no=0.9), None, "truncated"),
        ("", "stop", logprobs_of(no=0.9), None, "empty"),
        # most of it lies outside the labels
        ("The answer is yes", "stop", logprobs_of(The=0.6, no=0.3), "yes", None),
        ("yes", "stop", logprobs_of(yes=0.49, The=0.4), "yes", None),
        ("The crews were", "length", logprobs_of(The=0.6, no=0.3), None, "truncated"),
        # the text is complete and has no label
        ("It depends.", "stop", logprobs_of(It=0.3, no=0.6), None, "off_label"),
        # the text has a label that the distribution all but excludes
        ("yes", "stop", {"content": [place("yes", **SURE_OF_NO)]}, "yes", None),
        ("yes", "stop", {"content": [place("yes", no=0.9)]}, "yes", None),
        # reasoning that a server leaves in the text
        ("<think>no? The", "length", logprobs_of(**{"<think>": 0.99}), None, "truncated"),
        ("<think>It may be no.</think>\n\nyes", "stop", logprobs_of(**{"<think>": 0.99}), "yes", None),
    ],
)
def test_where_it_does_not_the_text_is_read_or_the_vote_fails_by_name(content, finish, logprobs, label, failure):
    body = body_of(content, finish=finish, logprobs=logprobs)
    vote = read(body, TELLING)
    assert (vote.label, vote.failure, vote.problem) == (label, failure, failure)
    assert (vote.probabilities, vote.outside_mass, vote.margin) == ((), None, None)
    has_distribution = label_distribution(logprobs, LABELS) is not None
    assert is_overruled(TELLING, LABELS, body, vote) == has_distribution


def test_only_a_vote_with_another_distribution_is_overruled():
    drawn, silent = body_of("no", logprobs=CERTAIN), body_of("no")
    assert not is_overruled(TELLING, LABELS, drawn, read(drawn, TELLING))
    assert not is_overruled(TELLING, LABELS, silent, read(silent, TELLING))
    assert not is_overruled(READER, LABELS, drawn, read(drawn, READER))


def test_at_temperature_0_the_text_must_say_the_most_probable_label():
    greedy = TELLING.model_copy(update={"temperature": 0.0})
    for said, probabilities in (("no", ()), ("yes", (0.6, 0.3, 0))):
        looked = {"content": [place(said, yes=0.6, no=0.3)]}
        vote = read(body_of(said, logprobs=looked), greedy)
        assert (vote.label, vote.probabilities) == (said, pytest.approx(probabilities))


def test_a_text_that_was_cut_before_its_label_does_not_outrank_its_own_start():
    vote = read(body_of("The crews were", finish="length", logprobs=logprobs_of(The=0.3, no=0.6)), TELLING)
    assert (vote.label, vote.probabilities) == ("no", pytest.approx((0, 0.6, 0)))


def test_an_unlikely_label_is_no_contradiction():
    looked = {"content": [place("yes", no=0.9, yes=0.05)]}
    assert read(body_of("yes", logprobs=looked), TELLING).probabilities == pytest.approx((0.05, 0.9, 0))


def test_a_label_that_begins_with_half_a_character_is_compared_by_its_bytes():
    labels = LabelSet(("да", "нет"))
    first = place("", **{"": 0.01, "да": 0.9}) | {"bytes": list("да".encode()[:1])}
    vote = read(body_of("да", logprobs={"content": [first]}), TELLING, labels)
    assert vote.probabilities == pytest.approx((0.9, 0))


def test_an_answer_in_parts_is_its_texts():
    parts = [{"type": "thinking", "thinking": "no"}, {"type": "text", "text": "yes"}, None, {"type": "text"}]
    vote = read(body_of(parts))
    assert (vote.label, vote.text) == ("yes", "yes")


# Prompts that a server cuts


@pytest.mark.parametrize(
    ("counted", "least", "is_cut"), [(17, 18, True), (17, 17, False), (17, 0, False), (0, 99, False)]
)
def test_an_answer_to_a_prompt_that_was_cut_is_none(counted, least, is_cut):
    vote = read_vote(READER, LABELS, "f1", KEY, body_of(usage=(counted, 2)), least)
    assert (vote.label is None, vote.failure == "prompt_too_long") == (is_cut, is_cut)
    if is_cut:
        assert vote.text == "the server counts 17 tokens in a prompt of at least 18: it has cut the prompt"
        assert (vote.n_prompt_tokens, vote.n_generated, vote.probabilities, vote.parse) == (17, 2, (), None)


def test_mass_outside_and_margin_are_those_of_the_distribution():
    vote = read(body_of(logprobs=logprobs_of(yes=0.5, no=0.25, maybe=0.125)), TELLING)
    assert vote.outside_mass == pytest.approx(0.125)
    assert vote.margin == pytest.approx(0.5 / 0.875 - 0.25 / 0.875)


def test_the_label_drawn_follows_from_the_seed_and_from_the_sampling():
    body = body_of("yes", logprobs=logprobs_of(yes=0.5, no=0.3, maybe=0.2))
    drawn = [read_vote(TELLING, LABELS, "f1", KEY._replace(seed=seed), body).label for seed in range(200)]
    assert drawn == [read_vote(TELLING, LABELS, "f1", KEY._replace(seed=seed), body).label for seed in range(200)]
    # Binomial, 200 draws at 0.5: a standard deviation of 7; five of them either way.
    assert 65 <= drawn.count("yes") <= 135
    assert set(drawn) == set(LABELS)
    greedy = TELLING.model_copy(update={"temperature": 0.0})
    assert {read_vote(greedy, LABELS, "f1", KEY._replace(seed=seed), body).label for seed in range(20)} == {"yes"}


def test_a_refusal_stays_one_whatever_the_distribution_of_its_first_token():
    for body in (body_of("yes", logprobs=CERTAIN, refusal="No."), body_of("I cannot say.", logprobs=CERTAIN)):
        vote = read(body, TELLING)
        assert (vote.label, vote.failure, vote.probabilities) == (None, "refused", ())


def test_without_a_distribution_the_text_counts():
    vote = read(body_of("Yes.", logprobs=None), TELLING)
    assert (vote.label, vote.parse, vote.probabilities, vote.margin) == ("yes", "lenient", (), None)


def test_a_distribution_that_nobody_asked_for_is_not_used():
    for config in (READER, REASONING):
        vote = read(body_of("Answer: yes", logprobs=CERTAIN), config)
        assert (vote.label, vote.probabilities) == ("yes", ())


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        {"prompt_tokens": None, "completion_tokens": "2"},
        {"prompt_tokens": -1, "completion_tokens": 2**40},
    ],
    ids=str,
)
def test_an_answer_that_does_not_say_what_it_used_counts_as_nothing_used(usage):
    for body in (body_of() | {"usage": usage}, {name: part for name, part in body_of().items() if name != "usage"}):
        assert (read(body).n_prompt_tokens, read(body).n_generated) == (0, 0)


@pytest.mark.parametrize(
    ("facts", "served"),
    [
        ({"model": "m", "system_fingerprint": None}, "m"),
        ({"model": None, "system_fingerprint": "fp"}, "fp"),
        ({"model": None, "system_fingerprint": None}, None),
    ],
)
def test_what_served_is_told_as_far_as_it_is_known(facts, served):
    assert read(body_of() | facts).served == served


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": {"message": "overloaded"}},
        {"choices": None},
        {"choices": []},
        {"choices": "yes"},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"message": None}]},
        {"choices": [{"text": "yes"}]},
    ],
    ids=str,
)
def test_a_body_without_a_message_is_no_answer(body):
    with pytest.raises(MalformedAnswerError, match="no message in"):
        read(body)


def test_half_a_character_in_an_answer_does_not_keep_its_vote_out_of_the_ledger():
    half = "Yes. \ud83e"  # of a pair, as JSON may hold it
    vote = read(body_of(half) | {"model": half})
    assert vote.label == "yes"
    stored = votes_frame([vote]).row(0, named=True)
    assert (stored["text"], stored["served"]) == ("Yes. ?", "Yes. ? fp_1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["yes", "length"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["token", "logprob", "top_logprobs", "content", "prompt_tokens", "completion_tokens"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries(
        {"message": st.fixed_dictionaries({"content": JSON}, optional={"refusal": JSON})},
        optional={"finish_reason": JSON, "logprobs": JSON},
    ), max_size=2)},
    optional={"usage": JSON, "model": JSON, "system_fingerprint": JSON},
)  # fmt: skip


@given(BODIES, st.sampled_from([READER, TELLING, REASONING]))
def test_any_body_gives_a_vote_that_can_be_stored_or_is_named_malformed(body, config):
    try:
        vote = read(body, config)
    except MalformedAnswerError:
        assert body["choices"] == []
        return
    assert (vote.label is None) != (vote.failure is None)
    assert vote.label is None or vote.label in tuple(LABELS)
    assert votes_frame([vote]).height == 1


# Requests that are refused for what is in them


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "context_length_exceeded", "Please reduce the length of the messages."),
        (400, "invalid_request_error", "This model's maximum context length is 4096 tokens."),
        (400, "400", "the request exceeds the available context size, try increasing it"),
        (400, "exceed_context_size_error", "n_prompt_tokens"),
        (400, "", "Requested tokens (5000) exceed context window of 4096"),
        (422, "", "Maximum Context Length exceeded"),
        (413, "request_too_large", "Request Entity Too Large"),
        (413, "rate_limit_exceeded", "Request too large for model"),
    ],
)
def test_a_prompt_that_does_not_fit_is_too_long_in_all_the_ways_in_which_it_is_said(status, code, message):
    vote = refusal("f1", KEY, ProviderError(message, status=status, code=code))
    assert (vote.failure, vote.text) == ("prompt_too_long", message)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "invalid_request_error", "Unsupported value: 'temperature'."),
        (400, "content_policy_violation", "Your input was flagged."),
        (422, "", "messages: field required"),
    ],
)
def test_a_request_that_is_refused_for_another_reason_is_rejected_with_the_providers_words(status, code, message):
    vote = refusal("f1", KEY, ProviderError(message, status=status, code=code))
    assert (vote.failure, vote.text, vote.label, vote.n_prompt_tokens) == ("rejected", message, None, 0)
    assert (vote.labeler, vote.id) == ("f1", KEY.id)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "blocked_api_access", "A spend limit was reached."),
        (400, "organization_restricted", "Organization has been restricted."),
        (400, "model_permission_blocked_org", "The model is blocked for this organization."),
        (401, "invalid_api_key", "Incorrect API key provided."),
        (403, "permission_error", "Not in your country."),
        (403, "not_available_for_plan", "Not available."),
        (403, "", "The batch API is not part of your plan."),
        (404, "model_not_found", "The model does not exist."),
        (404, "", "No such File object."),
        (400, "model_decommissioned", "The model has been decommissioned."),
        (408, "", "Timeout."),
        (429, "rate_limit_exceeded", "Rate limit reached: context length."),
        (500, "", "Internal error: context length."),
        (503, "", "Overloaded."),
        (None, "", "ReadTimeout"),
        (None, "context_length_exceeded", "no status"),
    ],
)
def test_an_error_about_the_key_the_model_or_the_moment_says_nothing_about_the_request(status, code, message):
    assert refusal("f1", KEY, ProviderError(message, status=status, code=code)) is None
