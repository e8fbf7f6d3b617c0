"""The embedder of an experiment: model, backend, precision, prompts, and whether chunks are pooled late."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePath
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpora.errors import InputError, listed
from corpora.storage import sha256_text

Backend = Literal["torch", "onnx", "openvino"]
Arithmetic = Literal["float32", "bfloat16", "int8"]
Precision = Literal["float32", "bfloat16", "int8", "auto"]
Role = Literal["query", "passage"]
_ARITHMETIC: dict[Backend, tuple[Precision, ...]] = {
    "torch": ("float32", "bfloat16"),
    "onnx": ("float32",),
    "openvino": ("float32", "bfloat16", "int8", "auto"),
}
_PACKAGES: dict[Backend, tuple[str, ...]] = {
    "torch": (),
    "onnx": ("onnxruntime", "onnx"),  # torch's exporter needs the second
    "openvino": ("openvino",),
}


class EmbedderConfig(BaseModel):
    """Everything that defines an embedder: configs that differ here may give different vectors.

    Raises:
        InputError: a combination that no backend offers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(
        "all-minilm-l6-v2",
        min_length=1,
        description="an embedder from `tercet models list`, a sentence-transformers folder, or a hub id like `org/name`"
        " or `org/name@revision`",
    )
    name: str = Field(
        "", description="its name in reports; empty: made from the model and the settings that differ from the defaults"
    )
    backend: Backend = Field(
        "openvino",
        description="what runs the model: openvino or onnx (ONNX Runtime), fast on a CPU; or torch, for a GPU",
    )
    precision: Precision = Field(
        "float32",
        description="precision of the model's arithmetic; bfloat16 is faster and slightly less exact, int8 is for "
        "processors without bfloat16; auto: the first of these that the processor has, if a sample of the corpus is "
        "ranked alike, else float32",
    )
    query_prompt: str | None = Field(
        None, description="text put before every question; empty: none; left out: the prompt in the model's own files"
    )
    passage_prompt: str | None = Field(
        None, description="text put before every chunk; empty: none; left out: the prompt in the model's own files"
    )
    late: bool = Field(
        False, description="late chunking: read the whole document once, then pool the tokens of each chunk"
    )

    headings: bool = Field(
        False,
        exclude_if=lambda headings: not headings,  # runs of a version without this key are the same runs
        description="put the headings that stand over a chunk before it for embedding, as in `Part > Chapter`; readers "
        "and BM25 see the chunk alone",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.late and self.headings:
            raise InputError(
                "an embedder has `late` and `headings`",
                "only one of the two: late chunking reads the whole document, headings included",
                "remove one of the keys, or list the embedder twice",
            )
        able = _ARITHMETIC[self.backend]
        if self.precision not in able:
            others = [backend for backend, precisions in _ARITHMETIC.items() if self.precision in precisions]
            raise InputError(
                f"embedder backend {self.backend!r} with precision {self.precision!r}",
                f"a precision that this backend offers: {listed(able, 'or')}",
                f"choose one of these, or the backend {listed(others, 'or')}",
            )
        return self

    @property
    def arithmetic(self) -> Arithmetic:
        """The precision in which the model runs; float32 for `auto` until a corpus has settled it."""
        return "float32" if self.precision == "auto" else self.precision

    @property
    def label(self) -> str:
        """The name that reports use."""
        if self.name:
            return self.name
        plain = type(self).model_fields
        parts = [PurePath(self.model).name]
        parts += [one for one, field in ((self.backend, "backend"), (self.precision, "precision"))
                  if one != plain[field].default]  # fmt: skip
        if (self.query_prompt, self.passage_prompt) != (None, None):
            parts.append("prompts-" + sha256_text(f"{self.query_prompt!r}{self.passage_prompt!r}")[:4])
        return "-".join([*parts, *(name for name in ("late", "headings") if getattr(self, name))])


def check_installed(config: EmbedderConfig) -> None:
    """Reject a backend whose package is missing, before any work starts.

    Raises:
        InputError: the package is missing; the message gives the command that installs it.
    """
    for package in _PACKAGES[config.backend]:
        if find_spec(package) is None:
            raise InputError(
                f"embedder backend {config.backend!r} without the package {package}",
                "that package to be installed",
                f"run `pip install tercet[{config.backend}]`, or choose another backend",
            )
