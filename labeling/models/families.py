"""Sampling presets: the settings that the publisher of a model family recommends."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from corpora.errors import InputError

FAMILIES = Path(__file__).with_name("families.toml")


class Preset(BaseModel):
    """The recommended sampling of a family, under llama.cpp's names; None if its publisher recommends nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="the family, as the model registry calls it")
    temperature: float = Field(ge=0, le=5, description="0 always takes the most probable token")
    top_k: int | None = Field(None, ge=0, description="draw from the k most probable tokens")
    top_p: float | None = Field(
        None, gt=0, le=1, description="draw from the most probable tokens that together have this probability"
    )
    min_p: float | None = Field(
        None, ge=0, le=1, description="drop tokens with less than this share of the highest probability"
    )
    repeat_penalty: float | None = Field(
        None, gt=0, description="penalty on tokens repeated in the output; only when text is generated"
    )
    source: str = Field(min_length=1, description="where the publisher says so, in words")

    @property
    def parameters(self) -> dict[str, float]:
        """The recommended parameters and nothing else."""
        return self.model_dump(exclude={"name", "source"}, exclude_none=True)


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by family."""
    entries = tomllib.loads(FAMILIES.read_text(encoding="utf-8"))["families"]
    return {entry["name"]: Preset.model_validate(entry) for entry in entries}


def family_preset(family: str) -> Preset:
    """The preset of a family.

    Raises:
        InputError: the family has no preset; the nearest name is suggested.
    """
    preset = presets().get(family)
    if preset is None:
        near = difflib.get_close_matches(family, presets(), 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(
            f"no sampling preset for the family {family!r}",
            f"one of {', '.join(presets())}",
            f"correct the name{hint}, or set temperature, top_k, top_p and min_p yourself",
        )
    return preset
