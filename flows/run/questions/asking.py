"""Letting a reader fill the blank of a draft, the question and its answer. Every answer is in the ledger."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
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

TOGETHER = 8  # drafts that are written side by side: what their prompts begin with is read once

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
        answers = self._answers(_sheets(attempts, prompts))
        drafts = []
        for one, of, prompt in zip(attempts, quotes, prompts, strict=True):
            row = answers.get(prompt.hash, {})
            text = written_question(row.get("text"), row.get("problem")) if row else None
            drafts.append(Draft(one, of, text or "", row.get("label") if text else None))
        return drafts

    def _answers(self, sheets: Sequence[list[Prompt]]) -> Answers:
        prompts = [prompt for sheet in sheets for prompt in sheet]
        asked = ask_in_shards("write the questions", ask, lambda: iter(sheets), len(prompts), self._labels,
                              self._writer, self._session, self._runner)  # fmt: skip
        failed: list[Vote] = [vote for one in asked for vote in one.not_kept]
        votes = collect(self._session, self._writer, self._labels, prompts, failed)
        return {row["prompt_hash"]: row for row in votes.iter_rows(named=True)}


def _sheets(attempts: Sequence[Attempt], prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """The prompts in sheets: those of a sheet have the same form, and are written side by side."""
    forms: dict[tuple[str, ...], list[Prompt]] = defaultdict(list)
    for one, prompt in zip(attempts, prompts, strict=True):
        forms[one.kind, one.wanted, one.language].append(prompt)
    return [_sheet(form[at : at + TOGETHER]) for form in forms.values() for at in range(0, len(form), TOGETHER)]


def _sheet(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The same prompts with the sheet that they are on."""
    sheet = hashlib.sha256("".join(prompt.hash for prompt in prompts).encode()).hexdigest()[:16]
    return [prompt._replace(sheet=sheet) for prompt in prompts]
