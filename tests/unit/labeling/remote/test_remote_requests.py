import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.schema import LabelSet, Question
from labeling.prompting.labeler import LabelerConfig, PromptWriter, fingerprint
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.requests import batch_line, check_remote, labeler_identity, request_body, short_seed
from labeling.votes.vote import Prompt

LABELS = LabelSet()
HERE = "http://127.0.0.1:8080/v1"
PROMPT = Prompt("q1", "document", 2, 5, "Be brief.", "Does it float?", "Answer:")
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Does it float?\nAnswer:"}]
SEED = 22  # 4 * 5 + 2, of the prompt's seed and vote


def config_of(provider="groq", model="m", remote=None, **settings):
    address = {"base_url": HERE} if provider == "server" else {}
    return LabelerConfig(model=model, remote=RemoteConfig(provider=provider, **(address | (remote or {}))), **settings)


def body_of(*args, prompt=PROMPT, **settings):
    return request_body(config_of(*args, **settings), prompt)


def remote_fingerprint(*args, **settings):
    config = config_of(*args, **settings)
    return fingerprint(config, LABELS, labeler_identity(config))


# The body of a request


@pytest.mark.parametrize("provider", ["groq", "openai"])
def test_a_provider_is_sent_the_prompt_the_newer_limit_the_temperature_and_the_seed(provider):
    assert body_of(provider) == {
        "model": "m",
        "max_completion_tokens": 160,
        "temperature": 1.0,
        "messages": ASKED,
        "seed": SEED,
    }


def test_a_server_is_sent_the_older_limit_all_of_the_sampling_and_the_wish_for_distributions():
    assert body_of("server") == {
        "model": "m",
        "max_tokens": 16,  # enough for a label: what counts is the first token's distribution
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "logprobs": True,
        "top_logprobs": 20,
        "messages": ASKED,
        "seed": SEED,
    }


def test_the_sampling_of_a_labeler_is_what_is_sent():
    given_one = {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05}
    sent = body_of("server", **given_one)
    assert {name: sent[name] for name in given_one} == given_one
    sent = body_of("openai", temperature=0.7, top_p=0.9)
    assert (sent["temperature"], sent["top_p"]) == (0.7, 0.9)
    assert {"top_k", "min_p"}.isdisjoint(sent)


def test_an_answer_may_be_as_long_as_the_labeler_says():
    assert body_of("openai", num_predict=99)["max_completion_tokens"] == 99
    assert body_of("server", remote={"logprobs": "off"}, num_predict=99)["max_tokens"] == 99
    assert body_of("server", mode="generate", num_predict=99)["max_tokens"] == 99
    assert body_of("server", num_predict=8)["max_tokens"] == 8


@pytest.mark.parametrize("provider", ["groq", "openai", "server"])
def test_a_model_of_fixed_sampling_is_sent_neither_temperature_nor_seed(provider):
    sent = body_of(provider, remote={"fixed_sampling": True})
    assert {"temperature", "top_p", "top_k", "min_p", "seed"}.isdisjoint(sent)
    assert sent["messages"] == ASKED


@pytest.mark.parametrize(
    ("provider", "logprobs", "mode", "asked"),
    [
        ("groq", "auto", "label", False),
        ("openai", "auto", "label", False),
        ("openai", "on", "label", True),
        ("server", "auto", "label", True),
        ("server", "off", "label", False),
        ("server", "on", "generate", False),
    ],
)
def test_distributions_are_asked_for_where_they_are_wanted_and_can_be_read(provider, logprobs, mode, asked):
    sent = body_of(provider, remote={"logprobs": logprobs}, mode=mode)
    assert (sent.get("logprobs"), sent.get("top_logprobs")) == ((True, 20) if asked else (None, None))


def test_how_long_a_model_reasons_is_sent_where_it_is_set():
    assert "reasoning_effort" not in body_of("openai")
    assert body_of("openai", remote={"reasoning_effort": "none"})["reasoning_effort"] == "none"


def test_texts_that_end_an_output_are_sent_in_generate_mode_alone():
    assert body_of("groq", mode="generate", stop=("END", "\n\n"))["stop"] == ["END", "\n\n"]
    assert "stop" not in body_of("groq", mode="label", stop=("END",))
    assert "stop" not in body_of("groq", mode="generate")


