"""The column names of the user's own tables."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SPLITS = ("tune", "held_out")
OPTIONAL = ("reference", "evidence", "split", "choices")
ORIGIN = "origin"  # the column in which `tercet questions draft` marks what it wrote
_SEPARATOR = r'^[^"\r\n]$'


class DocumentColumns(BaseModel):
    """The column names of the documents file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="unique id of the document (text or integer)")
    text: str = Field("text", description="the document's text, kept exactly as it is")
    separator: str = Field(",", pattern=_SEPARATOR, description="CSV: the character between two fields")


class QuestionColumns(BaseModel):
    """The column names of the questions file; the optional columns may be absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="unique id of the question (text or integer)")
    text: str = Field("text", description="the question")
    document_ids: str = Field("document_ids", description="id of the gold document, or a list of ids")
    document_ids_as: Literal["id", "list"] = Field(
        "id", description="what a text in that column is: one id, or a list of ids written as JSON"
    )
    reference: str = Field("reference", description="optional: the label known to be right")
    reference_values: dict[str, str] = Field(
        default_factory=dict, description="what values of that column mean: the label for each, such as true = 'yes'"
    )
    evidence: str = Field("evidence", description="optional: (JSON) list of {document_id, start, end}, characters")
    split: str = Field("split", description="optional: tune or held_out")
    choices: str = Field(
        "choices",
        description="optional: (JSON) list of 2 to 8 texts, the answers that this question has to choose from",
    )
    tags: tuple[str, ...] = Field((), description="columns to keep as tags, for tables by slice")
    separator: str = Field(",", pattern=_SEPARATOR, description="CSV: the character between two fields")
