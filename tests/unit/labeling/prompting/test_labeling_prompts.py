import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.languages import tell_language
from corpora.schema import LabelSet
from labeling.prompting.labeler import CHOICE_PARAPHRASES, PARAPHRASES, TRANSLATED
from labeling.prompting.prompts import FOLDER, PromptTemplate, load_prompt, rotations, spell_options

BUNDLED = sorted(file.stem for file in FOLDER.glob("*.txt"))
REASONED = [name for name in BUNDLED if "reasoned" in name]
IN_LANGUAGES = [f"{name}_{code}" for code in TRANSLATED for name in PARAPHRASES["label"]]
STARTS = {"de": "Antwort:", "es": "Respuesta:", "fr": "Réponse :"}
WORDS = {"de": "oder", "es": "o", "fr": "ou"}
BARE = PromptTemplate("bare", "system", "[{context}] [{question}] [{options}]", "")
GOOD_MESSAGE = "{context}\n{question}\n{options}"


@pytest.fixture
def prompt_file(tmp_path):
    def write(content):
        path = tmp_path / "own.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_the_three_fields_are_filled_in():
    assert BARE.fill("A text.", "Why?", ("yes", "no", "maybe")) == "[A text.] [Why?] [yes, no or maybe]"


def test_placeholders_in_the_users_text_stay_as_they_are():
    filled = BARE.fill("see {question} and {options}", "what is {context}?", ("{question}", "no"))
    assert filled == "[see {question} and {options}] [what is {context}?] [{question} or no]"


@given(st.text(), st.text())
def test_any_text_comes_through_unchanged(context, question):
    assert BARE.fill(context, question, ("yes", "no")) == f"[{context}] [{question}] [yes or no]"


def test_backslashes_and_group_references_are_not_read():
    assert BARE.fill(r"\1 \g<0> \n", "q", ("yes", "no")) == r"[\1 \g<0> \n] [q] [yes or no]"


def test_other_braces_of_a_template_stay_as_they_are():
    template = PromptTemplate("t", "s", '{"a": {}} {context}{question}{options}', "")
    assert template.fill("c", "q", ("x", "y")) == '{"a": {}} cqx or y'


def test_three_phrasings_are_bundled_for_each_mode():
    assert sorted((*PARAPHRASES["generate"], *CHOICE_PARAPHRASES["generate"])) == REASONED
    assert sorted(PARAPHRASES["label"]) == ["according", "judge", "one_word"]
    each = [names[mode] for names in (PARAPHRASES, CHOICE_PARAPHRASES) for mode in ("label", "generate")]
    assert sorted([*(name for names in each for name in names), *IN_LANGUAGES]) == BUNDLED
    assert {len(names) for names in each} == {3}


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_prompt_shows_context_question_and_options(name):
    template = load_prompt(name)
    filled = template.fill("THE CONTEXT", "THE QUESTION", ("alpha", "beta", "gamma"))
    assert template.name == name
    assert template.system
    code = name[-2:] if name in IN_LANGUAGES else "en"
    assert template.start == ("" if name in REASONED else STARTS.get(code, "Answer:"))
    for part in ("THE CONTEXT", "THE QUESTION", f"alpha, beta {WORDS.get(code, 'or')} gamma"):
        assert filled.count(part) == 1
    assert "{" not in filled


def test_the_bundled_phrasings_differ():
    assert len({load_prompt(name).message for name in BUNDLED}) == len(BUNDLED)


def test_a_prompt_file_is_loaded_by_its_path(prompt_file):
    path = prompt_file(f"Be brief.\n===\n{GOOD_MESSAGE}\n===\nSo:\n")
    assert load_prompt(path) == PromptTemplate(path, "Be brief.", GOOD_MESSAGE, "So:")


def test_a_prompt_file_from_windows_reads_the_same(prompt_file):
    template = load_prompt(prompt_file(f"Be brief.\n===\n{GOOD_MESSAGE}\n===\nSo:\n".replace("\n", "\r\n")))
    assert template[1:] == ("Be brief.", GOOD_MESSAGE, "So:")


