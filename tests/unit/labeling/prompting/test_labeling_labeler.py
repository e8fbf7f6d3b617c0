import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpora.choices import places
from corpora.errors import InputError
from corpora.schema import LabelSet, Question
from labeling.prompting.labeler import (
    CHOICE_PARAPHRASES,
    PARAPHRASES,
    LabelerConfig,
    PromptWriter,
    check_diversity,
    fingerprint,
)
from labeling.prompting.prompts import FOLDER, load_prompt
from labeling.votes.sampling import Sampling, sampled_distribution
from labeling.votes.vote import vote_seed

LABELS = LabelSet()
TWO = LabelSet(("yes", "no"))
QUESTION = Question("q1", "Does it float?", ("d1",))
SHA = "a" * 64


def votes_of(**settings):
    return PromptWriter(LabelerConfig(**settings), LABELS).votes(QUESTION, "document", "It floats.")


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0},
        {"top_k": 1},
        {"temperature": 2, "top_k": 1},
        {"min_p": 1},
        {"top_p": 0.01},
        {"top_p": 1 / 3},  # the most probable of three labels has at least that
        {"top_k": 2, "top_p": 0.5},  # and of the two that top_k leaves at least this
        {"mode": "generate", "temperature": 0},
        {"mode": "generate", "top_k": 1},
        {"mode": "generate", "top_k": 2, "top_p": 0.5},
    ],
    ids=str,
)
def test_resampling_without_chance_is_refused_as_three_copies_of_one_vote(settings):
    with pytest.raises(InputError, match="three copies of one vote"):
        check_diversity(LabelerConfig(diversity="resample", **settings), LABELS)


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"top_k": 1}, {"min_p": 1}, {"top_p": 0.5}], ids=str)
def test_permuting_two_labels_without_chance_is_refused(settings):
    with pytest.raises(InputError, match="one vote would be a copy"):
        check_diversity(LabelerConfig(diversity="permute", **settings), TWO)


@pytest.mark.parametrize(
    "prompts",
    [("one_word",), ("one_word", "judge"), ("one_word", "judge", "judge"), (*PARAPHRASES["label"], "own.txt")],
)
def test_paraphrase_wants_three_different_prompts(prompts):
    with pytest.raises(InputError, match="3 different prompts"):
        check_diversity(LabelerConfig(diversity="paraphrase", prompts=prompts), LABELS)


@pytest.mark.parametrize("diversity", ["resample", "permute"])
def test_more_than_one_prompt_is_refused_where_only_one_would_be_used(diversity):
    with pytest.raises(InputError, match="expected 1 prompt;"):
        check_diversity(LabelerConfig(diversity=diversity, prompts=PARAPHRASES["label"]), LABELS)


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({}, LABELS),
        ({"prompts": ("judge",)}, LABELS),
        ({"top_p": 0.34}, LABELS),
        ({"top_p": 0.51, "min_p": 0.99, "top_k": 2}, TWO),
        ({"diversity": "permute", "top_p": 0.01}, LABELS),
        ({"diversity": "paraphrase", "min_p": 1}, LABELS),
        ({"diversity": "permute", "temperature": 0}, LABELS),
        ({"diversity": "permute"}, TWO),
        ({"diversity": "paraphrase", "temperature": 0}, TWO),
        ({"diversity": "paraphrase", "prompts": ("judge", "according", "one_word")}, LABELS),
        # Generated text is drawn token by token from the whole vocabulary, not from two or three labels.
        ({"mode": "generate", "top_p": 0.3}, LABELS),
        ({"mode": "generate", "top_p": 0.5, "diversity": "permute"}, TWO),
        ({"mode": "generate", "diversity": "paraphrase", "temperature": 0}, TWO),
    ],
    ids=str,
)
def test_a_setup_whose_votes_can_differ_is_accepted(settings, labels):
    check_diversity(LabelerConfig(**settings), labels)


def write_prompt(file, message="{question} {context} {options}"):
    file.write_text(f"S\n===\n{message}\n===\nAnswer:\n", encoding="utf-8")
    return str(file)


def test_prompt_files_of_equal_content_are_copies_of_one_prompt(tmp_path):
    one, copy = (write_prompt(tmp_path / name) for name in ("one.txt", "copy.txt"))
    with pytest.raises(InputError, match="3 different prompts"):
        check_diversity(LabelerConfig(diversity="paraphrase", prompts=(one, copy, "judge")), LABELS)
    other = write_prompt(tmp_path / "other.txt", "{question} {options} {context}")
    check_diversity(LabelerConfig(diversity="paraphrase", prompts=(one, other, "judge")), LABELS)


