"""Scripted readers and a scripted embedder: all flows run end to end on them, in no time and without any model."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from corpora.schema import LabelSet
from corpora.storage import sha256_text
from flows.session.session import Session
from flows.session.speeds import Speeds
from flows.session.workspace import Workspace
from labeling.drafting.writer import WriterConfig
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.votes.sampling import draw, top_two_margin
from labeling.votes.vote import Prompt, Vote, failed_vote
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import EmbedderConfig

DIMENSIONS = 1024

# The probability of each label, in the order of the label set (or of the prompt's choices), for a model and a prompt.
Script = Callable[[str, Prompt], Sequence[float]]
# What a writer of questions writes for a prompt: a question and its answer, as in "Is it so?" and "yes".
Writes = Callable[[Prompt], tuple[str, str]]


class ScriptedReader:
    """A reader whose label probabilities come from a script; it draws its votes from them as a local one does."""

    def __init__(
        self, config: LabelerConfig, labels: LabelSet, script: Script, writes: Writes | None = None
    ) -> None:  # fmt: skip
        self.config, self.labels, self._script, self._writes = config, labels, script, writes
        self.fingerprint = fingerprint(config, labels, sha256_text(config.model))
        self.n_evaluated = 0
        self.asked: list[Prompt] = []
        self.calls: list[list[Prompt]] = []  # the same prompts, as they came together

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        return _words(prompt)

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        self.asked += prompts
        self.calls.append(prompts)
        write = isinstance(self.config, WriterConfig)
        return [self._written(prompt) if write else self._vote(prompt) for prompt in prompts]

    def _written(self, prompt: Prompt) -> Vote:
        question, answer = self._writes(prompt)
        n_tokens = len(self.tokenize(prompt))
        self.n_evaluated += n_tokens
        empty = failed_vote(self.fingerprint, prompt.key, "off_label", n_tokens)
        return replace(empty, label=answer, failure=None, text=f" {question}\nAnswer: {answer}", parse="strict")

    def _vote(self, prompt: Prompt) -> Vote:
        probabilities = np.array(self._script(self.config.model, prompt), dtype=np.float64)
        n_tokens, labels = len(self.tokenize(prompt)), prompt.labels(self.labels).labels
        self.n_evaluated += n_tokens
        key = prompt.key
        return Vote(
            self.fingerprint, key.prompt_hash, key.arm, key.vote, key.seed, key.question_id,
            label=labels[draw(probabilities, self.config.sampling, prompt.seed)], failure=None,
            probabilities=tuple(map(float, probabilities)), outside_mass=max(0.0, 1.0 - float(probabilities.sum())),
            margin=top_two_margin(probabilities), n_prompt_tokens=n_tokens,
        )  # fmt: skip


def _words(prompt: Prompt) -> tuple[int, ...]:
    return tuple(range(len(prompt.message.split())))


class ScriptedReaders:
    """Opens scripted readers, in place of `LocalReaders`.

    Args:
        script: what each of them answers.
        sizes: bytes of each model; the order of `by_size`.
        writes: what each of them writes, where it drafts questions.
    """

    def __init__(self, script: Script, sizes: dict[str, int] | None = None, writes: Writes | None = None) -> None:
        self._script, self._sizes, self._writes = script, sizes or {}, writes
        self.opened: list[ScriptedReader] = []
        self.n_closed = 0

    @property
    def asked(self) -> list[Prompt]:
        """Every prompt that any of them was asked, in order."""
        return [prompt for reader in self.opened for prompt in reader.asked]

    def sha256(self, model: str) -> str:
        return sha256_text(model)

    def verify(self, model: str) -> None:
        pass

    def n_bytes(self, model: str) -> int:
        return self._sizes.get(model, 0)

    def scoring(self, config: LabelerConfig, labels: LabelSet) -> str:
        return "label/1"

    def kernels(self, model: str) -> None:
        return None

    def device(self) -> str:
        return "Readers run on a script."

    def memory(self) -> int:
        return 0

    def tokenizer(self, config: LabelerConfig) -> Callable[[Prompt], tuple[int, ...]]:
        return _words

    def open(self, config: LabelerConfig, labels: LabelSet) -> ScriptedReader:
        reader = ScriptedReader(config, labels, self._script, self._writes)
        self.opened.append(reader)
        return reader

    def close(self) -> None:
        self.n_closed += 1


class WordEncoder:
    """Embeds a text as the words that it holds: texts that share words are similar."""

    def encode(self, texts: Sequence[str], prompt: str) -> np.ndarray:
        return np.stack([self._vector(prompt + text) for text in texts])

    @staticmethod
    def _vector(text: str) -> np.ndarray:
        vector = np.full(DIMENSIONS, 1e-6)
        for word in re.findall(r"\w{4,}", text.lower()):
            vector[_dimension(word)] += 1
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@cache
def _dimension(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:2]) % DIMENSIONS


class WordEmbedder(Embedder):
    """An embedder on `WordEncoder`; its tokens are words, 256 at most."""

    _encoder = WordEncoder()


def open_word_embedder(config: EmbedderConfig, workspace: Workspace) -> WordEmbedder:
    """In place of `open_embedder`; the model's folder is made in the store."""
    folder = Path(workspace.root) / "word-embedder"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"max_position_embeddings": 256}', encoding="utf-8")
    embedder = WordEmbedder(config.model_copy(update={"backend": "torch"}), folder, "0" * 64, workspace.embeddings)
    embedder.tokenizer.unknown_id = None  # its one token stands for every word, and it knows them all
    return embedder


class Scripted(NamedTuple):
    """A session on scripted readers, and these readers."""

    session: Session
    readers: ScriptedReaders


def scripted_session(
    store: Path, script: Script, sizes: dict[str, int] | None = None, base: Path = Path(), writes: Writes | None = None
) -> Scripted:
    """A session that needs no model; open one anew for a second start of the process."""
    readers = ScriptedReaders(script, sizes, writes)
    return Scripted(Session(Workspace(store, base), readers, open_word_embedder, Speeds(store)), readers)
