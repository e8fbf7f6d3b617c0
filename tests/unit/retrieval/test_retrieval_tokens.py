import pytest

from corpora.errors import InputError
from retrieval.tokens import EmbedderTokenizer


def test_special_tokens_are_counted_apart_from_the_text(tiny):
    assert tiny.n_special == 2
    assert tiny.count("the cat sat.") == 4


def test_a_text_longer_than_the_truncation_of_the_file_is_counted_whole(tiny):
    assert tiny.count("cat " * 500) == 500
    assert tiny.count_all(["cat " * 500, "cat"]) == [500, 1]  # and the short one is not padded


def test_spans_say_where_each_token_stands_and_which_word_it_belongs_to(tiny):
    text = "The  cats sat"
    spans = tiny.spans(text)
    pieces = [text[start:end] for start, end in zip(spans.starts, spans.ends, strict=True)]
    assert pieces == ["The", "cat", "s", "sat"]
    assert spans.words == [0, 1, 1, 2]


def test_offsets_are_characters_not_bytes(tiny):
    text = "👩‍👩‍👧 é cat"
    spans = tiny.spans(text)
    assert text[spans.starts[-1] : spans.ends[-1]] == "cat"


def test_a_folder_without_tokenizer_is_refused_with_its_path(tmp_path):
    with pytest.raises(InputError, match=r"tokenizer\.json.*model folder"):
        EmbedderTokenizer(tmp_path)


@pytest.mark.model
def test_the_real_tokenizer_counts_beyond_256(minilm):
    assert minilm.count("cat " * 1000) == 1000
    assert minilm.n_special == 2
