"""How sure the numbers of a run must be, and how much is read for them."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ScoringConfig(BaseModel):
    """How sure the numbers must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of intervals and tests")
    n_resamples: int = Field(4000, ge=100, le=1_000_000, description="number of bootstrap resamples")
    margin: float = Field(0.05, ge=0, lt=1, description="how much worse than the best a cheaper cell may be")
    seed: int = Field(0, ge=0, description="seed of the resampling")
    answers: Literal["expected", "drawn"] = Field(
        "expected",
        description="expected: every question and answer counts with its probability, where the reader gives any; "
        "drawn: three drawn votes and the most probable answer, as right or wrong",
    )
    answer_temperature: float | None = Field(
        None, ge=0, le=100, description="temperature at which answers count; 0 is greedy; if empty, the reader's own"
    )
    strict: bool = Field(
        False, description="guard against a surprise as heavy as the heaviest document, which takes more questions"
    )


class ReadingConfig(BaseModel):
    """How many questions the readers of a sweep are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stop: Literal["all", "told"] = Field(
        "all",
        description="all: every question; told: in looks, each of twice as many questions, until the advice is told",
    )
    first_look: int = Field(64, ge=1, description="questions of the first look")
    max_questions: int | None = Field(None, ge=1, description="stop = told: read no more questions than these")
    max_tokens: int | None = Field(
        None,
        ge=1,
        description="stop = told: take no look that would make a reader evaluate more tokens; what is known costs none",
    )
    max_minutes: float | None = Field(
        None, gt=0, allow_inf_nan=False,
        description="stop = told: take no look that would keep a reader busy for longer",
    )  # fmt: skip
    drop: bool = Field(True, description="stop = told: stop asking about cells that cannot become the advice any more")

    def looks(self, n_questions: int) -> list[int]:
        """Number of questions at each look that may take place: doubling, up to all of them."""
        most = min(n_questions, self.max_questions or n_questions)
        sizes, size = [], self.first_look
        while size < most:
            sizes.append(size)
            size *= 2
        # A last look that is hardly larger than the one before would cost error rate and bring nothing.
        if sizes and most <= 1.25 * sizes[-1]:
            sizes.pop()
        return [*sizes, most]


def likely_questions(n_cells: int) -> int:
    """About how many questions a sweep that reads until told takes.

    Simulated sweeps of 2, 4 and 16 cells took 193, 305 and 501 questions at the median of six populations, by the
    published `questions-needed`. Between and beyond them, the number is taken to grow with the logarithm.

    Args:
        n_cells: that are compared, at least 1.
    """
    return 10 * round((90 + 103 * math.log2(max(n_cells, 2))) / 10)
