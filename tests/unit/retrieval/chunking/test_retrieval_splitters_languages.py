"""Text in other languages and scripts: sentences by their rules, and no character cut in two."""

import numpy as np
import pytest
import regex
from tokenizers import Tokenizer, models, pre_tokenizers

from retrieval.chunking.chunks import chunk_documents
from retrieval.chunking.sentences import find_sentences
from retrieval.chunking.splitters import Chunking, split_text, split_texts
from retrieval.tokens import EmbedderTokenizer
from tests.unit.retrieval.chunking.test_retrieval_chunks import documents

# Original sentences.
TEXTS = {
    "ar": "الطقس جميل اليوم. سنذهب إلى الحديقة بعد الظهر! هل تأتي معنا؟ الشَّايُ جاهِزٌ. ",
    "hi": "आज मौसम अच्छा है। हम शाम को बगीचे में जाएंगे। क्या तुम भी आओगे? चाय तैयार है। ",
    "ja": "今日は天気がいいです。午後は公園へ行きます。一緒に来ますか？お茶を用意しました！",
    "th": "วันนี้อากาศดีมาก ตอนบ่ายเราจะไปที่สวน คุณจะมาด้วยไหม น้ำชาพร้อมแล้ว ",
    "zh": "今天天气很好。下午我们去公园。你也来吗？茶已经准备好了！",
    "emoji": "👩‍👩‍👧‍👦🇳🇿🇯🇵👍🏽❤️ ok cafe\u0301 ",
}
every_text = pytest.mark.parametrize("code", TEXTS)


def embed(texts):
    return np.array([(len(text), text.count("e"), 1) for text in texts], np.float32)


@pytest.fixture(scope="module")
def characters(tmp_path_factory) -> EmbedderTokenizer:
    """A tokenizer that makes a token of every character, marks and joiners too."""
    alphabet = sorted({one for text in TEXTS.values() for one in text} - {" "})
    tokens = ["[UNK]", *alphabet, *(f"##{one}" for one in alphabet)]
    ids = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=10_000))
    folder = tmp_path_factory.mktemp("characters")
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    return EmbedderTokenizer(folder)


@every_text
@pytest.mark.parametrize("splitter", ["tokens", "sentences", "recursive", "semantic", "markdown"])
@pytest.mark.parametrize(("size", "overlap"), [(12, 0), (14, 5), (40, 8)])
def test_no_chunk_is_too_long_and_no_character_is_cut(splitter, code, size, overlap, characters):
    text = TEXTS[code] * 3
    languages = ["en" if code == "emoji" else code]
    (slices,) = split_texts([text], Chunking(splitter, size, overlap), characters, embed, languages)
    clusters = {at for found in regex.finditer(r"\X", text) for at in found.span()}
    assert {at for place in slices for at in place} <= clusters
    assert all(0 < characters.count(text[start:end]) <= size for start, end in slices)
    covered = {at for start, end in slices for at in range(start, end)}
    assert not "".join(one for at, one in enumerate(text) if at not in covered).strip()


def test_a_character_longer_than_the_size_is_cut_all_the_same(characters):
    text = "👩‍👩‍👧‍👦" * 2  # seven tokens each
    slices = split_text(text, Chunking("tokens", 4, 0), characters)
    assert "".join(text[start:end] for start, end in slices) == text
    assert all(characters.count(text[start:end]) <= 4 for start, end in slices)


@pytest.mark.parametrize(
    ("code", "n"), [("ar", 4), ("hi", 4), ("ja", 4), ("zh", 4), ("th", 1)]
)  # Thai has no stop: its text is one sentence, and is cut into token windows
def test_the_stops_of_every_script_end_sentences(code, n):
    for language in (code, "en"):
        assert len(find_sentences(TEXTS[code], language)) == n


GERMAN = "Er kam z.B. am 3. Mai an. Danach ging er."


def test_abbreviations_and_ordinals_depend_on_the_language(tiny):
    def said(language):
        return [GERMAN[start:end] for start, end in find_sentences(GERMAN, language)]

    assert said("de") == ["Er kam z.B. am 3. Mai an.", "Danach ging er."]
    assert len(said("en")) == 3


@pytest.mark.parametrize("splitter", ["sentences", "semantic"])
def test_each_document_is_cut_by_the_rules_of_its_language(splitter, tiny):
    given = documents(a=GERMAN, b=GERMAN)
    size = tiny.count("Er kam z.B. am 3. Mai an.") + tiny.n_special - 1  # one token too few for the German sentence
    chunks = chunk_documents(given, Chunking(splitter, size, 0), tiny, embed, {"a": "de", "b": "en"})
    texts = dict(chunks.group_by("document_id").agg("text").iter_rows())
    assert texts["b"][0] == "Er kam z.B. am 3."
    assert texts["a"][0] == "Er kam z.B. am 3. Mai an"
