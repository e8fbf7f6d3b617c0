"""Whether a drafted question is one sane question that stands alone: rules on its text, and no model's opinion."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from corpora.languages import tell_language
from labeling.drafting.drafts import Draft
from labeling.drafting.duplicates import tokens_of
from labeling.drafting.phrases import ENGLISH, rules_of
from labeling.drafting.templates import example_questions, numbers_in, one_line, shown_sentence
from labeling.drafting.writer import QUESTION_MARKS

LENGTHS = (12, 250)  # characters of a question
LEAST_LETTERS = 6
RUN = 5  # words
FEW = 0.2  # a word that at most so many of the documents hold tells them apart
FEW_DOCUMENTS = 5  # with fewer of them, every word tells them apart

_PAIRS = ("()", "[]", "{}", "«»", "「」", "『』", "\uff08\uff09")  # »German« ones are as many too
_QUOTES = '"„“”'  # English and German pair them differently
# Before these, a full stop does not end a sentence. German and its neighbours write "am 3. Mai".
_SHORTENED = r"[A-Z]\w{0,2}|[ei]\.[ge]|[ap]\.m|vs"
_SHORTENED_IN: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(("bs", "cs", "da", "et", "fi", "hr", "hu", "is", "lv", "no", "sk", "sl", "sr", "tr"), r"|\d{1,2}"),
    "de": r"|\d{1,2}|[a-z]|bzw|ca|evtl|gem|ggf|inkl|vgl|zzgl",
    "es": r"|art|aprox|núm|pág",
    "fr": r"|art|env|[a-z]",
})  # fmt: skip
_SENTENCE_END = re.compile(r"[.!。\uff01।](?=\s+\S)|[!。\uff01।]\S")
RARE = 0.005  # of the words of a document: a word that makes up no more of it says what its sentence is about
LEAST_RARE = 2  # times; for short documents
MIXED = 0.5  # share of Latin letters from which on a document may be asked about in Latin letters alone
FOREIGN = 0.75  # of a question on another document: it may hold a long name in Latin letters
STEM = 5  # letters in which two forms of a word agree
_WORD = re.compile(r"\w{3,}")


def is_verbatim(draft: Draft, texts: Mapping[str, str]) -> bool:
    """Whether each quote is in its document, letter by letter, where its offsets say."""
    return bool(draft.evidence) and all(
        quote and texts[span.document_id][span.start : span.end] == quote
        for span, quote in zip(draft.evidence, draft.quotes, strict=True)
    )


def is_one_question(text: str, language: str = ENGLISH) -> bool:
    """Whether a text is one sentence of sane length on one line that ends with a question mark, in any script.

    Brackets and quotation marks that open must close: what a small reader breaks off or copies from the middle of a
    sentence often has only one of them.

    Args:
        text: the question.
        language: of its document, which says where a full stop does not end a sentence.
    """
    low, high = LENGTHS
    # A character of Chinese or Japanese says as much as three letters.
    width = sum(3 if unicodedata.east_asian_width(one) == "W" else 1 for one in text)
    letters = sum(3 if unicodedata.east_asian_width(one) == "W" else 1 for one in text if one.isalpha())
    return (
        _with_plain_spaces(text) == one_line(text)
        and low <= width <= high
        and letters >= LEAST_LETTERS
        and text[-1] in QUESTION_MARKS
        and all(text.count(pair[0]) == text.count(pair[1]) for pair in _PAIRS)
        and sum(text.count(one) for one in _QUOTES) % 2 == 0
        and not any(one in QUESTION_MARKS for one in text[:-1])
        and not _SENTENCE_END.search(_without_short_forms(text, language))
    )


def asks_for_more(text: str, language: str = ENGLISH) -> bool:
    """Whether a question asks for more than yes or no, as one does that begins with what or how.

    Args:
        text: the question.
        language: of its document.
    """
    return any(one.asks_for_more.search(text) for one in rules_of(language))


def is_in_language(draft: Draft, text: str) -> bool:
    """Whether a question is not in English or in Latin letters where its document is not.

    More cannot be told of so short a text, and what a small reader falls back to is English.

    Args:
        draft: the draft.
        text: of its document.
    """
    if draft.attempt.language == ENGLISH:
        return True
    if _latin_share(text) < MIXED:
        return _latin_share(draft.text) < FOREIGN
    return tell_language(draft.text) != ENGLISH


def is_of_its_kind(draft: Draft, text: str) -> bool:
    """Whether a question on a number names a number of its sentence, and one on two sentences has words of both.

    These must be words that only one of the two holds, and that its document hardly holds elsewhere.

    Args:
        draft: the draft.
        text: of its document.
    """
    if draft.kind == "number":
        shown = numbers_in(draft.quotes[0]) | numbers_in(shown_sentence(draft.attempt, draft.quotes[0])[0])
        return bool(shown & numbers_in(draft.text))
    if draft.kind != "apart":
        return True
    held = Counter(_stem(word) for word in _tokens(text))
    most = max(LEAST_RARE, RARE * held.total())
    first, second = ({_stem(one) for one in _tokens(quote)} for quote in draft.quotes)
    asked = {one for one in map(_stem, _tokens(draft.text)) if held[one] <= most}
    return bool(asked & (first - second)) and bool(asked & (second - first))


def gives_answer_away(draft: Draft) -> bool:
    """Whether a question repeats a quote, says its answer at its end, or offers both answers."""
    asked = _plain(draft.text)
    if any(_plain(quote) in asked for quote in draft.quotes):
        return True
    words = asked.split()
    return words[-1:] == [draft.answer] or {"yes", "no"} <= set(words)


def repeats_example(draft: Draft, text: str) -> bool:
    """Whether a question holds a name or five words in a row of an example in its prompt that its document lacks."""
    asked, known = _plain(draft.text), _plain(text)
    examples = example_questions(draft.kind, draft.attempt.language)
    # German writes all nouns like names: what is one is told by the English examples.
    names = _names(example_questions(draft.kind)) & _names(examples)
    copied = names - set(known.split())
    if copied & set(asked.split()):
        return True
    words = [_plain(one).split() for one in examples]
    runs = {" ".join(one[at : at + RUN]) for one in words for at in range(len(one) - RUN + 1)}
    return any(run in asked and run not in known for run in runs)


class StandsAlone:
    """Whether a question can be understood without its document.

    It must not speak of a text that its reader does not see, nor open with a pronoun. It must also hold a word of its
    document that few other documents hold, because otherwise nobody can tell which of them it is about.

    Args:
        texts: document text by document id.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._words = {one: set(_words(text)) for one, text in texts.items()}
        self._held_by = Counter(word for words in self._words.values() for word in words)
        self._most = max(1, int(FEW * len(texts)))

    def __call__(self, draft: Draft) -> bool:
        """Whether this one does."""
        if any(one.points.search(draft.text) for one in rules_of(draft.attempt.language)):
            return False
        return len(self._words) < FEW_DOCUMENTS or any(
            word in self._words[draft.attempt.document_id] and self._held_by[word] <= self._most
            for word in _words(draft.text)
        )


