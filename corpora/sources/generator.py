"""A corpus generator: evidence planted at known offsets in documents of known length, at any scale.

Every document is invented filler around a few planted facts; each fact answers one question. How far apart the
sentences of a fact are is the setting that makes chunk size matter.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame

WORDS_A_FACT = 20

Shape = Literal["one_sentence", "neighbouring", "far_apart"]

_KINDS = ("pump", "valve", "crane", "boiler", "winch", "loom", "kiln", "press", "lathe", "fan", "hoist", "mill")
_SYLLABLES = ("ba", "der", "fol", "gan", "hul", "jor", "kes", "lim", "mor", "nev", "pol", "quin", "rast", "sel", "tor")
_SUBJECTS = ("The foreman", "A visitor", "The night crew", "One apprentice", "The clerk", "Nobody on shift", "The cook")
_VERBS = ("noted", "forgot", "described", "measured", "discussed", "admired", "sketched", "ignored", "praised")
_OBJECTS = (
    *("the colour of the gate", "an old ladder", "the morning fog", "a crate of apples", "the new paint"),
    *("a broken clock", "the long corridor", "two grey cats", "the sound of rain", "a letter from the coast"),
)
_ENDINGS = ("before noon", "after the meeting", "without haste", "near the canteen", "on the way home", "in the yard")


class GeneratorConfig(BaseModel):
    """What to generate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_documents: int = Field(20, ge=1, description="how many documents")
    words: int = Field(400, ge=60, description="fewest words in a document")
    questions_per_document: int = Field(
        3, ge=1, le=20, description="planted facts in a document, each with its question"
    )
    shapes: tuple[Shape, ...] = Field(
        ("one_sentence", "neighbouring", "far_apart"),
        min_length=1,
        description="how far apart the sentences of a fact are; facts take turns",
    )
    maybe_share: float = Field(0.0, ge=0, le=1, description="share of facts that the document leaves open")
    seed: int = Field(0, description="seed of every draw")

    @model_validator(mode="after")
    def _room(self) -> Self:
        """Facts need filler between them, or their sentences cannot be far apart."""
        if self.words < WORDS_A_FACT * self.questions_per_document:
            raise ValueError(
                f"at least {WORDS_A_FACT} words per question ({WORDS_A_FACT * self.questions_per_document} for "
                f"{self.questions_per_document} questions per document, not {self.words})"
            )
        return self


class _Fact(NamedTuple):
    sentences: tuple[str, ...]
    question: str
    label: str
    shape: Shape


def generate_corpus(config: GeneratorConfig) -> Corpus:
    """Generate the corpus that `config` describes; the same config gives the same corpus on every machine."""
    documents, questions = [], []
    for document, asked in generate_documents(config):
        documents.append(document)
        questions.extend(asked)
    digest = hashlib.sha256(json.dumps(config.model_dump(), sort_keys=True).encode()).hexdigest()
    name = f"generated-{config.n_documents}x{config.words}"
    return Corpus(name, documents_frame(documents), questions_frame(questions), LabelSet(), {name: digest})


def generate_documents(config: GeneratorConfig) -> Iterator[tuple[Document, list[Question]]]:
    """Yield one document at a time with its questions, so that memory does not grow with the corpus."""
    for index in range(config.n_documents):
        # Each document has its own generator: document 7 is the same in a corpus of 10 and in one of 100,000.
        rng = random.Random(f"{config.seed}/{index}")  # noqa: S311  (not for secrets)
        facts = [
            _fact(rng, config, index * config.questions_per_document + n, f"{index}-{n}")
            for n in range(config.questions_per_document)
        ]
        yield _assemble(rng, config, f"doc-{index:06d}", facts)


def _fact(rng: random.Random, config: GeneratorConfig, number: int, tag: str) -> _Fact:
    shape = config.shapes[number % len(config.shapes)]
    name = "".join(rng.choices(_SYLLABLES, k=3)).title()
    subject = f"{rng.choice(_KINDS)} {name}-{tag}"
    # The tag keeps a grade to one fact: two rules for one grade would contradict each other.
    days, grade = rng.randint(3, 60), f"{rng.choice('BCDFGHK')}{rng.randint(2, 99)}-{tag}"
    label = "maybe" if rng.random() < config.maybe_share else rng.choice(("yes", "no"))
    asked = days if label != "no" else days + rng.choice((-2, 2, 5))
    rule = f"is checked every {days} days" if label != "maybe" else "has no fixed interval between checks yet"
    if shape == "one_sentence":
        sentences: tuple[str, ...] = (f"The {subject} {rule}.",)
    elif shape == "neighbouring":
        sentences = (f"The {subject} was overhauled last spring.", f"Since then it {rule}.")
    else:
        sentences = (f"The {subject} is of grade {grade}.", f"Any machine of grade {grade} {rule}.")
    return _Fact(sentences, f"Is the {subject} checked every {asked} days?", label, shape)


def _assemble(
    rng: random.Random, config: GeneratorConfig, document_id: str, facts: list[_Fact]
) -> tuple[Document, list[Question]]:
    planted_words = sum(len(sentence.split()) for fact in facts for sentence in fact.sentences)
    filler: list[str] = []
    n_words = 0
    while n_words < config.words - planted_words:
        filler.append(_filler(rng))
        n_words += len(filler[-1].split())
    # Slots between filler sentences: a far-apart fact takes one from the first and one from the last quarter.
    slots: dict[int, list[tuple[int, int]]] = {}
    for number, fact in enumerate(facts):
        quarter = max(1, len(filler) // 4)
        if fact.shape == "far_apart":
            at = [rng.randrange(quarter), len(filler) - rng.randrange(quarter)]
        else:
            at = [rng.randint(0, len(filler))]
        for part, slot in enumerate(at):
            slots.setdefault(slot, []).append((number, part))
    pieces: list[str] = []
    length = 0
    spans: list[list[Span]] = [[] for _ in facts]
    for slot in range(len(filler) + 1):
        for number, part in slots.get(slot, ()):
            fact = facts[number]
            text = fact.sentences[part] if fact.shape == "far_apart" else " ".join(fact.sentences)
            spans[number].append(Span(document_id, length, length + len(text)))
            pieces.append(text)
            length += len(text) + 1
        if slot < len(filler):
            pieces.append(filler[slot])
            length += len(filler[slot]) + 1
    questions = [
        Question(
            id=f"{document_id}-q{number}", text=fact.question, document_ids=(document_id,), reference=fact.label,
            evidence=tuple(spans[number]), tags={"kind": fact.shape},
        )
        for number, fact in enumerate(facts)
    ]  # fmt: skip
    return Document(document_id, " ".join(pieces)), questions


def _filler(rng: random.Random) -> str:
    return f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)} {rng.choice(_ENDINGS)}."
