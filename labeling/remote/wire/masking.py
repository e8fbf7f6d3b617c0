"""Masks keys in whatever a provider says: whole or in part, encoded, split by blanks or over several fields.

Every reply goes through `Mask` before anything of it is stored, shown or logged. A key is found by its fragments: where
fragments of it, each long enough not to be chance, together give away as much as `NEEDED` of its characters, all of
them are masked.
"""

from __future__ import annotations

import base64
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from labeling.prompting.remote_config import KEY_VARIABLES

MASKED = "***"
SHORTEST = 6  # characters; a shorter value, such as "none" or "EMPTY", keeps nothing secret
FRAGMENT, NEEDED = 6, 12  # characters of the key: the shortest fragment that counts, and what all must show together
_IGNORED = "\\\\\\s\u200b-\u200f\u2060\ufeff"  # what may separate a key's characters: blanks, line breaks, backslashes
_BLANKS = re.compile(f"[{_IGNORED}]+")


def keys_in_use(key: str) -> tuple[str, ...]:
    """A provider's key, and those of the others in the environment, which a gateway may know too."""
    names = (*KEY_VARIABLES.values(), "OPENAI_ADMIN_KEY")
    return (key, *(os.environ.get(name, "").strip() for name in names))


class Mask:
    """Masks keys.

    Args:
        keys: the keys; those of fewer than `SHORTEST` characters are not secrets.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        spellings = {spelt for key in keys if len(key) >= SHORTEST for spelt in _spellings(key)}
        self._spellings = [_Spelling(text, ratio) for text, ratio in sorted(spellings)]
        self._starts = {gram for one in self._spellings for gram in _grams(one.text, FRAGMENT)}

    def text(self, text: str) -> str:
        """The text with every key masked."""
        return self.texts([text])[0]

    def json(self, value: Any) -> Any:
        """JSON types with every key masked, in names too; the value itself if there is nothing to mask."""
        texts = list(_texts(value))
        masked = self.texts(texts)
        return value if masked == texts else _replace(value, iter(masked))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers under their names in lower case, with every key masked."""
        masked = self.texts(list(headers.values()))
        return {name.lower(): value for name, value in zip(headers, masked, strict=True)}

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Mask keys in texts, also where a key is split over several of them."""
        joined = _BLANKS.sub("", "".join(texts))
        if not self._starts or self._starts.isdisjoint(_grams(joined, FRAGMENT)):
            return list(texts)
        hidden = set().union(*(one.find(joined) for one in self._spellings))
        return list(_rewrite(texts, hidden)) if hidden else list(texts)


class _Spelling:
    """One way to write a key; `ratio` says how many characters it takes for one of the key's."""

    def __init__(self, text: str, ratio: float) -> None:
        self.text = text
        self._fragment = math.ceil(FRAGMENT * ratio)
        self._needed = min(math.ceil(NEEDED * ratio), len(text))
        self._places: dict[str, list[int]] = {}
        for place, gram in enumerate(_grams(text, self._fragment)):
            self._places.setdefault(gram, []).append(place)

    def find(self, joined: str) -> set[int]:
        """The places of its fragments in a text, if together they give the key away."""
        hidden: set[int] = set()
        shown: set[int] = set()
        at = 0
        while at + self._fragment <= len(joined):
            places = self._places.get(joined[at : at + self._fragment], ())
            lengths = {place: self._common(joined, at, place) for place in places}
            for place, length in lengths.items():
                shown.update(range(place, place + length))
            longest = max(lengths.values(), default=0)
            hidden.update(range(at, at + longest))
            at += longest or 1
        return hidden if len(shown) >= self._needed else set()

    def _common(self, joined: str, at: int, place: int) -> int:
        """How many characters of a text and of the key are the same from two places on."""
        length = self._fragment
        while (
            at + length < len(joined)
            and place + length < len(self.text)
            and (joined[at + length] == self.text[place + length])
        ):
            length += 1
        return length


def _spellings(key: str) -> Iterator[tuple[str, float]]:
    """The ways in which a key may be echoed, each with its length for one of the key's characters."""
    raw = key.encode()
    for text in (key, key.lower(), key.upper()):
        yield text, 1.0
    # In base64, what surrounds the key shifts it by up to two bytes; characters that depend on it are left out.
    for shift, n_unknown in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()[n_unknown : (shift + len(raw)) * 8 // 6]
        yield encoded, 4 / 3
        yield encoded.replace("+", "-").replace("/", "_"), 4 / 3
    for text in (raw.hex(), raw.hex().upper()):
        yield text, 2.0
    if quote(key, safe="") != key:
        yield quote(key, safe=""), len(quote(key, safe="")) / len(key)
    for sign in ("%{:02x}", "%{:02X}", "u{:04x}", "&#{};", "&#x{:x};"):  # blanks and backslashes are left out
        text = "".join(sign.format(byte) for byte in raw)
        yield text, len(text) / len(key)


def _grams(text: str, n: int) -> Iterator[str]:
    return (text[at : at + n] for at in range(len(text) - n + 1))


def _rewrite(texts: Sequence[str], hidden: set[int]) -> Iterator[str]:
    """The texts with the hidden characters masked; places count over all texts, without what is ignored."""
    at = 0
    for text in texts:
        out: list[str] = []
        is_inside = False
        for part in re.split(f"([{_IGNORED}])", text):
            if _BLANKS.fullmatch(part):
                out.append(part)
                continue
            for sign in part:
                if at not in hidden:
                    out.append(sign)
                elif not is_inside:
                    out.append(MASKED)
                is_inside, at = at in hidden, at + 1
        yield "".join(out)


def _texts(value: Any) -> Iterator[str]:
    """All texts of JSON types in the order in which they stand, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _replace(value: Any, texts: Iterator[str]) -> Any:
    """The value with its texts replaced, in the order of `_texts`."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, dict):
        return {next(texts): _replace(inner, texts) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replace(inner, texts) for inner in value]
    return value
