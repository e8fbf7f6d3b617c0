import os
import subprocess
import sys

import numpy as np
import pytest

from corpora.errors import InputError
from labeling.engine.llama import LlamaModel
from labeling.engine.shared_prefixes import MAX_FORKS
from labeling.engine.trie import build_trie

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def text_tokens(smollm2):
    """Tokens of a plain English text."""
    sentences = (f"On day {day} the crew of the boat saw {day * 3} birds and wrote it down. " for day in range(60))
    return smollm2.tokenize("".join(sentences), special=False, add_bos=False)


@pytest.fixture(scope="module")
def wanted(smollm2):
    return [smollm2.tokenize(text, special=False, add_bos=False)[0] for text in (" yes", " no", " the", " boat")]


def alone(model, prompts, wanted):
    """Probabilities with every prompt evaluated on its own."""
    return np.exp(np.concatenate([model.next_logprobs([prompt], wanted) for prompt in prompts]))


def test_log_probabilities_over_the_whole_vocabulary_sum_to_1(smollm2, text_tokens):
    logprobs = smollm2.next_logprobs([text_tokens[:20]], range(smollm2.n_vocab))
    assert logprobs.shape == (1, 49152)
    assert np.exp(logprobs).sum() == pytest.approx(1)


def test_a_model_knows_what_comes_next(smollm2):
    prompt = smollm2.tokenize("The capital of France is", special=False, add_bos=False)
    paris, rome = (smollm2.tokenize(city, special=False, add_bos=False)[0] for city in (" Paris", " Rome"))
    ((p_paris, p_rome),) = np.exp(smollm2.next_logprobs([prompt], [paris, rome]))
    assert p_paris > 0.2 > p_rome


def test_shared_prefixes_give_about_what_each_prompt_gives_alone(smollm2, text_tokens, wanted):
    head = text_tokens[:60]
    prompts = [head, head + text_tokens[70:80], head + text_tokens[90:115], head + text_tokens[90:100]]
    together = np.exp(smollm2.next_logprobs(prompts, wanted))
    assert np.abs(together - alone(smollm2, prompts, wanted)).max() < 0.1


def test_the_order_of_the_prompts_does_not_change_one_bit(smollm2, text_tokens, wanted):
    head = text_tokens[:40]
    prompts = [head + text_tokens[start : start + 9] for start in (50, 60, 70)] + [head, text_tokens[100:130]]
    forward = smollm2.next_logprobs(prompts, wanted)
    assert (smollm2.next_logprobs(prompts[::-1], wanted)[::-1] == forward).all()


def test_the_same_prompt_twice_is_evaluated_once(smollm2, text_tokens, wanted):
    smollm2.clear()
    before = smollm2.n_evaluated
    logprobs = smollm2.next_logprobs([text_tokens[:30]] * 3, wanted)
    assert smollm2.n_evaluated - before == 30
    assert (logprobs == logprobs[0]).all()


def test_what_is_evaluated_is_what_the_trie_counts(smollm2, text_tokens, wanted):
    prompts = [text_tokens[:40] + text_tokens[start : start + 7] for start in range(41, 61, 5)]
    smollm2.clear()
    before = smollm2.n_evaluated
    smollm2.next_logprobs(prompts, wanted)
    assert smollm2.n_evaluated - before == build_trie(prompts).count_tokens() < sum(map(len, prompts))


@pytest.mark.parametrize(
    "tail",
    [pytest.param(1, id="one-token leaves"), pytest.param(8, id="leaves of several batches", marks=pytest.mark.slow)],
)
def test_more_leaves_than_forks_all_get_their_own_answer(smollm2, text_tokens, wanted, tail):
    head = text_tokens[:24]
    # Every tail begins with another token, so that all of them are leaves of one node.
    prompts = [[*head, 1000 + at, *text_tokens[at : at + tail - 1]] for at in range(2 * MAX_FORKS + 6)]
    together = np.exp(smollm2.next_logprobs(prompts, wanted))
    sample = [0, 1, MAX_FORKS - 1, MAX_FORKS, 2 * MAX_FORKS, len(prompts) - 1]
    assert np.isfinite(together).all()
    assert np.abs(together[sample] - alone(smollm2, [prompts[i] for i in sample], wanted)).max() < 0.1


