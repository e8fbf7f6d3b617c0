"""What an embedder cannot read: counted in tokens and characters, by script; refused or warned about by its share."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from corpora.errors import InputError
from retrieval.embedding.unknown_tokens import REFUSED, WARNED, Unread, count_unread, refuse_unread, unread_warnings
from retrieval.tokens import EmbedderTokenizer

THAI = "ประตูบริการใช้นับ"  # 17 characters, vowel signs included


def unread(n_unread, n_characters=100, what="documents", n_mostly=0, n_texts=10):
    return Unread(what, n_texts, n_mostly, 50, n_unread, n_characters, n_unread, {"Thai": n_unread} if n_unread else {})


# Counting


def test_each_unknown_word_is_one_token_however_long(tiny):
    measured = count_unread(tiny, [f"the cat {THAI} sat", "the dog ran"], "documents")
    assert (measured.n_tokens, measured.n_unknown) == (4 + 3, 1)
    assert (measured.n_characters, measured.n_unread) == (9 + len(THAI) + 9, len(THAI))
    assert measured.scripts == {"Thai": len(THAI)}
    assert (measured.n_texts, measured.n_mostly) == (2, 1)
    assert measured.share == len(THAI) / measured.n_characters


def test_what_is_known_counts_nothing(tiny):
    measured = count_unread(tiny, ["the cat sat on the mat", "", " \n"], "questions")
    assert (measured.n_unknown, measured.n_unread, measured.share, measured.scripts) == (0, 0, 0.0, {})
    assert measured.line == "0.0% of the text of the questions"


def test_no_texts_have_no_share(tiny):
    measured = count_unread(tiny, [], "documents")
    assert (measured.share, measured.share_mostly) == (0.0, 0.0)


def test_scripts_are_named_by_how_much_of_each_is_unknown(tiny):
    measured = count_unread(tiny, [f"the {THAI} {THAI} 汉字 привет ☃"], "documents")
    assert measured.scripts == {"Thai": 2 * len(THAI), "Cyrillic": 6, "Chinese characters": 2, "other signs": 1}
    assert measured.line.startswith(f"{measured.share:.1%} of the text of the documents (Thai 79%, Cyrillic 14%, Chin")


def test_counts_do_not_depend_on_how_texts_are_batched(tiny):
    texts = [f"the cat {THAI}" if at % 3 else "the dog" for at in range(600)]
    measured = count_unread(tiny, texts, "documents")
    assert (measured.n_texts, measured.n_unknown, measured.n_mostly) == (600, 400, 400)
    assert measured.n_unread == 400 * len(THAI)


def test_a_tokenizer_that_falls_back_on_bytes_knows_everything(tmp_path):
    tokenizer = Tokenizer(models.BPE({byte: at for at, byte in enumerate(pre_tokenizers.ByteLevel.alphabet())}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert count_unread(EmbedderTokenizer(tmp_path), [THAI], "documents").n_unknown == 0


def test_a_unigram_tokenizer_does_not_name_its_unknown_token_and_is_counted_all_the_same(tmp_path):
    vocabulary = [("<s>", 0.0), ("<unk>", -9.0), ("▁the", -1.0), ("▁cat", -1.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    measured = count_unread(EmbedderTokenizer(tmp_path), [f"the cat {THAI}"], "documents")
    assert (measured.n_unread, measured.scripts) == (len(THAI), {"Thai": len(THAI)})


# What is done about it


@pytest.mark.parametrize(("n", "refused", "warned"), [(0, 0, 0), (5, 0, 0), (6, 0, 1), (50, 0, 1), (51, 1, 1)])
def test_a_small_share_passes_a_larger_one_warns_and_more_than_half_is_refused(n, refused, warned):
    assert (REFUSED, WARNED) == (0.5, 0.05)
    assert len(unread_warnings("minilm", [unread(n)])) == warned
    if not refused:
        refuse_unread("minilm", [unread(n)])
        return
    with pytest.raises(InputError) as error:
        refuse_unread("minilm", [unread(n)])
    assert str(error.value) == (
        "embedder 'minilm' does not know 51.0% of the text of the documents (Thai 100%), and sees one and the same "
        "token there: expected an embedder that knows at least 50% of the text; choose a multilingual embedder, such "
        "as multilingual-e5-small or paraphrase-multilingual-minilm-l12-v2 (`tercet models fetch` fetches them)."
    )


def test_questions_alone_are_enough_to_refuse():
    with pytest.raises(InputError, match=r"90\.0% of the text of the questions"):
        refuse_unread("minilm", [unread(0), unread(90, what="questions")])


def test_a_few_documents_that_are_all_unknown_are_warned_about_although_their_share_is_small():
    (line,) = unread_warnings("minilm", [unread(3, n_mostly=1)])
    assert "1 of 10 documents are mostly such text" in line
    assert "multilingual-e5-small" in line
