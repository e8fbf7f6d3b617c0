"""Imports an Ollama Modelfile as a reader."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError
from labeling.models.ollama.blobs import OllamaName, parse_name, stored_model
from labeling.models.ollama.syntax import SYSTEM_SLOT, Instruction, UntranslatableError, frame_of, parse_modelfile
from labeling.models.registry import Model, find_ollama_model, registry

Setting = float | int | tuple[str, ...]
PARAMETERS: dict[str, type] = {
    "temperature": float, "top_k": int, "top_p": float, "min_p": float, "repeat_penalty": float,
    "num_ctx": int, "num_predict": int, "seed": int, "stop": str,
}  # fmt: skip
NUMBERS = {
    int: ("a whole number", re.compile(r"[+-]?[0-9]+")),
    float: ("a number", re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")),
}
MOST_DIGITS = 18  # of a whole number: what TOML and llama.cpp hold
GENERATE_ONLY = ("repeat_penalty", "num_predict", "stop")
# The smallest value that is an amount, and what Ollama means by a value below it.
LEAST = {
    "num_ctx": (1, "whatever Ollama thinks best"),
    "num_predict": (1, "an answer without limit, or as long as the context"),
    "seed": (0, "another seed every time"),
}
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # controls, and marks of the direction
LEFT_OUT = {
    "adapter": "Tercet loads no adapters, so the base model answers",
    "message": "Tercet's prompts hold no earlier conversation",
    "license": "it does not change the answers",
    "renderer": "it names code inside Ollama",
    "parser": "it names code inside Ollama",
    "requires": "it is about Ollama itself",
    "capability": "it is about Ollama itself",
    "draft": "Tercet uses no draft model",
}
# Ollama's tags name the quantisation after the size, as in 1b-instruct-q4_K_M.
QUANTISED = re.compile(r"(-(instruct|it))?(-(q[0-9]\w*|fp16|bf16))?$", re.IGNORECASE)


class Imported(NamedTuple):
    """What a Modelfile says about a reader, and a plain line for everything that is not taken over as written.

    `model` is the path of a GGUF file or a name from the registry. `frame` is what the TEMPLATE puts around the
    messages: text with exactly one `{message}` and at most one `{system}`, in which every other brace is literal; if it
    is None, the model file's own chat template is used. `parameters` holds only keys of PARAMETERS that were given.
    """

    model: str
    system: str | None
    frame: str | None
    parameters: dict[str, Setting]
    notes: tuple[str, ...]


class _Given(NamedTuple):
    """A parameter as it was written, and where."""

    key: str
    text: str
    place: str


class _Base(NamedTuple):
    """What FROM names, with what Ollama packed with it."""

    model: str
    template: str | None = None
    system: str | None = None
    parameters: tuple[_Given, ...] = ()
    notes: tuple[str, ...] = ()


def read_modelfile(path: Path) -> Imported:
    """Read a Modelfile and find its model: as a file, then in Ollama's store on this machine, then in the registry.

    As in Ollama, what the Modelfile leaves open is taken from the base model's package, and if an instruction is given
    twice, the last one counts.

    Raises:
        InputError: there is no such file, it is not UTF-8, an instruction is unknown, FROM is missing or repeated, a
            quote is not closed, a value is not a number, or the model cannot be found.
    """
    instructions = parse_modelfile(path)
    base = _base(_only_from(instructions, path), path)
    given = [_Given(one.key, one.value, f"line {one.line}") for one in instructions if one.name == "parameter"]
    own, own_notes = _settings(given, path)
    overridden = {one.key for one in given}
    packed, packed_notes = _settings((one for one in base.parameters if one.key not in overridden), path)
    merged = own | packed
    frame, frame_notes = _frame(_last(instructions, "template") or base.template)
    return Imported(
        model=base.model,
        system=_last(instructions, "system") or base.system,
        frame=frame,
        parameters={key: merged[key] for key in PARAMETERS if key in merged},
        notes=(
            *base.notes,
            *_left_out(instructions),
            *_overridden(instructions),
            *own_notes,
            *packed_notes,
            *frame_notes,
            *(f"{key} applies in generate mode only." for key in GENERATE_ONLY if key in merged),
        ),
    )


def render_reader(imported: Imported, name: str) -> str:
    """The `[[readers]]` section of an experiment for an imported Modelfile.

    What the Modelfile leaves open stays open: Ollama's own defaults are not written.

    Args:
        imported: what was read.
        name: the name that reports use for the reader.
    """
    texts = {"name": name, "model": imported.model, "system": imported.system, "frame": imported.frame}
    lines = [f"{key} = {_toml_text(text)}" for key, text in texts.items() if text is not None]
    for key, value in imported.parameters.items():
        if isinstance(value, tuple):
            lines.append(f"{key} = [{', '.join(_toml_text(text) for text in value)}]")
        else:
            lines.append(f"{key} = {value!r}")
    return "\n".join(["[[readers]]", *lines, ""])


def _toml_text(text: str) -> str:
    # JSON escapes what a basic string of TOML must escape, except the delete character. What a terminal would act upon
    # is escaped too: the section is printed.
    lines = [
        _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(line, ensure_ascii=False)[1:-1])
        for line in text.split("\n")
    ]
    return f'"{lines[0]}"' if len(lines) == 1 else "\n".join(['"""', *lines]) + '"""'


def _last(instructions: Sequence[Instruction], name: str) -> str | None:
    """The value that counts; as in Ollama, an empty value keeps what the base model has."""
    values = [one.value for one in instructions if one.name == name]
    return values[-1] if values and values[-1] else None


def _only_from(instructions: Sequence[Instruction], path: Path) -> Instruction:
    found = [one for one in instructions if one.name == "from"]
    if not found or not found[0].value:
        raise InputError(f"{path} names no model", "a FROM line with a model", "add FROM and the path of a .gguf file")
    if len(found) > 1:
        raise InputError(
            f"{path}, line {found[1].line}: a second FROM, after the one on line {found[0].line}",
            "a single FROM (Ollama takes several files as the pieces of one model, and the last of several names)",
            "keep one; join a model in pieces with llama.cpp's `llama-gguf-split --merge`",
        )
    return found[0]


def _base(instruction: Instruction, path: Path) -> _Base:
    value, where = instruction.value, f"{path}, line {instruction.line}"
    file = path.parent / Path(value).expanduser()
    if file.is_dir() or (file.is_file() and file.suffix == ".safetensors"):
        raise InputError(
            f"{where}: {value} holds weights in another format", "one GGUF file", "convert it with llama.cpp"
        )
    if file.is_file():
        return _Base(str(file.resolve()))
    if value.startswith((".", "/", "~")) or value.lower().endswith(".gguf"):
        raise InputError(f"{where}: no file {file}", "an existing .gguf file", "check the path")
    if value in registry():
        return _Base(value)
    name = parse_name(value, where)
    return _from_store(name) or _from_registry(name, where)


def _from_store(name: OllamaName) -> _Base | None:
    stored = stored_model(name)
    if stored is None:
        return None
    parameters = tuple(
        _Given(key, one if isinstance(one, str) else json.dumps(one), f"packed with {name}")
        for key, value in stored.parameters.items()
        for one in (value if isinstance(value, list) else [value])
    )
    notes = tuple(f"{kind.upper()} of {name} is left out: {LEFT_OUT[kind]}." for kind in stored.also)
    return _Base(str(stored.path), stored.template, stored.system, parameters, notes)


def _from_registry(name: OllamaName, where: str) -> _Base:
    model = _registered(name)
    if model is None:
        raise InputError(
            f"{where}: {name} is neither in Ollama's store on this machine nor in the registry",
            "a model that is on this machine or in the registry",
            f"run `ollama pull {name}`, or set OLLAMA_MODELS if the store is elsewhere, or give the path of a .gguf "
            "file or a name from `tercet models list`",
        )
    note = (
        f"{name} is not in Ollama's store: {model.name} takes its place, possibly in another quantisation or release."
    )
    return _Base(model.name, notes=(note,))


def _registered(name: OllamaName) -> Model | None:
    if name.host in ("hf.co", "huggingface.co"):
        repo = f"{name.namespace}/{name.model}".lower()
        return next((model for model in registry().values() if model.repo.lower() == repo), None)
    return find_ollama_model(str(name)) or find_ollama_model(QUANTISED.sub("", str(name)))


def _left_out(instructions: Sequence[Instruction]) -> Iterator[str]:
    for name, reason in LEFT_OUT.items():
        lines = [str(one.line) for one in instructions if one.name == name]
        if lines:
            yield f"{name.upper()} (line {', '.join(lines)}) is left out: {reason}."


def _overridden(instructions: Sequence[Instruction]) -> Iterator[str]:
    counted = [one for one in instructions if one.name not in LEFT_OUT and one.key != "stop"]
    for at, one in enumerate(counted):
        later = [other.line for other in counted[at + 1 :] if (other.name, other.key) == (one.name, one.key)]
        if later:
            yield f"{f'{one.name.upper()} {one.key}'.strip()} (line {one.line}) is overridden by line {later[-1]}."


def _settings(given: Iterable[_Given], path: Path) -> tuple[dict[str, Setting], list[str]]:
    """The values of the parameters, and a line for each that is left out."""
    settings: dict[str, Setting] = {}
    stops: list[str] = []
    notes = []
    for key, text, place in given:
        least, meaning = LEAST.get(key, (None, ""))
        if key not in PARAMETERS:
            notes.append(f"PARAMETER {key} ({place}) is left out: Tercet has no parameter of that name.")
        elif key == "stop":
            stops.append(text)
        elif least is not None and _number(key, text, f"{path}, {place}") < least:
            notes.append(f"PARAMETER {key} {text} ({place}) is left out: it asks for {meaning}.")
            settings.pop(key, None)
        else:
            number = _number(key, text, f"{path}, {place}")
            settings[key] = max(number, 0) if key == "top_k" else number
    return settings | ({"stop": tuple(stops)} if stops else {}), notes


def _number(key: str, text: str, where: str) -> float | int:
    expected, pattern = NUMBERS[PARAMETERS[key]]
    if not pattern.fullmatch(text):
        raise InputError(f"{where}: {key} {text!r:.60}", expected, "correct the value")
    if PARAMETERS[key] is int and len(text) > MOST_DIGITS:
        raise InputError(f"{where}: {key} {text:.60}", f"a number of at most {MOST_DIGITS} digits", "correct the value")
    number: float | int = PARAMETERS[key](text)
    if not math.isfinite(number):
        raise InputError(f"{where}: {key} {text:.60}", "a finite number", "correct the value")
    return number


def _frame(template: str | None) -> tuple[str | None, list[str]]:
    if template is None:
        return None, []
    try:
        frame = frame_of(template)
    except UntranslatableError as error:
        return None, [f"TEMPLATE {error}: the model file's own chat template is used instead."]
    if SYSTEM_SLOT in frame:
        return frame, []
    return frame, ["TEMPLATE shows no system message, so none reaches the model."]
