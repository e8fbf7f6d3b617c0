"""How sure the numbers of a run must be."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ScoringConfig(BaseModel):
    """How sure the numbers must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of intervals and tests")
    n_resamples: int = Field(4000, ge=100, description="number of bootstrap resamples")
    margin: float = Field(0.05, ge=0, lt=1, description="how much worse than the best a cheaper cell may be")
    seed: int = Field(0, description="seed of the resampling")
