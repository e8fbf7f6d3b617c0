"""Where questions are drafted from, with which prompts, and which drafts pass the rules on their text."""

from collections import Counter

import pytest

from corpora.schema import LabelSet, Span
from labeling.drafting.drafts import Draft
from labeling.drafting.duplicates import Seen
from labeling.drafting.kinds import KINDS, Kind, usable
from labeling.drafting.passages import ANSWERS, MOST_CHARACTERS, WINDOW, Attempt, Passage, Places
from labeling.drafting.templates import LANGUAGES, example_questions, numbers_in, with_another_number, writing_prompt
from labeling.drafting.wording import (
    StandsAlone,
    asks_for_more,
    gives_answer_away,
    is_in_language,
    is_of_its_kind,
    is_one_question,
    is_verbatim,
    repeats_example,
)
from labeling.drafting.writer import WriterConfig, writer_of, written_question
from labeling.prompting.labeler import LabelerConfig, fingerprint
from retrieval.chunking.sentences import find_sentences

TEXTS = {
    f"hall-{name}": f"Hall {name}: rules\n\n"
    + " ".join(f"The {name} room number {at} is not open before {at + 5} o'clock." for at in range(20))
    for name in ("alder", "birch", "cedar", "damson", "elm", "fir")
}
SENTENCES = {name: find_sentences(text) for name, text in TEXTS.items()}
LABELS = LabelSet(ANSWERS)


def draft(
    text: str, quote: str = "The alder room is not open before six.", answer: str = "yes", kind: Kind = "fact",
    language: str = "en", second: str = "",
) -> Draft:  # fmt: skip
    document = f"Hall alder. {quote}"
    passage = Passage(document, Span("hall-alder", 12, 12 + len(quote)))
    attempt = Attempt("yes-0", kind, answer, "hall-alder", "Hall alder", (passage,) * (1 + bool(second)), language)
    return Draft(attempt, (quote, second) if second else (quote,), text, answer)


def attempts(n: int, kinds=KINDS, texts=TEXTS, sentences=SENTENCES) -> list[Attempt]:
    places = Places(texts, sentences, kinds)
    return [one for number in range(n) for wanted in ANSWERS if (one := places.attempt(wanted, number))]


def test_documents_kinds_and_answers_are_covered_evenly():
    drawn = attempts(24)  # six documents, four times each for each answer
    assert set(Counter((one.document_id, one.wanted) for one in drawn).values()) == {4}
    assert set(Counter((one.kind, one.wanted) for one in drawn).values()) == {6}
    assert len(set(Counter((one.document_id, one.kind) for one in drawn).values())) == 1


def test_places_in_a_document_are_spread_and_fixed_by_the_seed():
    starts = sorted(one.evidence[0].start for one in attempts(48, ("fact",)) if one.document_id == "hall-elm")
    length = len(TEXTS["hall-elm"])
    assert max(b - a for a, b in zip([0, *starts], [*starts, length], strict=True)) < length / 4
    assert attempts(8) == attempts(8)
    assert [one.document_id for one in attempts(6)] != [
        Places(TEXTS, SENTENCES, seed=1).attempt(wanted, n).document_id for n in range(6) for wanted in ANSWERS
    ]


def test_passages_are_whole_sentences_within_bounds():
    for one in attempts(24):
        for passage in one.passages:
            assert passage.text in TEXTS[one.document_id]
            assert len(passage.text) <= MOST_CHARACTERS
            span = passage.sentence
            assert (span.start, span.end) in SENTENCES[one.document_id]
            assert TEXTS[one.document_id][span.start : span.end] in passage.text
            assert 1 <= len(find_sentences(passage.text)) <= WINDOW


