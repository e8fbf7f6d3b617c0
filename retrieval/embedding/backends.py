"""Loads an embedder for a backend: sentence-transformers' own model, whose transformer can run on another library.

Sentence-transformers' ONNX and OpenVINO backends need `optimum`, which cannot be installed with the transformers
that we use. So only the transformer itself is converted; the rest (tokenizing, prompts, pooling, Dense layers) stays.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import sys
import threading
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from transformers.utils import logging as transformers_logging

from corpora.errors import InputError
from corpora.storage import sha256_file, sha256_text
from retrieval.embedding.embedder_config import EmbedderConfig, Precision
from retrieval.embedding.encoder import Encoder
from retrieval.embedding.model_folder import ONNX_FILE
from retrieval.embedding.signal_stack import signal_stack_kept

Inputs = dict[str, npt.NDArray[np.int64]]
Run = Callable[[Inputs], npt.NDArray[np.float32]]

DIGESTS = "digests.json"  # beside the files of a converted model: their sha256, by name
LOG = logging.getLogger("tercet")


def load_encoder(config: EmbedderConfig, folder: Path, weights: str, converted: Path) -> Encoder:
    """Load a model from its local folder; the network is never used.

    Args:
        config: gives backend and precision.
        folder: the model's folder.
        weights: digest of its weights.
        converted: folder for converted models, each under a name that identifies its content.

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
    if config.backend == "torch" and config.precision == "float32":
        return Encoder(model)
    body = _transformer(model, config)
    if config.backend == "torch":
        body.model = _Autocast(body.model)
        return Encoder(model)
    named = sha256_text(weights + sha256_file(folder / "config.json"))[:16]
    kept = converted / f"{named}-{config.backend}"
    if config.backend == "openvino":
        run = _openvino(body.model, kept, config.precision)
    else:
        run = _onnx(body.model, kept, folder)
    body.model = _Elsewhere(body.model.config, run)
    return Encoder(model)


def _transformer(model: SentenceTransformer, config: EmbedderConfig) -> Any:  # its model gets another type
    body = model[0]
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    if not isinstance(body, Transformer) or dict(body.modality_config.get("text", {})) != text:
        raise InputError(
            f"embedder {config.model!r} on {config.backend} in {config.precision}",
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


def _openvino(model: torch.nn.Module, converted: Path, precision: Precision) -> Run:
    # OpenVINO reports its use over the network unless this package is missing; then it falls back on a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None marks it as missing
    openvino = importlib.import_module("openvino")  # optional, and without types

    def convert(target: Path) -> None:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the tracer warns about every branch on a shape
            graph = openvino.convert_model(_LastHidden(model), example_input=_example())
        openvino.save_model(graph, target / "model.xml", compress_to_fp16=False)

    file = _keep(converted.with_name(f"{converted.name}-{openvino.__version__.split('-')[0]}"), convert) / "model.xml"
    # The hint is given in both cases: without it, the plugin uses bfloat16 where the processor supports it.
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": _cpus(),
    }
    with signal_stack_kept():
        request = openvino.Core().compile_model(file, "CPU", options).create_infer_request()
    return lambda inputs: np.asarray(request.infer(inputs)[0], dtype=np.float32)


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
        file = _keep(converted, convert) / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = _cpus()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    wanted = [one.name for one in session.get_inputs()]
    given = [one.name for one in session.get_outputs()]
    hidden = next((name for name in given if name in ("last_hidden_state", "token_embeddings")), given[0])

    def run(inputs: Inputs) -> npt.NDArray[np.float32]:
        # Inputs not given are the segments: a single text is the first segment (0) throughout.
        filled = {name: inputs.get(name, np.zeros_like(inputs["input_ids"])) for name in wanted}
        return np.asarray(session.run([hidden], filled)[0], dtype=np.float32)

    return run


def _keep(target: Path, convert: Callable[[Path], None]) -> Path:
    """The folder of a converted model, made once for all processes; its name identifies its content.

    It lists the digests of its files; where one differs, the model is converted again.
    """
    if _is_intact(target):
        return target
    if target.is_dir():
        LOG.warning("%s is damaged, or of an older version: the embedder is converted again.", target)
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        convert(partial)
        (partial / DIGESTS).write_text(json.dumps(_digests(partial)), encoding="utf-8")
        if not _is_intact(target):
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
    except OSError as error:
        # Another process may have been first: its folder will do.
        if not _is_intact(target):
            raise InputError(
                f"cannot save the converted embedder in {target.parent} ({error})",
                "a writable folder with free space",
                "free some space and run again, or use the backend torch",
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _is_intact(folder: Path) -> bool:
    """Whether a converted model is as it was saved; an older version listed no digests."""
    try:
        listed = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(listed == _digests(folder))


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256_file(file) for file in sorted(folder.iterdir()) if file.name != DIGESTS}


def _example() -> dict[str, torch.Tensor]:
    """Two texts of different length, so that tracing sees a mask that hides something."""
    mask = torch.ones(2, 8, dtype=torch.long)
    mask[1, 5:] = 0
    return {"input_ids": torch.ones(2, 8, dtype=torch.long), "attention_mask": mask}


def _cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
