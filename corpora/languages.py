"""The languages that Tercet tells apart: their codes, their names, and which one a text is in."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# ISO 639-1, as sentencex names its rules and py3langid its answers; `no` stands for both kinds of Norwegian.
Code = Literal[
    "af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "eo", "es", "et", "eu",
    "fa", "fi", "fr", "ga", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "km", "kn",
    "ko", "la", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "ne", "nl", "no", "pa", "pl", "ps", "pt", "ro",
    "ru", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "uz", "vi", "zh",
]  # fmt: skip
Language = Literal["auto", Code]

NAMES: Mapping[str, str] = dict(
    zip(
        get_args(Code),
        (
            *("Afrikaans", "Amharic", "Arabic", "Azerbaijani", "Belarusian", "Bulgarian", "Bengali", "Bosnian"),
            *("Catalan", "Czech", "Welsh", "Danish", "German", "Greek", "English", "Esperanto", "Spanish", "Estonian"),
            *("Basque", "Persian", "Finnish", "French", "Irish", "Galician", "Gujarati", "Hebrew", "Hindi", "Croatian"),
            *("Hungarian", "Armenian", "Indonesian", "Icelandic", "Italian", "Japanese", "Georgian", "Kazakh", "Khmer"),
            *("Kannada", "Korean", "Latin", "Lao", "Lithuanian", "Latvian", "Macedonian", "Malayalam", "Mongolian"),
            *("Marathi", "Malay", "Burmese", "Nepali", "Dutch", "Norwegian", "Punjabi", "Polish", "Pashto"),
            *("Portuguese", "Romanian", "Russian", "Sinhala", "Slovak", "Slovenian", "Albanian", "Serbian", "Swedish"),
            *("Swahili", "Tamil", "Telugu", "Thai", "Tagalog", "Turkish", "Ukrainian", "Urdu", "Uzbek", "Vietnamese"),
            "Chinese",
        ),
        strict=True,
    )
)
DEFAULT = "en"
# Never told: a list of medical terms in English looks like Latin, and one of abbreviations like Esperanto.
_NOT_TOLD = {"la", "eo"}
_NORWEGIAN = {"nb": "no", "nn": "no"}
SHOWN = 2_000  # characters of a text from which its language is told
SURE = 0.9  # least probability; below it, a text counts as one whose language cannot be told
# Words that make up about an eighth of English text, and next to nothing of text in any other language.
_ENGLISH = frozenset(
    ["the", "of", "and", "with", "that", "from", "were", "this", "which", "not", "have", "been", "would", "their"]
)
_ENOUGH = 0.08
_WORD = re.compile(r"[^\W\d_]+")


def tell_languages(texts: Sequence[str]) -> list[str]:
    """The language of each text, by its first characters.

    English is told by its commonest words, so that no model is read for English texts; other languages by py3langid's
    bundled model (4 MB; Lui and Baldwin, "langid.py", ACL 2012). A text that is too short to tell gets the language of
    most of the others' text, or English. Nothing is sent anywhere, and the same texts get the same answer.

    Args:
        texts: any texts.

    Returns:
        A code of `NAMES` for each.
    """
    told = [tell_language(text) for text in texts]
    main = main_language(texts, told)
    return [one or main for one in told]


def tell_language(text: str) -> str | None:
    """The language of one text by its first characters; None if it cannot be told."""
    shown = text[:SHOWN]
    words = _WORD.findall(shown.lower())
    if not words:
        return None
    if sum(word in _ENGLISH for word in words) >= _ENOUGH * len(words) and _is_latin(words):
        return "en"
    code, probability = _identifier().classify(shown)
    return _NORWEGIAN.get(code, str(code)) if probability >= SURE else None


def _is_latin(words: Sequence[str]) -> bool:
    """Whether most of what words say is in Latin letters.

    A page in Japanese with a paragraph that nobody translated has more English words than others: a whole clause
    without spaces is one word.
    """
    letters = Counter[bool]()
    for one in "".join(words):
        # A character of Chinese or Japanese says as much as three letters.
        letters[unicodedata.name(one, "").startswith("LATIN")] += 3 if unicodedata.east_asian_width(one) == "W" else 1
    return letters[True] >= letters[False]


def main_language(texts: Sequence[str], languages: Sequence[str | None]) -> str:
    """The language that most of the text is in, of those that were told; English if none was."""
    sizes: Counter[str] = Counter()
    for text, language in zip(texts, languages, strict=True):
        if language:
            sizes[language] += len(text)
    return min(sizes, key=lambda one: (-sizes[one], one), default=DEFAULT)


@cache
def _identifier() -> LanguageIdentifier:
    # Imported here: reading its model takes half a second, and English texts need none.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = set(identifier.labels)
    identifier.set_languages((known & {*NAMES, *_NORWEGIAN}) - _NOT_TOLD)
    return identifier