def test_a_copy_of_a_bundled_prompt_is_no_prompt_of_ones_own(tmp_path):
    copy = tmp_path / "mine.txt"
    copy.write_bytes((FOLDER / "judge.txt").read_bytes())
    with pytest.raises(InputError, match="3 different prompts"):
        check_diversity(LabelerConfig(diversity="paraphrase", prompts=("judge", str(copy), "one_word")), LABELS)


@given(
    st.lists(st.floats(0.001, 1), min_size=2, max_size=5),
    st.integers(0, 5),
    st.floats(0.01, 1),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_what_is_refused_as_without_chance_draws_one_label_only(weights, top_k, top_p, min_p):
    labels = LabelSet(tuple("abcde"[: len(weights)]))
    config = LabelerConfig(top_k=top_k, top_p=top_p, min_p=min_p)
    try:
        check_diversity(config, labels)
    except InputError:
        assert (sampled_distribution(np.array(weights), config.sampling) > 0).sum() == 1


def test_a_refusal_names_the_labeler():
    with pytest.raises(InputError, match="'my reader'"):
        check_diversity(LabelerConfig(name="my reader", temperature=0), LABELS)


@pytest.mark.parametrize(
    "setting",
    [
        *(
            {"temprature": 0.5},
            {"temperature": -1},
            {"top_p": 0},
            {"min_p": 1.5},
            {"num_ctx": 10},
            {"diversity": "luck"},
        ),
        *({"mode": "chat"}, {"repeat_penalty": 0}, {"repeat_penalty": 2.5}, {"num_predict": 0}, {"preset": "qwen3"}),
    ],
    ids=str,
)
def test_unknown_keys_and_values_out_of_range_are_refused(setting):
    with pytest.raises(ValidationError, match=next(iter(setting))):
        LabelerConfig(**setting)


def test_a_config_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError, match="frozen"):
        LabelerConfig().temperature = 0.5


@pytest.mark.parametrize("frame", ["", "no slot", "{system} only", "{message} and {message}", "{ message }"])
def test_a_frame_without_exactly_one_place_for_the_message_is_refused(frame):
    with pytest.raises(ValidationError, match=r"frame\n.*\{message\} exactly once"):
        LabelerConfig(frame=frame)


@pytest.mark.parametrize(
    "frame", ["{message}", "[INST]{system}\n{message}[/INST]", "{system} {message} {system} {x} {}"]
)
def test_a_frame_with_one_place_for_the_message_is_accepted(frame):
    assert LabelerConfig(frame=frame).frame == frame


# Presets. Qwen 2.5 recommends temperature .7, top_k 20, top_p .8 and repeat_penalty 1.05, and nothing on min_p.

QWEN = {"model": "qwen2.5-coder-0.5b", "preset": "family"}


def test_a_family_preset_fills_in_what_its_publisher_recommends_and_nothing_else():
    config = LabelerConfig(**QWEN)
    assert config.sampling == Sampling(temperature=0.7, top_k=20, top_p=0.8, min_p=0.0)
    assert config.repeat_penalty == 1.05
    filled_in = {"preset", "temperature", "top_k", "top_p", "repeat_penalty"}
    assert config.model_dump(exclude=filled_in) == LabelerConfig(model=QWEN["model"]).model_dump(exclude=filled_in)


@pytest.mark.parametrize(
    "given",
    [{"temperature": 0}, {"temperature": 0.3}, {"top_k": 3}, {"top_p": 0.5}, {"repeat_penalty": 1.2}, {"min_p": 0.1}],
    ids=str,
)
def test_what_is_given_beside_a_preset_wins_and_the_rest_is_filled_in(given):
    config = LabelerConfig(**QWEN, **given).model_dump()
    recommended = {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "min_p": 0.0, "repeat_penalty": 1.05}
    assert {name: config[name] for name in recommended} == recommended | given


def test_without_a_preset_nothing_is_filled_in():
    assert LabelerConfig(model=QWEN["model"]).sampling == LabelerConfig(preset="none").sampling == Sampling()


