"""Texts of megabytes: read in blocks, split in windows, in linear time and with the same result."""

import gc
import os
import time
from itertools import pairwise

import numpy as np
import pytest
from semantic_text_splitter import TextSplitter

from retrieval.chunking.blocks import blocks, count_all
from retrieval.chunking.splitters import Chunking, split_text

SENTENCES = "The cat sat on the mat. A dog ran home! One two three, four five six? Dr. Seven ran re-nationalized. "
TEXTS = {
    "one line": SENTENCES * 50,
    "one line and a blank one at the end": SENTENCES * 50 + "\n\nThe end.",
    "paragraphs": (SENTENCES + "\n" + SENTENCES[:50] + "\n\n") * 30 + "\n\n\n\nNext.\n" + SENTENCES * 30,
    "CRLF": (SENTENCES[:40] + "\r\n") * 200 + "\r\n\r\n" + SENTENCES * 30,
    "no spaces": "今日は天気がいいです明日も晴れるでしょう強い雨" * 150,
    "base64": "Zm9vYmFyYmF6/cXV4cXV1eA+" * 200,
    "one word": "a" * 9000,
    "white space": "The cat." + " \n" * 90 + "A dog.",
    "nothing that makes a token": "The cat." + "\u200b" * 9000 + "A dog.",
    "marks": "cafe\u0301 👩‍👩‍👧‍👦 שָׁלוֹם. " * 200,
}
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
every_geometry = pytest.mark.parametrize(("size", "overlap"), [(10, 0), (16, 5), (64, 0), (64, 48)])


def embed(texts):
    """Vectors that depend on the text alone."""
    return np.array([(len(text), text.count("e"), 1) for text in texts], np.float32)


@every_text
@every_geometry
def test_recursive_windows_give_what_the_library_gives_for_the_whole_text(text, size, overlap, tiny, monkeypatch):
    monkeypatch.setattr("retrieval.chunking.recursive._LONG", 0)
    monkeypatch.setattr("retrieval.chunking.recursive._SHORTEST", 200)
    whole = TextSplitter.from_huggingface_tokenizer(tiny.raw, size - 2, overlap=overlap).chunk_indices(text)
    found = split_text(text, Chunking("recursive", size, overlap), tiny)
    assert found == [(start, start + len(chunk)) for start, chunk in whole]


@every_text
def test_blocks_cover_a_text_and_end_between_words(text, monkeypatch):
    monkeypatch.setattr("retrieval.chunking.blocks.BLOCK", 300)
    found = list(blocks(text))
    assert [found[0][0], found[-1][1]] == [0, len(text)]
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(0 < end - start <= 300 for start, end in found)
    for _, end in found[:-1]:
        has_place = not text[end - 150 : end + 150].isalpha()
        assert not has_place or not (text[end - 1].isalnum() and text[end].isalnum())


@pytest.mark.parametrize("kind", ["one line", "paragraphs", "CRLF", "base64", "marks"])
@every_geometry
def test_token_windows_do_not_show_where_blocks_ended(kind, size, overlap, tiny, monkeypatch):
    text, chunking = TEXTS[kind], Chunking("tokens", size, overlap)
    whole = split_text(text, chunking, tiny)
    monkeypatch.setattr("retrieval.chunking.blocks.BLOCK", 500)
    assert split_text(text, chunking, tiny) == whole


@pytest.mark.parametrize("splitter", ["tokens", "sentences", "recursive", "semantic"])
@every_text
def test_blocks_keep_the_promises_of_every_splitter(splitter, text, tiny, monkeypatch):
    monkeypatch.setattr("retrieval.chunking.blocks.BLOCK", 500)
    found = split_text(text, Chunking(splitter, 16, 5), tiny, embed)
    assert found == sorted(found)
    assert max(tiny.count(text[start:end]) for start, end in found) <= 14
    covered = np.zeros(len(text), bool)
    for start, end in found:
        covered[start:end] = True
    assert not "".join(text[at] for at in np.flatnonzero(~covered)).strip()


@pytest.mark.parametrize("kind", ["one line", "paragraphs", "base64", "marks"])
def test_counts_agree_whatever_block_a_text_falls_in(kind, tiny, monkeypatch):
    texts = [TEXTS[kind], "The cat.", "", TEXTS[kind][:450], "A dog ran." * 30]
    monkeypatch.setattr("retrieval.chunking.blocks.BLOCK", 500)
    assert count_all(texts, tiny) == tiny.count_all(texts)


def seconds(texts, splitter, tokenizer):
    """Processor time of this process: other work on the machine does not count.

    The garbage of the tests before is not collected meanwhile: among the objects of
    thousands of them, one collection takes longer than the texts.
    """
    gc.disable()
    try:
        start = time.process_time()
        for text in texts:
            split_text(text, Chunking(splitter, 64, 16), tokenizer, embed)
        return time.process_time() - start
    finally:
        gc.enable()


@pytest.mark.parametrize("splitter", ["tokens", "sentences", "recursive", "semantic"])
@pytest.mark.parametrize("end", ["", "\n\nThe end."])
def test_time_grows_with_the_length_of_a_line_and_not_with_its_square(splitter, end, tiny):
    short, long = SENTENCES * 150 + end, SENTENCES * 1200 + end  # 15 kB and 120 kB
    # As many characters in short lines as in the long one: a square would make it 8 times,
    # every time; what disturbs a measurement does not come three times in a row.
    assert any(seconds([long], splitter, tiny) < 4 * seconds([short] * 8, splitter, tiny) for _ in range(3))


def test_the_time_of_recursive_splitting_does_not_grow_with_the_blank_lines_in_a_row(tiny):
    # The library takes 7 seconds for 8 kB of them.
    text = "The cat sat." + " \n" * 200_000 + "A dog ran."
    start = time.process_time()
    found = split_text(text, Chunking("recursive", 64, 16), tiny)
    assert time.process_time() - start < 2
    assert [text[start:end] for start, end in found] == ["The cat sat.", "A dog ran."]


@pytest.mark.parametrize("splitter", ["sentences", "semantic"])
def test_time_does_not_grow_with_the_square_of_unusual_spaces_in_a_row(splitter, tiny):
    text = "The cat sat." + "\u00a0" * 60_000 + "A dog ran."
    assert seconds([text], splitter, tiny) < 2


@pytest.mark.skipif("TERCET_TEST_LONG" not in os.environ, reason="takes minutes: set TERCET_TEST_LONG to run it")
@pytest.mark.parametrize("splitter", ["tokens", "sentences", "recursive", "semantic"])
@pytest.mark.parametrize("unit", [SENTENCES, "a"])
def test_a_line_of_ten_megabytes_is_split(splitter, unit, tiny):
    text = (unit * (10_000_000 // len(unit))).strip()
    found = split_text(text, Chunking(splitter, 256, 0), tiny, embed)
    assert [found[0][0], found[-1][1]] == [0, len(text)]
    assert all(before[1] <= after[0] <= before[1] + 1 for before, after in pairwise(found))
    assert max(tiny.count_all([text[start:end] for start, end in found])) <= 254
