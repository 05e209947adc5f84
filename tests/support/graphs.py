"""A tiny graph that keeps the contract of `model.package`, for tests that need a real session."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from model.package import FindingSpec, Gate, Golden, Manifest, golden_input, hash_file
from model.pixels import CONTRACT_VERSION, PixelProfile

SIZE = 32


def write_graph(file: Path, gain: float = 1.0, batch: int | str = "b") -> Path:
    """Logits and gate are means of the image, the map is its grey value.

    `batch` is the number of images that it takes in each call; a name: any number.
    """
    weight = numpy_helper.from_array(np.array([[0, gain]] * 3, np.float32), "weight")
    spatial = numpy_helper.from_array(np.array([2, 3], np.int64), "spatial")
    channel = numpy_helper.from_array(np.array([1], np.int64), "channel")
    nodes = [
        helper.make_node("ReduceMean", ["image", "spatial"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "weight"], ["logits"]),
        helper.make_node("ReduceMean", ["image", "channel"], ["grey"], keepdims=0),
        helper.make_node("Relu", ["grey"], ["cam"]),
        helper.make_node("ReduceMean", ["pooled", "channel"], ["gate"], keepdims=0),
        helper.make_node("Identity", ["target"], ["unused"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            value("image", TensorProto.FLOAT, [batch, 3, SIZE, SIZE]),
            value("target", TensorProto.INT64, [batch]),
        ],
        [
            value("logits", TensorProto.FLOAT, [batch, 2]),
            value("cam", TensorProto.FLOAT, [batch, SIZE, SIZE]),
            value("gate", TensorProto.FLOAT, [batch]),
        ],
        [weight, spatial, channel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, file)
    return file


def tiny_manifest(graph: Path) -> Manifest:
    """Return the manifest that belongs to `write_graph(graph)`, golden answer included."""
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    images = batch if isinstance(batch, int) else 1
    feed = {"image": np.repeat(golden_input(SIZE), images, axis=0), "target": np.full(images, -1)}
    logits, gate = session.run(["logits", "gate"], feed)
    return Manifest(
        name="tiny",
        version="1",
        graph_sha256=hash_file(graph),
        pixel_contract=CONTRACT_VERSION,
        pixels=PixelProfile(size=SIZE),
        activation="softmax",
        classes=("no_finding", "fracture"),
        findings=(
            FindingSpec(name="fracture", class_index=1, high_sensitivity=0.3, high_specificity=0.7),
        ),
        temperature=1.0,
        calibration="none",
        gate=Gate(accepts="everything bright", threshold=0.01),
        cam_layer="grey",
        golden=Golden(logits=tuple(map(float, logits[0])), gate=float(gate[0])),
        body_parts=("WRIST",),
        training={},
        parity={"logits": 0.0, "cam": 0.0},
    )
