"""The parity gate: an exported graph must answer as its network does, with pytorch-grad-cam's maps.

Three answers are compared on the same pictures for every class: the graph's in ONNX Runtime, the
reference's (the network in PyTorch; the fp32 graph, where a package is made of a package), and
pytorch-grad-cam's. What may differ how far is in `model.tolerances`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from export.oracle import oracle_maps
from model.gradcam import GradCam
from model.tolerances import Precision, faults

Answer = dict[str, NDArray[np.float32]]
"""Outputs of a graph by name."""

Answerer = Callable[[NDArray[np.float32], NDArray[np.int64]], Answer]
_NEGLIGIBLE = 0.1
"""A map is scaled at least by this part of the largest map: one that nearly cancels out holds the
rounding of what cancelled."""


class ParityError(Exception):
    """The graph does not answer as its network does; no package is written."""


def of_graph(path: Path, batch: int | None = None) -> Answerer:
    """Answer from a graph in ONNX Runtime on the CPU, `batch` images a call where it is fixed."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch works beside
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    taken = [wanted.name for wanted in session.get_inputs()]

    def run(image: NDArray[np.float32], target: NDArray[np.int64]) -> Answer:
        parts = []
        step = batch or len(image)
        for start in range(0, len(image), step):
            rows = np.arange(start, start + step) % len(image)  # the last call is filled up
            feed = {"image": image[rows], "target": target[rows]}
            parts.append(session.run(names, {name: feed[name] for name in taken}))
        joined = [np.concatenate(column)[: len(image)] for column in zip(*parts, strict=True)]
        return dict(zip(names, joined, strict=True))

    return run


def of_network(cam: GradCam) -> Answerer:
    """Answer from the network in PyTorch."""

    def run(image: NDArray[np.float32], target: NDArray[np.int64]) -> Answer:
        outputs = cam(torch.from_numpy(image), torch.from_numpy(target))
        return {name: tensor.numpy() for name, tensor in zip(cam.outputs, outputs, strict=True)}

    return run


def of_oracle(cam: GradCam) -> Answerer:
    """Answer with pytorch-grad-cam's maps, and with nothing else."""

    def run(image: NDArray[np.float32], target: NDArray[np.int64]) -> Answer:
        names = [name for name in cam.outputs if name.startswith("cam")]
        return {name: oracle_maps(cam, image, target, i) for i, name in enumerate(names)}

    return run


def gather(
    answerer: Answerer, pictures: Iterable[NDArray[np.float32]], targets: Iterable[int]
) -> Answer:
    """Return the answers to batches of pictures, each asked for every target, as one."""
    parts: dict[str, list[NDArray[np.float32]]] = {}
    asked = list(targets)
    for image in pictures:
        for target in asked:
            answer = answerer(image, np.full(len(image), target, dtype=np.int64))
            for name, values in answer.items():
                parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def measure(
    graph: Answerer,
    references: tuple[Answerer, Answerer | None],
    pictures: Sequence[NDArray[np.float32]],
    about: tuple[int, str],
) -> dict[str, float]:
    """Return the largest differences over batches of pictures, each asked for every class.

    Parameters
    ----------
    graph : Answerer
    references : (reference, oracle or None)
    pictures : sequence of array [n, 3, size, size]
    about : (classes, activation)

    Returns
    -------
    dict
        ``logits``, ``probabilities``, ``cam``, ``gate`` where there is one, and ``cam_oracle``.
    """
    classes, activation = about
    reference, oracle = references
    ours = gather(graph, pictures, range(classes))
    found = differences(ours, gather(reference, pictures, range(classes)), activation)
    if oracle is not None:
        outside = gather(oracle, pictures, range(classes))
        found["cam_oracle"] = differences(ours, outside, activation)["cam"]
    return found


def differences(ours: Answer, theirs: Answer, activation: str) -> dict[str, float]:
    """Return the largest differences between two answers, of the outputs that both have."""
    found: dict[str, float] = {}
    for name in ours.keys() & theirs.keys():
        if "cam" in name:
            worst = _largest(*(_scaled(a[name], theirs[name]) for a in (ours, theirs)))
            found["cam"] = float(np.maximum(found.get("cam", 0.0), worst))  # keeps a NaN
            continue
        found[name] = _largest(ours[name], theirs[name])
        if name == "logits":
            found["probabilities"] = _largest(
                _activated(ours[name], activation), _activated(theirs[name], activation)
            )
    return found


def insist(found: Mapping[str, float], precision: Precision, reference: str) -> None:
    """Raise ParityError where a difference exceeds its limit, or nothing was compared."""
    if excess := faults(found, precision):
        raise ParityError(f"{'; '.join(excess)}; the reference is {reference}")


def _largest(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float(np.abs(ours.astype(np.float64) - theirs).max())


def _scaled(cams: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale maps [..., rows, columns] by their reference's largest values."""
    largest = reference.max(axis=(-2, -1), keepdims=True)
    floor = max(float(largest.max()) * _NEGLIGIBLE, float(np.finfo(np.float32).tiny))
    return np.asarray(cams / np.maximum(largest, floor), dtype=np.float32)


def _activated(logits: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    values = torch.from_numpy(logits).double()
    active = torch.sigmoid(values) if activation == "sigmoid" else torch.softmax(values, dim=-1)
    return active.numpy()