def test_a_prompt_without_system_message_has_no_system_role():
    prompt = PROMPT._replace(system="")
    assert body_of(prompt=prompt)["messages"] == [{"role": "user", "content": "Does it float?\nAnswer:"}]


def test_a_prompt_without_a_start_is_sent_as_it_is():
    prompt = PROMPT._replace(system="", start="")
    assert body_of(prompt=prompt)["messages"] == [{"role": "user", "content": "Does it float?"}]


def test_the_three_votes_of_a_question_differ_in_their_seeds_even_where_their_prompts_are_equal():
    config = config_of()
    prompts = PromptWriter(config, LABELS).votes(Question("q1", "Does it float?", ("d1",)), "document", "It floats.")
    bodies = [request_body(config, prompt) for prompt in prompts]
    assert len({body.pop("seed") for body in bodies}) == 3
    assert bodies[0] == bodies[1] == bodies[2]


SEEDS = st.integers(0, 2**63 - 1)


@given(st.tuples(SEEDS, SEEDS, SEEDS))
def test_a_short_seed_fits_31_bits_and_differs_between_the_votes_of_a_question(seeds):
    short = [short_seed(PROMPT._replace(vote=vote, seed=seed)) for vote, seed in enumerate(seeds)]
    assert len(set(short)) == 3
    assert all(0 <= seed < 2**31 for seed in short)


def test_a_short_seed_is_the_last_29_bits_of_the_seed_and_then_the_vote():
    assert short_seed(PROMPT._replace(seed=2**62 + 3, vote=1)) == 4 * 3 + 1
    assert short_seed(PROMPT._replace(seed=2**63 - 1, vote=2)) == 2**31 - 2


# Lines of a batch file


def test_a_line_names_its_vote_and_where_its_body_goes():
    line = json.loads(batch_line(config_of(), PROMPT))
    assert line == {
        "custom_id": PROMPT.key.id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body_of(),
    }


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["\n", "\r\n", "\u2028", "\x85", '"\\', ""]
)


@given(TEXTS, TEXTS)
def test_whatever_a_prompt_holds_its_request_is_one_line_of_utf_8(system, message):
    line = batch_line(config_of(), PROMPT._replace(system=system, message=message, start=""))
    assert line.splitlines(keepends=True) == [line]
    assert line.endswith(b"\n")
    assert json.loads(line.decode())["body"]["messages"][-1]["content"] == message


# Whose votes they are


def test_a_remote_section_that_says_nothing_leaves_a_local_fingerprint_as_it_was():
    # What was digested before there were remote labelers.
    identity = {
        "model": "a" * 64,
        "labels": ["yes", "no", "maybe"],
        "template": "auto",
        "sampling": {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0},
        "mode": "label/1",
    }
    before = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    for remote in (RemoteConfig(), RemoteConfig(provider="none", connections=9, timeout=1)):
        assert fingerprint(LabelerConfig(remote=remote), LABELS, "a" * 64) == before


@pytest.mark.parametrize("provider", ["groq", "openai", "server"])
@pytest.mark.parametrize(
    "setting",
    [
        {"remote": {"requests_per_batch": 7}},
        {"remote": {"bytes_per_batch": 7000}},
        {"remote": {"poll_seconds": 1}},
        {"remote": {"max_attempts": 1}},
        {"remote": {"connections": 1}},
        {"remote": {"timeout": 1}},
        {"remote": {"api": "direct"}},
        {"remote": {"completion_window": "1d"}},
        {"remote": {"key_variable": "MY_OTHER_KEY"}},
        {"name": "another"},
        {"threads": 3},
        {"num_ctx": 512},
    ],
    ids=str,
)
def test_how_and_how_fast_it_is_asked_does_not_change_who_answers(provider, setting):
    assert remote_fingerprint(provider, **setting) == remote_fingerprint(provider)


CHANGES = [
    {},
    {"model": "other"},
    {"temperature": 0.5},
    {"top_p": 0.5},
    {"num_predict": 9},
    {"mode": "generate"},
    {"mode": "generate", "stop": ("END",)},
    {"remote": {"fixed_sampling": True}},
    {"remote": {"reasoning_effort": "low"}},
]


@pytest.mark.parametrize("provider", ["groq", "openai", "server"])
def test_whatever_changes_the_answers_is_another_labeler(provider):
    logprobs = [{"remote": {"logprobs": "off" if provider == "server" else "on"}}]
    sampling = [{"top_k": 5}, {"min_p": 0.1}] if provider == "server" else []
    changes = CHANGES + logprobs + sampling
    assert len({remote_fingerprint(provider, **change) for change in changes}) == len(changes)


