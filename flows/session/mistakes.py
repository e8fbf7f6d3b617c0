"""Every mistake in an experiment's file, not only the first: its sections are checked one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from corpora.errors import InputError, one_line
from corpora.reading.key_hints import unknown_key
from corpora.reading.plain_words import expected_for, place_of, wrong_value
from corpora.reading.strict_toml import mistyped

Made = TypeVar("Made", bound=BaseModel)
_KEY_REMEDY = "; a key for a provider comes from the environment (remote.key_variable names its variable)"


class Parsed(NamedTuple, Generic[Made]):
    """What a file holds, as far as it can be used.

    Attributes:
        made: the model, with the defaults in place of what is wrong.
        mistakes: in the order of the file; none if `made` is what the file says.
        wrong: the keys at the top of the file of which nothing could be used.
    """

    made: Made
    mistakes: list[InputError]
    wrong: frozenset[str]


def parse(model: type[Made], content: Mapping[str, Any], where: str) -> Parsed[Made]:
    """Check a file's content section by section.

    Args:
        model: what the file may hold; it has a default for every key.
        content: plain values.
        where: the file, with which an error begins.
    """
    made, mistakes = _check(model, dict(content), where)
    if made is not None and not mistakes:
        return Parsed(made, [], frozenset())
    kept: dict[str, Any] = {}
    mistakes, wrong = [], set()
    for key, value in content.items():
        usable = []
        for part in _parts(value):
            found = _check(model, {key: part}, where)[1]
            mistakes += found
            if not found:
                usable.append(part)
        if not usable:
            wrong.add(key)
        elif _is_list_of_sections(value):
            kept[key] = [part[-1] for part in usable]
        else:
            kept[key] = usable[0]
    return Parsed(model.model_validate(kept), mistakes, frozenset(wrong))


def _check(model: type[Made], content: dict[str, Any], where: str) -> tuple[Made | None, list[InputError]]:
    """The model, or None, and what is wrong with the content."""
    try:
        with one_line(f"{where} cannot be checked", "the sections of an experiment", passing=ValidationError):
            try:
                made = model.model_validate(content)
            except InputError as error:  # from a validator, which knows no file
                return None, [InputError(f"{where}: {error.found}", error.expected, error.remedy)]
    except ValidationError as error:
        return None, [_told(problem, where, model) for problem in _separate(error.errors())]
    return made, list(mistyped(content, made, where))


def _parts(value: Any) -> Iterator[Any]:
    """A value, or each section of a list of them, in its place behind empty ones, so that its number stays the same."""
    if not _is_list_of_sections(value):
        yield value
        return
    for at, section in enumerate(value):
        yield [*({} for _ in range(at)), section]


def _is_list_of_sections(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _separate(problems: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """The problems that are mistakes of their own: a list that lacks its only, wrong element is not too short."""
    places = [problem["loc"] for problem in problems]
    for problem in problems:
        n = len(problem["loc"])
        if not any(len(place) > n and place[:n] == problem["loc"] for place in places):
            yield problem


def _told(problem: ErrorDetails, where: str, model: type[BaseModel]) -> InputError:
    is_remote = "remote" in problem["loc"]
    if problem["type"] == "extra_forbidden":
        error = unknown_key(problem, where, model)
        return InputError(error.found, error.expected, error.remedy + _KEY_REMEDY) if is_remote else error
    if is_remote:  # the value may be a secret key that was put there by mistake: do not repeat it
        return InputError(f"{where}: {place_of(problem)}", expected_for(problem), "correct the value")
    return wrong_value(problem, where)
