"""Generate mode on the smallest reader: what is written, how it is read, repaired, counted, and what it depends on."""

import pytest

from corpora.errors import InputError
from corpora.schema import LabelSet, Question
from labeling.engine.generate_mode import MAX_TOGETHER, Decoding, GeneratingLabeler, Generator
from labeling.engine.llama import LlamaModel
from labeling.prompting.labeler import LabelerConfig, PromptWriter, fingerprint
from labeling.votes.parsing import label_grammar, parse_answer
from labeling.votes.sampling import Sampling

pytestmark = pytest.mark.model

LABELS = LabelSet()
BOATS = "The harbour log lists 14 boats. Nine of them left before dawn and none came back that day."
QUESTION = Question("a", "Did most boats leave before dawn?", ("d1",))
# Short, and the model goes on with short lines: whole outputs within few tokens.
COLOURS = "red\nblue\ngreen\nyellow\nblack\nwhite"
COLOUR = Question("c", "Which colours?", ("d2",))
N_PREDICT = 16


@pytest.fixture(scope="module")
def list_prompt(tmp_path_factory):
    """A prompt that ends with the context."""
    path = tmp_path_factory.mktemp("prompts") / "list.txt"
    path.write_text("Colours.\n===\n{options}\n{question}\n\n{context}\n===\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def labeler(smollm2, list_prompt):
    """A generating labeler on the list prompt as plain text, with other settings where a test gives some."""

    def build(llama=smollm2, labels=LABELS, **settings):
        settings = {"template": "plain", "prompts": (list_prompt,), "num_predict": N_PREDICT} | settings
        return GeneratingLabeler(LabelerConfig(mode="generate", **settings), labels, llama, "0" * 64)

    return build


def prompts_of(labeler, question=COLOUR, context=COLOURS):
    return PromptWriter(labeler.config, labeler.labels).votes(question, "document", context)


def forced(labeler, text):
    """The labeler, held to write exactly this."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    labeler._of_labels = labeler._of_labels._replace(grammar=f'root ::= "{escaped}"')
    return labeler


def raw(llama, text, seed=1, **changes):
    """What is generated behind a plain text, never repaired."""
    settings = {
        "sampling": Sampling(), "repeat_penalty": 1.0, "num_predict": N_PREDICT, "stop": (), "grammar": "",
        "repair": "", "repair_grammar": "",
    } | changes  # fmt: skip
    tokens = tuple(llama.tokenize(text, special=False, add_bos=False))
    (output,) = Generator(llama).generate([tokens], [seed], Decoding(**settings), lambda _: True)
    return output


# One vote


def test_a_vote_says_what_was_asked_what_was_written_and_how_it_was_read(labeler):
    generating = labeler()
    prompts = prompts_of(generating)
    votes = generating.ask(prompts)
    assert len({vote.text for vote in votes}) == 3  # three seeds at temperature 1
    for prompt, vote in zip(prompts, votes, strict=True):
        assert vote.labeler == generating.fingerprint == fingerprint(generating.config, LABELS, "0" * 64)
        assert (vote.prompt_hash, vote.question_id, vote.arm) == (prompt.hash, "c", "document")
        assert (vote.vote, vote.seed) == (prompt.vote, prompt.seed)
        assert (vote.probabilities, vote.outside_mass, vote.margin) == ((), None, None)
        assert vote.n_prompt_tokens == len(generating.tokenize(prompt))
        assert vote.label in tuple(LABELS)
        assert vote.failure is None
        assert (vote.problem is None) == (vote.parse in ("strict", "lenient"))


@pytest.mark.slow
def test_the_same_votes_twice_and_whatever_was_asked_before(labeler, smollm2_path):
    generating = labeler(num_predict=12)
    prompts = prompts_of(generating)
    once = generating.ask(prompts)
    assert generating.ask(prompts) == once
    forced(labeler(), "Answer: no").ask(prompts_of(generating, QUESTION, BOATS))
    assert generating.ask(prompts) == once
    with LlamaModel(smollm2_path, num_ctx=256, threads=1) as fresh:
        assert labeler(fresh, num_predict=12).ask(prompts) == once


def test_the_votes_do_not_depend_on_the_order_of_the_prompts(labeler):
    generating = labeler(diversity="permute", num_predict=12)
    prompts = prompts_of(generating)
    assert generating.ask(prompts[::-1]) == generating.ask(prompts)[::-1]


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"top_k": 1}, {"min_p": 1}], ids=str)
def test_without_chance_all_seeds_write_the_same(labeler, settings):
    generating = labeler(num_predict=8, **settings)
    votes = generating.ask(prompts_of(generating))
    assert len({vote.seed for vote in votes}) == 3
    assert len({(vote.text, vote.label) for vote in votes}) == 1


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**63 - 1])
def test_every_seed_writes_the_same_each_time(labeler, seed):
    # llama.cpp reads a seed of 32 ones as "choose one at random".
    generating = labeler(num_predict=8, temperature=2, grammar=False)
    prompt = prompts_of(generating)[0]._replace(seed=seed)
    assert generating.ask([prompt]) == generating.ask([prompt])


# Grammar


def test_the_grammar_holds_the_output(labeler):
    held = labeler(num_predict=40)
    finished = [vote for vote in held.ask(prompts_of(held)) if vote.problem != "truncated"]
    assert finished
    for vote in finished:
        *lines, last = vote.text.split("\n")
        assert len(lines) <= 3
        assert all(lines)
        assert last == f"Answer: {vote.label}"
        assert vote.parse == "strict"


def test_without_the_grammar_the_same_labeler_writes_what_it_likes(labeler):
    free = labeler(grammar=False, num_predict=24)
    for vote in free.ask(prompts_of(free)):
        parsed = parse_answer(vote.text, LABELS, truncated=vote.n_generated >= 24)
        assert parsed.parse != "strict"
        assert vote.problem == parsed.problem
        assert vote.label in ([parsed.label] if parsed.label else tuple(LABELS))
        assert vote.parse == (parsed.parse or "repaired")


# Problems and repair


@pytest.mark.parametrize(
    ("text", "problem"),
    [("Nine of 14 boats.", "off_label"), ("yes or no", "off_label"), ("\n", "empty"), ("Answer: both", "off_label")],
    ids=repr,
)
def test_an_output_that_is_no_answer_is_repaired_and_its_problem_recorded(labeler, text, problem):
    (vote,) = forced(labeler(), text).ask(prompts_of(labeler())[:1])
    assert vote.text == text  # as it was written, without the repair
    assert (vote.parse, vote.problem, vote.failure) == ("repaired", problem, None)
    assert vote.label in tuple(LABELS)


def test_a_refusal_is_a_named_failure_and_is_not_argued_with(labeler):
    (vote,) = forced(labeler(), "I cannot answer this.").ask(prompts_of(labeler())[:1])
    assert (vote.label, vote.parse) == (None, None)
    assert vote.failure == vote.problem == "refused"
    assert vote.n_generated <= N_PREDICT


@pytest.mark.parametrize(
    ("text", "parse"), [("They say so.\nAnswer: no", "strict"), ("**Answer:** No.", "lenient"), ("No.", "lenient")]
)
def test_an_output_that_is_an_answer_is_taken_as_it_is(labeler, text, parse):
    # Room for the smallest pieces that the grammar lets it be spelt in.
    (vote,) = forced(labeler(num_predict=8 + 2 * len(text)), text).ask(prompts_of(labeler())[:1])
    assert (vote.text, vote.label, vote.parse, vote.problem, vote.failure) == (text, "no", parse, None, None)


def test_an_output_that_ran_out_of_tokens_is_truncated_and_repaired(labeler):
    generating = forced(labeler(), "a b c d e f g h i j k l m n o p q r s t u v w x y z")
    (vote,) = generating.ask(prompts_of(generating)[:1])
    assert vote.text.startswith("a b c")
    assert not vote.text.endswith("z")
    assert (vote.parse, vote.problem) == ("repaired", "truncated")


def test_a_repair_that_gives_no_label_either_is_a_failure_with_the_first_problems_name(labeler):
    generating = forced(labeler(), "Nine of 14 boats.")
    generating._of_labels = generating._of_labels._replace(repair_grammar='root ::= " neither"')
    (vote,) = generating.ask(prompts_of(generating)[:1])
    assert (vote.label, vote.parse) == (None, None)
    assert vote.failure == vote.problem == "off_label"
    assert vote.text == "Nine of 14 boats."


@pytest.mark.parametrize("num_predict", [8, 64], ids=["cut off", "ended"])
def test_a_repair_goes_on_behind_what_was_written(labeler, smollm2, num_predict):
    generating = forced(
        labeler(num_predict=num_predict, temperature=0), "The boats are red and white and the sea is blue."
    )
    (prompt, *_) = prompts_of(generating)
    (vote,) = generating.ask([prompt])
    assert (vote.problem == "truncated") == (num_predict == 8)
    # The same by hand: the most probable label right behind the prompt, the text and the repair text.
    text = smollm2.tokenize(f"{vote.text}", special=False, add_bos=False)
    behind = smollm2.tokenize("\nAnswer:", special=False, add_bos=False)
    tokens = [smollm2.tokenize(f" {label}", special=False, add_bos=False)[0] for label in LABELS]
    (row,) = smollm2.next_logprobs([(*generating.tokenize(prompt), *text, *behind)], tokens)
    by_hand, second, *_ = sorted(zip(row, LABELS, strict=True), reverse=True)
    assert by_hand[0] - second[0] > 0.1  # else the test says nothing
    assert vote.label == by_hand[1]


@pytest.mark.parametrize("num_predict", [8, 24])
def test_a_label_of_many_tokens_can_be_repaired_too(labeler, smollm2, num_predict):
    labels = LabelSet(("与对照组相比没有统计学上的显著差异", "与对照组相比有统计学上的显著差异"))
    generating = forced(labeler(labels=labels, num_predict=num_predict), "Nine of 14.")
    (vote,) = generating.ask(prompts_of(generating)[:1])
    assert vote.label in tuple(labels)


# Counts


def test_what_was_generated_is_counted_with_the_repair(labeler, smollm2):
    def n_tokens(text):
        return len(smollm2.tokenize(text, special=False, add_bos=False))

    generating = labeler(num_predict=8)
    for text, n_written in (("Answer: no", n_tokens("Answer: no")), ("x y " * 20, 8)):
        smollm2.clear()
        before = generating.n_evaluated
        (vote,) = forced(generating, text).ask(prompts_of(generating)[:1])
        n_repair = vote.n_generated - n_written
        if vote.parse == "repaired":
            assert 0 < n_repair <= len(f" {vote.label}")
        else:
            assert 0 <= n_repair <= len("Answer: no") - n_written  # it may spell it in smaller pieces
        behind = n_tokens("\nAnswer:") if vote.parse == "repaired" else 0
        # Every generated token is evaluated once, but for the one that num_predict ended, where nothing came behind it.
        unevaluated = int(vote.parse != "repaired" and vote.n_generated == 8)
        assert generating.n_evaluated - before == vote.n_prompt_tokens + vote.n_generated + behind - unevaluated


def test_a_raw_output_counts_its_tokens_and_says_whether_it_was_cut(smollm2):
    cut = raw(smollm2, COLOURS)
    assert (cut.n_tokens, cut.truncated, cut.repair) == (N_PREDICT, True, None)
    ended = raw(smollm2, COLOURS, grammar=label_grammar(LABELS))
    assert not ended.truncated
    assert ended.text.removeprefix(" ") in tuple(LABELS)
    assert 1 <= ended.n_tokens <= len(ended.text)


def test_what_three_prompts_share_is_evaluated_once(labeler):
    generating = forced(labeler(), "Answer: no")
    prompts = prompts_of(generating)
    before = generating.n_evaluated
    votes = generating.ask(prompts)
    n_prompt = votes[0].n_prompt_tokens
    assert generating.n_evaluated - before == n_prompt - 1 + 3 + sum(vote.n_generated for vote in votes)


# Stop texts and repeat penalty


@pytest.mark.parametrize("n_stops", [1, 2])
def test_a_stop_text_ends_the_output_and_is_not_part_of_it(smollm2, n_stops):
    whole = raw(smollm2, COLOURS).text
    # One from the middle, over the border of two tokens if it comes to that; of two, the one that comes first counts.
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    stops = (stop, whole[-2:])[:n_stops]
    stopped = raw(smollm2, COLOURS, stop=stops)
    assert stopped.text == whole[: min(whole.index(one) for one in stops)]
    assert not stopped.truncated
    assert stopped.n_tokens < N_PREDICT


def test_a_stop_text_that_never_comes_changes_nothing(smollm2):
    assert raw(smollm2, COLOURS, stop=("\x00never",)) == raw(smollm2, COLOURS)


def test_a_stop_text_ends_the_reasoning_and_not_the_label_of_the_repair(labeler):
    generating = forced(labeler(stop=(" ",)), "Nine of 14 boats.")
    (vote,) = generating.ask(prompts_of(generating)[:1])
    assert (vote.text, vote.problem) == ("Nine", "off_label")
    assert vote.label in tuple(LABELS)
    assert vote.parse == "repaired"


def test_a_repeat_penalty_makes_repetitions_rarer(smollm2):
    song = "We sang la la la la la la la la"
    greedy = Sampling(temperature=0)
    free, penalised = (raw(smollm2, song, sampling=greedy, repeat_penalty=penalty) for penalty in (1.0, 1.5))
    assert free.text == " la" * N_PREDICT
    assert penalised.text.count(" la") <= 2


def test_a_labeler_with_every_setting_of_its_family_answers(labeler):
    generating = labeler(model="smollm2-135m", preset="family", repeat_penalty=1.1, min_p=0.05, top_k=20, stop=("###",))
    assert generating.config.temperature == 0.2
    assert all(vote.label for vote in generating.ask(prompts_of(generating)))


# Room


@pytest.fixture(scope="module")
def tiny(smollm2_path):
    with LlamaModel(smollm2_path, num_ctx=256, threads=1, n_batch=64) as model:
        yield model


@pytest.fixture
def group_sizes(monkeypatch):
    """How many prompts went into each call of the generator."""
    sizes = []
    generate = Generator.generate

    def watch(self, prompts, *rest):
        sizes.append(len(prompts))
        return generate(self, prompts, *rest)

    monkeypatch.setattr(Generator, "generate", watch)
    return sizes


def padded(generating, n_tokens, context=COLOURS):
    """Three prompts of at most so many tokens, the longest of exactly so many."""
    for n_words in range(256):
        prompts = prompts_of(generating, context=f"{'blue ' * n_words}{context}")
        if max(len(generating.tokenize(prompt)) for prompt in prompts) == n_tokens:
            return prompts
    raise AssertionError(f"no prompt has {n_tokens} tokens")


def test_a_prompt_without_room_for_its_answer_is_a_named_failure_and_the_others_are_answered(labeler, tiny):
    generating = forced(labeler(tiny, num_ctx=256), "Answer: no")
    short, (long, *_) = prompts_of(generating), padded(generating, 256 - generating.room + 1)
    first, failed, last = generating.ask([short[0], long, short[2]])
    assert (failed.label, failed.failure, failed.probabilities, failed.margin) == (None, "prompt_too_long", (), None)
    assert (failed.text, failed.parse, failed.problem, failed.n_generated) == (None, None, None, None)
    assert failed.prompt_hash == long.hash
    assert failed.n_prompt_tokens == 256 - generating.room + 1
    assert [first, last] == generating.ask([short[0], short[2]])


def test_where_all_prompts_are_too_long_all_votes_say_so(labeler, tiny):
    generating = labeler(tiny, num_ctx=256)
    votes = generating.ask(prompts_of(generating, context=COLOURS * 40))
    assert [vote.failure for vote in votes] == ["prompt_too_long"] * 3


def test_a_prompt_that_just_fits_is_answered(labeler, tiny):
    generating = forced(labeler(tiny, num_ctx=256), "a b " * N_PREDICT)
    (prompt, *_) = padded(generating, 256 - generating.room)
    (vote,) = generating.ask([prompt])
    assert (vote.parse, vote.problem) == ("repaired", "truncated")
    assert vote.label in tuple(LABELS)


def test_three_prompts_that_do_not_fit_together_are_generated_in_smaller_groups(labeler, tiny, group_sizes):
    # Other options at the very start of the prompt: little is shared.
    generating = forced(labeler(tiny, num_ctx=256, num_predict=8, diversity="permute"), "Answer: no")
    generating.ask(prompts_of(generating))
    assert group_sizes == [3]
    group_sizes.clear()
    # 110 tokens each, the answer and its repair included, are too many for three of them.
    votes = generating.ask(prompts := padded(generating, 110 - generating.room))
    assert group_sizes == [2, 1]
    assert [vote.prompt_hash for vote in votes] == [prompt.hash for prompt in prompts]
    assert {vote.label for vote in votes} == {"no"}


def test_more_prompts_than_are_generated_in_step_are_all_answered(labeler, group_sizes):
    generating = forced(labeler(), "Answer: no")
    prompts = [prompts_of(generating)[0]._replace(seed=seed) for seed in range(MAX_TOGETHER + 1)]
    votes = generating.ask(prompts)
    assert group_sizes == [MAX_TOGETHER, 1]
    assert [vote.seed for vote in votes] == list(range(MAX_TOGETHER + 1))
    assert {vote.label for vote in votes} == {"no"}


def test_a_label_longer_than_the_room_for_repairs_does_not_end_the_run(labeler, tiny):
    labels = LabelSet(("与对照组相比没有统计学上的显著差异", "与对照组相比有统计学上的显著差异"))
    n_predict = 40
    generating = forced(labeler(tiny, labels, num_ctx=256, num_predict=n_predict), "a b " * 40)
    (prompt, *_) = padded(generating, 256 - generating.room)
    (vote,) = generating.ask([prompt])
    assert vote.label in tuple(labels) or vote.failure == "prompt_too_long"


# Chat template and frame


def test_the_bundled_prompts_are_asked_in_the_models_own_template(smollm2):
    config = LabelerConfig(model="smollm2-135m", mode="generate", diversity="paraphrase", num_predict=8)
    generating = GeneratingLabeler(config, LABELS, smollm2, "0" * 64)
    prompts = prompts_of(generating, QUESTION, BOATS)
    text = b"".join(smollm2.piece(token) for token in generating.tokenize(prompts[0])).decode()
    assert text.endswith("\nassistant\n")  # control tokens have no text of their own here
    votes = generating.ask(prompts)
    assert all(vote.label for vote in votes)
    assert len({vote.prompt_hash for vote in votes}) == 3


def test_a_chat_template_that_a_model_lacks_is_refused(smollm2, monkeypatch):
    monkeypatch.setattr(LlamaModel, "chat_template", None)
    with pytest.raises(InputError, match="has no chat template"):
        GeneratingLabeler(LabelerConfig(mode="generate", template="chat"), LABELS, smollm2, "0" * 64)
