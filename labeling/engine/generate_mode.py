"""The local labeler in generate mode: short reasoning and then a label, for models that need to write before they say.

What comes out is text, so that it can fail to be an answer. Every failure has a name; one repair step lets the model
finish with a label where its own output does not parse; a refusal is an answer of its own kind and is not argued with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from corpora.schema import LabelSet
from labeling.engine.chat import ChatFrame
from labeling.engine.generation import MAX_TOGETHER, Decoding, Generated, Generator, Tokens
from labeling.engine.llama import LlamaModel
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.votes.parsing import MARKER, answer_grammar, label_grammar, parse_answer
from labeling.votes.vote import Prompt, Vote, failed_vote


class GeneratingLabeler:
    """Answers prompts by generating text with a GGUF model on this machine.

    Args:
        config: prompt, sampling, length, grammar.
        labels: the allowed answers.
        llama: the open model; labelers of one model share it.
        model_sha256: digest of its file.

    Attributes:
        room: tokens kept free behind every prompt, for the output and its repair.

    Raises:
        InputError: a chat template is asked for and the model has none.
    """

    def __init__(self, config: LabelerConfig, labels: LabelSet, llama: LlamaModel, model_sha256: str) -> None:
        self.config, self.labels = config, labels
        self.fingerprint = fingerprint(config, labels, model_sha256)
        self._llama = llama
        self._chat = ChatFrame(config, llama)
        self._generator = Generator(llama)
        self._decoding = Decoding(
            sampling=config.sampling,
            repeat_penalty=config.repeat_penalty,
            num_predict=config.num_predict,
            stop=config.stop,
            grammar=answer_grammar(labels) if config.grammar else "",
            repair=f"\n{MARKER}",
            repair_grammar=label_grammar(labels),
            # A token is at least a byte: under the grammar a model may spell a label in other tokens than it reads.
            repair_predict=2 + max(len(label.encode()) for label in labels),
        )
        n_repair = len(llama.tokenize(self._decoding.repair, special=False, add_bos=False))
        self.room = config.num_predict + n_repair + self._decoding.repair_predict

    @property
    def n_evaluated(self) -> int:
        """Tokens evaluated so far, after prefix sharing, generated ones included."""
        return self._llama.n_evaluated

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt as the model sees it."""
        return self._chat.tokenize(prompt)

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        """Answer the prompts of one question, in step where they fit in the context together.

        A prompt that does not fit is a vote with the failure `prompt_too_long`, never a shorter prompt.
        """
        tokens = [self.tokenize(prompt) for prompt in prompts]
        votes: dict[int, Vote] = {}
        for together in self._groups(tokens):
            chosen, seeds = [tokens[at] for at in together], [prompts[at].seed for at in together]
            outputs = self._generator.generate(chosen, seeds, self._decoding, self._needs_no_repair)
            for at, output in zip(together, outputs, strict=True):
                votes[at] = self._vote(prompts[at], len(tokens[at]), output)
        return [
            votes.get(at) or failed_vote(self.fingerprint, prompt.key, "prompt_too_long", len(tokens[at]))
            for at, prompt in enumerate(prompts)
        ]

    def _groups(self, tokens: Sequence[Tokens]) -> Iterator[list[int]]:
        """Indices of prompts that are generated together; a prompt that fits nowhere is in no group."""
        fitting = [at for at, one in enumerate(tokens) if self._generator.room_for([one], self.room)]
        group: list[int] = []
        for at in fitting:
            if group and not self._generator.room_for([tokens[one] for one in (*group, at)], self.room):
                yield group
                group = []
            group.append(at)
            if len(group) == MAX_TOGETHER:
                yield group
                group = []
        if group:
            yield group

    def _needs_no_repair(self, text: str) -> bool:
        parsed = parse_answer(text, self.labels, truncated=False)
        return parsed.label is not None or parsed.problem == "refused"

    def _vote(self, prompt: Prompt, n_prompt_tokens: int, output: Generated) -> Vote:
        parsed = parse_answer(output.text, self.labels, truncated=output.truncated)
        label, parse = parsed.label, parsed.parse
        if output.repair is not None:
            repaired = parse_answer(f"{MARKER}{output.repair}", self.labels, truncated=output.repair_truncated)
            label = repaired.label
        return replace(
            failed_vote(self.fingerprint, prompt.key, "off_label", n_prompt_tokens),
            label=label,
            failure=None if label is not None else parsed.problem,
            text=output.text,
            parse="repaired" if output.repair is not None and label is not None else parse,
            problem=parsed.problem,
            n_generated=output.n_tokens,
        )
