import unicodedata
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from retrieval.chunking.splitters import Chunking, check_chunking, split_text

SPLITTERS = ("tokens", "sentences", "recursive")
OUR_OWN = ("tokens", "sentences")
GEOMETRIES = [(8, 0), (10, 3), (16, 0), (16, 8), (32, 0), (32, 8), (64, 61), (128, 0)]

HOSTILE = {
    "emoji": "👩‍👩‍👧‍👦 family 👍🏽 ok 🇳🇿. " * 8,
    "combining marks": "Cafe\u0301 de\u0301ja\u0300 vu, n\u0303andu\u0301. " * 10,
    "devanagari": "यह एक परीक्षण है। हिन्दी में कुछ वाक्य। " * 8,
    "CRLF": "One cat.\r\nTwo dogs sat here.\r\n\r\nThree ran.\r\n" * 8,
    "right-to-left": "שָׁלוֹם עולם. هذا نص طويل باللغة العربية. " * 8,
    "no spaces": "thecatsatonthematandthedogranhome",
    "no spaces, beyond the longest word": "pneumonoultramicroscopic" * 20,
    "CJK without spaces": "今日は天気がいいです。明日も晴れるでしょう。" * 8,
    "syllables of several tokens": "강남스타일강남스타일 " * 6,
    "one long sentence": " ".join(["the internationalizations of unreruns and"] * 40),
    "repeated sentences": "The cat sat on the mat. " * 40,
    "paragraphs": "The cat sat.\n\nA dog ran home. One two three.\n\n\n  Four five six!  " * 5,
    "only punctuation": "?!.,;:" * 40,
    "white space around": " \t\n The cat sat. \n\n" + " " * 50,
}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
every_splitter = pytest.mark.parametrize("splitter", SPLITTERS)
our_splitters = pytest.mark.parametrize("splitter", OUR_OWN)
every_geometry = pytest.mark.parametrize(("size", "overlap"), GEOMETRIES)

words = st.sampled_from(
    (
        *("the", "cat", "Dogs", "internationalization", "x9q7", "café", "cafe\u0301", "👩‍👩‍👧", "हिन्दी", "שָׁלוֹם"),
        *("강남스타일", "天気", "3.14", "e.g.", "Dr.", "(one)", "thecatsatonthemat", "don't"),
    )
)
separators = st.sampled_from([" ", "  ", ". ", "! ", "?\n", "\n", "\r\n", "\n\n", ", ", "", "。"])
written = st.lists(st.tuples(words, separators), min_size=1, max_size=60).map(
    lambda pairs: "".join(word + separator for word, separator in pairs)
)
# Surrogates are no text: no tokenizer takes them.
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
geometries = st.integers(10, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 3)))
# The fixtures are read-only tokenizers: sharing them between examples is meant.
relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def in_place(text, tokenizer):
    """Places (start, end) of the document's own tokens."""
    spans = tokenizer.spans(text)
    return list(zip(spans.starts, spans.ends, strict=True))


def n_shared(text, tokenizer, before, after):
    """Tokens of the document that stand in both chunks."""
    both = set(inside(text, tokenizer, *before)) & set(inside(text, tokenizer, *after))
    return len(both)


def inside(text, tokenizer, start, end):
    return [n for n, (a, b) in enumerate(in_place(text, tokenizer)) if start <= a and b <= end]


def is_visible(character):
    return not character.isspace() and unicodedata.category(character)[0] != "C"


def check_slices(text, slices, size, tokenizer):
    """What every splitter promises: slices of the text, in order, not empty, none longer than the size."""
    for start, end in slices:
        assert 0 <= start < end <= len(text)
        assert text[start:end].strip()
        assert tokenizer.count(text[start:end]) + tokenizer.n_special <= size
    assert slices == sorted(slices)


@every_splitter
@every_geometry
@hostile
def test_chunks_are_ordered_slices_that_are_not_empty_and_fit(text, splitter, size, overlap, tiny):
    slices = split_text(text, Chunking(splitter, size, overlap), tiny)
    assert slices
    check_slices(text, slices, size, tiny)


@every_splitter
@relaxed
@given(text=written, geometry=geometries)
def test_any_written_text_splits_into_ordered_slices_that_fit(splitter, text, geometry, tiny):
    size, overlap = geometry
    check_slices(text, split_text(text, Chunking(splitter, size, overlap), tiny), size, tiny)


@our_splitters
@relaxed
@given(text=anything, geometry=geometries)
def test_every_token_of_any_text_is_in_some_chunk(splitter, text, geometry, tiny):
    size, overlap = geometry
    slices = split_text(text, Chunking(splitter, size, overlap), tiny)
    for start, end in in_place(text, tiny):
        assert any(a <= start and end <= b for a, b in slices)


