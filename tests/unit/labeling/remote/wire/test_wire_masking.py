import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.remote.wire.masking import MASKED, Mask, keys_in_use

KEY = "gsk_5ecretThat+Nobody/MaySee0123456789abcdefXYZ"  # with signs that are written otherwise in addresses
MASK = Mask([KEY])


def shown(text, key=KEY):
    """The longest piece of the key that a text shows, in characters."""
    return max((n for n in range(1, len(key) + 1) if any(key[at : at + n] in text for at in range(len(key) - n + 1))),
               default=0)  # fmt: skip


def base64_with(before, after=b""):
    return base64.b64encode(before + KEY.encode() + after).decode()


ECHOES = {
    "whole": KEY,
    "in a sentence": f"The key {KEY} may not.",
    "in lower case": KEY.lower(),
    "in upper case": KEY.upper(),
    "first twelve": KEY[:12],
    "last twelve": KEY[-12:],
    "twelve of the middle": KEY[17:29],
    "all but the last": KEY[:-1],
    "twice": KEY + KEY,
    "with a line break": KEY[:20] + "\n" + KEY[20:],
    "with blanks": " ".join(KEY),
    "with tabs and line ends": "\r\n\t".join(KEY[at : at + 4] for at in range(0, len(KEY), 4)),
    "with blanks of no width": "\u200b".join(KEY),
    "with backslashes": "\\".join(KEY),
    "in two pieces": f"It begins with {KEY[:7]} and ends with {KEY[-7:]}.",
    "in base64": base64_with(b""),
    "in base64 after a name": base64_with(b"u:"),
    "in base64 after another": base64_with(b"user", b":x"),
    "in base64 for addresses": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "in lines of base64": "\n".join(base64_with(b"")[at : at + 10] for at in range(0, 60, 10)),
    "in an address": quote(KEY, safe=""),
    "in percent signs": "".join(f"%{byte:02x}" for byte in KEY.encode()),
    "in hexadecimal": KEY.encode().hex(),
    "in upper hexadecimal": KEY.encode().hex().upper(),
    "escaped": "".join(f"\\u{ord(sign):04x}" for sign in KEY),
    "as entities": "".join(f"&#{ord(sign)};" for sign in KEY),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_key_is_masked_however_it_is_written(echo):
    text = f"<< {ECHOES[echo]} >>"
    masked = MASK.text(text)
    assert MASKED in masked
    assert masked.startswith("<< ")
    assert masked.endswith(" >>")
    bare = "".join(masked.split())
    for spelt in (KEY, KEY.lower(), KEY.upper(), base64_with(b""), base64_with(b"u:"), KEY.encode().hex()):
        assert shown(bare, spelt) < 8, masked


@pytest.mark.parametrize("size", [1, 3, 5, 11, 20])
def test_a_key_that_is_split_over_fields_is_masked(size):
    pieces = [KEY[at : at + size] for at in range(0, len(KEY), size)]
    masked = MASK.json({"content": pieces, "n": 3, "none": None})
    assert shown("".join(masked["content"])) == 0
    assert (masked["n"], masked["none"]) == (3, None)


def test_a_key_that_is_split_over_distant_fields_is_masked():
    reply = {"model": KEY[:9], "object": "chat.completion", "usage": {"n": 1}, "fingerprint": KEY[9:18]}
    masked = MASK.json(reply)
    assert (masked["model"], masked["fingerprint"]) == (MASKED, MASKED)
    assert masked["object"] == "chat.completion"


def test_a_key_is_masked_in_names_too():
    assert MASK.json({"error": {f"x{KEY}": [{KEY: 1}]}}) == {"error": {f"x{MASKED}": [{MASKED: 1}]}}


def test_headers_are_masked_and_named_in_lower_case():
    assert MASK.headers({"X-Echo": f"Bearer {KEY}", "Date": "today"}) == {"x-echo": f"Bearer {MASKED}", "date": "today"}


def test_what_holds_no_key_is_the_very_same():
    reply = {"choices": [{"message": {"content": "gsk_ is how keys of Groq begin; yes."}}], "n": [1, 2.5, None, True]}
    assert MASK.json(reply) is reply


@given(st.text())
def test_a_text_without_the_key_stays_as_it_is(text):
    assert MASK.text(text) == text


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, len(KEY) - 12), st.integers(12, len(KEY)))
def test_any_twelve_characters_of_it_are_masked_in_any_text(before, after, start, n):
    piece = KEY[start : start + n]
    masked = MASK.text(before + piece + after)
    assert shown("".join(masked.split())) < 12


WORDS = st.text("abc \n\u00e9", max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.just(KEY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_no_reply_of_any_shape_shows_it_and_the_rest_is_left(value):
    masked = MASK.json(value)
    assert KEY not in json.dumps(masked)
    assert json.dumps(masked).replace(MASKED, "") == json.dumps(value).replace(KEY, "")


@pytest.mark.parametrize("key", ["", "none", "EMPTY", "maybe"])
def test_a_short_value_is_no_secret(key):
    assert Mask([key]).text(f"none, EMPTY, maybe: {key}") == f"none, EMPTY, maybe: {key}"


@pytest.mark.parametrize("key", ["abc123", "abcd1234"])
def test_a_short_key_is_masked_as_a_whole(key):
    assert Mask([key]).text(f"it is {key}.") == f"it is {MASKED}."
    assert Mask([key]).text(f"it is {key[:-1]}.") == f"it is {key[:-1]}."


def test_keys_of_the_other_providers_are_masked_too(monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", " gsk_ofGroq0815 ")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ofOpenAi4711")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-2000000")
    mask = Mask(keys_in_use("my-own-key-9"))
    for key in ("gsk_ofGroq0815", "sk-ofOpenAi4711", "sk-admin-2000000", "my-own-key-9"):
        assert mask.text(f"<{key}>") == f"<{MASKED}>"
