"""The same network behind every engine that could run it.

An engine is a function from images, float32 (batch, 3, size, size), to what it answers; the weights
are drawn, and the graph is exported from the very network that PyTorch runs. A runtime is imported
where it is asked for: `tests.benchmarks.loading` wants each alone in a process.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from model.networks.pim import Pim, PimConfig

Images = NDArray[np.float32]
Engine = Callable[[Images], object]
LAYER = 1
"""Index of the watched level of the pyramid, "level2"."""


@dataclass(frozen=True)
class Subject:
    """A network with its graph."""

    network: "Pim"
    graph: Path
    size: int


def draw_subject(folder: Path, size: int, backbone: str) -> Subject:
    """Build a PIM with drawn weights and export it, evidence included."""
    import torch

    from export.graph import write_graph
    from model.gradcam import GradCam
    from model.networks.pim import Pim

    torch.manual_seed(1)
    network = Pim(config_of(backbone, size)).eval()
    graph = folder / f"{backbone}-{size}.onnx"
    write_graph(GradCam(network, f"level{LAYER + 1}"), size, graph)
    return Subject(network.requires_grad_(False), graph, size)


def config_of(backbone: str, size: int) -> "PimConfig":
    """Configure a PIM as published over a Swin, else as the shipped one."""
    from model.networks.pim import PimConfig

    classes = ("no_finding", "fracture")
    if backbone.startswith("swin"):
        return PimConfig(backbone=backbone, size=size, classes=classes)
    return PimConfig(
        backbone=backbone,
        size=size,
        width=128,
        upsampling="bilinear",
        head="average",
        classes=classes,
    )


def images(batch: int, size: int, seed: int = 0) -> Images:
    """Draw a batch."""
    drawn = np.random.default_rng(seed).standard_normal((batch, 3, size, size))
    return drawn.astype(np.float32)


def ours(graph: Path, names: list[str], threads: int, chunk: int, device: str = "cpu") -> Engine:
    """Make ONNX Runtime as the daemon configures it, `chunk` images in each call."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    cuda = [("CUDAExecutionProvider", {"use_tf32": "0"})] if device == "cuda" else []
    session = ort.InferenceSession(graph, options, providers=[*cuda, "CPUExecutionProvider"])
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise SystemExit("ONNX Runtime has fallen back to the CPU")
    taken = {one.name for one in session.get_inputs()}

    def run(batch: Images) -> object:
        for start in range(0, len(batch), chunk):
            piece = batch[start : start + chunk]
            feed = {"image": piece, "target": np.full(len(piece), 1)}
            answer = session.run(names, {name: feed[name] for name in taken})
        return answer

    return run


def torch_forward(network: "Pim", *, compiled: bool, device: str = "cpu") -> Engine:
    """Make PyTorch: eager, or compiled anew for each batch size."""
    import torch

    moved = deepcopy(network).to(device)
    call = torch.compile(moved, dynamic=False) if compiled else moved

    def run(batch: Images) -> object:
        with torch.inference_mode():
            return call(torch.from_numpy(batch).to(device)).logits.cpu()

    return run


def grad_cam(network: "Pim", device: str = "cpu") -> Engine:
    """Make pytorch-grad-cam on PyTorch; the networks have declared the operators it needs."""
    import torch
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    rows, columns = network.grids[LAYER]
    watched = deepcopy(network).to(device)  # it leaves its hooks behind

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = watched

        def forward(self, batch: "torch.Tensor") -> "torch.Tensor":
            return self.network(batch).logits

    def picture(tokens: "torch.Tensor") -> "torch.Tensor":
        return tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)

    cam = GradCAM(Logits(), [watched.pyramid.levels[LAYER]], reshape_transform=picture)

    def run(batch: Images) -> object:
        pixels = torch.from_numpy(batch).to(device).requires_grad_(True)
        return cam(pixels, [ClassifierOutputTarget(1)] * len(batch))

    return run


def openvino(graph: Path, names: list[str], threads: int) -> Engine:
    """Make OpenVINO on the same graph, cut down to the outputs that are asked for."""
    import openvino as ov

    core = ov.Core()
    whole = core.read_model(graph)
    model = ov.Model([whole.output(name) for name in names], whole.get_parameters())
    config: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
    }
    request = core.compile_model(model, "CPU", config).create_infer_request()

    def run(batch: Images) -> object:
        feed = {0: batch, 1: np.full(len(batch), 1)}
        return request.infer(feed, share_inputs=True, share_outputs=True)

    return run


def int8_graph(subject: Subject) -> Path:
    """Quantise the graph statically, calibrated on drawn images: for its speed, not its answers."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Drawn(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [images(1, subject.size, seed) for seed in range(4)]

        def get_next(self) -> dict[str, Any] | None:
            return {"image": self.left.pop(), "target": np.full(1, 1)} if self.left else None

    prepared = subject.graph.with_suffix(".prepared.onnx")
    quantised = subject.graph.with_suffix(".int8.onnx")
    quant_pre_process(subject.graph, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        quantised,
        Drawn(),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
    )
    return quantised
