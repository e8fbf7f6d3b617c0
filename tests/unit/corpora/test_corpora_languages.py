"""Which language a text is in: told alike everywhere, without a network."""

import pytest

from corpora.languages import NAMES, main_language, tell_language, tell_languages

SENTENCES = {
    "ar": "الطقس جميل اليوم، ولذلك سنذهب بعد الظهر إلى الحديقة القريبة من البيت ونشرب الشاي هناك.",
    "de": "Der Hund schlief am Mittag vor dem Haus und träumte von einem großen Knochen.",
    "en": "The dog slept in front of the house at noon and dreamt of a large bone.",
    "es": "El perro dormía al mediodía delante de la casa y soñaba con un hueso muy grande.",
    "fr": "Le chien dormait à midi devant la maison et rêvait d'un os très grand.",
    "hi": "आज मौसम बहुत अच्छा है, इसलिए हम शाम को घर के पास वाले बगीचे में घूमने जाएंगे और चाय पिएंगे।",
    "ja": "今日は天気がいいので、午後は家の近くの公園へ行って、お茶を飲みます。",
    "ko": "오늘은 날씨가 좋아서 오후에 집 근처 공원에 가서 차를 마실 것입니다.",
    "ru": "Сегодня хорошая погода, поэтому днём мы пойдём в парк рядом с домом и выпьем чаю.",
    "th": "วันนี้อากาศดีมาก ตอนบ่ายเราจึงจะไปเดินเล่นที่สวนสาธารณะใกล้บ้านและดื่มชากัน",
    "zh": "今天天气很好，所以下午我们要去家附近的公园散步，然后在那里喝茶。",
}
TERMS = "Laparoscopic cholecystectomy, carcinoma in situ, ductus arteriosus, angina pectoris"


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_tells_its_language(code):
    assert tell_language(SENTENCES[code]) == code


@pytest.mark.parametrize("text", ["", "12345 --- 6 = 7", "Ashmore", "IL-6 (n = 12)", TERMS])
def test_what_could_be_many_languages_is_not_told(text):
    assert tell_language(text) is None


def test_a_paragraph_in_english_makes_no_page_in_japanese_english():
    english = (
        "The project was founded by a student who would have the system be made openly, in the spirit of the time. "
    )
    japanese = (
        "この計画は自由なソフトウェアだけからなるオペレーティングシステムを作るために努力する世界規模の集まりです。"
    )
    assert tell_language(english + japanese * 3) == "ja"
    assert tell_language(english * 3 + japanese) == "en"


def test_a_text_that_tells_nothing_gets_the_language_of_the_others():
    assert tell_languages([SENTENCES["de"], "12345", SENTENCES["fr"][:40], SENTENCES["de"]])[1] == "de"
    assert tell_languages(["12345", ""]) == ["en", "en"]
    assert tell_languages([]) == []


def test_the_main_language_is_that_of_most_text():
    assert main_language(["aa", "b", "c", "dddd"], ["fr", "de", "de", None]) == "de"
    assert main_language(["aa"], [None]) == "en"


def test_english_needs_no_model(monkeypatch):
    monkeypatch.setattr("corpora.languages._identifier", lambda: pytest.fail("the model was read"))
    assert tell_language(SENTENCES["en"] * 50) == "en"


def test_every_language_has_a_name_of_its_own():
    assert len(set(NAMES.values())) == len(NAMES) == 75
    assert [NAMES[one] for one in ("de", "ja", "zh", "no")] == ["German", "Japanese", "Chinese", "Norwegian"]
