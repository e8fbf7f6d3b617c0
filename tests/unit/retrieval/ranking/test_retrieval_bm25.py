import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ranking.bm25 import BM25Index, tokenize
from retrieval.ranking.hits import ranking_hits
from tests.doubles.chunk_frames import chunks, ids_of

WORDS = st.sampled_from(["cat", "dog", "mouse", "Cat", "sat", "on", "the", "mat", ",", "-"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


def lucene_bm25(texts, question, k1=1.5, b=0.75):
    """Kamphuis et al., ECIR 2020, table 1, "Lucene (accurate)", term by term."""
    tokens = [text.lower().replace(",", "").replace("-", "").split() for text in texts]
    mean = sum(map(len, tokens)) / len(tokens)
    scores = [0.0] * len(texts)
    for term in question.lower().replace(",", "").replace("-", "").split():
        df = sum(term in one for one in tokens)
        for at, one in enumerate(tokens):
            tf = one.count(term)
            if tf:
                idf = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
                scores[at] += idf * tf / (tf + k1 * (1 - b + b * len(one) / mean))
    return scores


def test_scores_are_those_by_hand():
    # Three chunks of 2, 3 and 1 tokens, two of them with "cat": idf = ln(1 + 1.5 / 2.5) = .470004.
    index = BM25Index(chunks(["a", "b", "c"], ["cat sat", "Cat, cat dog", "mouse"]))
    # 1 / (1 + 1.5 * (.25 + .75 * 2 / 2)) = .4, and 2 / (2 + 1.5 * (.25 + .75 * 3 / 2)) = .492308
    np.testing.assert_allclose(index.scores(["CAT"]), [[0.188001, 0.231386, 0]], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=30).filter(lambda texts: len(texts) % 7),
    questions=st.lists(TEXTS, max_size=4),
)
def test_scores_and_ranking_are_those_of_the_formula(texts, questions):
    ids = ids_of(len(texts))
    index = BM25Index(chunks(ids, texts))
    names = [f"q{number}" for number in range(len(questions))]
    hits = ranking_hits(index.top(questions, 9), names, index.chunks)
    for name, question in zip(names, questions, strict=True):
        mine = hits.filter(hits["question_id"] == name)
        expected = sorted((-round(score, 6), one) for score, one in zip(lucene_bm25(texts, question), ids, strict=True))
        assert mine["chunk_id"].to_list() == [one for _, one in expected[:9]]
        np.testing.assert_allclose(mine["score"], [-negative for negative, _ in expected[:9]], atol=1e-12)


def test_a_repeated_word_of_the_question_counts_again():
    index = BM25Index(chunks(["a", "b"], ["cat sat", "dog"]))
    once, twice = index.scores(["cat", "cat cat"])
    np.testing.assert_allclose(twice, 2 * once)


@pytest.mark.parametrize("question", ["", "?!", "unheard of"])
def test_a_question_without_a_known_word_ranks_all_chunks_by_id_with_score_zero(question):
    index = BM25Index(chunks(["c", "a", "b"], ["cat", "dog", "mouse"]))
    ranking = index.top([question], 50)
    assert index.chunks["chunk_id"].gather(ranking.chunks[0]).to_list() == ["a", "b", "c"]
    assert ranking.scores.tolist() == [[0, 0, 0]]


def test_chunks_without_any_word_are_ranked_last():
    index = BM25Index(chunks(["a", "b"], ["* * *", "cat"]))
    assert index.top(["cat"], 2).chunks.tolist() == [[1, 0]]
    assert BM25Index(chunks(["a", "b"], ["* * *", "--"])).top(["cat"], 2).chunks.tolist() == [[0, 1]]


def test_no_questions_give_an_empty_ranking():
    assert BM25Index(chunks(["a", "b"], ["cat", "dog"])).top([], 2).chunks.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("IL-6, p<0.05; don't x_y", ["il", "6", "p", "0", "05", "don", "t", "x_y"]),
        ("nai\u0308ve na\u00efve \uff21\uff22\uff11", ["na\u00efve", "na\u00efve", "ab1"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("Ελλάδα Россия עברית العربية", ["ελλάδα", "россия", "עברית", "العربية"]),
        ("日本語のテキスト ABC漢12", ["日", "本", "語", "の", "テキスト", "abc", "漢", "12"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("--- \n", []),
    ],
)
def test_words_of_any_script(text, words):
    assert tokenize([text]) == [words]


def test_words_of_one_chinese_chunk_are_found_inside_a_sentence():
    index = BM25Index(chunks(["a", "b"], ["今天天气很好", "阿司匹林可以降低风险"]))
    assert index.top(["阿司匹林有效吗?"], 2).chunks.tolist() == [[1, 0]]


def test_nothing_is_printed_or_logged(capfd, caplog):
    with caplog.at_level(logging.DEBUG):
        BM25Index(chunks(["a", "b"], ["cat", "dog"])).top(["cat", ""], 2)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