def test_prompts_longer_than_a_batch_are_read_as_in_one_batch(smollm2, smollm2_path, text_tokens, wanted):
    head = text_tokens[:100]
    prompts = [head + text_tokens[120:160], head + text_tokens[200:270], head + text_tokens[300:303]]
    with LlamaModel(smollm2_path, num_ctx=1024, threads=1, n_batch=32) as small_batches:
        stepwise = np.exp(small_batches.next_logprobs(prompts, wanted))
    at_once = np.exp(smollm2.next_logprobs(prompts, wanted))
    assert np.abs(stepwise - at_once).max() < 0.1


def test_a_prompt_may_fill_the_whole_context(smollm2_path, text_tokens, wanted):
    with LlamaModel(smollm2_path, num_ctx=256, threads=1, n_batch=64) as model:
        assert np.isfinite(model.next_logprobs([text_tokens[:256]], wanted)).all()


def test_prompts_that_each_fit_are_all_answered_though_together_they_do_not_fit(smollm2_path, text_tokens, wanted):
    head = text_tokens[:230]
    prompts = [head + text_tokens[start : start + 20] for start in (301, 402, 503)]
    assert len({prompt[230] for prompt in prompts}) == 3
    assert all(len(prompt) <= 256 for prompt in prompts)
    with LlamaModel(smollm2_path, num_ctx=256, threads=1, n_batch=64) as model:
        assert np.isfinite(model.next_logprobs(prompts, wanted)).all()


def test_a_long_chain_of_prompts_that_each_begin_the_next_is_answered(smollm2, text_tokens, wanted):
    prompts = [text_tokens[:end] for end in range(1, 81)]
    assert np.isfinite(smollm2.next_logprobs(prompts, wanted)).all()


# In a process of its own: llama.cpp ends the process where it finds its own limits broken.
LARGE_BATCH = """
import sys
from pathlib import Path
from labeling.engine.llama import LlamaModel
with LlamaModel(Path(sys.argv[1]), num_ctx=256, threads=1, n_batch=512) as model:
    prompts = [list(range(start, start + 200)) for start in (1000, 2000)]
    print(model.next_logprobs(prompts, [787]).shape)
"""


def test_a_batch_larger_than_the_context_does_not_end_the_process(smollm2_path):
    done = subprocess.run(
        [sys.executable, "-c", LARGE_BATCH, str(smollm2_path)],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "GGML_NO_BACKTRACE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout == "(2, 1)\n"


def test_control_tokens_are_read_only_where_they_are_asked_for(smollm2):
    (as_control,) = smollm2.tokenize("<|im_end|>", special=True, add_bos=False)
    assert smollm2.token_text(as_control) == "<|im_end|>"
    as_text = smollm2.tokenize("<|im_end|>", special=False, add_bos=False)
    assert len(as_text) > 1
    assert as_control not in as_text


def test_no_token_of_that_kind_has_no_text(smollm2):
    assert smollm2.token_text(-1) == ""
    assert (smollm2.bos_text, smollm2.eos_text) == ("<|im_start|>", "<|im_end|>")


@pytest.mark.parametrize("text", ["", "\n\n", "ünïcödé 日本語 🦉", "a\x00b"], ids=repr)
def test_any_text_can_be_tokenized(smollm2, text):
    tokens = smollm2.tokenize(text, special=False, add_bos=False)
    assert all(0 <= token < smollm2.n_vocab for token in tokens)
    assert bool(tokens) == bool(text)


def test_a_file_that_is_no_gguf_is_refused_in_one_line(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="starts with b'<htm'") as refused:
        LlamaModel(path)
    assert "\n" not in str(refused.value)


def test_an_empty_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "model.gguf"
    path.touch()
    with pytest.raises(InputError, match="a GGUF model file"):
        LlamaModel(path)


@pytest.mark.parametrize("n_bytes", [4, 1000, 10_000_000])
def test_a_gguf_that_was_cut_short_is_refused_in_one_line(smollm2_path, tmp_path, n_bytes):
    path = tmp_path / "model.gguf"
    with smollm2_path.open("rb") as whole:
        path.write_bytes(whole.read(n_bytes))
    with pytest.raises(InputError, match=rf"cannot load .*model.gguf \({n_bytes} bytes\)") as refused:
        LlamaModel(path)
    assert "\n" not in str(refused.value)
