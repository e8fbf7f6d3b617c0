"""A reader: a model with its prompt and its sampling."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from corpora.choices import options
from corpora.errors import InputError
from corpora.schema import LabelSet, Question
from labeling.models.families import family_preset
from labeling.models.registry import find_model, is_path, is_specialist
from labeling.prompting.pairs import PAIR, write_pair
from labeling.prompting.prompts import PromptTemplate, load_prompt, rotations
from labeling.prompting.remote_config import RemoteConfig
from labeling.votes.parsing import answer_grammar
from labeling.votes.sampling import Sampling
from labeling.votes.vote import N_VOTES, Arm, Prompt, vote_seed

Diversity = Literal["resample", "permute", "paraphrase"]
Mode = Literal["label", "generate"]
Scoring = Literal["label/1", "label/2"]  # versions of the rule by which label mode scores labels
PARAPHRASES: dict[Mode, tuple[str, ...]] = {
    "label": ("one_word", "according", "judge"),
    "generate": ("reasoned", "reasoned_evidence", "reasoned_both_sides"),
}
# The same for questions with choices of their own.
CHOICE_PARAPHRASES: dict[Mode, tuple[str, ...]] = {
    "label": ("choice_one", "choice_according", "choice_judge"),
    "generate": ("choice_reasoned", "choice_reasoned_evidence", "choice_reasoned_both_sides"),
}
# Languages in which the prompts of label mode are bundled beside English: `one_word_de` is `one_word` in German.
TRANSLATED = ("de", "es", "fr")
SYSTEM, MESSAGE = "{system}", "{message}"  # the two messages that a `frame` surrounds


class LabelerConfig(BaseModel):
    """A reader: a model with its prompt and its sampling parameters, which have llama.cpp's names."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str = Field(
        "qwen2.5-coder-0.5b",
        description="a name from `tercet models list`, the path of a .gguf file, or specialist:NAME for a model of the "
        "store that `tercet specialise` trained",
    )
    name: str | None = Field(None, description="the name that reports use; the model's name by default")
    mode: Mode = Field(
        "label",
        description="label: read the answer from the next-token distribution; generate: short reasoning, then a label",
    )
    diversity: Diversity = Field(
        "resample", description="how the three votes may differ: three draws, three label orders, or three prompts"
    )
    prompts: tuple[str, ...] = Field(
        (), description="prompt names or .txt paths: one, or three for paraphrase; empty for the bundled ones"
    )
    template: Literal["auto", "chat", "plain"] = Field(
        "auto", description="wrap the prompt in the model's own chat template; auto: if it has one"
    )
    frame: str | None = Field(
        None, description="text around {system} and {message}, used in place of the model's chat template"
    )
    system: str | None = Field(None, description="system message, used in place of the prompt's own")
    preset: Literal["none", "family"] = Field(
        "none",
        description="family: the publisher's recommendation for every sampling parameter that is left at its default",
    )
    temperature: float = Field(1.0, ge=0, le=5, description="0 always takes the most probable label")
    top_k: int = Field(0, ge=0, description="draw from the k most probable labels; 0 for all")
    top_p: float = Field(
        1.0, gt=0, le=1, description="draw from the most probable labels that together have this probability"
    )
    min_p: float = Field(
        0.0, ge=0, le=1, description="drop labels with less than this share of the highest probability"
    )
    repeat_penalty: float = Field(
        1.0, gt=0, le=2, description="generate: penalty on tokens repeated in the output; 1 for none"
    )
    num_predict: int = Field(
        160, ge=8, description="most tokens in one output: in generate mode, and in both modes for a remote reader"
    )
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field((), description="generate: texts that end an output")
    grammar: bool = Field(True, description="generate: force the output into a few lines followed by `Answer: LABEL`")
    seed: int = Field(0, description="seed of the draws")
    num_ctx: int = Field(4096, ge=256, description="size of the context in tokens, on this machine")
    threads: int | None = Field(None, ge=1, description="CPU threads; one per core by default")
    n_batch: int = Field(512, ge=32, description="most tokens evaluated in one call")
    repack: Literal["auto", "on", "off"] = Field(
        "auto",
        description="whether llama.cpp rearranges the weights for this CPU; auto: measured, and the store keeps to it",
    )
    n_gpu_layers: int = Field(
        -1, ge=-1, description="layers of the model on the GPU, where llama.cpp can use one; -1 for all of them"
    )
    remote: RemoteConfig = Field(
        default_factory=RemoteConfig, description="a provider or server that answers instead of this machine"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, values: Any) -> Any:
        """Take the family's recommendation for every sampling parameter that is left at its default."""
        if not isinstance(values, dict) or values.get("preset") != "family":
            return values
        model = str(values.get("model", cls.model_fields["model"].default))
        remote = values.get("remote") or {}
        if not isinstance(remote, RemoteConfig | dict):
            return values  # refused by the field
        if remote.is_remote if isinstance(remote, RemoteConfig) else remote.get("provider", "none") != "none":
            return values  # refused by `check_remote`, with the reason
        if is_path(model):
            raise InputError(
                f"preset 'family' with the model file {model}",
                "a name from `tercet models list`, whose family is known",
                "set temperature, top_k, top_p and min_p yourself",
            )
        recommended = family_preset(find_model(model).family).parameters
        # Compared with the default because a web form sends every field, even those that nobody changed.
        return values | {
            name: value
            for name, value in recommended.items()
            if values.get(name) in (None, cls.model_fields[name].default)
        }

    @field_validator("frame")
    @classmethod
    def _one_message(cls, frame: str | None) -> str | None:
        if frame is not None and frame.count(MESSAGE) != 1:
            raise ValueError(f"a text with {MESSAGE} exactly once, and {SYSTEM} where the system message goes")
        return frame

    @property
    def label(self) -> str:
        """The name that reports use."""
        return self.name or self.model

    @property
    def gives_distributions(self) -> bool:
        """Whether its votes come with a distribution over the labels, as far as the settings tell."""
        return self.mode == "label" and (not self.remote.is_remote or self.remote.asks_logprobs)

    @property
    def sampling(self) -> Sampling:
        """The sampling parameters."""
        return Sampling(self.temperature, self.top_k, self.top_p, self.min_p)

    def output_grammar(self, labels: LabelSet) -> str:
        """GBNF that an output of generate mode follows; empty for none."""
        return answer_grammar(labels) if self.grammar else ""

    def as_reader(self) -> LabelerConfig:
        """The same reader as it answers from retrieved chunks: once, with its most probable label."""
        return self.model_copy(update={"preset": "none", "temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0})


def check_diversity(config: LabelerConfig, labels: LabelSet) -> None:
    """Refuse settings whose three votes could not differ.

    Raises:
        InputError: they could not, for the reason that the message gives.
    """
    n_prompts = len(config.prompts) or (N_VOTES if config.diversity == "paraphrase" else 1)
    # The most probable of n labels has at least 1/n, so a top_p of at most that never lets a second label in.
    n_choices = len(labels) if config.mode == "label" else math.inf
    is_greedy = config.sampling.is_greedy or config.top_p <= 1 / min(n_choices, config.top_k or math.inf)
    if config.diversity == "resample" and is_greedy:
        raise InputError(
            f"reader {config.label!r}: 'resample' at temperature {config.temperature:g}, top_k {config.top_k}, "
            f"top_p {config.top_p:g}, min_p {config.min_p:g}",
            "votes that can differ (identical prompts without randomness give three copies of one vote)",
            "raise the temperature, or use 'permute' or 'paraphrase'",
        )
    if config.diversity == "permute" and len(labels) < N_VOTES and is_greedy:
        raise InputError(
            f"reader {config.label!r}: diversity 'permute' with {len(labels)} labels at temperature 0",
            f"{N_VOTES} different label orders (2 labels have only 2 orders, so one vote would be a copy)",
            "raise the temperature, or use 'paraphrase'",
        )
    wanted = N_VOTES if config.diversity == "paraphrase" else 1
    same = len(set(config.prompts)) != len(config.prompts)
    if n_prompts != wanted or same or _same_texts(config.prompts):
        raise InputError(
            f"reader {config.label!r}: diversity {config.diversity!r} with prompts {list(config.prompts)}",
            "1 prompt" if wanted == 1 else f"{wanted} different prompts",
            "correct `prompts`, or leave it out",
        )


def check_specialist(config: LabelerConfig) -> None:
    """Refuse settings of a prompt for a specialist, which is shown the question and the context and nothing else.

    Raises:
        InputError: as said.
    """
    if not is_specialist(config.model):
        return
    plain = LabelerConfig.model_fields
    for key in ("mode", "diversity", "prompts", "template", "frame", "system"):
        if getattr(config, key) != plain[key].default:
            raise InputError(
                f"reader {config.label!r}: `{key}` is set for a specialist",
                "a model that reads prompts (a specialist sees the question and the context alone)",
                f"remove `{key}`",
            )
    if config.remote.is_remote:
        raise InputError(
            f"reader {config.label!r}: a specialist at {config.remote.provider}",
            "a specialist of the store, which answers on this machine",
            "remove `remote`, or change `model`",
        )


def _same_texts(prompts: tuple[str, ...]) -> bool:
    """Whether two prompts differ only in their names."""
    return len({load_prompt(name)[1:] for name in prompts}) != len(prompts)


class PromptWriter:
    """Writes a reader's prompts; knows nothing about its model."""

    def __init__(self, config: LabelerConfig, labels: LabelSet) -> None:
        self.config, self.labels = config, labels
        self._sees_a_pair = is_specialist(config.model)
        known = (CHOICE_PARAPHRASES if labels.of_question else PARAPHRASES)[config.mode]
        bundled = known if config.diversity == "paraphrase" else known[:1]
        names = () if self._sees_a_pair else config.prompts or bundled
        self.templates = [load_prompt(name) for name in names] or [PAIR]

    def votes(self, question: Question, arm: Arm, context: str) -> list[Prompt]:
        """The three prompts of one question."""
        return [self._prompt(question, arm, context, vote) for vote in range(N_VOTES)]

    def single(self, question: Question, arm: Arm, context: str) -> Prompt:
        """The first of the three prompts: canonical label order, first phrasing."""
        return self._prompt(question, arm, context, 0)

    def _prompt(self, question: Question, arm: Arm, context: str, vote: int) -> Prompt:
        config = self.config
        seed = vote_seed(config.seed, question.id, vote)
        if self._sees_a_pair:
            return Prompt(question.id, arm, vote, seed, "", write_pair(question.text, context))
        choices = options(question.choices, self.labels) if self.labels.of_question else ()
        orders = rotations(choices or self.labels, N_VOTES)
        order = orders[vote] if config.diversity == "permute" else orders[0]
        template: PromptTemplate = self.templates[vote if config.diversity == "paraphrase" else 0]
        message = template.fill(context, question.text, order, as_list=bool(choices))
        system = template.system if config.system is None else config.system
        # A generated answer begins with its reasoning, whatever start a label-mode prompt gives it.
        start = template.start if config.mode == "label" else ""
        before = template.before_question(context, order, as_list=bool(choices)) if arm == "document" else ""
        return Prompt(question.id, arm, vote, seed, system, message, start, choices, len(before))


def fingerprint(
    config: LabelerConfig, labels: LabelSet, model: str | Mapping[str, Any], scoring: Scoring = "label/1"
) -> str:
    """Digest of everything about a reader that changes its votes, except the prompt, which has its own digest.

    Threads, batch size, `repack` and the layers on a GPU are left out: they round differently, which is measured and
    reported, and is not part of the identity. A store keeps to one way of `repack`.

    Args:
        config: the reader.
        labels: the allowed answers.
        model: digest of the model file; for a remote reader, who answers and how it is asked.
        scoring: label mode on this machine: which rule its votes come from. The engine knows, because it depends on the
            model's tokenizer; votes of an older rule that gives the same stay valid.
    """
    # Choices are part of each prompt's own digest, and new questions with more of them change no vote.
    answers = "the choices of each question" if labels.of_question else list(labels)
    identity: dict[str, Any] = {
        "model": model if isinstance(model, str) else dict(model),
        "labels": answers,
        "template": config.template if config.frame is None else {"frame": config.frame},
        "sampling": config.sampling._asdict(),
        "mode": scoring,
    }
    if config.remote.is_remote:
        # `model` already says how it is asked; the other settings concern this machine's engine.
        identity = {"model": identity["model"], "labels": answers, "sampling": config.sampling._asdict()}
        identity["mode"] = f"remote {config.mode}/1"
    elif config.mode == "generate":
        fields = {"repeat_penalty", "num_predict", "stop", "grammar"}
        identity |= {"mode": "generate/1", **config.model_dump(mode="json", include=fields)}
        grammar = config.output_grammar(labels)
        if grammar != LabelerConfig.output_grammar(config, labels):  # a writer of questions has its own
            identity["output"] = grammar
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
