import json

import pytest

from labeling.remote.wire.bodies import read_json, read_line, split_lines
from labeling.remote.wire.policy import Policy, UnboundedError

POLICY = Policy(depth=5, digits=10, reply_bytes=50)


def nested(depth):
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("value", [{"a": [1, {"b": None}]}, [], "yes", 5, -1.5, True])
def test_a_body_is_read(value):
    assert read_json(json.dumps(value), POLICY) == value


def test_nesting_is_bounded():
    assert read_json(nested(5), POLICY) == [[[[[]]]]]
    for depth in (6, 900, 100_000):
        with pytest.raises(UnboundedError, match="nests more than 5 deep"):
            read_json(nested(depth), POLICY)


def test_brackets_in_a_text_are_no_nesting():
    assert read_json(json.dumps("[" * 99), POLICY) == "[" * 99


@pytest.mark.parametrize("n_digits", [11, 400, 5000])
def test_whole_numbers_are_bounded(n_digits):
    for sign in ("", "-"):
        with pytest.raises(UnboundedError, match=f"a number of {n_digits} digits: expected .* at most 10 digits"):
            read_json(f'{{"logprob": {sign}{"9" * n_digits}}}', POLICY)
    assert read_json("-1234567890", POLICY) == -1234567890


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"<html>"])
def test_what_is_no_json_is_a_value_error(content):
    with pytest.raises(ValueError, match=r"."):
        read_json(content, POLICY)


@pytest.mark.parametrize("line", [b"", b"{", nested(100), b"5", b"[1]", b'{"a": 12345678901}'])
def test_a_line_without_an_object_is_none(line):
    assert read_line(line, POLICY) is None


def test_a_line_with_an_object_is_read():
    assert read_line(b'{"a": 1}\n', POLICY) == {"a": 1}


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("content", [b"", b"a\nb\n", b"a\n\nb", b"\n", b"a\rb\x85\xe2\x80\xa8c\n"])
def test_lines_end_at_line_feeds_alone_whatever_the_pieces(content, size):
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    assert list(split_lines(pieces, POLICY)) == _at(content)


def _at(content):
    lines = content.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def test_a_line_is_no_longer_than_a_reply():
    with pytest.raises(UnboundedError, match="a line of more than 50 bytes"):
        list(split_lines([b"x" * 20] * 3, POLICY))
