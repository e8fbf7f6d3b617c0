"""Pins: the questions of a sample, written down at the first draw, so that it stays the same as its source grows.

A pin carries the digest of the ids in it. A damaged one is drawn again, which is safe only where the draw is shown to
be the same; elsewhere the sample would silently become another one, so the pin is refused.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator

from corpora.errors import InputError
from corpora.reading.damage import Damage, DamageError
from corpora.storage import StorePath, files_in, sha256_text, written_whole

IDS, DIGEST = "question_ids", "sha256"
EFFECT = "the sample is drawn again, from the corpus as it is now"
LOG = logging.getLogger("tercet")


def write_pin(pin: StorePath, ids: Iterable[str]) -> None:
    """Write down a sample.

    Raises:
        InputError: it cannot be written.
    """
    listed = list(ids)
    try:
        pin.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(pin) as file:
            file.write(json.dumps({DIGEST: digest_of(listed), IDS: listed}, indent=0).encode())
    except OSError as error:
        found = f"cannot write the sample to {pin} ({error.strerror or error})"
        raise InputError(
            found, "a writable folder with free space", "free some space, or give another --store"
        ) from error


def read_pin(pin: StorePath, draw: Iterable[str]) -> set[str]:
    """The questions of a pinned sample.

    Args:
        pin: the file.
        draw: what would be drawn from the corpus as it is now.

    Raises:
        DamageError: the pin is damaged, and nothing shows that the draw is what was pinned.
    """
    content = pin.read_bytes()
    ids, found = _examined(content)
    if found is None:
        return set(ids)
    drawn = list(draw)
    # A flipped bit changes the ids or the digest, not both: the half that is whole shows whether the draw is the same.
    is_same = digest_of(drawn).encode() in content or json.dumps(drawn, indent=0).encode() in content
    if not is_same and (not ids or set(drawn) != set(ids)):
        raise DamageError(Damage(pin, found, EFFECT))
    write_pin(pin, drawn)
    LOG.warning("%s was damaged: the same sample was drawn again, and pinned.", pin)
    return set(drawn)


def digest_of(ids: Iterable[str]) -> str:
    """The digest of some ids, whatever their order."""
    return sha256_text(json.dumps(sorted(ids)))


def damaged_pins(samples: StorePath) -> Iterator[Damage]:
    """Every damaged pin in the folder of all pins."""
    for pin in files_in(samples, "*.json"):
        _, found = _examined(pin.read_bytes())
        if found is not None:
            yield Damage(pin, found, EFFECT)


def _examined(content: bytes) -> tuple[list[str], str | None]:
    """The ids in a pin, and what is wrong with it; a version before wrote no digest to check them by."""
    try:
        ids, digest = _parsed(content)
    except ValueError:
        return [], "it does not parse"
    return ids, None if digest in (None, digest_of(ids)) else "its ids do not have the digest in it"


def _parsed(content: bytes) -> tuple[list[str], str | None]:
    """The ids, and their digest; a version before wrote the ids alone.

    Raises:
        ValueError: neither can be read.
    """
    parsed = json.loads(content)
    is_new = isinstance(parsed, dict)
    ids, digest = (parsed.get(IDS), parsed.get(DIGEST)) if isinstance(parsed, dict) else (parsed, None)
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise ValueError
    if is_new and not isinstance(digest, str):
        raise ValueError
    return ids, digest
