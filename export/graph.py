"""One ONNX graph that yields logits, Grad-CAM and gate from an image, for any batch size."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from model.gradcam import PREDICTED, GradCam

OPSET = 18
INPUTS = ["image", "target"]
OUTPUTS = ["logits", "cam", "gate"]
_LARGEST_BATCH = 1024


def write_graph(cam: GradCam, size: int, path: Path) -> None:
    """Trace a network together with its gradient and write it as a single ONNX file.

    Parameters
    ----------
    cam : GradCam
        Network in evaluation mode; its parameters are frozen here, so that only the gradient
        of the watched layer is traced.
    size : int
        Side of the input, pixels.
    path : Path
        File to write.
    """
    cam.eval().requires_grad_(False)
    example = (torch.zeros(5, 3, size, size), torch.full((5,), PREDICTED))
    batch = {0: torch.export.Dim("batch", min=1, max=_LARGEST_BATCH)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        flat = _flatten(cam, example)
        traced = torch.export.export(flat, example, dynamic_shapes=(batch, batch), strict=False)
        program = torch.onnx.export(
            traced,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=INPUTS,
            output_names=OUTPUTS,
            verbose=False,
        )
    assert program is not None
    program.save(path, external_data=False)


def _flatten(cam: GradCam, example: tuple[torch.Tensor, torch.Tensor]) -> GraphModule:
    """Turn forward pass and gradient into plain operators; only the batch stays open.

    `torch.export` alone fixes the batch to the example's inside `torch.func.vjp`.
    """
    mode = FakeTensorMode(shape_env=ShapeEnv(duck_shape=True), allow_non_fake_inputs=True)
    fakes = [mode.from_tensor(tensor, symbolic_context=_open_batch(tensor)) for tensor in example]
    with mode:
        trace = make_fx(cam, tracing_mode="symbolic", _allow_non_fake_inputs=True)
        flat: GraphModule = trace(*fakes)
        return flat


def _open_batch(tensor: torch.Tensor) -> StatelessSymbolicContext[Any, Any]:
    sizes = [DimDynamic.DYNAMIC] + [DimDynamic.STATIC] * (tensor.dim() - 1)
    return StatelessSymbolicContext(dynamic_sizes=sizes)
