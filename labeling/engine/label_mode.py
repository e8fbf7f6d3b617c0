"""The local reader in label mode: llama.cpp gives next-token distributions, and the answer is read from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np

from corpora.schema import LabelSet
from labeling.engine.chat import ChatFrame
from labeling.engine.label_reader import LabelReader, build_label_reader, scores_as_version_1
from labeling.engine.llama import LlamaModel
from labeling.engine.shared_prefixes import Looks, SharedPrefixes, Tokens
from labeling.engine.trie import shared_start
from labeling.engine.vocabulary import Vocabulary
from labeling.prompting.labeler import LabelerConfig, PromptWriter, Scoring, fingerprint
from labeling.votes.sampling import draw, top_two_margin
from labeling.votes.vote import Prompt, Vote, failed_vote

RESERVE = 64  # tokens of continuations that are evaluated together while other prompts are in the cache


def scoring_of(config: LabelerConfig, labels: LabelSet, vocabulary: Vocabulary) -> Scoring:
    """Which version of the scoring rule a reader's votes come from; see `scores_as_version_1`."""
    if labels.of_question:  # the first version knew no choices
        return "label/2"
    chat = ChatFrame(config, vocabulary)
    plain = partial(vocabulary.tokenize, special=False, add_bos=False)
    starts = {template.start for template in PromptWriter(config, labels).templates}
    same = [scores_as_version_1(labels, partial(chat.continuation, start), plain) for start in sorted(starts)]
    return "label/1" if all(same) else "label/2"


def tokens_of_document(prompts: Mapping[Prompt, Tokens], tokenize: Callable[[Prompt], Tokens]) -> int:
    """How many tokens at the start of a question's prompts show its document, whatever is asked about it.

    It follows from these prompts alone: the token that the question begins in is not one of them.

    Args:
        prompts: all prompts of the question, with their tokens.
        tokenize: gives the tokens of a prompt.

    Returns:
        0 where a prompt does not show the whole document before the question.
    """
    known: dict[tuple[str, str], Tokens] = {}
    found = []
    for prompt, tokens in prompts.items():
        before = prompt.system, prompt.message[: prompt.n_before]
        if prompt.n_before and before not in known:
            known[before] = tokenize(prompt._replace(message=before[1], start=""))
        found.append(shared_start(tokens, known[before]) if prompt.n_before else 0)
    return min(found)


def tokenize_all(prompts: Sequence[Prompt], tokenize: Callable[[Prompt], Tokens]) -> dict[Prompt, Tokens]:
    """The tokens of each prompt; those that differ only in their draw are tokenized once."""
    known: dict[tuple[str, str, str], Tokens] = {}
    for prompt in prompts:
        text = (prompt.system, prompt.message, prompt.start)
        known[text] = known.get(text) or tokenize(prompt)
    return {prompt: known[prompt.system, prompt.message, prompt.start] for prompt in prompts}


class LocalLabeler:
    """Answers prompts with a GGUF model on this machine.

    Args:
        config: prompt and sampling.
        labels: the allowed answers.
        llama: the open model; readers with the same model share it.
        model_sha256: digest of the model's file.
        scoring: the version of the scoring rule, where it is known already; it takes some milliseconds to find out.

    Raises:
        InputError: the settings ask for a chat template and the model has none, or the model cannot tell two labels
            apart.
    """

    def __init__(
        self,
        config: LabelerConfig,
        labels: LabelSet,
        llama: LlamaModel,
        model_sha256: str,
        scoring: Scoring | None = None,
    ) -> None:
        self.config, self.labels = config, labels
        self.fingerprint = fingerprint(config, labels, model_sha256, scoring or scoring_of(config, labels, llama))
        self._llama = llama
        self._chat = ChatFrame(config, llama)
        self._readers: dict[str, LabelReader] = {}  # by the start of the answer

    @property
    def n_evaluated(self) -> int:
        """Prompt tokens evaluated so far, after prefix sharing."""
        return self._llama.n_evaluated

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt as the model sees it."""
        return self._chat.tokenize(prompt)

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        """Answer the prompts of one question, sharing every common prefix.

        A prompt that does not fit in the context, with those continuations behind it that matter, is never shortened:
        its vote is the failure `prompt_too_long`.
        """
        of_each = tokenize_all(prompts, self.tokenize)
        tokens, document = [of_each[prompt] for prompt in prompts], tokens_of_document(of_each, self.tokenize)
        readers = {ids: self._reader(prompt) for prompt, ids in zip(prompts, tokens, strict=True)}
        fitting = {ids: reader for ids, reader in readers.items() if len(ids) <= self.config.num_ctx}
        looks = self._look(fitting, document)
        return [
            self._vote(prompt, len(ids), readers[ids], looks.get(ids))
            for prompt, ids in zip(prompts, tokens, strict=True)
        ]

    def _reader(self, prompt: Prompt) -> LabelReader:
        start, tokenize = prompt.start, partial(self._chat.continuation, prompt.start)
        if prompt.choices:  # of this question alone
            return build_label_reader(prompt.labels(self.labels), tokenize)
        if start not in self._readers:
            self._readers[start] = build_label_reader(self.labels, tokenize)
        return self._readers[start]

    def _look(self, readers: Mapping[Tokens, LabelReader], document: int) -> dict[Tokens, Looks]:
        """The looks after each prompt; a prompt that has no room for what must follow it is left out."""
        if not readers:
            return {}
        prompts = sorted(readers)
        wanted = sorted(set(chain.from_iterable(reader.wanted for reader in readers.values())))
        columns = {reader: [wanted.index(token) for token in reader.wanted] for reader in set(readers.values())}
        too_long: set[Tokens] = set()

        def further(number: int, looks: Looks) -> tuple[Tokens, ...]:
            prompt = prompts[number]
            reader = readers[prompt]
            asked = reader.unread({one: row[columns[reader]] for one, row in looks.items()})
            if len(prompt) + max(map(len, asked), default=0) > self.config.num_ctx:
                too_long.add(prompt)
                return ()
            return asked

        reserve = min(RESERVE, max(sum(map(len, reader.branches.values())) for reader in columns))
        found = SharedPrefixes(self._llama, reserve).look(prompts, wanted, further, document)
        return {
            prompt: {one: row[columns[readers[prompt]]] for one, row in looks.items()}
            for prompt, looks in zip(prompts, found, strict=True)
            if prompt not in too_long
        }

    def _vote(self, prompt: Prompt, n_tokens: int, reader: LabelReader, looks: Looks | None) -> Vote:
        failed = failed_vote(self.fingerprint, prompt.key, "prompt_too_long", n_tokens)
        if looks is None:
            return failed
        probabilities = reader.probabilities(looks)
        total = float(probabilities.sum())
        if not np.isfinite(total) or total <= 0:
            return replace(failed, failure="no_label_mass")
        return replace(
            failed,
            label=prompt.labels(self.labels).labels[draw(probabilities, self.config.sampling, prompt.seed)],
            failure=None,
            probabilities=tuple(map(float, probabilities)),
            outside_mass=max(0.0, 1.0 - total),
            margin=top_two_margin(probabilities),
        )
