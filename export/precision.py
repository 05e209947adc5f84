"""Other precisions of a finished graph; inputs and outputs stay float32.

Only what the logits need is converted. The gradient part of the graph, small and full of tiny
numbers, stays fp32: maps then suffer from the changed activations alone.

int8 has two ways. Static (QDQ, ranges from calibration films) takes convolutions too, and is worth
a trial where they hold most of the weights; dynamic takes products only, with ranges found in every
call, because ONNX Runtime's dynamic convolutions are slower on a CPU than its fp32 ones.
"""

import logging
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16
from typing_extensions import override

from model.gradcam import PREDICTED

_PRODUCTS = ("MatMul", "Gemm")
_LOGITS = "logits"


def to_fp16(source: Path, target: Path) -> None:
    """Write the forward pass in half precision."""
    graph = onnx.load(source)
    half = convert_float_to_float16(graph, keep_io_types=True, node_block_list=kept_nodes(graph))
    onnx.save(half, target)


def to_int8_static(source: Path, target: Path, calibration: Iterable[NDArray[np.float32]]) -> bool:
    """Write convolutions and products in 8 bit with ranges found on pictures, if it may pay.

    Returns
    -------
    bool
        False, and nothing written, where products hold most of the weights or there is no picture.
    """
    with _prepared(source) as ready:
        graph = onnx.load(ready)
        feeds = _Calibration(calibration)
        if feeds.empty or not _mostly_convolutions(graph):
            return False
        quantize_static(
            ready,
            target,
            feeds,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *_PRODUCTS],
            nodes_to_exclude=kept_nodes(graph),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
        )
    return True


def to_int8_dynamic(source: Path, target: Path, calibration: Iterable[NDArray[np.float32]]) -> bool:
    """Write the products alone in 8 bit, with ranges found in every call; always possible."""
    del calibration
    with _prepared(source) as ready:
        kept = kept_nodes(onnx.load(ready))  # ONNX Runtime splits Gemm and renames it
        quantize_dynamic(
            ready,
            target,
            op_types_to_quantize=list(_PRODUCTS),
            nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    return True


@contextmanager
def _prepared(source: Path) -> Iterator[Path]:
    """Yield the graph with the shapes that quantisation needs; its advice is kept off the log."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "ready.onnx"
            quant_pre_process(source, ready, skip_symbolic_shape=True)
            yield ready
    finally:
        root.setLevel(level)


def kept_nodes(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes that the logits do not need; unnamed nodes get one.

    They are the gradient's, and the gate's: one product over means of very different sizes.
    """
    made_by: dict[str, onnx.NodeProto] = {}
    for number, node in enumerate(graph.graph.node):
        node.name = node.name or f"node_{number}"
        made_by |= dict.fromkeys(node.output, node)
    wanted = [_LOGITS]
    forward: set[str] = set()
    while wanted:
        node = made_by.get(wanted.pop())
        if node is not None and node.name not in forward:
            forward.add(node.name)
            wanted += node.input
    return [node.name for node in graph.graph.node if node.name not in forward]


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # untyped
    def __init__(self, pictures: Iterable[NDArray[np.float32]]) -> None:
        feeds = [{"image": i, "target": np.full(len(i), PREDICTED)} for i in pictures]
        self.empty = not feeds
        self._feeds: Iterator[dict[str, Any]] = iter(feeds)

    @override
    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def _mostly_convolutions(graph: onnx.ModelProto) -> bool:
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in graph.graph.initializer}
    weights = {
        kind: sum(sizes.get(n.input[1], 0) for n in graph.graph.node if n.op_type in kinds)
        for kind, kinds in (("convolutions", ("Conv",)), ("products", _PRODUCTS))
    }
    return bool(weights["convolutions"] > weights["products"])
