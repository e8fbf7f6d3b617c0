"""The reader as a writer of questions: what its output must look like, and the question in it."""

from __future__ import annotations

from typing import Any

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.parsing import MARKER, label_grammar

NUM_PREDICT = 80  # tokens: no sane question is longer
# Signs that end a question: Latin, Chinese and Japanese, Arabic, Greek, Armenian, Ethiopic.
QUESTION_MARKS = "?\uff1f؟\u037e՞፧"


class WriterConfig(LabelerConfig):
    """A reader that writes one question, and then the label that is its answer; always the most probable output."""

    def output_grammar(self, labels: LabelSet) -> str:
        """GBNF for one line up to its first question mark, followed by the line `Answer: LABEL`.

        The full stop of Chinese and Japanese cannot end it: questions there may have no other sign, and would go on.
        """
        root, label = label_grammar(labels).split("\n", 1)
        answer = root.removeprefix("root ::= ")
        return f'root ::= [^\\n。{QUESTION_MARKS}]+ [{QUESTION_MARKS}] "\\n{MARKER}" {answer}\n{label}'


def writer_of(reader: LabelerConfig) -> WriterConfig:
    """A reader as a writer: the same model on the same machine."""
    kept: dict[str, Any] = reader.model_dump(
        include={"model", "name", "template", "frame", "num_ctx", "threads", "n_batch", "repack", "remote"}
    )
    return WriterConfig(**kept, mode="generate", temperature=0.0, num_predict=NUM_PREDICT)


def written_question(text: str | None, problem: str | None) -> str | None:
    """The question in what a writer wrote; None if its output was cut off or is no question with an answer.

    White space around it is not part of it.

    Args:
        text: the output.
        problem: what was wrong with it, as in `Vote.problem`.
    """
    if problem is not None or text is None:
        return None
    question, marker, _ = text.rpartition(f"\n{MARKER}")
    return question.strip() if marker and question.strip() else None
