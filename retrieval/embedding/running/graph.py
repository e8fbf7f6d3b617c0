"""A transformer as a graph that OpenVINO runs, without torch: in float32, in bfloat16, or in 8-bit integers."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.embedding.embedder_config import Arithmetic
from retrieval.embedding.running.signal_stack import signal_stack_kept

Inputs = dict[str, npt.NDArray[np.int64]]
Run = Callable[[Inputs], npt.NDArray[np.float32]]

GRAPH = "model.xml"
# Values that share one scale when they are rounded to 8 bits during a run: what OpenVINO calls a group.
_GROUP = 32
# What a processor must be able to do for a precision to be faster than float32, as OpenVINO names it.
_CAPABILITY: dict[Arithmetic, str] = {"bfloat16": "BF16", "int8": "INT8"}


def openvino() -> Any:  # it has no types
    """The package, which is optional; it reports nothing over the network."""
    # OpenVINO reports its use unless this package is missing; then it falls back on a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None marks it as missing
    return importlib.import_module("openvino")


def version() -> str:
    """Of the package, without its build."""
    return str(openvino().__version__.split("-")[0])


def faster_precisions() -> Sequence[Arithmetic]:
    """The precisions besides float32 that this processor has instructions for, the most exact one first."""
    able = openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [precision for precision, name in _CAPABILITY.items() if name in able]


def load_graph(folder: Path, precision: Arithmetic) -> Run:
    """Compile a graph; several threads may run it, one at a time.

    Args:
        folder: where it was saved.
        precision: of its arithmetic. In int8, the weights of each matrix are rounded to 8 bits with one scale a column,
            and what is multiplied with them is rounded as it comes; nothing is calibrated.
    """
    package = openvino()
    with signal_stack_kept():
        core = package.Core()
        model = core.read_model(folder / GRAPH)
        # The hint is always given: without it, the plugin uses bfloat16 where the processor supports it.
        options = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
                   "INFERENCE_NUM_THREADS": cpus()}  # fmt: skip
        if precision == "int8":
            _round_weights(model)
            options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(_GROUP)
        request = core.compile_model(model, "CPU", options).create_infer_request()
    lock = threading.Lock()  # a request has one set of buffers

    def run(inputs: Inputs) -> npt.NDArray[np.float32]:
        with lock:
            return np.array(request.infer(inputs)[0], dtype=np.float32)

    return run


def _round_weights(model: Any) -> None:
    """Replace the weights of every matrix product by 8-bit integers and a scale for each column of the result."""
    opset = importlib.import_module("openvino.opset13")
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.input_value(1).get_node().get_type_name() != "Constant":
            continue
        weights = node.input_value(1).get_node().data.astype(np.float32)
        along = -1 if node.get_attributes()["transpose_b"] else -2
        scale = np.maximum(np.abs(weights).max(axis=along, keepdims=True), np.finfo(np.float32).tiny) / np.float32(127)
        rounded = opset.constant(np.rint(weights / scale).astype(np.int8))
        restored = opset.multiply(opset.convert(rounded, "f32"), opset.constant(scale))
        node.input(1).replace_source_output(restored.output(0))


def cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
