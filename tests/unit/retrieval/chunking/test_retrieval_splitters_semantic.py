from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from retrieval.chunking.splitters import Chunking, split_text, split_texts
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import EmbedderConfig

CATS = ["The cat sat.", "A cat ran.", "The cat ran on.", "One cat sat."]
DOGS = ["The dog sat.", "A dog ran.", "The dog ran on.", "One dog sat."]


def embed(texts):
    """Cats point one way, dogs another; a little of the length keeps distances within a topic apart from zero."""
    rows = [("cat" in text, "dog" in text, len(text) / 200) for text in texts]
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def pieces(text, size, overlap, tokenizer, with_vectors=embed):
    return [
        text[start:end] for start, end in split_text(text, Chunking("semantic", size, overlap), tokenizer, with_vectors)
    ]


def test_a_text_is_cut_where_its_topic_changes_not_where_it_is_full(tiny):
    # Six sentences fit in the size; the topic changes after four, or after two.
    assert pieces(" ".join(CATS + DOGS), 32, 0, tiny) == [" ".join(CATS), " ".join(DOGS)]
    assert pieces(" ".join(CATS[:2] + DOGS + DOGS[:2]), 32, 0, tiny) == [" ".join(CATS[:2]), " ".join(DOGS + DOGS[:2])]


def test_a_smaller_size_cuts_the_parts_again(tiny):
    text = " ".join(CATS + DOGS)
    assert pieces(text, 64, 0, tiny) == [text]
    assert pieces(text, 22, 0, tiny) == [" ".join(CATS), " ".join(DOGS)]
    smaller = pieces(text, 12, 0, tiny)
    assert len(smaller) >= 4
    assert not [piece for piece in smaller if "cat" in piece and "dog" in piece]


def test_without_a_change_of_topic_cuts_are_in_the_middle_and_leave_no_slivers(tiny):
    text = "The cat sat on the mat. " * 24
    counts = [tiny.count(piece) for piece in pieces(text, 45, 0, tiny)]
    assert counts == [42] * 4
    assert sum(counts) == tiny.count(text)


def test_whole_sentences_are_repeated_up_to_the_overlap(tiny):
    text = " ".join(CATS + DOGS)
    # "One cat sat." has 4 tokens, "The cat ran on." 5.
    assert pieces(text, 32, 8, tiny) == [" ".join(CATS), " ".join(CATS[-1:] + DOGS)]
    assert pieces(text, 32, 9, tiny) == [" ".join(CATS), " ".join(CATS[-2:] + DOGS)]
    assert pieces(text, 32, 3, tiny) == pieces(text, 32, 0, tiny)


def test_every_piece_leaves_free_what_it_repeats(tiny):
    found = split_text("The cat sat. " * 64, Chunking("semantic", 34, 8), tiny, embed)
    assert len(found) > 3
    assert {before[1] - after[0] for before, after in pairwise(found)} == {len("The cat sat. The cat sat.")}


def test_a_large_overlap_does_not_make_all_pieces_tiny(tiny):
    text = " ".join(["The cat sat.", "A dog ran."] * 20)
    found = split_text(text, Chunking("semantic", 34, 31), tiny, embed)
    assert all(after[0] > before[0] and after[1] > before[1] for before, after in pairwise(found))
    assert len(found) <= 20  # of 40 sentences


def test_a_sentence_that_does_not_fit_is_cut_within_and_never_embedded(tiny):
    long = "The " + "cat " * 30 + "ran."
    asked = []

    def listen(texts):
        asked.extend(texts)
        return embed(texts)

    text = " ".join([*CATS, long, *DOGS])
    found = pieces(text, 14, 0, tiny, listen)
    assert " ".join(found) == text
    assert asked == CATS + DOGS
    assert found[2].startswith("The cat cat")


def test_a_text_that_fits_needs_no_vectors(tiny):
    def refuse(texts):
        raise AssertionError(texts)

    assert pieces(" ".join(CATS), 64, 8, tiny, refuse) == [" ".join(CATS)]


def test_sizes_and_overlaps_ask_for_the_same_sentences(tiny):
    asked = []

    def listen(texts):
        asked.append(list(texts))
        return embed(texts)

    for size, overlap in [(12, 0), (22, 0), (32, 8)]:
        split_texts([" ".join(CATS + DOGS), " ".join(DOGS + CATS)], Chunking("semantic", size, overlap), tiny, listen)
    assert asked == [CATS + DOGS] * 3


def test_noise_of_the_machine_moves_no_cut(tiny):
    text = " ".join((CATS + DOGS) * 5)
    noise = np.random.default_rng(3)

    def noisy(texts):
        return embed(texts) + noise.standard_normal((len(texts), 3)).astype(np.float32) * 1e-8

    assert {tuple(pieces(text, 22, 0, tiny, noisy)) for _ in range(5)} == {tuple(pieces(text, 22, 0, tiny))}


def test_the_semantic_splitter_says_that_it_needs_vectors(tiny):
    with pytest.raises(ValueError, match="embed"):
        split_text("The cat sat.", Chunking("semantic", 16, 0), tiny)


@pytest.mark.model
def test_the_real_model_finds_where_the_topic_changes(embedder_folder, tmp_path):
    embedder = Embedder(EmbedderConfig(), embedder_folder, "test", tmp_path)
    baking = (
        "Knead the dough for ten minutes. Let the loaf rise under a damp cloth. Flour and yeast want a warm kitchen. "
        "Bake the bread until its crust is brown. Slice the loaf when it has cooled. Butter melts on warm bread."
    )
    stars = (
        "Jupiter has four large moons. A telescope shows the rings of Saturn. Astronomers measure the light of stars. "
        "Galaxies move away from us. The orbit of Mars takes two years. A comet has a tail of dust and gas."
    )
    assert len(embedder.tokenizer.raw.encode(f"{baking} {stars}")) > 96
    embed = partial(embedder.embed, role="passage")
    assert pieces(f"{baking} {stars}", 96, 0, embedder.tokenizer, embed) == [baking, stars]


@pytest.mark.model
def test_a_sentence_beyond_the_real_model_s_window_is_no_error(embedder_folder, tmp_path):
    embedder = Embedder(EmbedderConfig(), embedder_folder, "test", tmp_path)
    text = "The cat sat. " + "and then it rained on the harbour " * 100 + ". A dog ran home. " * 80
    embed = partial(embedder.embed, role="passage")
    found = split_text(text, Chunking("semantic", embedder.limit, 16), embedder.tokenizer, embed)
    assert max(embedder.tokenizer.count(text[start:end]) for start, end in found) + 2 <= embedder.limit
