"""What every splitter promises, on text that is out to break it."""

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpora.storage import sha256_text
from retrieval.chunking.splitters import Chunking, split_text

SPLITTERS = ("tokens", "sentences", "recursive", "semantic", "markdown")
LIBRARY = ("recursive", "markdown")  # of semantic-text-splitter
every_splitter = pytest.mark.parametrize("splitter", SPLITTERS)

PIECES = {
    "emoji": ["👩‍👩‍👧‍👦", "👍🏽", "🇳🇿🇯🇵", "🏴\U000e0067\U000e0062\U000e007f", "❤️", "\U0001f1f3", "1️⃣"],
    "marks": ["cafe\u0301", "\u0301", "z\u0351\u036b\u0343\u0333", "हिन्दी", "n\u0303", "\u20dd"],
    "right to left": ["שָׁלוֹם", "العربية", "\u200f", "\u202e", "\u2066abc\u2069", "\u061c", "؟"],
    "no width": ["\u200b", "\u200c", "\u200d", "\ufeff", "\u2060", "\u00ad", "\u180e"],
    "control": ["\x00", "\x01", "\x1b[0m", "\x7f", "\x85", "\u2028", "\u2029", "\ufffd", "\ufffe"],
    "long words": ["pneumonoultramicroscopic" * 5, "a" * 130, "x9" * 40, "Zm9v+YmFy/" * 12],
    "punctuation": ["?!", "...", ",;:", "—", "«»", "“", "'", "((", "。", "!?" * 20],
    "no spaces": ["今日は天気がいい", "明日。", "강남스타일", "ฉันชอบแมว", "ភាសាខ្មែរ", "𠀀𠀁"],
    "English": ["the cat sat", "A dog ran home.", "One two three?", "Dr.", "e.g.", "3.14", "don't", "two\nthree"],
    "initials": ["vitamin D", "U.S", "Ph.D", "J", "."],
    "line ends": ["\r\n", "\r", "\n", "\n\n", "\r\n\r\n", "\v", "\f", " ", "\u00a0", "\u3000", "\t", "    "],
}
# Each text is of a few kinds, so that runs of one kind come up as well as mixtures.
hostile = st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=4).flatmap(
    lambda kinds: st.lists(
        st.sampled_from([piece for kind in kinds for piece in PIECES[kind]] + [" ", ". ", "."]), max_size=70
    ).map("".join)
)
geometries = st.integers(9, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 3)))
# The fixtures are read-only tokenizers: sharing them between examples is meant.
relaxed = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def embed(texts):
    """Vectors that depend on the text alone; some texts are opposites, and some agree."""
    rows = [np.frombuffer(bytes.fromhex(sha256_text(text)), np.int8)[:4] for text in texts]
    vectors = np.sign(np.stack(rows)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1)


def tokens_of(text, tokenizer):
    spans = tokenizer.spans(text)
    return list(zip(spans.starts, spans.ends, strict=True))


def check(text, slices, size, overlap, splitter, tokenizer):
    room = size - tokenizer.n_special
    assert slices == sorted(slices)
    for start, end in slices:
        assert 0 <= start < end <= len(text)
        assert text[start:end].strip()
        assert splitter == "markdown" or text[start:end] == text[start:end].strip()  # it keeps indentation
        assert tokenizer.count(text[start:end]) <= room
    for (_, end), (next_start, next_end) in pairwise(slices):
        assert end < next_end
        assert overlap or end <= next_start
        if splitter in LIBRARY:  # counts the shared text by itself: it may start within a word
            assert tokenizer.count(text[next_start:end]) <= overlap
    if splitter in LIBRARY:
        covered = {at for start, end in slices for at in range(start, end)}
        lost = [at for at, one in enumerate(text) if at not in covered and not one.isspace()]
        assert not [unicodedata.name(text[at], hex(ord(text[at]))) for at in lost if tokenizer.count(text[at])]
        return
    tokens = tokens_of(text, tokenizer)
    holds = [{n for n, (start, end) in enumerate(tokens) if a <= start and end <= b} for a, b in slices]
    assert set().union(*holds) == set(range(len(tokens)))
    assert all(len(before & after) <= overlap for before, after in pairwise(holds))


@every_splitter
@relaxed
@given(text=hostile, geometry=geometries)
def test_hostile_text_splits_into_slices_that_fit_and_lose_nothing(splitter, text, geometry, tiny):
    size, overlap = geometry
    check(text, split_text(text, Chunking(splitter, size, overlap), tiny, embed), size, overlap, splitter, tiny)


@every_splitter
@pytest.mark.parametrize("kind", PIECES)
@pytest.mark.parametrize(("size", "overlap"), [(9, 0), (16, 5), (40, 37)])
def test_a_long_text_of_one_kind_splits_likewise(splitter, kind, size, overlap, tiny):
    text = "".join(PIECES[kind] * 12)
    check(text, split_text(text, Chunking(splitter, size, overlap), tiny, embed), size, overlap, splitter, tiny)


@pytest.mark.model
@pytest.mark.parametrize("splitter", [one for one in SPLITTERS if one != "markdown"])  # counts as `recursive` does
@relaxed
@given(text=hostile, geometry=geometries)
def test_hostile_text_splits_likewise_under_the_real_tokenizer(splitter, text, geometry, minilm):
    size, overlap = geometry
    check(text, split_text(text, Chunking(splitter, size, overlap), minilm, embed), size, overlap, splitter, minilm)


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u202f", "\u3000", "\u2028", "\x85"])
@pytest.mark.parametrize("before", ["vitamin D", "Hepatitis B", "U.S", "Ph.D", "J"])
@pytest.mark.parametrize("splitter", ["sentences", "semantic"])
def test_an_initial_that_an_unusual_space_parts_from_its_full_stop(splitter, before, space, tiny):
    # sentencex itself panics on these, which no caller can catch.
    text = f"Patients took {before}{space}. The dose was high."
    check(text, split_text(text, Chunking(splitter, 9, 0), tiny, embed), 9, 0, splitter, tiny)