def test_two_sentences_of_one_question_are_apart_and_share_a_rare_word():
    boats = "The {} boat of Hall elm sails at {}."
    lines = [boats.format(name, at) for at, name in enumerate(("red", "blue", "green", "white", "black", "brown"))]
    lines[5] = "Whoever takes the red boat pays twice."
    text = " ".join(lines)
    places = Places({"elm": text}, {"elm": find_sentences(text)}, ("apart",))
    one = places.attempt("yes", 0)  # at the document's beginning
    assert [text[span.start : span.end] for span in one.evidence] == [lines[0], lines[5]]
    text = text.replace("takes the red boat", "uses the pier")
    assert Places({"elm": text}, {"elm": find_sentences(text)}, ("apart",)).attempt("yes", 0) is None


def test_a_kind_that_a_document_has_no_sentence_for_gives_way():
    texts = {"a": "Just one plain sentence stands here."}
    places = Places(texts, {"a": find_sentences(texts["a"])})
    assert [places.attempt("yes", n).kind for n in range(4)] == ["fact"] * 4
    assert Places({"a": "Heading"}, {"a": [(0, 7)]}).attempt("yes", 0) is None


def test_usable_sentences_by_kind():
    sentences = ["A heading without a stop", "No boat runs on Sundays.", "It holds 12 kilograms.", "Sh."]
    cited = [
        "7. The hall opens late.",
        "It is old (Yao, 2022b) [4].",
        "2 Z. Shen saw the hall.",
        "The hall has 40 seats.",
    ]
    assert usable("number", cited) == [3]  # of a list, of a paper that is cited, of a page: these state no number
    assert [usable(kind, sentences) for kind in KINDS] == [[1], [2], [1], [1]]  # the other one begins with a pronoun
    page = [
        "| Chapter 1. It opens at nine. | |",
        "# Chapter 15.",
        "Chapter 15.",
        "2.1. When does the hall open?",
        "The hall opens at nine.",
    ]
    assert usable("fact", page) == [4]  # neither a row of a table nor a heading nor a question states anything
    assert usable("fact", ["ห้องสมุดเปิดทุกวัน", "ปิดวันอาทิตย์เท่านั้น"]) == [0, 1]  # Thai has no full stop


@pytest.mark.parametrize(("text", "title"), [
    ("\n# Boats\n\nThey sail.", "Boats"), ("| Chapter 2. Boats | | |\n| --- | --- |\n", "Chapter 2. Boats"),
    ("----\n**Boats**\nThey sail.", "Boats"), ("1234", ""),
])  # fmt: skip
def test_a_title_is_the_first_line_with_words(text, title):
    text += "\nThe boat sails at nine."
    assert Places({"a": text}, {"a": find_sentences(text)}).attempt("yes", 0).title == (
        title or "The boat sails at nine."
    )


def test_prompts_show_the_sentence_and_nothing_is_read_as_a_placeholder():
    text = "{sentence} The {title} room costs 40 pence. It opens at nine."
    one = attempts(1, ("fact",), {"a": text}, {"a": find_sentences(text)})[0]
    written = writing_prompt(one, ["The {title} room costs 40 pence."])
    assert "Context: {sentence} The {title} room costs 40 pence. It opens at nine." in written.message
    assert written.message.endswith("Sentence: The {title} room costs 40 pence.")
    assert written.start == "Question:"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", [*LANGUAGES, "ja"])
def test_prompts_are_in_the_language_of_the_document_or_say_in_which_to_write(language, kind):
    one = draft("?", "Ein Satz mit 12 Worten.", kind=kind, language=language, second="Noch einer." * (kind == "apart"))
    for wanted in ANSWERS:
        written = writing_prompt(one.attempt._replace(wanted=wanted), one.quotes)
        assert "{" not in written.message
        assert f"Answer: {wanted}" in written.message
        assert f"Answer: {'no' if wanted == 'yes' else 'yes'}" not in written.message
    start = {"de": "Frage:", "es": "Pregunta:", "ja": "Question in Japanese:"}.get(language, "Question:")
    assert written.start == start
    examples = example_questions(kind, language)
    assert len(examples) == (2 if kind == "apart" else 4)
    for text in examples:  # what a prompt shows must pass the rules that its drafts are held to
        assert is_one_question(text)
        assert not asks_for_more(text, language)


