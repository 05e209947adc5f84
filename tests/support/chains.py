"""A chain with drawn weights, and the phantom that it reads.

The phantom, in mm: two discs, 30 mm apart, the first bright, the second grey; and, where it is
broken, a square notch of another grey, 15 mm to the right and 8 mm below their middle when the
second disc lies straight below the first. The localiser finds the discs by their greys; the
classifier sees where in a crop of 60 mm the notch's grey is, and counts what lies on the right.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model.composition import centres_of_mass
from model.landmarks import LandmarkManifest
from model.package import FindingSpec, Golden, Manifest, golden_input, hash_file, write_package
from model.pixels import CONTRACT_VERSION, PixelProfile
from model.verified import write_verified

SIZE = 128
PROFILE = PixelProfile(
    size=SIZE, low_percentile=0, high_percentile=100, mean=(0, 0, 0), std=(1, 1, 1)
)
GROUND, FIRST, SECOND, NOTCH = 400, 4000, 2560, 3208
"""Greys; between ground and first disc: 0, 1, 0.6 and 0.78."""
NOTCH_AT, NOTCH_MM, CROP_MM = (15.0, 8.0), 10.0, 60.0
FRACTURE = FindingSpec(name="fracture", class_index=1, high_sensitivity=0.3, high_specificity=0.7)
CROP = {"size_mm": CROP_MM, "centre": [0, 1], "axis": [0, 1]}


@dataclass(frozen=True)
class Phantom:
    """One film: its size and the discs' middle in mm, the angle, the pixels' height and width."""

    film_mm: tuple[float, float] = (150.0, 120.0)
    at: tuple[float, float] = (60.0, 75.0)
    degrees: float = 0.0
    pixel: tuple[float, float] = (0.5, 0.5)
    broken: bool = True
    discs: int = 2

    def draw(self) -> NDArray[np.uint16]:
        """Return 12-bit greys (rows, columns)."""
        rows, columns = (
            round(side / one) for side, one in zip(self.film_mm, self.pixel, strict=True)
        )
        y, x = np.mgrid[0:rows, 0:columns] + 0.5
        x, y = x * self.pixel[1] - self.at[0], y * self.pixel[0] - self.at[1]
        (right, below) = self._axes
        across, down = x * right[0] + y * right[1], x * below[0] + y * below[1]
        film = np.full((rows, columns), GROUND, np.uint16)
        for grey, at in ((FIRST, -15.0), (SECOND, 15.0))[: self.discs]:
            film[np.hypot(across, down - at) <= 5] = grey
        if self.broken:
            half = NOTCH_MM / 2
            inside = np.maximum(np.abs(across - NOTCH_AT[0]), np.abs(down - NOTCH_AT[1])) <= half
            film[inside] = NOTCH
        return film

    def on_film(self, across: float, down: float) -> NDArray[np.float64]:
        """Return the place (x, y) in source pixels of a place in mm from the discs' middle."""
        right, below = self._axes
        place = np.array(self.at) + across * right + down * below
        return place / [self.pixel[1], self.pixel[0]]

    @property
    def notch(self) -> NDArray[np.float64]:
        """The middle of the notch in source pixels, (x, y)."""
        return self.on_film(*NOTCH_AT)

    @property
    def _axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        return np.array([cosine, sine]), np.array([-sine, cosine])


def localiser(folder: Path, name: str = "find") -> Path:
    """Write a localiser of the two discs: heat where their greys are, blurred."""
    span = np.arange(-6, 7)
    blur = np.exp(-(span[:, None] ** 2 + span[None, :] ** 2) / 18.0)
    kernel = (blur / blur.sum())[None, None].repeat(2, axis=0)
    nodes = [
        *_bands(),
        helper.make_node("Conv", ["bands", "kernel"], ["heatmaps"], pads=[6] * 4, group=2),
    ]
    weights = {"kernel": kernel, **_band_weights([1.0, 0.6], 0.12)}
    graph = _save(folder / f"{name}.onnx", nodes, weights, {"heatmaps": ["b", 2, SIZE, SIZE]}, [])
    [heat] = _answers(graph, ["heatmaps"])
    manifest = LandmarkManifest(
        **_common(graph, name),
        output="heatmaps",
        landmarks=("bright_disc", "grey_disc"),
        golden=tuple((float(x), float(y)) for x, y in centres_of_mass(heat[0])),
        parity={"landmarks": 0.0},
    )
    write_verified(folder / name, graph, manifest, "")
    return folder / name


