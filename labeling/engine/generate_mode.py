"""The local reader in generate mode: short reasoning, then a label, for models that must write before they answer.

The output is text, so it may fail to be an answer. Every failure has a name. If an output does not parse, one repair
step lets the model finish with a label; a refusal is an answer of its own kind and is not repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from corpora.schema import LabelSet
from labeling.engine.chat import ChatFrame
from labeling.engine.llama import LlamaModel, Sampler
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.votes.parsing import MARKER, label_grammar, parse_answer
from labeling.votes.sampling import Sampling
from labeling.votes.vote import Prompt, Vote, failed_vote

MAX_TOGETHER = 8  # prompts generated side by side; each takes a sequence of the KV cache

Tokens = tuple[int, ...]


class Decoding(NamedTuple):
    """How text is generated.

    Attributes:
        sampling: truncation and temperature.
        repeat_penalty: 1 for none.
        num_predict: most tokens.
        stop: texts that end the output and are not part of it.
        grammar: GBNF that the whole output follows; empty for none.
        repair: text that is appended, once, to an output that `accepts` rejects.
        repair_grammar: GBNF that the model's answer to the repair text follows.
        repair_predict: most tokens of that answer.
    """

    sampling: Sampling
    repeat_penalty: float
    num_predict: int
    stop: tuple[str, ...]
    grammar: str
    repair: str = ""
    repair_grammar: str = ""
    repair_predict: int = 16


class Generated(NamedTuple):
    """One output.

    Attributes:
        text: the output without the end-of-turn token and the stop text.
        n_tokens: number of tokens generated, repair included.
        truncated: whether num_predict ended the output.
        repair: the model's answer to the repair text; None if no repair was needed.
        repair_truncated: whether repair_predict ended that answer.
    """

    text: str
    n_tokens: int
    truncated: bool
    repair: str | None
    repair_truncated: bool = False


@dataclass
class _Stream:
    """One output while it is being generated."""

    sequence: int
    position: int
    sampler: Sampler
    pieces: list[bytes] = field(default_factory=list)
    token: int = -1
    n_tokens: int = 0
    truncated: bool = False
    done: bool = False

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode("utf-8", errors="replace")


class Generator:
    """Generates text with an open model.

    Args:
        llama: the model; of its KV cache, only what a question's prompts begin with is kept.
    """

    def __init__(self, llama: LlamaModel) -> None:
        self._llama = llama

    def room_for(self, prompts: Sequence[Tokens], n_new: int) -> bool:
        """Whether the prompts, their shared start counted once, fit in the context with `n_new` tokens after each."""
        shared = _shared(prompts)
        tails = sum(len(prompt) - shared + n_new for prompt in prompts)
        return shared + tails <= self._llama.num_ctx and len(prompts) <= MAX_TOGETHER

    def generate(
        self, prompts: Sequence[Tokens], seeds: Sequence[int], decoding: Decoding, accepts: Callable[[str], bool]
    ) -> list[Generated]:
        """Generate one output per prompt.

        Args:
            prompts: token sequences; the caller has made sure that there is `room_for` them.
            seeds: one per prompt.
            decoding: how to generate.
            accepts: whether a text needs no repair.
        """
        llama = self._llama
        shared = _shared(prompts)
        kept = llama.restart(prompts[0][:shared])
        llama.evaluate(prompts[0][kept:shared], kept, 0)
        streams = []
        with self._samplers(decoding, decoding.grammar, seeds) as samplers:
            for number, (prompt, sampler) in enumerate(zip(prompts, samplers, strict=True), 1):
                llama.copy_sequence(0, number)
                llama.evaluate(prompt[shared:], shared, number)
                stream = _Stream(number, len(prompt), sampler)
                self._take(stream, llama.sample(sampler, -1), decoding)
                streams.append(stream)
            self._run(streams, decoding)
        return [
            Generated(stream.text, stream.n_tokens, stream.truncated, None)
            if accepts(stream.text)
            else self._repaired(stream, seed, decoding)
            for stream, seed in zip(streams, seeds, strict=True)
        ]

    def _run(self, streams: Sequence[_Stream], decoding: Decoding) -> None:
        """Decode all streams side by side until each is done."""
        while active := [stream for stream in streams if not stream.done]:
            self._llama.step([(stream.token, stream.position, stream.sequence) for stream in active])
            for at, stream in enumerate(active):
                stream.position += 1
                self._take(stream, self._llama.sample(stream.sampler, at), decoding)

    def _take(self, stream: _Stream, token: int, decoding: Decoding) -> None:
        """Add a sampled token to a stream, or end it."""
        if self._llama.is_end(token):
            stream.done = True
            return
        stream.token = token
        stream.n_tokens += 1
        stream.pieces.append(self._llama.piece(token))
        found = [at for stop in decoding.stop if (at := stream.text.find(stop)) >= 0]
        if found:
            stream.pieces = [stream.text[: min(found)].encode()]
            stream.done = True
        elif stream.n_tokens >= decoding.num_predict:
            stream.done = stream.truncated = True

    def _repaired(self, stream: _Stream, seed: int, decoding: Decoding) -> Generated:
        """Append the repair text to a stream and let the model answer it once."""
        behind = self._llama.tokenize(decoding.repair, special=False, add_bos=False)
        # If num_predict ended a stream, its last token is not evaluated yet.
        pending = [stream.token] if stream.truncated else []
        self._llama.evaluate((*pending, *behind), stream.position, stream.sequence)
        short = decoding._replace(num_predict=decoding.repair_predict, stop=())
        with self._samplers(decoding, decoding.repair_grammar, [seed]) as (sampler,):
            again = _Stream(stream.sequence, stream.position + len(pending) + len(behind), sampler)
            self._take(again, self._llama.sample(sampler, -1), short)
            self._run([again], short)
        n_tokens = stream.n_tokens + again.n_tokens
        return Generated(stream.text, n_tokens, stream.truncated, again.text, again.truncated)

    @contextmanager
    def _samplers(self, decoding: Decoding, grammar: str, seeds: Sequence[int]) -> Iterator[list[Sampler]]:
        chains = [self._llama.sampler(decoding.sampling, decoding.repeat_penalty, grammar, seed) for seed in seeds]
        try:
            yield chains
        finally:
            for chain in chains:
                self._llama.free_sampler(chain)


def _shared(prompts: Sequence[Tokens]) -> int:
    """Number of tokens that all prompts begin with; each keeps at least one token of its own."""
    most = min(len(prompt) for prompt in prompts) - 1
    at = 0
    while at < most and len({prompt[at] for prompt in prompts}) == 1:
        at += 1
    return at


class GeneratingLabeler:
    """Answers prompts by generating text with a GGUF model on this machine.

    Args:
        config: prompt, sampling, length, grammar.
        labels: the allowed answers.
        llama: the open model; readers with the same model share it.
        model_sha256: digest of the model's file.

    Attributes:
        room: tokens kept free after every prompt, for the output and its repair.

    Raises:
        InputError: the settings ask for a chat template and the model has none.
    """

    def __init__(self, config: LabelerConfig, labels: LabelSet, llama: LlamaModel, model_sha256: str) -> None:
        self.config, self.labels = config, labels
        self.fingerprint = fingerprint(config, labels, model_sha256)
        self._llama = llama
        self._chat = ChatFrame(config, llama)
        self._generator = Generator(llama)
        self._of_labels = self._decoding(labels)
        self.room = self._room(self._of_labels)

    def _decoding(self, labels: LabelSet) -> Decoding:
        config = self.config
        return Decoding(
            sampling=config.sampling,
            repeat_penalty=config.repeat_penalty,
            num_predict=config.num_predict,
            stop=config.stop,
            grammar=config.output_grammar(labels),
            repair=f"\n{MARKER}",
            repair_grammar=label_grammar(labels),
            # A token is at least one byte: under the grammar, a model may spell a label in other tokens than it reads.
            repair_predict=2 + max(len(label.encode()) for label in labels),
        )

    def _room(self, decoding: Decoding) -> int:
        n_repair = len(self._llama.tokenize(decoding.repair, special=False, add_bos=False))
        return self.config.num_predict + n_repair + decoding.repair_predict

    @property
    def n_evaluated(self) -> int:
        """Tokens evaluated so far, after prefix sharing, generated ones included."""
        return self._llama.n_evaluated

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt as the model sees it."""
        return self._chat.tokenize(prompt)

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        """Answer the prompts of one question, side by side as far as they fit in the context together.

        A prompt that does not fit is never shortened: its vote is the failure `prompt_too_long`.
        """
        tokens = [self.tokenize(prompt) for prompt in prompts]
        # All prompts are about one question, which may have choices of its own.
        labels = prompts[0].labels(self.labels) if prompts else self.labels
        decoding = self._of_labels if labels is self.labels else self._decoding(labels)
        accepts = partial(_needs_no_repair, labels)
        votes: dict[int, Vote] = {}
        for together in self._groups(tokens, self._room(decoding)):
            chosen, seeds = [tokens[at] for at in together], [prompts[at].seed for at in together]
            outputs = self._generator.generate(chosen, seeds, decoding, accepts)
            for at, output in zip(together, outputs, strict=True):
                votes[at] = self._vote(prompts[at], labels, len(tokens[at]), output)
        return [
            votes.get(at) or failed_vote(self.fingerprint, prompt.key, "prompt_too_long", len(tokens[at]))
            for at, prompt in enumerate(prompts)
        ]

    def _groups(self, tokens: Sequence[Tokens], room: int) -> Iterator[list[int]]:
        """Indices of prompts that are generated together; a prompt that does not fit even alone is in no group."""
        fitting = [at for at, one in enumerate(tokens) if self._generator.room_for([one], room)]
        group: list[int] = []
        for at in fitting:
            if group and not self._generator.room_for([tokens[one] for one in (*group, at)], room):
                yield group
                group = []
            group.append(at)
            if len(group) == MAX_TOGETHER:
                yield group
                group = []
        if group:
            yield group

    def _vote(self, prompt: Prompt, labels: LabelSet, n_prompt_tokens: int, output: Generated) -> Vote:
        parsed = parse_answer(output.text, labels, truncated=output.truncated)
        label, parse = parsed.label, parsed.parse
        if output.repair is not None:
            repaired = parse_answer(f"{MARKER}{output.repair}", labels, truncated=output.repair_truncated)
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


def _needs_no_repair(labels: LabelSet, text: str) -> bool:
    parsed = parse_answer(text, labels, truncated=False)
    return parsed.label is not None or parsed.problem == "refused"