def test_the_preset_of_the_default_model_needs_no_model_given():
    assert LabelerConfig(preset="family").model_dump() == LabelerConfig(**QWEN).model_dump()


def test_a_preset_works_where_a_form_sends_every_field():
    untouched = LabelerConfig().model_dump(mode="json") | QWEN
    assert LabelerConfig.model_validate(untouched).sampling == LabelerConfig(**QWEN).sampling


@pytest.mark.parametrize("as_reader", [False, True])
def test_a_config_with_a_preset_that_was_written_down_is_the_same_when_it_is_read_again(as_reader):
    config = LabelerConfig(**QWEN, top_k=3)
    config = config.as_reader() if as_reader else config
    assert LabelerConfig.model_validate(config.model_dump()).model_dump() == config.model_dump()


def test_a_preset_of_a_model_given_by_its_path_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"mine\.gguf") as refused:
        LabelerConfig(model="models/mine.gguf", preset="family")
    # A path is what it is: to ask for "a name, or the path of a .gguf file" helps nobody.
    assert "path of a .gguf file" not in str(refused.value)
    assert "preset" in str(refused.value) or "temperature" in str(refused.value)


def test_a_preset_of_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"did you mean 'qwen2\.5-coder-0\.5b'"):
        LabelerConfig(model="qwen2.5-coder-0.5", preset="family")


def test_a_preset_of_a_family_that_has_none_is_refused():
    with pytest.raises(InputError, match="no sampling preset for the family 'minilm'"):
        LabelerConfig(model="all-minilm-l6-v2", preset="family")


def test_an_unknown_key_beside_a_preset_is_refused_by_its_name():
    with pytest.raises(ValidationError, match=r"temprature\n.*not permitted"):
        LabelerConfig(**QWEN, temprature=0.5)


def test_reports_call_a_labeler_by_its_name_or_else_by_its_model():
    assert LabelerConfig(model="smollm2-135m").label == "smollm2-135m"
    assert LabelerConfig(model="smollm2-135m", name="small").label == "small"


def test_as_a_reader_it_answers_greedily_and_stays_the_same_otherwise():
    config = LabelerConfig(
        model="m.gguf", name="n", temperature=0.7, top_k=2, top_p=0.9, min_p=0.1, seed=4, num_ctx=512
    )
    reader = config.as_reader()
    assert reader.sampling == Sampling(temperature=0.0, top_k=0, top_p=1.0, min_p=0.0)
    changed = {"temperature", "top_k", "top_p", "min_p"}
    assert reader.model_dump(exclude=changed) == config.model_dump(exclude=changed)


@pytest.mark.parametrize(
    "setting",
    [
        *({"temperature": 0.5}, {"top_k": 2}, {"top_p": 0.9}, {"min_p": 0.1}, {"template": "plain"}),
        *({"mode": "generate"}, {"frame": "{message}"}),
    ],
    ids=str,
)
def test_the_fingerprint_changes_with_what_changes_a_vote(setting):
    assert fingerprint(LabelerConfig(**setting), LABELS, SHA) != fingerprint(LabelerConfig(), LABELS, SHA)


GENERATE_ONLY = [{"repeat_penalty": 1.1}, {"num_predict": 64}, {"stop": ("\n",)}, {"grammar": False}]


@pytest.mark.parametrize("setting", GENERATE_ONLY, ids=str)
def test_what_only_generated_text_depends_on_changes_the_fingerprint_of_generate_mode_alone(setting):
    assert fingerprint(LabelerConfig(**setting), LABELS, SHA) == fingerprint(LabelerConfig(), LABELS, SHA)
    generating = LabelerConfig(mode="generate")
    assert fingerprint(LabelerConfig(mode="generate", **setting), LABELS, SHA) != fingerprint(generating, LABELS, SHA)


def test_the_fingerprints_of_label_mode_are_those_of_the_first_release():
    # Written down once, from the version that knew no other mode: with another one, every vote would be asked again.
    other = LabelerConfig(temperature=0.5, template="chat")
    assert fingerprint(LabelerConfig(), LABELS, SHA) == "7cc286d8da72f948fb9a00f89653d567"
    assert fingerprint(other, LABELS, SHA) == "33dfb0331810807b63c5ddfecc943876"


