"""One ONNX graph that yields logits, maps and gate from an image, for any batch size."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn.attention import SDPBackend, sdpa_kernel

from export.decompositions import DECOMPOSITIONS, UnsupportedError
from model.gradcam import PREDICTED, GradCam

OPSET = 18
IMAGE, TARGET = "image", "target"
_LARGEST_BATCH = 1024
_LARGEST_FILE = 1.8e9
"""Bytes of weights; a protobuf file ends at 2 GB."""
_TRACED_BATCH = 5
"""Larger than 1 and equal to no other size, so that nothing is mistaken for the batch."""


def write_graph(
    cam: GradCam, size: int, path: Path, batch: int | None = None, *, external: bool = False
) -> None:
    """Trace a network together with its gradient and write it as a single ONNX file.

    Parameters
    ----------
    cam : GradCam
        Network in evaluation mode; its parameters are frozen here, so that only the gradient
        of the watched layers is traced.
    size : int
        Side of the input, pixels.
    path : Path
        File to write.
    batch : int, optional
        Images of every call; None leaves the batch open.
    external : bool
        Weights in a file beside the graph; always so where one file could not hold them.

    Raises
    ------
    UnsupportedError
        The exporter has no operator for a part of the network.
    """
    count = batch or _TRACED_BATCH
    example = (torch.zeros(count, 3, size, size), torch.full((count,), PREDICTED))
    program = _trace(cam, example, ([IMAGE, TARGET], cam.outputs), fixed=batch is not None)
    large = sum(p.numel() * p.element_size() for p in cam.parameters()) > _LARGEST_FILE
    program.save(path, external_data=external or large)


def write_plain_graph(
    network: nn.Module, size: int, path: Path, output: str, batch: int | None = None
) -> None:
    """Write a network without maps: ``image`` in, one output."""
    example = (torch.zeros(batch or _TRACED_BATCH, 3, size, size),)
    program = _trace(network, example, ([IMAGE], [output]), fixed=batch is not None)
    program.save(path, external_data=False)


def _trace(
    module: nn.Module,
    example: tuple[Tensor, ...],
    names: tuple[list[str], list[str]],
    *,
    fixed: bool,
) -> torch.onnx.ONNXProgram:
    module.eval().requires_grad_(False)
    batch = {0: torch.export.Dim("batch", min=1, max=_LARGEST_BATCH)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        flat = _flatten(module, example, fixed=fixed)
        shapes = None if fixed else tuple(batch for _ in example)
        try:
            traced = torch.export.export(flat, example, dynamic_shapes=shapes, strict=False)
            program = torch.onnx.export(
                traced,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=names[0],
                output_names=names[1],
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise UnsupportedError(_first_cause(error)) from error
    assert program is not None
    return program


def _flatten(module: nn.Module, example: tuple[Tensor, ...], *, fixed: bool) -> GraphModule:
    """Turn forward pass and gradient into plain operators; only the batch stays open.

    `torch.export` alone fixes the batch to the example's inside the gradient. Attention is traced
    as products and softmax: fused kernels have no gradient that could be exported.
    """
    mode = FakeTensorMode(shape_env=ShapeEnv(duck_shape=True), allow_non_fake_inputs=True)
    fakes = [mode.from_tensor(t, symbolic_context=_open_batch(t, fixed)) for t in example]
    with mode, sdpa_kernel(SDPBackend.MATH):
        trace = make_fx(
            module,
            decomposition_table=DECOMPOSITIONS,
            tracing_mode="symbolic",
            _allow_non_fake_inputs=True,
        )
        flat: GraphModule = trace(*fakes)
        return flat


def _open_batch(tensor: Tensor, fixed: bool) -> StatelessSymbolicContext[Any, Any]:
    first = DimDynamic.STATIC if fixed else DimDynamic.DYNAMIC
    sizes = [first] + [DimDynamic.STATIC] * (tensor.dim() - 1)
    return StatelessSymbolicContext(dynamic_sizes=sizes)


def _first_cause(error: BaseException) -> str:
    """Return the exporter's innermost message in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:300]
