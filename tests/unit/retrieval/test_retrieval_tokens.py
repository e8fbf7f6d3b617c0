import shlex
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

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


def test_a_folder_without_any_tokenizer_is_refused_with_its_path(tmp_path):
    with pytest.raises(
        InputError, match=r"has no tokenizer\.json.*from the model's publisher, or check the path"
    ) as error:
        EmbedderTokenizer(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_folder_with_a_vocabulary_alone_is_told_the_command_that_makes_a_fast_tokenizer(minilm_vocabulary):
    with pytest.raises(InputError, match=r"expected a fast tokenizer, the file tokenizer\.json") as error:
        EmbedderTokenizer(minilm_vocabulary)
    assert len(str(error.value).splitlines()) == 1
    command = str(error.value).rpartition("make it from the vocabulary: ")[2].removesuffix(".")
    program, option, code = shlex.split(command)
    assert (program, option) == (sys.executable, "-c")
    compile(code, "the command", "exec")
    assert repr(str(minilm_vocabulary)) in code


@pytest.mark.slow
@pytest.mark.model
def test_that_command_makes_the_tokenizer_that_the_model_was_published_with(minilm_vocabulary, minilm):
    with pytest.raises(InputError) as error:
        EmbedderTokenizer(minilm_vocabulary)
    command = str(error.value).rpartition("make it from the vocabulary: ")[2].removesuffix(".")
    subprocess.run(shlex.split(command), check=True, timeout=300)
    made = EmbedderTokenizer(minilm_vocabulary)
    texts = ["The ferry's café leaves at NINE, unless it rains: 3.5 km.", "ประตู 汉字 naïve ﬁne \u200b", ""]
    assert [made.raw.encode(text).ids for text in texts] == [minilm.raw.encode(text).ids for text in texts]
    assert made.n_special == minilm.n_special


@pytest.fixture
def minilm_vocabulary(embedder_folder, tmp_path):
    """The embedder's folder as it would be without tokenizer.json."""
    folder = tmp_path / "vocab only"
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (embedder_folder / name).is_file():
            shutil.copy(embedder_folder / name, folder / name)
    if not (folder / "vocab.txt").is_file():
        raw = Tokenizer.from_file(str(embedder_folder / "tokenizer.json"))
        tokens = sorted(raw.get_vocab().items(), key=lambda one: one[1])
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token, _ in tokens), encoding="utf-8")
    return folder


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": 3}'])
def test_a_damaged_tokenizer_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"tokenizer\.json is not a tokenizer") as error:
        EmbedderTokenizer(tmp_path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.model
def test_the_real_tokenizer_counts_beyond_256(minilm):
    assert minilm.count("cat " * 1000) == 1000
    assert minilm.n_special == 2


# Letters with marks that the normalizer drops or keeps, Hangul and Chinese signs that it takes apart, and controls.
MARKED = ["e\u0301", "\u0301", "\u093e", "한", "\u1112", "\u11ab", "猫", "\u200d", "\u00ad", "\u3000", "\n", "\x00"]
SIGNS = st.sampled_from([*"aéEsßİ0,.-'\" ", *MARKED, "[SEP]", "cat", "nationing", "👩"])


@settings(max_examples=120, deadline=None)
@given(text=st.lists(SIGNS, max_size=14).map("".join), data=st.data())
def test_a_slice_between_words_has_the_tokens_that_it_has_in_the_text(tiny, text, data):
    assert tiny.reads_words_alone
    spans = tiny.spans(text)
    n = len(spans.words)
    opens = [at for at in range(n) if at == 0 or spans.words[at] != spans.words[at - 1]]
    if not opens:
        return
    first = data.draw(st.sampled_from(opens))
    last = data.draw(st.sampled_from([*(at for at in opens if at > first), n]))
    assert tiny.count(text[spans.starts[first] : spans.ends[last - 1]]) == last - first


def test_other_tokenizers_are_not_trusted_to_read_words_alone(tiny_folder, tmp_path):
    def reads_words_alone(change):
        tokenizer = Tokenizer.from_file(str(tiny_folder / "tokenizer.json"))
        change(tokenizer)
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        return EmbedderTokenizer(tmp_path).reads_words_alone

    assert reads_words_alone(lambda tokenizer: None)
    for change in (
        lambda tokenizer: setattr(tokenizer, "pre_tokenizer", pre_tokenizers.Metaspace()),
        lambda tokenizer: setattr(tokenizer, "normalizer", normalizers.NFKC()),
        lambda tokenizer: setattr(tokenizer, "model", models.BPE()),
        lambda tokenizer: tokenizer.add_tokens([AddedToken("<mark>", lstrip=True)]),
    ):
        assert not reads_words_alone(change)