def test_the_fingerprint_of_a_frame_is_that_of_its_text_whatever_template_it_stands_for():
    frames = ["{message}", "{system}{message}", "{message}\n", "chat{message}"]
    configs = [LabelerConfig(frame=frame, template=t) for frame in frames for t in ("auto", "chat", "plain")]
    assert len({fingerprint(config, LABELS, SHA) for config in configs}) == len(frames)


def test_a_preset_is_no_part_of_the_fingerprint_but_what_it_fills_in_is():
    spelt = LabelerConfig(model=QWEN["model"], temperature=0.7, top_k=20, top_p=0.8, repeat_penalty=1.05)
    for mode in ("label", "generate"):
        one, two = (config.model_copy(update={"mode": mode}) for config in (LabelerConfig(**QWEN), spelt))
        assert fingerprint(one, LABELS, SHA) == fingerprint(two, LABELS, SHA)
    assert fingerprint(LabelerConfig(**QWEN), LABELS, SHA) != fingerprint(LabelerConfig(), LABELS, SHA)


def test_the_fingerprint_changes_with_the_bytes_of_the_model():
    assert fingerprint(LabelerConfig(), LABELS, "b" * 64) != fingerprint(LabelerConfig(), LABELS, SHA)


def test_the_fingerprint_changes_with_the_labels_and_with_their_order():
    sets = [LABELS, TWO, LabelSet(("no", "yes", "maybe")), LabelSet(("yes", "no", "unsure"))]
    assert len({fingerprint(LabelerConfig(), labels, SHA) for labels in sets}) == len(sets)


@pytest.mark.parametrize(
    "setting", [{"threads": 3}, {"n_batch": 64}, {"name": "other"}, {"model": "a/copy/of/it.gguf"}], ids=str
)
def test_the_fingerprint_does_not_change_with_how_or_where_it_runs(setting):
    assert fingerprint(LabelerConfig(**setting), LABELS, SHA) == fingerprint(LabelerConfig(), LABELS, SHA)


def test_vote_seeds_differ_by_seed_question_and_vote():
    seeds = [vote_seed(*key) for key in itertools.product((0, 1, 11), ("q1", "q2", "q11"), range(3))]
    assert len(set(seeds)) == len(seeds)


@given(st.integers(), st.text(st.characters(codec="utf-8")), st.integers(0, 2))
def test_a_vote_seed_is_the_same_every_time_and_fits_a_signed_integer(seed, question_id, vote):
    value = vote_seed(seed, question_id, vote)
    assert 0 <= value < 2**63
    assert value == vote_seed(seed, question_id, vote)


def test_resampled_votes_are_one_prompt_with_three_seeds():
    votes = votes_of(diversity="resample")
    assert len({vote.hash for vote in votes}) == 1
    assert [vote.vote for vote in votes] == [0, 1, 2]
    assert [vote.seed for vote in votes] == [vote_seed(0, "q1", number) for number in range(3)]


def test_permuted_votes_differ_in_the_options_and_in_nothing_else():
    votes = votes_of(diversity="permute")
    options = ["yes, no or maybe", "no, maybe or yes", "maybe, yes or no"]
    assert all(vote.message.count(option) == 1 for vote, option in zip(votes, options, strict=True))
    masked = {vote.message.replace(option, "*") for vote, option in zip(votes, options, strict=True)}
    assert len(masked) == 1
    assert len({(vote.system, vote.start) for vote in votes}) == 1
    assert len({vote.hash for vote in votes}) == 3


def test_paraphrased_votes_differ_in_the_wording_and_not_in_the_options():
    votes = votes_of(diversity="paraphrase")
    assert [vote.message for vote in votes] == [
        load_prompt(name).fill("It floats.", QUESTION.text, tuple(LABELS)) for name in PARAPHRASES["label"]
    ]
    assert all("yes, no or maybe" in vote.message for vote in votes)
    assert len({vote.hash for vote in votes}) == 3


@pytest.mark.parametrize("diversity", ["resample", "permute", "paraphrase"])
def test_a_single_prompt_is_the_first_of_the_three_votes(diversity):
    writer = PromptWriter(LabelerConfig(diversity=diversity, seed=9), LABELS)
    assert writer.single(QUESTION, "retrieved", "chunks") == writer.votes(QUESTION, "retrieved", "chunks")[0]


