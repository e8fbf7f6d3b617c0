"""Letting a reader fill the two blanks of a draft: which sentence, and the question. Every answer is in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corpora.schema import LabelSet, Span
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from flows.stages.asking import ask, collect
from flows.stages.runner import Runner
from flows.stages.shards import ask_in_shards
from labeling.drafting.drafts import Draft
from labeling.drafting.passages import Attempt
from labeling.drafting.templates import NUMBERS, choosing_prompt, writing_prompt
from labeling.drafting.writer import writer_of, written_question
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.vote import Prompt, Vote

CHOICE = LabelSet(NUMBERS)
Answers = Mapping[str, Mapping[str, Any]]  # rows of schema `VOTES` by the digest of their prompt


class Asking:
    """Asks one reader for drafts.

    Args:
        texts: document text by document id.
        reader: the reader.
        labels: the answers that questions may have.
        session: opens the reader and its ledgers.
        runner: runs the stages.
    """

    def __init__(
        self, texts: Mapping[str, str], reader: ReaderConfig, labels: LabelSet, session: Session, runner: Runner
    ) -> None:  # fmt: skip
        self._texts, self._labels, self._session, self._runner = texts, labels, session, runner
        self._chooser, self._writer = reader.as_reader(), writer_of(reader)

    def choose(self, attempts: Sequence[Attempt]) -> dict[str, tuple[Span, ...]]:
        """The sentence that each question is about, by the id of its attempt; two for `apart`.

        The choice is a number, read from the reader's distribution over numbers, so a quote cannot be made up.
        """
        chosen = {one.id: (span,) for one, span in self._chosen(attempts, {}).items()}
        pairs = [one for one in attempts if len(one.passages) > 1]
        seconds = self._chosen(pairs, {one.id: chosen[one.id][0] for one in pairs})
        return chosen | {one.id: (*chosen[one.id], span) for one, span in seconds.items()}

    def write(self, attempts: Sequence[Attempt], chosen: Mapping[str, tuple[Span, ...]]) -> list[Draft]:
        """The questions."""
        quotes = {one.id: tuple(self._texts[span.document_id][span.start : span.end] for span in chosen[one.id])
                  for one in attempts}  # fmt: skip
        prompts = [writing_prompt(one, quotes[one.id]) for one in attempts]
        answers = self._asked("write the questions", prompts, self._writer, self._labels)
        drafts = []
        for one, prompt in zip(attempts, prompts, strict=True):
            row = answers.get(prompt.hash, {})
            text = written_question(row.get("text"), row.get("problem")) if row else None
            drafts.append(Draft(one, chosen[one.id], quotes[one.id], text or "", row.get("label") if text else None))
        return drafts

    def _chosen(self, attempts: Sequence[Attempt], first: Mapping[str, Span]) -> dict[Attempt, Span]:
        """The sentence that is most probable to be chosen from a passage: the second one where the first is given."""
        asked = {one: choosing_prompt(one, self._texts, first.get(one.id)) for one in attempts}
        open_ones = [asked[one] for one in attempts if len(_choices(one, first)) > 1]
        answers = self._asked("choose the second sentence" if first else "choose a sentence", open_ones,
                              self._chooser, CHOICE)  # fmt: skip
        found = {}
        for one, prompt in asked.items():
            choices = _choices(one, first)
            shares = (answers.get(prompt.hash, {}).get("probabilities") or [1.0])[: len(choices)]
            found[one] = choices[max(range(len(shares)), key=shares.__getitem__)]
        return found

    def _asked(self, stage: str, prompts: Sequence[Prompt], reader: LabelerConfig, labels: LabelSet) -> Answers:
        if not prompts:
            return {}

        def groups() -> Iterator[list[Prompt]]:
            return ([prompt] for prompt in prompts)

        asked = ask_in_shards(stage, ask, groups, len(prompts), labels, reader, self._session, self._runner)
        failed: list[Vote] = [vote for one in asked for vote in one.not_kept]
        votes = collect(self._session, reader, labels, prompts, failed)
        return {row["prompt_hash"]: row for row in votes.iter_rows(named=True)}


def _choices(attempt: Attempt, first: Mapping[str, Span]) -> tuple[Span, ...]:
    return attempt.passages[1 if attempt.id in first else 0].choices
