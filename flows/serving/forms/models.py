"""The forms of the three flows: a few settings that most runs change, and the rest in a section of its own.

What a flow is given without a form, as by a work pool, has the values of the bundled demonstration.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, model_validator

from flows.serving.forms import fields

FormKind = Literal["label", "sweep", "compare"]


class Section(BaseModel):
    """A section of a form, in the order in which the browser shows its fields.

    Attributes:
        may_be_empty: fields that may be left empty. The browser leaves out a list that was emptied.
    """

    model_config = ConfigDict(extra="forbid")

    may_be_empty: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def required(cls) -> list[str]:
        """The fields that a form always sends."""
        return [name for name in cls.model_fields if name not in cls.may_be_empty]

    @model_validator(mode="before")
    @classmethod
    def _emptied(cls, given: Any) -> Any:
        """A list that a form leaves out is empty, and has no default of ours."""
        if isinstance(given, dict) and set(cls.required()) <= set(given):
            lists = [name for name in cls.may_be_empty if isinstance(cls.model_fields[name].get_default(), list)]
            return {name: [] for name in lists} | given
        return given


class LabelSettings(Section):
    """Which readers vote, and which questions are kept."""

    readers: fields.Readers = ["qwen2.5-coder-0.5b"]
    questions: fields.Questions = 96
    rule: fields.GoldRule = "unanimous_and_correct"
    min_probability: fields.Threshold = 0.8
    min_unanimous: fields.Agreement = 0.5
    max_cost: fields.SpendingLimit = 0.0


class CompareSettings(LabelSettings):
    """Which readers to compare, and which questions are kept."""

    readers: fields.ComparedReaders = ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]


class SweepSettings(Section):
    """Which chunk sizes to try, and what the readers see."""

    may_be_empty = ("budgets", "k", "readers")

    sizes: fields.Sizes = [16, 32, 64, 128]
    budgets: fields.Budgets = [128]
    k: fields.TopK = [1]
    embedders: fields.Embedders = ["all-minilm-l6-v2"]
    readers: fields.SweptReaders = ["qwen2.5-coder-0.5b"]
    questions: fields.Questions = 96
    until_told: fields.UntilTold = True
    max_cost: fields.SpendingLimit = 0.0


class Advanced(Section):
    """The corpus, and where and how the run works."""

    may_be_empty: ClassVar[tuple[str, ...]] = ("path", "dask")

    name: fields.Name = "demo"
    source: fields.CorpusSource = "sample"
    path: fields.CorpusPath = ""
    threads: fields.Threads = 0
    dask: fields.Dask = ""
    experiment: fields.ExperimentFile = "demo"
    store: fields.Store = "~/tercet-runs"


class _Chunking(Section):
    """How chunks are cut and found, and which questions are kept."""

    overlaps: fields.Overlaps = [0]
    splitters: fields.Splitters = ["tokens"]
    retrievers: fields.Retrievers = ["dense"]
    rerankers: fields.Rerankers = ["none"]
    controls: fields.Controls = ["closed_book", "random", "oracle_chunk"]
    margin: fields.Margin = 0.1
    rule: fields.GoldRule = "unanimous_and_correct"
    min_probability: fields.Threshold = 0.8
    min_unanimous: fields.Agreement = 0.5


class SweepAdvanced(Advanced, _Chunking):  # pydantic takes fields from the last base first
    """How chunks are cut and found, which questions are kept, and where and how the run works."""

    may_be_empty = (*Advanced.may_be_empty, "controls")


class Form(NamedTuple):
    """A form as it was filled in, or as it is to be sent."""

    settings: LabelSettings | SweepSettings
    advanced: Advanced

    def parameters(self) -> dict[str, Any]:
        """The parameters of a flow."""
        return {name: section.model_dump(mode="json") for name, section in self._asdict().items()}


FORMS: dict[FormKind, type[LabelSettings] | type[SweepSettings]] = {
    "label": LabelSettings, "sweep": SweepSettings, "compare": CompareSettings,
}  # fmt: skip


def advanced_of(kind: FormKind) -> type[Advanced]:
    """The second section of a flow's form."""
    return SweepAdvanced if kind == "sweep" else Advanced
