"""Letting a reader fill the blank of a draft, the question and its answer. Every answer is in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corpora.schema import LabelSet
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from flows.stages.asking import ask, collect
from flows.stages.runner import Runner
from flows.stages.shards import ask_in_shards
from labeling.drafting.drafts import Draft
from labeling.drafting.passages import Attempt
from labeling.drafting.templates import writing_prompt
from labeling.drafting.writer import writer_of, written_question
from labeling.votes.vote import Prompt, Vote

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
        self._writer = writer_of(reader)

    def write(self, attempts: Sequence[Attempt]) -> list[Draft]:
        """The questions."""
        quotes = [tuple(self._texts[span.document_id][span.start : span.end] for span in one.evidence)
                  for one in attempts]  # fmt: skip
        prompts = [writing_prompt(one, of) for one, of in zip(attempts, quotes, strict=True)]
        answers = self._answers(prompts)
        drafts = []
        for one, of, prompt in zip(attempts, quotes, prompts, strict=True):
            row = answers.get(prompt.hash, {})
            text = written_question(row.get("text"), row.get("problem")) if row else None
            drafts.append(Draft(one, of, text or "", row.get("label") if text else None))
        return drafts

    def _answers(self, prompts: Sequence[Prompt]) -> Answers:
        def groups() -> Iterator[list[Prompt]]:
            return ([prompt] for prompt in prompts)

        asked = ask_in_shards("write the questions", ask, groups, len(prompts), self._labels, self._writer,
                              self._session, self._runner)  # fmt: skip
        failed: list[Vote] = [vote for one in asked for vote in one.not_kept]
        votes = collect(self._session, self._writer, self._labels, prompts, failed)
        return {row["prompt_hash"]: row for row in votes.iter_rows(named=True)}
