"""Tokenizers for the tests: a tiny BERT-like one built here, and the real embedder's where it is on this machine."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from retrieval.tokens import EmbedderTokenizer

WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "and",
    "ran",
    "home",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
]
PIECES = ["##s", "##ed", "##ing", "##ation", "un", "re", "inter", "nation"]
# A Hangul syllable is taken apart into these: one character, three tokens.
JAMO = [mark + piece for piece in "ᄀᄂᄉᄋᄐ하ᅥᅡᅵᅳᆫᆷᆯᆼ" for mark in ("", "##")]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A model folder with a WordPiece tokenizer whose unknown words fall apart into letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *PIECES, *letters, *(f"##{c}" for c in letters), *JAMO]
    vocabulary += list(".,:;!?()-'\"")
    ids = {token: number for number, token in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    # As in the real file: the tokenizer must be told not to cut and not to pad.
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding(length=128)
    folder = tmp_path_factory.mktemp("tiny_embedder")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"max_position_embeddings": 40}', encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder) -> EmbedderTokenizer:
    return EmbedderTokenizer(tiny_folder)
