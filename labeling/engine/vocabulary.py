"""A model file's tokenizer and chat template, which can be read without its weights."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Self

from corpora.errors import InputError


class Vocabulary:
    """The tokenizer of a GGUF file.

    Args:
        path: the GGUF file.

    Raises:
        InputError: the file is not a complete GGUF file that llama.cpp knows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._llama = load_library()
        self._model: Any = None
        self._open_model()
        self._vocab = self._llama.llama_model_get_vocab(self._model)
        self.n_vocab = int(self._llama.llama_vocab_n_tokens(self._vocab))
        self.adds_bos = bool(self._llama.llama_vocab_get_add_bos(self._vocab))

    def _model_params(self) -> Any:
        params = self._llama.llama_model_default_params()
        params.vocab_only = True
        return params

    def _open_model(self) -> None:
        with self.path.open("rb") as file:
            magic = file.read(4)
        if magic != b"GGUF":
            raise InputError(
                f"{self.path} starts with {magic!r}", "a GGUF model file (b'GGUF')", "give the path of a .gguf file"
            )
        self._model = self._llama.llama_model_load_from_file(str(self.path).encode(), self._model_params())
        if not self._model:
            raise InputError(
                f"llama.cpp cannot load {self.path} ({self.path.stat().st_size} bytes)",
                "a GGUF file of an architecture that llama.cpp knows",
                "check the file against its publisher's sha256, or use another model",
            )

    def close(self) -> None:
        """Free the model; further calls are not allowed."""
        if self._model:
            self._llama.llama_model_free(self._model)
            self._model = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def chat_template(self) -> str | None:
        """The Jinja chat template in the model file, if there is one."""
        template = self._llama.llama_model_chat_template(self._model, None)
        return template.decode("utf-8") if template else None

    def token_text(self, token: int) -> str:
        """The vocabulary's text of a special token, such as `<s>`; empty for -1, which stands for none."""
        if token < 0:
            return ""
        text: bytes = self._llama.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8")

    @property
    def bos_text(self) -> str:
        """Text of the token that begins a sequence."""
        return self.token_text(int(self._llama.llama_vocab_bos(self._vocab)))

    @property
    def eos_text(self) -> str:
        """Text of the token that ends a sequence."""
        return self.token_text(int(self._llama.llama_vocab_eos(self._vocab)))

    def tokenize(self, text: str, *, special: bool, add_bos: bool) -> list[int]:
        """Token ids of a text.

        Args:
            text: any text.
            special: whether to read control tokens in the text, such as `<|im_start|>`; never for a user's text.
            add_bos: whether to put the beginning-of-sequence token first, if the model wants one.
        """
        raw = text.encode("utf-8")
        room = len(raw) + 8
        buffer = (self._llama.llama_token * room)()
        n = self._llama.llama_tokenize(self._vocab, raw, len(raw), buffer, room, add_bos, special)
        if n < 0:
            raise RuntimeError(f"llama_tokenize needs {-n} tokens for {len(raw)} bytes")
        return list(buffer[:n])


def load_library() -> Any:
    """The llama.cpp library, loaded at its first use: that takes longer than `tercet --help` may take."""
    import llama_cpp

    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


def _ignore(level: int, text: bytes, user_data: object) -> None:
    """Swallow llama.cpp's log: what matters is raised as an error."""


# Kept for the life of the process: C holds a pointer to it.
_SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_ignore)
