"""Scoring a specialist on held-out questions, beside its teacher, the majority label and the linear baseline."""

from __future__ import annotations

import itertools
import time
from typing import NamedTuple

import polars as pl

from flows.run.gold.specialist.learning import Learnt
from flows.run.gold.specialist.source import Source, teacher_votes
from flows.session.session import Session
from flows.stages.asking import document_prompts
from labeling.specialist.look import Seen
from labeling.specialist.reader import SpecialistLabeler
from labeling.votes.consensus import build_gold
from results.advice.cards.specialist import Pace
from results.gold.specialist.scores import LINEAR, MAJORITY, SPECIALIST, TEACHER, Judged, always, answers_of
from results.readers.answers import document_answers, question_facts
from retrieval.passages import Passages

BY_TRUTH = ("unanimous_and_correct", "reviewed")  # rules that look at more than votes
QUESTIONS_TIMED = 12  # after one to warm up


class HeldOut(NamedTuple):
    """The questions that a specialist is scored on.

    Attributes:
        questions: frame of schema `QUESTIONS`, with references.
        seen: what is seen of each.
        teacher: the teacher's votes on as many of them as it has answered, schema `VOTES`.
    """

    questions: pl.DataFrame
    seen: list[Seen | None]
    teacher: pl.DataFrame

    def answers(self, learnt: Learnt, source: Source) -> pl.DataFrame:
        """What a trained model answers."""
        given = learnt.probabilities(self.questions["text"].to_list(), self.seen)
        return answers_of(self.questions["question_id"].to_list(), given, source.corpus.labels.labels)


def hold_out(source: Source, questions: pl.DataFrame, seen: list[Seen | None], session: Session) -> HeldOut:
    """The held-out questions, with what the teacher answered there; nobody is asked."""
    return HeldOut(questions, seen, teacher_votes(source, questions, session))


def judged_by(source: Source, held_out: HeldOut, learnt: Learnt, baseline: Learnt) -> Judged:
    """Everybody's answers on the held-out questions.

    Args:
        source: gives references and the consensus rule.
        held_out: the questions.
        learnt: the specialist.
        baseline: the linear model on the same labels; the specialist itself if it is linear.
    """
    corpus = source.corpus.with_questions(held_out.questions)
    facts = question_facts(corpus)
    answered = held_out.questions.join(held_out.teacher, on="question_id", how="semi", maintain_order="left")
    # What a filter keeps by references or reviews is right by definition: its votes alone say what is easy.
    by_votes = "unanimous" if source.consensus.rule in BY_TRUTH else source.consensus.rule
    rule = source.consensus.model_copy(update={"rule": by_votes})
    kept = build_gold(held_out.teacher, answered, corpus.labels, rule, source.reader.sampling)
    facts = facts.join(kept.select("question_id", "kept"), on="question_id", how="left", maintain_order="left")
    answers = {SPECIALIST: held_out.answers(learnt, source)}
    if len(answered):
        teacher = document_answers(held_out.teacher, corpus.labels)
        answers[TEACHER] = teacher.select("question_id", "label", "probabilities")
    if baseline is not learnt:
        answers[LINEAR] = held_out.answers(baseline, source)
    answers[MAJORITY] = always(facts, corpus.labels.labels)
    return Judged(facts, answers, corpus.labels.labels)


def pace_of(source: Source, held_out: HeldOut, learnt: Learnt, look: Passages) -> Pace:
    """How fast the specialist answers a question, asked three times as any reader is; past every cache."""
    labels = source.corpus.labels
    reader = source.reader.model_copy(update={"model": "specialist:timed"})
    labeler = SpecialistLabeler(reader, labels, look, learnt.head, "timed")
    groups = document_prompts(source.corpus.with_questions(held_out.questions.head(QUESTIONS_TIMED + 1)), reader)
    labeler.ask(next(groups))
    before, started = labeler.n_evaluated, time.perf_counter()
    n = max(1, sum(bool(labeler.ask(group)) for group in itertools.islice(groups, QUESTIONS_TIMED)))
    return Pace((time.perf_counter() - started) / n, (labeler.n_evaluated - before) / n)
