import logging
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ranking import hits, postings
from retrieval.ranking.bm25 import SHARE, BM25Index, tokenize
from retrieval.ranking.hits import ranking_hits, top_chunks
from retrieval.ranking.postings import Postings
from tests.doubles.chunk_frames import chunks, ids_of, peak_bytes

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
    found = ranking_hits(index.top(questions, 9), names, index.chunks)
    for name, question in zip(names, questions, strict=True):
        mine = found.filter(found["question_id"] == name)
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


def drawn_texts(n, seed):
    """Texts of words that are as unevenly frequent as those of a language."""
    random = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in random.zipf(1.3, random.integers(0, 12)) if word < 200) for _ in range(n)]


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_a_ranking_that_leaves_chunks_unscored_is_that_of_all_scores_to_the_last_bit(depth, monkeypatch):
    monkeypatch.setattr(postings, "TEXTS_A_BLOCK", 100)
    questions = ["w1 w2 w1", "", "w150", "w199 w198 w197", *drawn_texts(60, 2)]
    index = BM25Index(chunks(ids_of(450), drawn_texts(450, 1)))
    pruned, complete = index.top(questions, depth), top_chunks(index.scores(questions), depth)
    assert len(index.chunks) >= SHARE * depth
    np.testing.assert_array_equal(pruned.chunks, complete.chunks)
    np.testing.assert_array_equal(pruned.scores, complete.scores)


def test_a_ranking_scores_few_chunks_in_full(monkeypatch):
    scored = []
    rank = BM25Index._rank
    monkeypatch.setattr(
        BM25Index, "_rank", lambda self, words, some, *a: scored.append(len(some)) or rank(self, words, some, *a)
    )
    index = BM25Index(chunks(ids_of(450), [f"the word w{number % 40}" for number in range(450)]))
    assert index.top(["the word w7", "the w8"], 3).scores.shape == (2, 3)
    assert scored == [12, 12]  # those that have the rare word


def test_scores_are_those_of_bm25s_to_the_last_bit():
    import bm25s  # it loads much of SciPy

    texts, questions = drawn_texts(200, 3), drawn_texts(20, 4)
    words = {word: number for number, word in enumerate(sorted({word for one in tokenize(texts) for word in one}))}
    theirs = bm25s.BM25(k1=1.5, b=0.75, method="lucene", dtype="float64")
    numbers = [[words[word] for word in one] for one in tokenize(texts)]
    theirs.index((numbers, words), create_empty_token=False, show_progress=False)
    known = [[words[word] for word in one if word in words] for one in tokenize(questions)]
    expected = [theirs.get_scores_from_ids(one) if one else np.zeros(200) for one in known]
    np.testing.assert_array_equal(BM25Index(chunks([f"{n:03}" for n in range(200)], texts)).scores(questions), expected)


def test_memory_does_not_grow_with_the_questions(monkeypatch):
    monkeypatch.setattr(hits, "BLOCK", 2 * 601)  # two questions that are scored in full
    index, questions = BM25Index(chunks(ids_of(601), drawn_texts(601, 5))), drawn_texts(70, 6)
    once, four_times = (peak_bytes(lambda some=some: index.top(some, 5)) for some in (questions, questions * 4))
    result = 210 * 5 * 16  # bytes of the ranks and scores of the questions more
    assert four_times - result < 1.1 * once


def test_memory_of_the_index_grows_no_faster_than_the_texts_and_holds_no_lists_of_words(monkeypatch):
    monkeypatch.setattr(postings, "TEXTS_A_BLOCK", 200)
    texts = pl.Series(drawn_texts(1000, 7))
    of_four = pl.concat([texts] * 4)
    once, four_times = (peak_bytes(lambda some=some: Postings(some)) for some in (texts, of_four))
    assert four_times < 4.4 * once
    assert four_times < 40 * len(Postings(of_four).scores)  # bytes for each word of each chunk: a string alone has 50