@pytest.mark.parametrize("end", ["===\n", "==="], ids=["with a last line feed", "without a last line feed"])
def test_the_start_of_the_answer_may_be_empty(prompt_file, end):
    assert load_prompt(prompt_file(f"System.\n===\n{GOOD_MESSAGE}\n{end}")).start == ""


def test_only_a_whole_line_separates_the_parts(prompt_file):
    message = f"Context\n=======\n{GOOD_MESSAGE}"
    assert load_prompt(prompt_file(f"System.\n===\n{message}\n===\nAnswer:\n")).message == message


@pytest.mark.parametrize("name", ["one-word", "nowhere.txt"])
def test_an_unknown_prompt_is_refused_with_the_names_of_the_bundled_ones(name):
    with pytest.raises(InputError, match="one_word") as refused:
        load_prompt(name)
    assert name in refused.value.found
    assert all(known in str(refused.value) for known in BUNDLED)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (GOOD_MESSAGE, "1 parts"),
        (f"System.\n===\n{GOOD_MESSAGE}\n", "2 parts"),
        (f"System.\n===\n{GOOD_MESSAGE}\n===\nAnswer:\n===\nmore\n", "4 parts"),
        ("System.\n===\n{context} {question}\n===\n", r"\['context', 'question'\]"),
        ("System.\n===\n{context} {question} {question} {options}\n===\n", "'question', 'question'"),
        ("System.\n===\n{context} {question} {options} {answer}\n===\n", "'answer'"),
    ],
    ids=["no separator", "one separator", "three separators", "field missing", "field twice", "unknown field"],
)
def test_a_malformed_prompt_file_is_refused_with_what_was_found(prompt_file, content, found):
    path = prompt_file(content)
    with pytest.raises(InputError, match=found) as refused:
        load_prompt(path)
    assert path in str(refused.value)


def test_a_prompt_file_that_is_not_utf_8_is_refused_in_one_line(prompt_file):
    path = prompt_file(b"Sei kurz f\xfcr mich.\n===\n{context}{question}{options}\n===\n")
    with pytest.raises(InputError) as refused:
        load_prompt(path)
    assert path in str(refused.value)


def test_a_prompt_says_which_word_stands_before_the_last_option(prompt_file):
    message = "{context}\n{question}\n{options:又は} / {options_} {options:"
    with pytest.raises(InputError, match="options_"):
        load_prompt(prompt_file(f"S.\n===\n{message}\n===\n"))
    options = ("はい", "いいえ", "不明")
    for written, said in (("{options:又は}", "はい, いいえ 又は 不明"), ("{options: и }", "はい, いいえ и 不明"),
                          ("{options:}", "はい, いいえ, 不明"), ("{options}", "はい, いいえ or 不明")):  # fmt: skip
        template = load_prompt(prompt_file(f"S.\n===\n{{context}} {{question}} {written}。\n===\n答え:\n"))
        assert template.fill("文", "問", options) == f"文 問 {said}。"
        assert template.words == "S.\n  。\n答え:"
    with pytest.raises(InputError, match="exactly once"):
        load_prompt(prompt_file("S.\n===\n{context} {question} {options} {options:oder}\n===\n"))


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_prompt_is_in_the_language_that_its_name_says(name):
    assert tell_language(load_prompt(name).words) == (name[-2:] if name in IN_LANGUAGES else "en")


def test_options_are_spelt_as_in_a_sentence():
    assert spell_options(("yes", "no")) == "yes or no"
    assert spell_options(("yes", "no", "maybe")) == "yes, no or maybe"
    assert spell_options(("a", "b", "c", "d")) == "a, b, c or d"


def test_the_rotations_of_three_labels_form_a_latin_square():
    square = rotations(LabelSet(), 3)
    assert square[0] == ("yes", "no", "maybe")
    for line in [*square, *zip(*square, strict=True)]:
        assert sorted(line) == ["maybe", "no", "yes"]


def test_two_labels_have_two_rotations_and_start_over():
    assert rotations(LabelSet(("a", "b")), 3) == [("a", "b"), ("b", "a"), ("a", "b")]