def _words(text: str) -> Iterable[str]:
    """Words of three letters or more; in scripts without spaces, pairs of neighbouring characters."""
    for word in _WORD.findall(text.casefold()):
        if any(unicodedata.east_asian_width(one) == "W" for one in word):
            yield from (word[at : at + 2] for at in range(len(word) - 1))
        else:
            yield word


def _tokens(text: str) -> Iterable[str]:
    """Words and numbers of a text, each as often as it is there; in scripts without spaces, pairs of characters."""
    return (token for word in text.split() for token in sorted(tokens_of(word)))


def _stem(word: str) -> str:
    return word[:STEM]


def _names(examples: Iterable[str]) -> set[str]:
    return {name.casefold() for one in examples for name in re.findall(r"(?<=\w )[A-Z]\w+", one)}


def _latin_share(text: str) -> float:
    letters = [one for one in text if one.isalpha()]
    return sum(unicodedata.name(one, "").startswith("LATIN") for one in letters) / max(1, len(letters))


def _plain(text: str) -> str:
    """A text without case and signs."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _with_plain_spaces(text: str) -> str:
    """French has spaces that do not break before a question mark, and Japanese has wide ones."""
    return re.sub("[\u00a0\u202f\u3000]", " ", text)


def _without_short_forms(text: str, language: str) -> str:
    """A text in which the full stops of "J. Smith", "e.g. this" and "am 3. Mai" do not look like ends of sentences."""
    short = _SHORTENED + _SHORTENED_IN.get(language, "")
    return re.sub(rf"\b({short})\.(?=\s)", r"\1", text)
