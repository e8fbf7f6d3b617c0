"""A damaged pin gives the sample that was pinned, or is refused; it never gives another sample."""

import json
import logging
import random

import pytest

from corpora.reading.damage import DamageError
from corpora.shaping.pins import damaged_pins, read_pin, write_pin

IDS = [f"q-{number:03d}" for number in range(20)]
OTHERS = [f"r-{number:03d}" for number in range(20)]


@pytest.fixture
def pin(tmp_path):
    file = tmp_path / "samples" / "demo-20-0123.json"
    write_pin(file, IDS)
    return file


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at // 8] ^= 1 << at % 8
    file.write_bytes(content)


def refusal_of(pin):
    """What is said where another sample would be drawn now; None if the pin reads as it was."""
    try:
        assert read_pin(pin, OTHERS) == set(IDS)
    except DamageError as error:
        return str(error)
    return None


def test_a_pin_is_read_whatever_is_drawn_now(pin):
    assert read_pin(pin, OTHERS) == set(IDS)


def test_a_pin_of_the_version_before_is_read(pin):
    pin.write_text(json.dumps(IDS, indent=0))
    assert read_pin(pin, OTHERS) == set(IDS)


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_gives_the_same_sample_and_a_sound_pin(pin, seed, caplog):
    whole = pin.read_bytes()
    for at in random.Random(seed).sample(range(8 * len(whole)), 25):
        pin.write_bytes(whole)
        flip(pin, at)
        with caplog.at_level(logging.WARNING, "tercet"):
            assert read_pin(pin, IDS) == set(IDS)
        # A change between two tokens means nothing: then there is nothing to mend.
        assert json.loads(pin.read_bytes()) == json.loads(whole)
    assert caplog.messages
    assert all("the same sample was drawn again" in line and "\n" not in line for line in caplog.messages)


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_is_refused_where_another_sample_would_be_drawn(pin, seed):
    whole = pin.read_bytes()
    refused = 0
    for at in random.Random(seed).sample(range(8 * len(whole)), 25):
        pin.write_bytes(whole)
        flip(pin, at)
        told = refusal_of(pin)
        if told is not None:
            refused += 1
            assert str(pin) in told
            assert "\n" not in told
            assert [damage.path for damage in damaged_pins(pin.parent)] == [pin]
    assert refused > 20


@pytest.mark.parametrize("length", [0, 1, 50, 90, -2])
def test_a_pin_cut_short_is_drawn_again_or_refused(pin, length):
    pin.write_bytes(pin.read_bytes()[:length])
    with pytest.raises(DamageError, match="does not parse"):
        read_pin(pin, OTHERS)
    if length in (90, -2):  # the digest is there
        assert read_pin(pin, IDS) == set(IDS)


@pytest.mark.parametrize("content", ["[]", "[1]", "{}", '{"sha256": 1, "question_ids": ["q"]}', "null", "\ud800"])
def test_what_was_never_a_pin_is_refused_in_one_line(pin, content):
    pin.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(DamageError) as refusal:
        read_pin(pin, IDS)
    assert "\n" not in str(refusal.value)


def test_sound_pins_are_not_damaged(pin):
    assert list(damaged_pins(pin.parent)) == []
    assert list(damaged_pins(pin.parent / "none")) == []
