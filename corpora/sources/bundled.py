"""The bundled sample: the handbook of the Orrin Tidewater Cooperative, an organisation that does not exist."""

from __future__ import annotations

from pathlib import Path

from corpora.errors import InputError
from corpora.reading.strict_json import read_json_lines
from corpora.reading.text import read_exactly
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.storage import sha256_file, sha256_text

FOLDER = Path(__file__).parents[1] / "sample"


def read_sample(folder: Path = FOLDER) -> Corpus:
    """Read the bundled sample: one text file per document, one line of JSON per question.

    Each evidence span in `questions.jsonl` repeats its quote, so that an edited document cannot leave an offset
    pointing at the wrong words.

    Raises:
        InputError: a quote is not at its offsets.
    """
    documents = [Document(file.stem, read_exactly(file)) for file in sorted((folder / "documents").glob("*.txt"))]
    texts = {document.id: document.text for document in documents}
    file = folder / "questions.jsonl"
    questions = []
    for _, row in read_json_lines(file):
        spans = []
        for item in row["evidence"]:
            span = Span(row["document_id"], item["start"], item["end"])
            if texts.get(span.document_id, "")[span.start : span.end] != item["quote"]:
                raise InputError(
                    f"sample question {row['id']}: {item['quote']!r:.60} is not at {span.start}:{span.end}",
                    "the quote at its offsets",
                    "correct the offsets in corpora/sample/questions.jsonl",
                )
            spans.append(span)
        questions.append(
            Question(
                id=row["id"], text=row["text"], document_ids=(row["document_id"],), reference=row["label"],
                evidence=tuple(spans), tags={"kind": row["kind"]} | {name: "true" for name in row["features"]},
            )
        )  # fmt: skip
    inputs = {
        "sample/questions.jsonl": sha256_file(file),
        "sample/documents": sha256_text("".join(document.id + sha256_text(document.text) for document in documents)),
    }
    return Corpus("orrin-handbook", documents_frame(documents), questions_frame(questions), LabelSet(), inputs)