def classifier(
    folder: Path, name: str, gain: float = 300.0, bias: float = -4.0, temperature: float = 1.0
) -> Path:
    """Write a classifier: logit = gain * (share of the crop that is notch, to the right) + bias."""
    right = np.zeros((1, SIZE, SIZE))
    right[:, :, round(SIZE * 0.58) :] = 1.0
    nodes = [
        *_bands(),
        helper.make_node("ReduceSum", ["bands", "channel"], ["seen"], keepdims=0),
        helper.make_node("Mul", ["seen", "right"], ["cam"]),
        helper.make_node("ReduceMean", ["cam", "spatial"], ["share"], keepdims=0),
        helper.make_node("Unsqueeze", ["share", "channel"], ["column"]),
        helper.make_node("MatMul", ["column", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["logits"]),
    ]
    weights = {
        **_band_weights([0.78], 0.1),
        "channel": np.array([1], np.int64),
        "spatial": np.array([1, 2], np.int64),
        "right": right,
        "gain": np.array([[0.0, gain]]),
        "bias": np.array([0.0, bias]),
    }
    outputs = {"logits": ["b", 2], "cam": ["b", SIZE, SIZE]}
    graph = _save(folder / f"{name}.onnx", nodes, weights, outputs, ["target"])
    logits, _ = _answers(graph, ["logits", "cam"])
    manifest = Manifest(
        **_common(graph, name),
        activation="softmax",
        classes=("no_finding", "fracture"),
        findings=(FRACTURE,),
        temperature=temperature,
        calibration="none",
        cam_layer="seen",
        golden=Golden(logits=tuple(map(float, logits[0]))),
        body_parts=("WRIST",),
        parity={"logits": 0.0, "cam": 0.0},
    )
    return write_package(folder / name, graph, manifest, "").folder


def described(branches: list[dict[str, object]], **changes: object) -> dict[str, object]:
    """Return the manifest of a chain, without its stages."""
    return {
        "name": "drawn-chain",
        "version": "1",
        "branches": branches,
        "findings": [FRACTURE.model_dump()],
        "calibration": "none",
        "body_parts": ["WRIST"],
        **changes,
    }


def _bands() -> list[onnx.NodeProto]:
    """Be 1 where the first channel has a grey, falling to 0 beside it; one map for each grey."""
    node = helper.make_node
    return [
        node("Slice", ["image", "zero", "one", "one"], ["grey"]),  # starts, ends, axes
        node("Sub", ["grey", "greys"], ["away"]),
        node("Abs", ["away"], ["distance"]),
        node("Mul", ["distance", "steep"], ["steeply"]),
        node("Sub", ["full", "steeply"], ["left"]),
        node("Relu", ["left"], ["bands"]),
    ]


def _band_weights(greys: list[float], width: float) -> dict[str, NDArray[np.generic]]:
    return {
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "greys": np.array(greys)[None, :, None, None],
        "steep": np.array(1.0 / width),
        "full": np.array(1.0),
    }


def _save(
    file: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[np.generic]],
    outputs: dict[str, list[object]],
    unused: list[str],
) -> Path:
    value = helper.make_tensor_value_info
    inputs = [value("image", TensorProto.FLOAT, ["b", 3, SIZE, SIZE])]
    inputs += [value(name, TensorProto.INT64, ["b"]) for name in unused]
    nodes = [*nodes, *(helper.make_node("Identity", [name], [f"un{name}"]) for name in unused)]
    initializers = [
        numpy_helper.from_array(
            one if np.issubdtype(one.dtype, np.integer) else one.astype(np.float32), name
        )
        for name, one in weights.items()
    ]
    given = [value(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(nodes, "drawn", inputs, given, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, file)
    return file


def _answers(graph: Path, names: list[str]) -> list[NDArray[np.float32]]:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feed = {"image": golden_input(SIZE), "target": np.array([-1])}
    takes = {one.name for one in session.get_inputs()}
    given = {name: array for name, array in feed.items() if name in takes}
    answers: list[NDArray[np.float32]] = session.run(names, given)
    return answers


def _common(graph: Path, name: str) -> dict[str, object]:
    return {
        "name": name,
        "version": "1",
        "graph_sha256": hash_file(graph),
        "pixel_contract": CONTRACT_VERSION,
        "pixels": PROFILE,
        "training": {},
    }