@pytest.mark.parametrize(("language", "leans", "whole", "denies"), [
    ("en", "However, it is open.", "The hall is open.", "No hall is open."),
    ("de", "Jedoch ist das Tor offen.", "Das Tor ist offen.", "Das Tor ist nicht offen."),
    ("fr", "Cependant, la porte est ouverte.", "La porte est ouverte.", "La porte n'est pas ouverte."),
    ("es", "Sin embargo, la puerta abre.", "La puerta abre tarde.", "La puerta nunca abre tarde."),
])  # fmt: skip
def test_sentences_that_lean_on_another_come_last(language, leans, whole, denies):
    assert usable("fact", [leans, whole, denies], language) == [1, 2]
    assert usable("fact", [leans], language) == [0]
    assert usable("negation", [leans, whole, denies], language) == [2]
    assert usable("negation", [leans, whole, denies], "ja") == []


@pytest.mark.parametrize(("sentence", "changed"), [
    ("It costs 40 pence.", "It costs 60 pence."), ("Open until 22:15.", "Open until 01:15."),
    ("Built in 1998.", "Built in 1989."), ("Of 12 kinds (Yao, 2022; [3]).", "Of 18 kinds (Yao, 2022; [3])."),
    ("At 4.3 metres.", "At 6.3 metres."), ("Room 1 of 1.", "Room 1 of 2."),
    ("\u0662\u0663 \u0632\u0627\u0626\u0631.", "\u0663\u0664 \u0632\u0627\u0626\u0631."),  # 23 and 34 in Arabic
])  # fmt: skip
def test_another_number_takes_the_place_of_the_last_one(sentence, changed):
    assert with_another_number(sentence)[0] == changed
    assert with_another_number(sentence)[1] in changed


def test_a_writer_has_its_own_grammar_and_fingerprint():
    reader = LabelerConfig(model="m", temperature=0.7, num_ctx=2048)
    writer = writer_of(reader)
    assert isinstance(writer, WriterConfig)
    assert writer.num_ctx == 2048
    assert writer.sampling.is_greedy
    generates = LabelerConfig(**{**writer.model_dump(), "mode": "generate"})
    assert fingerprint(writer, LABELS, "0" * 64) != fingerprint(generates, LABELS, "0" * 64)
    assert "[^\\n。?" in writer.output_grammar(LABELS)
    assert written_question(" Is it so?\nAnswer: yes", None) == "Is it so?"
    assert written_question(" Is it so and", "truncated") is None
    assert written_question("Answer: yes", None) is None


@pytest.mark.parametrize(
    "text",
    [
        "Is the alder room open at six?",
        "Ist das „Alte Tor“ (im Hof) bis neun offen?",
        "开放时间是几点到几点吗\uff1f",
        "هل القاعة مفتوحة؟",
    ],
)
def test_one_question_in_any_script(text):
    assert is_one_question(text)


@pytest.mark.parametrize(("language", "text"), [
    ("de", "Beginnt die Frist am 1. April für alle?"), ("de", "Kostet z. B. der Kurs ca. 5 Euro bzw. mehr?"),
    ("da", "Åbner haven den 3. maj for alle?"), ("es", "¿Es según el art. 5 y pág. 3?"),
    ("fr", "La porte est-elle ouverte\u202f?"), ("fr", "Vaut-il selon l'art. 5\u00a0?"),
    ("ja", "門は\u3000九時に開きますか?"),
])  # fmt: skip
def test_full_stops_and_spaces_inside_a_sentence_of_another_language_do_not_end_it(language, text):
    assert is_one_question(text, language)