def test_a_prompt_says_whose_it_is_and_which_context_it_shows():
    prompt = PromptWriter(LabelerConfig(), LABELS).single(QUESTION, "oracle_chunk", "It floats.")
    assert (prompt.question_id, prompt.arm, prompt.vote) == ("q1", "oracle_chunk", 0)
    assert "It floats." in prompt.message
    assert "Does it float?" in prompt.message
    assert prompt.start == "Answer:"


def test_a_prompt_of_ones_own_is_used_instead_of_the_bundled_one(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("S\n===\n{question} / {context} / {options}\n===\nMy answer:\n")
    prompt = PromptWriter(LabelerConfig(prompts=(str(path),)), LABELS).single(QUESTION, "document", "c")
    assert (prompt.system, prompt.message, prompt.start) == ("S", "Does it float? / c / yes, no or maybe", "My answer:")


def test_a_system_message_of_ones_own_takes_the_place_of_the_prompts():
    (own, *_), (bundled, *_) = votes_of(system="Be brief."), votes_of()
    assert own == bundled._replace(system="Be brief.")
    assert own.hash != bundled.hash
    assert votes_of(system="")[0].system == ""


def test_generated_answers_have_prompts_of_their_own_and_begin_with_nothing():
    for diversity, names in (("resample", ["reasoned"] * 3), ("paraphrase", list(PARAPHRASES["generate"]))):
        votes = votes_of(mode="generate", diversity=diversity)
        expected = [load_prompt(name).fill("It floats.", QUESTION.text, tuple(LABELS)) for name in names]
        assert [vote.message for vote in votes] == expected
        assert {vote.start for vote in votes} == {""}
    # A label-mode prompt would have the answer come at once.
    assert load_prompt("judge").start == "Answer:"
    assert votes_of(mode="generate", prompts=("judge",))[0].start == ""


def test_every_bundled_prompt_for_generated_answers_asks_for_the_line_that_is_read():
    for name in PARAPHRASES["generate"]:
        assert '"Answer: "' in load_prompt(name).message


def test_the_hash_covers_all_that_the_model_sees_and_nothing_else():
    prompt = PromptWriter(LabelerConfig(), LABELS).single(QUESTION, "document", "c")
    for part in ("system", "message", "start"):
        assert prompt._replace(**{part: "other"}).hash != prompt.hash
    assert prompt._replace(question_id="q2", arm="random", vote=2, seed=5).hash == prompt.hash
    # Text cannot move over the border between two parts without a trace.
    assert prompt._replace(system="ab", message="c").hash != prompt._replace(system="a", message="bc").hash


# Choices of a question


def choose(*choices, labels=None, **settings):
    question = Question("q1", "Which?", ("d1",), choices=choices)
    return PromptWriter(LabelerConfig(**settings), labels or places(3)).votes(question, "document", "It floats.")


def test_choices_are_listed_as_they_are_and_permuted_as_labels_are():
    prompts = choose("a boat, or two", "{context}", "no\u2014none", diversity="permute")
    shown = [prompt.message.partition("Possible answers:\n")[2].splitlines()[:3] for prompt in prompts]
    assert shown[0] == ["- a boat, or two", "- {context}", "- no\u2014none"]
    assert shown[1] == ["- {context}", "- no\u2014none", "- a boat, or two"]
    assert {prompt.choices for prompt in prompts} == {("a boat, or two", "{context}", "no\u2014none")}


@pytest.mark.parametrize("mode", ["label", "generate"])
def test_choices_have_prompts_of_their_own(mode):
    names = {one.name for one in PromptWriter(LabelerConfig(mode=mode, diversity="paraphrase"), places(3)).templates}
    assert names == set(CHOICE_PARAPHRASES[mode])
    assert len({prompt.message for prompt in choose("a", "b", mode=mode, diversity="paraphrase")}) == 3


def test_a_prompt_is_known_by_what_may_be_answered_too():
    # Both are shown as the same two lines.
    hashes = {choose("x", "y\n- z")[0].hash, choose("x\n- y", "z")[0].hash}
    assert len(hashes) == 2
    plain = votes_of()[0]
    assert plain.hash == plain._replace(choices=()).hash


def test_what_is_not_stated_is_the_last_option_and_more_choices_elsewhere_change_no_reader():
    assert choose("x", "y", labels=places(2, "unknown"))[0].choices == ("x", "y", "unknown")
    config = LabelerConfig()
    assert (
        fingerprint(config, places(3), SHA) == fingerprint(config, places(5), SHA) != fingerprint(config, LABELS, SHA)
    )