@every_splitter
@hostile
def test_every_visible_character_is_in_some_chunk(text, splitter, tiny):
    for size in (8, 16, 64):
        covered = {at for start, end in split_text(text, Chunking(splitter, size, 0), tiny) for at in range(start, end)}
        lost = sorted({c for at, c in enumerate(text) if is_visible(c) and at not in covered})
        assert not lost, f"size {size} loses {[unicodedata.name(c) for c in lost]}"


@our_splitters
def test_a_chunk_does_not_tear_a_combining_mark_from_its_letter(splitter, tiny):
    text = "cafe\u0301 " * 12
    for start, end in split_text(text, Chunking(splitter, 10, 0), tiny):
        assert not unicodedata.combining(text[start])
        assert end == len(text) or not unicodedata.combining(text[end])


@every_splitter
@hostile
def test_without_overlap_chunks_do_not_overlap(text, splitter, tiny):
    for size in (8, 16, 64):
        slices = split_text(text, Chunking(splitter, size, 0), tiny)
        assert all(before[1] <= after[0] for before, after in pairwise(slices))


@our_splitters
@hostile
def test_neighbours_share_at_most_the_overlap(text, splitter, tiny):
    for size, overlap in [(10, 1), (10, 4), (16, 8), (40, 20)]:
        slices = split_text(text, Chunking(splitter, size, overlap), tiny)
        for before, after in pairwise(slices):
            shared = n_shared(text, tiny, before, after)
            assert shared <= overlap, (
                f"size {size}: {text[slice(*before)]!r} and {text[slice(*after)]!r} share {shared}"
            )


@hostile
def test_recursive_neighbours_share_a_text_of_at_most_the_overlap(text, tiny):
    # Counted on the shared text by itself, as the splitter does: it may start within a word.
    for size, overlap in [(10, 1), (10, 4), (16, 8), (40, 20)]:
        slices = split_text(text, Chunking("recursive", size, overlap), tiny)
        assert all(tiny.count(text[b[0] : a[1]]) <= overlap for a, b in pairwise(slices))


@pytest.mark.parametrize("overlap", [1, 3, 7])
def test_token_windows_share_exactly_the_overlap_where_words_are_single_tokens(overlap, tiny):
    text = "the cat sat on a mat and one dog ran home " * 6
    slices = split_text(text, Chunking("tokens", 12, overlap), tiny)
    pairs = list(pairwise(slices))
    assert len(pairs) > 3
    assert {n_shared(text, tiny, *pair) for pair in pairs} == {overlap}


def test_sentence_packing_repeats_whole_sentences_as_overlap(tiny):
    text = "The cat sat. One dog ran. Two sat on a mat. Three ran home. Four sat."
    slices = split_text(text, Chunking("sentences", 14, 4), tiny)
    assert [text[start:end] for start, end in slices] == [
        "The cat sat. One dog ran.",
        "One dog ran. Two sat on a mat.",
        "Three ran home. Four sat.",  # "Two sat on a mat." has 6 tokens, more than the 4 that may be repeated
    ]


@every_splitter
@hostile
def test_every_chunk_shows_something_that_the_one_before_did_not(text, splitter, tiny):
    for size, overlap in [(10, 0), (10, 4), (16, 8), (64, 61)]:
        slices = split_text(text, Chunking(splitter, size, overlap), tiny)
        for before, after in pairwise(slices):
            assert before[1] < after[1], (
                f"size {size}: {text[slice(*after)]!r} adds nothing to {text[slice(*before)]!r}"
            )


@every_splitter
@relaxed
@given(text=written, geometry=geometries)
def test_no_slice_comes_twice(splitter, text, geometry, tiny):
    size, overlap = geometry
    slices = split_text(text, Chunking(splitter, size, overlap), tiny)
    assert len(set(slices)) == len(slices)


def test_token_windows_are_filled_up_to_the_size(tiny):
    text = "cat " * 95
    counts = [tiny.count(text[start:end]) for start, end in split_text(text, Chunking("tokens", 32, 0), tiny)]
    assert counts == [30, 30, 30, 5]  # 32 with [CLS] and [SEP]


def test_token_windows_end_between_words(tiny):
    text = "one inter cats sat reruns home dogs " * 10
    for start, end in split_text(text, Chunking("tokens", 12, 0), tiny):
        assert start == 0 or text[start - 1] == " "
        assert end == len(text) or text[end] == " "


def test_a_word_longer_than_the_window_is_cut_within(tiny):
    text = "thecatsatonthemat"
    slices = split_text(text, Chunking("tokens", 10, 0), tiny)
    assert len(slices) > 1
    assert "".join(text[start:end] for start, end in slices) == text