def test_a_full_stop_after_a_number_ends_a_sentence_where_a_language_writes_no_ordinals_so():
    assert not is_one_question("The hall opens at 6. Is that early?", "en")
    assert not is_one_question("Das Tor ist offen. Ist das gut?", "de")


@pytest.mark.parametrize("text", [
    "The alder room is open.", "Is it?", "Is it open? Is it closed?", "It opens at six. Is that early?",
    "Is the alder room\nopen at six?", "Is the " + "very " * 60 + "big room open?", "1 + 1 = 234567890?",
    '"Is the alder room open at six?', "Is note 37] of the alder room right?", "Is the alder room (the big one open?",
])  # fmt: skip
def test_what_is_not_one_question(text):
    assert not is_one_question(text)


@pytest.mark.parametrize(
    "n", [3, 5, 6]
)  # with 3 documents and 2 kinds, a shift by place alone would give each the same kind
def test_each_document_has_every_kind_in_turn(n):
    texts = {name: TEXTS[name] for name in list(TEXTS)[:n]}
    kinds = ("fact", "number")
    made = attempts(2 * n, kinds, texts, {name: SENTENCES[name] for name in texts})
    assert {(one.document_id, one.kind) for one in made} == {(name, kind) for name in texts for kind in kinds}


@pytest.mark.parametrize(("text", "asks"), [
    ("What is libffi?", True), ("How many seats has the hall?", True), ("when does the hall open?", True),
    ("Whose keys has the porter?", True), ("When the hall is shut, may staff enter?", False),
    ("Was ist das Tor?", False), ("Is it known what the porter does?", False), ("Does Howard have keys?", False),
    ("Whatever happens, is the hall open?", False),
])  # fmt: skip
def test_what_yes_or_no_cannot_answer(text, asks):
    assert asks_for_more(text) is asks


@pytest.mark.parametrize(("language", "more", "whole"), [
    ("de", "Was ist das Tor?", "Ist das Tor offen?"), ("fr", "Combien coûte la clé ?", "La clé coûte-t-elle 4 euros ?"),
    ("es", "¿Cuándo abre la puerta?", "¿Abre la puerta a las nueve?"),
    ("ja", "What is the gate?", "門は九時に開きますか"), ("ja", "門はどこですか?", "門はいつも開いていますか?"),
    ("ja", "門はいつから開きますか?", "門はいつでも開いていますか?"),
    ("ja", "どの門ですか?", "犬などの動物は入れますか?"),
    ("ja", "誰が鍵を持ちますか?", "誰でも入れますか?"), ("ja", "なにがありますか?", "そんなに高いですか?"),
    ("ru", "Из какого города ворота?", "Открыты ли ворота?"),
])  # fmt: skip
def test_what_yes_or_no_cannot_answer_in_the_language_of_the_document(language, more, whole):
    assert asks_for_more(more, language)
    assert not asks_for_more(whole, language)


def test_a_question_is_in_the_language_of_its_document():
    german, russian = "Das Tor ist bis neun Uhr offen.", "Ворота открыты до девяти часов."
    assert is_in_language(draft("Ist das Tor bis neun Uhr offen?", language="de"), german)
    assert not is_in_language(draft("Is the gate open until the ninth of the month?", language="de"), german)
    assert is_in_language(draft("Открыты ли ворота Debian до девяти часов?", language="ru"), russian)
    assert is_in_language(draft("Вот что такое Debian Linux?", language="ru"), russian)
    assert not is_in_language(draft("Vorota offen?", language="ru"), russian)
    assert is_in_language(draft("Vorota offen?"), russian)  # nothing is held against English documents


def test_a_number_is_the_same_in_the_digits_of_any_script():
    assert numbers_in("\u0664\u0660, \u096a\u0966 or \uff14\uff10.5") == {"40", "40.5"}


