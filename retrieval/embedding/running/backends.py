"""Loads an embedder for a backend: sentence-transformers' own model, whose transformer can run on another library.

Sentence-transformers' ONNX and OpenVINO backends need `optimum`, which cannot be installed with the transformers
that we use. So only the transformer itself is converted; the rest (tokenizing, prompts, pooling, Dense layers) stays.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from tokenizers import Tokenizer
from transformers.utils import logging as transformers_logging

from corpora.errors import InputError
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.model_folder import ONNX_FILE, window_of
from retrieval.embedding.running import graph
from retrieval.embedding.running.converted import keep
from retrieval.embedding.running.encoder import Encoder
from retrieval.embedding.running.graph import Inputs, Run
from retrieval.embedding.running.plain_encoder import Plain, TextEncoder, open_plain, write_plain
from retrieval.tokens import EmbedderTokenizer


def load_encoder(config: EmbedderConfig, folder: Path, kept: Path) -> TextEncoder:
    """Load a model from its local folder; the network is never used.

    Args:
        config: gives backend and precision.
        folder: the model's folder.
        kept: the folder of the converted model, whose name identifies its content; it may not be there yet.

    Raises:
        InputError: the folder's files do not make up a model, or the backend cannot run this kind of model.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no annotation there
    try:
        # In float32 whatever the file holds: the config decides the precision. Only torch uses a GPU.
        model = SentenceTransformer(
            str(folder),
            device=None if config.backend == "torch" else "cpu",
            local_files_only=True,
            model_kwargs={"dtype": torch.float32},
        )
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"cannot load the embedder in {folder} ({error})",
            "a sentence-transformers model that needs no code of its own",
            "choose another embedder",
        ) from error
    if config.backend == "torch" and config.arithmetic == "float32":
        return Encoder(model)
    body = _transformer(model, config)
    if config.backend == "torch":
        body.model = _Autocast(body.model)
        return Encoder(model)
    if config.backend == "openvino":
        tokenizer = EmbedderTokenizer(folder).raw
        keep(kept, lambda target: _convert(model, target, tokenizer, window_of(folder)))
        if plain := open_plain(kept, tokenizer, config.arithmetic):
            return plain
        run = graph.load_graph(kept, config.arithmetic)
    else:
        run = _onnx(body.model, kept, folder)
    body.model = _Elsewhere(body.model.config, run)
    return Encoder(model)


def _transformer(model: SentenceTransformer, config: EmbedderConfig) -> Any:  # its model gets another type
    body = model[0]
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    if not isinstance(body, Transformer) or dict(body.modality_config.get("text", {})) != text:
        raise InputError(
            f"embedder {config.model!r} on {config.backend} in {config.arithmetic}",
            "a model that starts with a plain text transformer",
            "use the backend torch with float32",
        )
    return body


class _LastHidden(torch.nn.Module):
    """A transformer that takes two tensors and returns one, as converters require."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return hidden


class _Autocast(torch.nn.Module):
    """A transformer in bfloat16 whose token embeddings come out in float32, so that pooling is exact."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, **inputs: Any) -> dict[str, torch.Tensor]:
        with torch.autocast(inputs["input_ids"].device.type, dtype=torch.bfloat16):
            return {"last_hidden_state": self.model(**inputs).last_hidden_state.float()}


class _Elsewhere(torch.nn.Module):
    """Takes a transformer's place and has another library do its work."""

    def __init__(self, config: Any, run: Run) -> None:
        super().__init__()
        self.config, self._run = config, run
        # Neither library lets two threads share a session's buffers.
        self._lock = threading.Lock()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        with self._lock:
            hidden = self._run({"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()})
        return {"last_hidden_state": torch.from_numpy(hidden)}


def _convert(model: SentenceTransformer, target: Path, tokenizer: Tokenizer, window: int) -> None:
    """Save a model's transformer as a graph, and say beside it if that is all there is to the model."""
    package = graph.openvino()
    transformer: Any = model[0].model
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer warns about every branch on a shape
        made = package.convert_model(_LastHidden(transformer), example_input=_example())
    package.save_model(made, target / graph.GRAPH, compress_to_fp16=False)
    plain = _plain(model)
    if plain:
        write_plain(target, tokenizer, plain, window, lambda texts: Encoder(model).encode(texts, ""))


def _plain(model: SentenceTransformer) -> Plain | None:
    """What there is to a model besides its transformer; None if that is more than a pooling that we do ourselves."""
    _, *rest = model
    if [type(one) for one in rest] not in ([Pooling], [Pooling, Normalize]):
        return None
    pooling: Any = rest[0]
    if pooling.pooling_mode not in ("mean", "cls") or not pooling.include_prompt:
        return None
    return Plain(pooling.pooling_mode, int(getattr(model.tokenizer, "pad_token_id", None) or 0))


def _onnx(model: torch.nn.Module, converted: Path, folder: Path) -> Run:
    onnxruntime = importlib.import_module("onnxruntime")  # optional, and without types

    onnxruntime.disable_telemetry_events()
    names = ["input_ids", "attention_mask"]

    def convert(target: Path) -> None:
        axes = {name: {0: "texts", 1: "tokens"} for name in [*names, "last_hidden_state"]}
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _LastHidden(model), tuple(_example().values()), str(target / "model.onnx"), dynamo=False,
                input_names=names, output_names=["last_hidden_state"], dynamic_axes=axes, opset_version=17,
            )  # fmt: skip

    # The authors' own file, where there is one, is what other users of the model run.
    file = folder / ONNX_FILE
    if not file.is_file():
        file = keep(converted, convert) / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = graph.cpus()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    wanted = [one.name for one in session.get_inputs()]
    given = [one.name for one in session.get_outputs()]
    hidden = next((name for name in given if name in ("last_hidden_state", "token_embeddings")), given[0])

    def run(inputs: Inputs) -> npt.NDArray[np.float32]:
        # Inputs not given are the segments: a single text is the first segment (0) throughout.
        filled = {name: inputs.get(name, np.zeros_like(inputs["input_ids"])) for name in wanted}
        return np.asarray(session.run([hidden], filled)[0], dtype=np.float32)

    return run


def _example() -> dict[str, torch.Tensor]:
    """Two texts of different length, so that tracing sees a mask that hides something."""
    mask = torch.ones(2, 8, dtype=torch.long)
    mask[1, 5:] = 0
    return {"input_ids": torch.ones(2, 8, dtype=torch.long), "attention_mask": mask}
