import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_cpp import Llama

from labeling.models.registry import find_model
from labeling.remote.whole_prompt import LEAST_CHECKED, Ceiling, is_cut, least_tokens
from tests.conftest import ROOT, needs_model

PROSE = (
    "Nine of the fourteen boats left the harbour before the storm; the others stayed, because their crews were tired. "
    "Whether the lighthouse was lit at 4.30 that morning is not known, and the keeper's log of 1887 does not say. "
)
TEXTS = {
    "English": PROSE * 60,
    "German": "Die Donaudampfschifffahrtsgesellschaft verlegte ihre Hauptversammlung auf den Donnerstagnachmittag. "
    * 80,
    "Russian": "Девять из четырнадцати лодок вышли из гавани до шторма, остальные остались. " * 90,
    "Chinese": "十四条船中有九条在暴风雨来临之前离开了港口,其余的留了下来,因为船员们很累。" * 120,
    "Japanese": "十四隻のうち九隻は嵐の前に港を出たが、残りは乗組員が疲れていたので留まった。" * 120,
    "Korean": "열네 척 가운데 아홉 척은 폭풍이 오기 전에 항구를 떠났고 나머지는 남았다. " * 120,
    "Thai": "เรือเก้าลำจากสิบสี่ลำออกจากท่าเรือก่อนพายุจะมา ส่วนที่เหลืออยู่ต่อเพราะลูกเรือเหนื่อย " * 120,
    "Arabic": "غادرت تسعة قوارب من أصل أربعة عشر الميناء قبل العاصفة وبقيت البقية لأن الأطقم كانت متعبة. " * 90,
    "Hindi": "चौदह नावों में से नौ तूफान से पहले बंदरगाह से निकल गईं, बाकी रुक गईं। " * 90,
    "code": (ROOT / "labeling/votes/parsing.py").read_text(encoding="utf-8") * 3,
    "indented code": "".join(" " * (4 * (n % 20)) + f"return values[{n}]\n" for n in range(900)),
    "runs of blanks": ("word" + " " * 120 + "\n" * 30) * 300,
    "rulers": ("=" * 120 + "\n" + "-" * 80 + "\n" + "#" * 64 + "\n") * 300,
    "one word": "the " * 5000,
    "one letter": "a" * 50_000,
    "a table": "".join(f"| {n} | {n * 7} | yes |\n" for n in range(1200)),
    "dots": "Contents " + ". " * 4000,
    "numbers": " ".join(str(n) for n in range(10_000, 13_000)),
    "hexadecimal": "".join(f"{random.Random(n).getrandbits(64):016x}" for n in range(700)),
    "emoji": "\U0001f600\U0001f680\u2764\ufe0f\U0001f469\u200d\U0001f680 " * 900,
    "addresses": "https://www.example.org/archive/1887/harbour/lighthouse-keepers-log.html\n" * 200,
}


def least(text):
    return least_tokens({"messages": [{"role": "user", "content": text}]})


@pytest.fixture(scope="module", params=["qwen2.5-coder-0.5b", "smollm2-135m"])
def vocabulary(request):
    """A tokenizer of a model, without the model: of 152,000 and of 49,000 tokens."""
    needs_model(request.param)
    return Llama(str(find_model(request.param).path), vocab_only=True, verbose=False)


@pytest.mark.model
@pytest.mark.parametrize("script", TEXTS)
def test_no_tokenizer_falls_below_the_bound_in_any_script(script, vocabulary):
    n_tokens = len(vocabulary.tokenize(TEXTS[script].encode(), add_bos=False, special=False))
    assert not is_cut(n_tokens, least(TEXTS[script]))


@pytest.mark.model
@pytest.mark.parametrize("script", ["English"])
def test_a_cut_to_a_third_is_seen_with_every_tokenizer(script, vocabulary):
    n_tokens = len(vocabulary.tokenize(TEXTS[script].encode(), add_bos=False, special=False))
    assert is_cut(n_tokens // 3, least(TEXTS[script]))


def test_the_bound_needs_no_tokenizer():
    assert least(PROSE * 60) == 60 * 40 // 2  # words
    assert least("十四" * 1000) == 500
    assert least("x" * 5000 + " " + "ab" * 4096) == 512


@pytest.mark.parametrize("text", ["", PROSE, " " * 10**6, "=" * 10**6, "\n\t" * 10**5, "the " * 10**5, "- " * 10**5])
def test_what_may_be_few_tokens_is_not_checked(text):
    assert least(text) == 0


def test_all_messages_count():
    one = {"role": "user", "content": PROSE * 10}
    assert least_tokens({"messages": [one, one]}) == 2 * (40 * 10 // 2)


@given(st.text(max_size=400))
def test_the_bound_is_below_one_token_a_character(text):
    assert least(text * 20) <= len(text * 20)


@pytest.mark.parametrize(("n", "bound", "cut"), [(0, 500, False), (1, 500, True), (499, 500, True), (500, 500, False)])
def test_a_server_that_does_not_count_is_believed(n, bound, cut):
    assert is_cut(n, bound) == cut


# Cuts that leave more than the bound


def hits(*seen):
    ceiling = Ceiling()
    return [ceiling.is_hit(n, length) for n, length in seen]


def test_one_count_for_prompts_of_three_lengths_is_a_ceiling():
    assert hits((2048, 1100), (2048, 1300), (2048, 1500)) == [False, False, True]
    assert hits((2048, 1500), (900, 500), (2048, 1100), (300, 256), (2048, 1300)) == [False] * 4 + [True]


def test_the_votes_of_one_question_are_none():
    assert not any(hits(*[(2048, 1100)] * 9, *[(2048, 1101)] * 9, *[(2048, 1150)] * 9))


def test_a_higher_count_shows_that_it_was_none():
    assert not any(hits((2048, 1100), (2048, 1300), (2049, 1500), (2048, 1700), (2049, 1700)))


def test_short_prompts_are_often_of_one_count():
    assert not any(hits(*[(LEAST_CHECKED - 1, length) for length in (260, 300, 350)]))
    assert not any(hits(*[(400, 0)] * 9))


@given(st.permutations([(2048, 1000), (2048, 1150), (2048, 1300), (1500, 900)]))
def test_the_order_does_not_matter(seen):
    assert any(hits(*seen))