def test_sentences_are_kept_whole_where_they_fit(tiny):
    text = "The cat sat on the mat. A dog ran home! One two three? Four five six."
    slices = split_text(text, Chunking("sentences", 14, 0), tiny)
    assert [text[start:end] for start, end in slices] == [
        "The cat sat on the mat. A dog ran home!",
        "One two three? Four five six.",
    ]


def test_a_sentence_that_does_not_fit_is_cut_and_the_others_stay_whole(tiny):
    long = "The " + "cat " * 30 + "ran."
    text = f"One two. {long} Three four."
    pieces = [text[start:end] for start, end in split_text(text, Chunking("sentences", 12, 0), tiny)]
    assert pieces[0] == "One two."
    assert pieces[-1] == "Three four."
    assert " ".join(pieces[1:-1]) == long


def test_recursive_splitting_cuts_at_paragraphs_before_it_cuts_within(tiny):
    text = "The cat sat. A dog ran home.\n\nOne two three four.\n\nFive six seven eight nine."
    pieces = [text[start:end] for start, end in split_text(text, Chunking("recursive", 12, 0), tiny)]
    assert pieces == ["The cat sat. A dog ran home.", "One two three four.", "Five six seven eight nine."]


def test_recursive_splitting_repeats_text_as_overlap(tiny):
    text = "one two three four five six seven eight nine ten " * 3
    slices = split_text(text, Chunking("recursive", 12, 4), tiny)
    assert len(slices) > 3
    assert {n_shared(text, tiny, *pair) for pair in pairwise(slices)} == {4}


@every_splitter
def test_a_text_that_fits_is_one_chunk(splitter, tiny):
    text = "The cat sat on the mat. A dog ran home."
    assert split_text(text, Chunking(splitter, 32, 8), tiny) == [(0, len(text))]


@every_splitter
@pytest.mark.parametrize("text", ["", " \r\n\t "])
def test_white_space_makes_no_chunk(splitter, text, tiny):
    assert split_text(text, Chunking(splitter, 16, 0), tiny) == []


@every_splitter
def test_splitting_twice_gives_the_same_slices(splitter, tiny):
    text = HOSTILE["paragraphs"]
    chunking = Chunking(splitter, 16, 4)
    assert split_text(text, chunking, tiny) == split_text(text, chunking, tiny)


def test_a_chunking_is_named_with_its_parameters():
    assert Chunking("sentences", 64, 8).name == "sentences(size=64,overlap=8)"


@pytest.mark.parametrize("overlap", [0, 253])
def test_a_size_at_the_limit_and_the_largest_overlap_are_fine(overlap):
    check_chunking(Chunking("tokens", 256, overlap), limit=256, n_special=2)


def test_the_smallest_size_is_one_token_and_the_special_ones():
    check_chunking(Chunking("tokens", 3, 0), limit=256, n_special=2)


@pytest.mark.parametrize(
    ("chunking", "numbers"),
    [
        (Chunking("tokens", 257, 0), ["257", "256"]),
        (Chunking("recursive", 2, 0), ["size 2", "more than 2"]),
        (Chunking("sentences", 0, 0), ["size 0", "more than 2"]),
        (Chunking("tokens", 64, 62), ["62", "64", "2 special"]),
        (Chunking("tokens", 64, 64), ["64", "below 62"]),
        (Chunking("tokens", 64, -1), ["-1", "64"]),
    ],
)
def test_a_chunking_that_cannot_work_is_refused_in_one_line_with_its_numbers(chunking, numbers):
    with pytest.raises(InputError) as refusal:
        check_chunking(chunking, limit=256, n_special=2)
    message = str(refusal.value)
    assert "\n" not in message
    assert all(number in message for number in numbers)


@pytest.mark.model
@every_splitter
@every_geometry
@hostile
def test_chunks_fit_under_the_real_tokenizer(text, splitter, size, overlap, minilm):
    slices = split_text(text, Chunking(splitter, size, overlap), minilm)
    assert slices
    check_slices(text, slices, size, minilm)
    if splitter in OUR_OWN:
        tokens = in_place(text, minilm)
        assert all(any(a <= start and end <= b for a, b in slices) for start, end in tokens)


@pytest.mark.model
@pytest.mark.parametrize("splitter", OUR_OWN)
@relaxed
@given(text=written, geometry=geometries)
def test_any_written_text_fits_under_the_real_tokenizer(splitter, text, geometry, minilm):
    size, overlap = geometry
    check_slices(text, split_text(text, Chunking(splitter, size, overlap), minilm), size, minilm)
