"""What a key that a file may not have was probably meant to be: another name, or the same name in another section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from corpora.errors import InputError, did_you_mean, listed, nearest
from corpora.reading.plain_words import header, place_of

_SURE = 0.8  # how alike names must be to look for one in another section


class Section(NamedTuple):
    """A section that a file may have.

    Attributes:
        path: the keys that lead to it, with 0 for each list; empty for the file itself.
        model: what it may hold.
    """

    path: tuple[int | str, ...]
    model: type[BaseModel]

    @property
    def said(self) -> str:
        """How one says it: `[corpus]`."""
        return header(self.path) if self.path else "the top of the file"


def unknown_key(problem: ErrorDetails, where: str, model: type[BaseModel]) -> InputError:
    """The error for a key that a section does not have.

    Args:
        problem: one of `ValidationError.errors()`, of the type `extra_forbidden`.
        where: the file, with which the error begins.
        model: what the file may hold.
    """
    *path, key = (0 if isinstance(part, int) else part for part in problem["loc"])
    every = list(sections(model))
    here = next((one for one in every if one.path == tuple(path)), every[0])
    others = [one for one in every if one != here and key in one.model.model_fields]
    near = did_you_mean(key, here.model.model_fields)
    found = f"{where}: unknown key {place_of(problem)!r}"
    expected = f"a key of {here.said}" if path else "a key that belongs at the top of the file"
    if others:
        return InputError(found, expected, f"move it to {_places(others, str(key), problem['input'])}")
    if near:
        return InputError(found + near, expected, "correct the key or remove it")
    alike = [(one, name) for one in every if (name := nearest(key, one.model.model_fields, _SURE))]
    if alike:
        meant = f" (did you mean {alike[0][1]!r} in {alike[0][0].said}?)"
        return InputError(found + meant, expected, "correct the key or remove it")
    return InputError(found, expected, "correct the key or remove it")


def sections(model: type[BaseModel], path: tuple[int | str, ...] = ()) -> Iterator[Section]:
    """A file's sections and theirs, the file itself first."""
    yield Section(path, model)
    for name, field in model.model_fields.items():
        is_list, inner = _held(field.annotation)
        if inner is not None:
            yield from sections(inner, (*path, name, 0) if is_list else (*path, name))


def _held(annotation: object) -> tuple[bool, type[BaseModel] | None]:
    """Whether a field holds a list, and the sections in it, if it holds any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return False, annotation
    for one in get_args(annotation):
        _, inner = _held(one)
        if inner is not None:
            return getattr(annotation, "__origin__", None) is tuple, inner
    return False, None


def _places(others: list[Section], key: str, value: object) -> str:
    """Where a key belongs: a section has a header of its own, and the top of the file ends at the first section."""
    is_section = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))
    said = []
    for one in others:
        inside = [it for it in sections(one.model, one.path) if it.path[: len(one.path) + 1] == (*one.path, key)]
        there = one.said if one.path else f"{one.said}, above the first section"
        said.append(inside[0].said if inside and is_section else there)
    return listed(list(dict.fromkeys(said)))
