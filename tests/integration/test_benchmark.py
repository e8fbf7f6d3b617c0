"""The benchmark of votes compares like with like: its numbers are not tested, what it asks is."""

import subprocess
import sys

import pytest

from corpora.schema import Corpus, Document, LabelSet, Question, documents_frame, questions_frame
from labeling.engine.label_mode import LocalLabeler
from labeling.engine.llama import LlamaModel
from labeling.models.registry import resolve_model
from labeling.prompting.labeler import LabelerConfig
from tests.benchmarks import votes
from tests.conftest import ROOT, needs_model

pytestmark = pytest.mark.model

CONFIG = LabelerConfig(model="smollm2-135m", num_ctx=512, threads=1)
BOATS = "The harbour log lists 14 boats. Nine of them left before dawn and none came back that day."
QUESTIONS = [Question(name, f"Did boat {name} leave before dawn?", ("d",)) for name in ("one", "two", "three")]
CORPUS = Corpus("boats", documents_frame([Document("d", BOATS)]), questions_frame(QUESTIONS), LabelSet())
# Label mode and chat completion on the same prompts, and how many of these differ.
PAIRS = [(0, 4, 1), (1, 5, 1), (2, 6, 3), (3, 7, 3)]


@pytest.fixture(scope="module")
def llama():
    needs_model("smollm2-135m")
    with LlamaModel(resolve_model("smollm2-135m").path, CONFIG.num_ctx, CONFIG.threads) as model:
        yield model


@pytest.fixture(scope="module")
def chat(llama):
    return votes.open_chat(llama.path, CONFIG)


@pytest.fixture(scope="module")
def arms(llama, chat):
    return votes.build_arms(CONFIG, CORPUS.labels, llama, chat, "0" * 64)


@pytest.mark.parametrize(("label", "completion", "n_different"), PAIRS)
def test_both_modes_write_the_same_prompts(arms, label, completion, n_different):
    ours = arms[label].write(QUESTIONS[0], BOATS)
    assert ours == arms[completion].write(QUESTIONS[0], BOATS)
    assert len(ours) == (1 if label == 0 else 3)
    assert len({prompt.message for prompt in ours}) == n_different
    assert ours[0] == arms[0].write(QUESTIONS[0], BOATS)[0]


def test_permuted_and_paraphrased_votes_differ_but_for_the_first(arms):
    permuted, paraphrased = (arms[arm].write(QUESTIONS[0], BOATS) for arm in (2, 3))
    assert not {prompt.message for prompt in permuted[1:]} & {prompt.message for prompt in paraphrased[1:]}


def test_a_chat_completion_evaluates_the_labelers_tokens_up_to_the_start_of_the_answer(llama, chat, arms):
    labeler = LocalLabeler(CONFIG, CORPUS.labels, llama, "0" * 64)
    for prompt in [*arms[2].write(QUESTIONS[0], BOATS), *arms[3].write(QUESTIONS[0], BOATS)]:
        n_tokens = chat.complete(prompt, seed=0)["usage"]["prompt_tokens"]
        assert prompt.start
        assert (*chat.llama.input_ids[:n_tokens],) == labeler.tokenize(prompt._replace(start=""))


@pytest.mark.parametrize("arm", [0, 4], ids=["label mode", "chat completion"])
def test_a_prompt_asked_just_before_is_evaluated_in_full_again(arms, chat, arm):
    prompts = arms[arm].write(QUESTIONS[0], BOATS)
    n_prompt_tokens = chat.complete(prompts[0], seed=0)["usage"]["prompt_tokens"]
    assert min(arms[arm].ask(prompts), arms[arm].ask(prompts)) >= n_prompt_tokens


def test_three_completions_share_what_their_prompts_have_in_common(arms, chat):
    prompts = arms[6].write(QUESTIONS[0], BOATS)
    n_prompt_tokens = chat.complete(prompts[0], seed=0)["usage"]["prompt_tokens"]
    assert n_prompt_tokens < arms[6].ask(prompts) < 2 * n_prompt_tokens


def test_every_question_but_the_first_counts_once_in_every_arm():
    arms = [votes.Arm(name, lambda question, _: [question.id], lambda prompts: len(prompts[0])) for name in "ab"]
    took = votes.measure(arms, CORPUS)
    assert list(took) == ["a", "b"]
    assert [[one.n_evaluated for one in mine] for mine in took.values()] == [[len("two"), len("three")]] * 2
    assert all(one.seconds > 0 for mine in took.values() for one in mine)


def test_the_order_of_the_arms_rotates_by_question():
    asked = []
    arms = [votes.Arm(name, lambda *_: [], lambda _, name=name: asked.append(name) or 1) for name in "abcd"]
    votes.measure(arms, CORPUS)
    assert "".join(asked) == "abcdbcdacdab"


def test_the_table_holds_medians_sums_and_ratios_to_the_first_arm():
    took = {"one": [votes.Took(1.0, 10), votes.Took(2.0, 20), votes.Took(6.0, 30)], "two": [votes.Took(3.0, 90)] * 3}
    assert votes.time_table(votes.sum_up(took)).splitlines()[2:] == [
        "| one | 2.000 | 1.00 | 9.00 | 1.00 | 60 | 1.00 |",
        "| two | 3.000 | 1.50 | 9.00 | 1.00 | 270 | 4.50 |",
    ]


def test_it_runs_as_a_script_and_as_a_module():
    for way in (["-m", "tests.benchmarks.votes"], ["tests/benchmarks/votes.py"]):
        done = subprocess.run([sys.executable, *way, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "--pubmedqa" in done.stdout