def test_a_question_on_a_number_names_it():
    quote = "The hall seats 40 guests."
    for number, is_right in (("40", True), ("60", True), ("400", False), ("many", False)):  # 60: where it was changed
        one = draft(f"Does the hall seat {number} guests?", quote, answer="no", kind="number")
        assert is_of_its_kind(one, quote) is is_right
    assert not is_of_its_kind(draft("Does the hall seat 60 guests?", quote, kind="number"), quote)


def test_a_question_on_two_sentences_needs_both():
    first, second = "The hall opens at nine and closes at four.", "Staff may stay for an hour after it closes."
    text = f"{first} The hall is old. The hall is tall. The hall stands. {second}"

    def needs(asked):
        return is_of_its_kind(draft(asked, first, kind="apart", second=second), text)

    assert needs("May staff be in the hall an hour after four?")
    assert not needs("Does the hall open at nine?")
    assert not needs("May staff stay in the hall?")


def test_a_question_may_hold_initials_and_decimals():
    assert is_one_question("Does Dr. J. Smith of No. 4 charge 4.50 pounds?")


def test_what_gives_the_answer_away():
    assert gives_answer_away(draft("Is it true that the Alder room is not open before six?"))
    assert gives_answer_away(draft("Is the alder room open at six, yes or no?"))
    assert gives_answer_away(draft("May one enter the alder room at five: no?", answer="no"))
    assert not gives_answer_away(draft("Is there no way into the alder room at five?", answer="no"))


def test_what_is_copied_from_an_example_of_the_prompt_is_found():
    text = "The alder room is not open before six. The porter has the keys."
    assert repeats_example(draft("Does the kitchen of Alder Hall have the keys of the lockers?"), text)
    assert repeats_example(draft("Is the alder room of Carrow House open?"), text)
    assert repeats_example(draft("Ist der Erlenraum von Haus Carrow offen?", language="de"), text)
    assert not repeats_example(draft("Darf ein Besucher in den Erlenraum?", language="de"), text)
    assert not repeats_example(draft("Is the alder room of Carrow House open?"), text + " Carrow House is near.")
    assert not repeats_example(draft("Does the porter of the alder room have the keys?"), text)


def test_a_question_stands_alone():
    stands = StandsAlone(TEXTS)
    assert stands(draft("Is the alder room open at five?"))
    assert stands(draft("Is it true that the alder room opens late?"))
    for text in (
        "Does the passage say that the alder room is open?", "Is it open in the alder hall?",
        "According to the rules, is the alder room open?", "Is the room open before six o'clock?",
    ):  # fmt: skip
        assert not stands(draft(text)), text
    german = StandsAlone({"tor": "Das Tor ist bis neun Uhr offen."})
    assert german(draft("Ist das Tor ein Denkmal?", language="de"))
    assert not german(draft("Ist das ein Tor der Stadt?", language="de"))
    assert StandsAlone({"hall-alder": "One."})(draft("Is the room open before six o'clock?"))  # nothing to tell apart


def test_a_quote_that_is_not_at_its_place_is_found():
    one = draft("?")
    assert is_verbatim(one, {"hall-alder": one.attempt.passages[0].text})
    assert not is_verbatim(one, {"hall-alder": "X" + one.attempt.passages[0].text})
    assert not is_verbatim(one._replace(quotes=("",)), {"hall-alder": one.attempt.passages[0].text})


def test_duplicates_are_found_and_other_numbers_are_other_questions():
    seen = Seen()
    assert not seen.repeats("Is the glasshouse of Carrow House held at 11 degrees?")
    assert seen.repeats("is the Glasshouse of Carrow House, held at 11 degrees")
    assert seen.repeats("Is the big glasshouse of Carrow House held at 11 degrees?")
    assert not seen.repeats("Is the glasshouse of Carrow House held at 20 degrees?")
    assert not seen.repeats("Is the boiler of Lantern House lit in March?")
    assert not seen.repeats("图书馆星期天开门吗\uff1f")
    assert seen.repeats("图书馆星期天开门吗?")