def test_one_model_at_several_providers_and_on_this_machine_is_several_labelers():
    remote = {remote_fingerprint(provider) for provider in ("groq", "openai", "server")}
    local = fingerprint(LabelerConfig(model="m"), LABELS, "a" * 64)
    assert len(remote | {local}) == 4


def test_a_server_is_known_by_its_address_or_by_the_name_of_what_it_serves():
    there = {"base_url": "http://10.0.0.7:8080/v1"}
    assert remote_fingerprint("server", remote=there) != remote_fingerprint("server")
    named = [remote_fingerprint("server", remote={"served_as": "box"} | where) for where in ({}, there)]
    assert named[0] == named[1] != remote_fingerprint("server")
    assert remote_fingerprint("server", remote={"served_as": "other box"}) != named[0]


@pytest.mark.parametrize("provider", ["groq", "openai"])
def test_a_provider_reached_by_another_address_is_the_same(provider):
    assert remote_fingerprint(provider, remote={"base_url": "https://relay.example/v1"}) == remote_fingerprint(provider)


def test_the_labels_belong_to_a_remote_labeler_too():
    config = config_of()
    others = LabelSet(("yes", "no"))
    assert fingerprint(config, others, labeler_identity(config)) != remote_fingerprint()


# What is refused before anything is sent


@pytest.mark.parametrize(
    ("provider", "settings", "named"),
    [
        ("server", {"remote": {"base_url": None}}, "without base_url"),
        ("server", {"remote": {"api": "batch"}}, "remote.api 'batch' for a server"),
        ("openai", {"remote": {"completion_window": "48h"}}, "completion_window '48h'"),
        ("openai", {"remote": {"completion_window": "2d"}}, "completion_window '2d'"),
        ("groq", {"frame": "{message}"}, "frame"),
        ("server", {"frame": "{message}"}, "frame"),
        ("groq", {"repeat_penalty": 1.1}, "repeat_penalty = 1.1"),
        ("server", {"repeat_penalty": 1.1}, "repeat_penalty = 1.1"),
        ("groq", {"preset": "family"}, "preset = 'family'"),
        ("server", {"template": "plain"}, "template = 'plain'"),
        ("groq", {"template": "chat"}, "template = 'chat'"),
        ("groq", {"top_k": 5}, "top_k = 5"),
        ("openai", {"min_p": 0.1}, "min_p = 0.1"),
        ("openai", {"temperature": 0.5, "remote": {"fixed_sampling": True}}, "temperature 0.5"),
        ("openai", {"top_p": 0.5, "remote": {"fixed_sampling": True}}, "top_p 0.5"),
        ("server", {"top_k": 5, "remote": {"fixed_sampling": True}}, "top_k 5"),
        ("groq", {"mode": "generate", "stop": tuple("abcde")}, "5 stop texts"),
    ],
    ids=str,
)
def test_what_a_provider_would_refuse_or_ignore_is_refused_by_name(provider, settings, named):
    with pytest.raises(InputError, match=named) as refused:
        check_remote(config_of(provider, name="my reader", **settings))
    assert "'my reader'" in str(refused.value)


@pytest.mark.parametrize(
    ("provider", "settings"),
    [
        ("groq", {}),
        ("openai", {}),
        ("server", {}),
        ("groq", {"remote": {"completion_window": "7d"}}),
        ("openai", {"remote": {"completion_window": "1d"}}),
        ("groq", {"remote": {"api": "batch"}}),
        ("server", {"remote": {"api": "direct"}}),
        ("server", {"top_k": 5, "min_p": 0.1, "top_p": 0.5, "temperature": 0.5}),
        ("openai", {"remote": {"fixed_sampling": True}}),
        ("groq", {"mode": "generate", "stop": tuple("abcd")}),
        ("groq", {"mode": "label", "stop": tuple("abcde")}),
    ],
    ids=str,
)
def test_what_can_be_sent_is_let_through(provider, settings):
    check_remote(config_of(provider, **settings))


def test_settings_of_this_machine_are_not_the_business_of_any_provider():
    check_remote(LabelerConfig(frame="{message}", repeat_penalty=1.1, top_k=5, mode="generate", stop=tuple("abcde")))
