"""The filters that a draft must pass, in order: first its text alone, then closed book, then three votes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from corpora.schema import Corpus, questions_frame
from flows.label import vote
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from flows.stages.asking import ask, collect
from flows.stages.reading import NO_CONTEXT
from flows.stages.runner import Runner
from flows.stages.shards import ask_in_shards
from labeling.drafting.drafts import Draft
from labeling.drafting.duplicates import Seen
from labeling.drafting.passages import Answer
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
from labeling.prompting.labeler import PromptWriter
from labeling.votes.consensus import ConsensusConfig, build_gold
from labeling.votes.vote import Prompt

KEPT, SURPLUS = "kept", "surplus"
BY_READER = ("not closed book", "three votes")  # the filters that ask the reader
DROPPED: Mapping[str, str] = MappingProxyType(
    {
        "written": "the reader wrote a question, and gave it an answer",
        "verbatim": "the quote is in the document, letter by letter",
        "one question": "one sentence of sane length that ends with a question mark, for yes or no",
        "no giveaway": "it neither repeats the quote nor says its answer",
        "own language": "it is not in English or in Latin letters where its document is not",
        "own words": "it repeats no example of its prompt",
        "its kind": "one on a number names it, and one on two sentences needs both",
        "stands alone": "it needs no text to be understood, and names what it is about",
        "no duplicate": "no earlier draft asks the same",
        "not closed book": "the reader is not sure of the answer without the document",
        "three votes": "three votes from the whole document agree on the drafted answer",
        SURPLUS: "as many as are wanted, half of them with each answer",
    }
)


class Judged(NamedTuple):
    """A draft and what became of it.

    Attributes:
        draft: the draft.
        fate: the filter that dropped it, or `kept`.
        reason: more about it; empty where the filter says all.
    """

    draft: Draft
    fate: str
    reason: str


class Judging:
    """Judges drafts; it remembers the questions that it has seen, to find duplicates.

    Args:
        corpus: the documents and the label set.
        reader: the reader that drafted.
        closed_book: threshold, as in `Wish`; None if the text alone decides, and the reader is not asked.
        session: opens the reader and its ledgers.
        runner: runs the stages.
    """

    def __init__(
        self, corpus: Corpus, reader: ReaderConfig, closed_book: float | None, session: Session, runner: Runner
    ) -> None:  # fmt: skip
        self._corpus, self._reader, self._threshold = corpus, reader, closed_book
        self._session, self._runner, self._seen = session, runner, Seen()
        stands_alone = StandsAlone(corpus.texts)
        self._rules: Sequence[tuple[str, Callable[[Draft], bool]]] = (
            ("written", lambda one: bool(one.text) and one.answer is not None),
            ("verbatim", lambda one: is_verbatim(one, corpus.texts)),
            (
                "one question",
                lambda one: is_one_question(one.text, _language(one)) and not asks_for_more(one.text, _language(one)),
            ),
            ("no giveaway", lambda one: not gives_answer_away(one)),
            ("own language", lambda one: is_in_language(one, corpus.texts[one.attempt.document_id])),
            ("own words", lambda one: not repeats_example(one, corpus.texts[one.attempt.document_id])),
            ("its kind", lambda one: is_of_its_kind(one, corpus.texts[one.attempt.document_id])),
            ("stands alone", stands_alone),
            ("no duplicate", lambda one: not self._seen.repeats(one.text)),
        )

    def judge(self, drafts: Sequence[Draft], full: Collection[Answer] = ()) -> list[Judged]:
        """What becomes of each draft, in order.

        Args:
            drafts: the drafts.
            full: the answers of which enough questions are kept; the reader is asked no more about others with them.
        """
        fates = [self._by_text(one, full) for one in drafts]
        if self._threshold is None:
            return [fate or Judged(one, KEPT, "") for one, fate in zip(drafts, fates, strict=True)]
        known = self._closed_book([one for one, fate in zip(drafts, fates, strict=True) if fate is None])
        fates = [
            fate or self._by_closed_book(one, known[one.id], self._threshold)
            for one, fate in zip(drafts, fates, strict=True)
        ]
        agreed = self._votes([one for one, fate in zip(drafts, fates, strict=True) if fate is None])
        return [fate or Judged(one, *agreed[one.id]) for one, fate in zip(drafts, fates, strict=True)]

    def _by_text(self, draft: Draft, full: Collection[Answer]) -> Judged | None:
        fate = next(
            (name for name, passes in self._rules if not passes(draft)), SURPLUS if draft.answer in full else ""
        )
        return Judged(draft, fate, "") if fate else None

    def _by_closed_book(self, draft: Draft, probability: float | None, threshold: float) -> Judged | None:
        if probability is not None and probability < threshold:
            return None
        reason = "the reader gave no answer" if probability is None else f"probability {probability:.3f}"
        return Judged(draft, "not closed book", reason)

    def _closed_book(self, drafts: Sequence[Draft]) -> dict[str, float | None]:
        """The reader's probability of each drafted answer without any text; None where it gave none."""
        if not drafts:
            return {}
        labels, reader = self._corpus.labels, self._reader.as_reader()
        writer = PromptWriter(reader, labels)
        prompts = {one.id: writer.single(one.question, "closed_book", NO_CONTEXT) for one in drafts}

        def groups() -> Iterator[list[Prompt]]:
            return ([prompt] for prompt in prompts.values())

        asked = ask_in_shards("closed book", ask, groups, len(prompts), labels, reader, self._session, self._runner)
        failed = [one for shard in asked for one in shard.not_kept]
        votes = collect(self._session, reader, labels, prompts.values(), failed)
        found = dict(votes.select("prompt_hash", "probabilities").iter_rows())
        place = {label: at for at, label in enumerate(labels)}
        return {
            one.id: shares[place[str(one.answer)]] / sum(shares)
            if (shares := found.get(prompts[one.id].hash))
            else None
            for one in drafts
        }

    def _votes(self, drafts: Sequence[Draft]) -> dict[str, tuple[str, str]]:
        """What becomes of each draft by three votes on the whole document, and why."""
        if not drafts:
            return {}
        corpus = self._corpus.with_questions(questions_frame(one.question for one in drafts))
        votes, _ = vote("three votes", corpus, self._reader, self._session, self._runner)
        rule = ConsensusConfig(rule="unanimous_and_correct")
        gold = build_gold(votes, corpus.questions, corpus.labels, rule, self._reader.sampling)
        return {
            question_id: (KEPT, "") if kept else ("three votes", reason)
            for question_id, kept, reason in gold.select("question_id", "kept", "reason").iter_rows()
        }


def _language(draft: Draft) -> str:
    return draft.attempt.language
