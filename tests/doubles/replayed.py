"""Readers that answer from the ledger of another store, and count what they are asked: a run is played again."""

from collections.abc import Callable
from typing import Any

from corpora.schema import LabelSet
from flows.session.session import Session
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.vote import Prompt, Vote, failed_vote

Answers = dict[tuple[str, str, int, int], dict[str, Any]]


class ReplayedReader:
    """A reader whose votes are looked up; what the ledger did not keep did not fit into the context."""

    def __init__(self, labeler: str, answers: Answers) -> None:
        self.fingerprint, self._answers, self.n_evaluated = labeler, answers, 0

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        return tuple(range(len(prompt.message.split())))

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        return [self._vote(prompt) for prompt in prompts]

    def _vote(self, prompt: Prompt) -> Vote:
        found = self._answers.get((prompt.hash, prompt.arm, prompt.vote, prompt.seed))
        if found is None:
            return failed_vote(self.fingerprint, prompt.key, "prompt_too_long", 0)
        self.n_evaluated += found["n_prompt_tokens"]
        return Vote(**found)


class ReplayedReaders:
    """Stands for the readers of a session whose store has every vote that is asked for."""

    def __init__(self, source: Session) -> None:
        self._source = source
        self.sha256, self.n_bytes, self.scoring = (
            source.readers.sha256, source.readers.n_bytes, source.readers.scoring
        )  # fmt: skip
        self._answers: dict[str, Answers] = {}

    def verify(self, model: str) -> None:
        pass

    def kernels(self, model: str) -> None:
        return None

    def device(self) -> str:
        return "Readers run on a script."

    def memory(self) -> int:
        return 0

    def tokenizer(self, config: LabelerConfig) -> Callable[[Prompt], tuple[int, ...]]:
        return ReplayedReader("", {}).tokenize

    def open(self, config: LabelerConfig, labels: LabelSet) -> ReplayedReader:
        labeler = self._source.fingerprint(config, labels)
        if labeler not in self._answers:
            votes = self._source.ledger_of(labeler, labels).votes().iter_rows(named=True)
            self._answers[labeler] = {
                (vote["prompt_hash"], vote["arm"], vote["vote"], vote["seed"]): vote for vote in votes
            }
        return ReplayedReader(labeler, self._answers[labeler])

    def close(self) -> None:
        pass
