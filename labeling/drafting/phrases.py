"""What the rules on texts look for, by language: words that deny, that point elsewhere, that ask for more.

In a language that is not here, no sentence is of the kind `negation`, and a question is held to the English rules only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

ENGLISH = "en"
_VERB = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|may|might|must|will|would|shall|should)(?:n['\u2019]t)?"
_IMPERSONAL = "true|right|correct|possible|necessary|allowed|permitted|forbidden|required|safe|usual|compulsory"


class Phrases(NamedTuple):
    """Patterns of one language.

    Attributes:
        negation: in a sentence that says what is not so.
        leans: at the start of a sentence that leans on the one before it.
        points: in a question that points at a text, or at nothing that it names.
        asks_for_more: at the start of a question that yes or no does not answer.
    """

    negation: re.Pattern[str]
    leans: re.Pattern[str]
    points: re.Pattern[str]
    asks_for_more: re.Pattern[str]


def _phrases(negation: str, leans: str, points: str, asks_for_more: str) -> Phrases:
    return Phrases(
        re.compile(rf"\b(?:{negation})", re.IGNORECASE),
        re.compile(rf"^\W*(?:{leans})\b", re.IGNORECASE),
        re.compile(points, re.IGNORECASE),
        re.compile(rf"^\W*(?:{asks_for_more})", re.IGNORECASE),
    )


PHRASES: Mapping[str, Phrases] = MappingProxyType({
    ENGLISH: _phrases(
        r"(?:not|no|never|none|nobody|nothing|neither|nor|without|unless|except|cannot|\w+n['\u2019]t)\b",
        "it|its|they|their|them|these|those|this|that|he|she|his|her|however|but|and|or|so|thus|therefore|also|moreover"
        "|furthermore|instead|otherwise|for example|for instance|in addition|in this case|such|then|here|there",
        r"\b(?:(?:the|this|that|above|given|following)\s+(?:\w+\s+)?(?:passage|text|sentence|statement|paragraph"
        r"|document|excerpt|article|context|section|author|study|quiz)|according\s+to|mentioned|stated"
        rf"|described\s+above)\b|^{_VERB}\s+(?:they|he|she|these|those|this|that|its|their|his|her"
        rf"|it(?!\s+(?:{_IMPERSONAL})\b))\b",
        # "When the shop is shut, may staff enter?" is a question for yes or no.
        rf"(?:what|which|who|whom|whose|where|why|how|when\s+{_VERB})\b",
    ),
    "de": _phrases(
        r"(?:nicht|nichts|nie|niemals|niemand\w*|kein\w*|ohne|weder|außer)\b",
        "er|sie|es|dies\\w*|jene\\w*|dabei|dafür|damit|danach|dann|daher|deshalb|dort|hier|jedoch|aber|und|oder"
        "|außerdem|zudem|sonst|beispielsweise|zum beispiel|auch|so",
        r"\b(?:(?:der|dem|den|des|diese[mnrs]?|folgende[mnrs]?|obige[mnrs]?)\s+(?:text|satz|abschnitt|absatz|dokument"
        r"|artikel|kontext)(?:e?s)?|(?:die|der|dieser)\s+(?:passage|aussage|textstelle)|laut|gemäß|genannte?n?|erwähnt\w*)\b"
        r"|^(?:ist|sind|war|waren|hat|haben|kann|können|darf|dürfen|muss|müssen|wird|werden|soll|sollen|gibt)\s+"
        # After "das" nothing may come between: "Ist das Tor ein Denkmal?" names what it is about.
        r"(?:(?:er|sie|dies\w*|jene\w*)\s+(?:\w+\s+)?|das\s+)(?:ist|sind|war|nicht|ein\w*|auch|im|in|auf|zu|für)\b",
        r"(?:was|welch\w*|wer|wen|wem|wessen|wo|wohin|woher|warum|wieso|weshalb|wie|wann|womit|wofür)\b",
    ),
    "fr": _phrases(
        r"(?:(?:ne|jamais|aucune?s?|personne|rien|sans|sauf|ni)\b|n['\u2019])",
        "il|ils|elle|elles|ce|cela|ceci|cet|cette|ces|celui-ci|celle-ci|ceux-ci|cependant|toutefois|mais|et|ou|donc"
        "|ainsi|alors|aussi|de plus|en effet|par exemple|ensuite|ici|sinon|en outre|c['\u2019]est",
        r"\b(?:(?:le|la|ce|cet|cette|du)\s+(?:texte|passage|phrase|paragraphe|document|article|contexte|extrait)"
        r"|selon|d['\u2019]après|mentionnée?s?|ci-dessus)\b|^est-ce\s+qu(?:['\u2019]|e\s+)(?:ils?|elles?|cela|ceci)\b"
        r"|^\w+-(?:ils|elles?)\b",
        r"(?:que|quoi|quel(?:le)?s?|qui|où|pourquoi|comment|combien|quand|qu['\u2019]est-ce)\b",
    ),
    "es": _phrases(
        r"(?:no|nunca|jamás|ning[uú]n\w*|nadie|nada|sin|excepto|salvo|tampoco)\b",
        "él|ella|ellos|ellas|esto|eso|este|esta|estos|estas|ese|esa|esos|esas|sin embargo|pero|y|o|así|además|también"
        "|por ejemplo|entonces|por lo tanto|por tanto|aquí|allí|por otro lado|por otra parte|de lo contrario",
        r"\b(?:(?:el|la|este|esta|del)\s+(?:texto|pasaje|frase|oración|párrafo|documento|artículo|contexto|extracto)"
        r"|según|mencionad[oa]s?)\b|^¿?\s*(?:es|son|era|fue|está|están|puede|pueden|debe|deben)\s+"
        r"(?:él|ella|ellos|ellas|esto|eso)\b",
        r"(?:qué|cuál(?:es)?|quién(?:es)?|dónde|adónde|por\s+qué|cómo|cuánt[oa]s?|cuándo|para\s+qué)\b",
    ),
    "ru": _phrases(
        r"(?:не|нет|ни|никогда|никто|никак\w*|ничего|нельзя|без|кроме)\b",
        "он|она|оно|они|это|этот|эта|эти|этого|однако|но|и|или|также|тоже|поэтому|тогда|здесь|там|затем|например",
        r"\b(?:\w{1,2}\s+(?:\w+\s+)?(?:тексте|текста|предложении|предложения|отрывке|отрывка|статье|статьи)|согласно"
        r"|упомянут\w*|указан\w*)\b",
        # One of them may follow a preposition.
        r"(?:\w{1,3}\s+)?(?:что|чего|чем|кто|кого|кому|где|когда|почему|зачем|какой|какая|какое|какие|какого|какому"
        r"|каком|каких|каким|какую|как|сколько|куда|откуда|чей|вот)\b",
    ),
    # No word ends where another begins, so what asks for more is looked for anywhere.
    "ja": Phrases(
        re.compile("ない|ません|なかった|なければ|除い"),
        re.compile("^(?:これ|それ|その|この|しかし|また|そして|したがって)"),
        re.compile("(?:この|その|上記の|次の|以下の)(?:文章|文|テキスト|段落|節)|述べられて|書かれて"),
        # Not 何でも, いつでも or どこにも, which mean "any", nor など and ほど followed by の.
        re.compile("(?:何|どこ|誰|だれ|いつ|どれ|どちら|いくつ|いくら|(?<!ん)なに)(?!(?:で|に)?も)|なぜ|(?<![なほ])どの"),
    ),
})  # fmt: skip


def rules_of(language: str) -> Iterator[Phrases]:
    """What questions on documents in a language are held to: its own rules, and the English ones.

    A small reader writes English now and then, whatever it is shown.
    """
    yield PHRASES[ENGLISH]
    if language != ENGLISH and language in PHRASES:
        yield PHRASES[language]
