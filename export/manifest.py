"""What a package says of itself: from a checkpoint, its maps and its graph."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.options import Options
from export.parity import Answerer
from export.trial import Found
from model.checkpoint import Checkpoint
from model.findings import NO_FINDING
from model.gradcam import PREDICTED, GradCam
from model.landmarks import LandmarkManifest
from model.networks.hourglass import Localiser
from model.networks.pim import Pim
from model.package import FindingSpec, Gate, Golden, Manifest, MapSpec, golden_input, hash_file
from model.pixels import CONTRACT_VERSION
from model.tolerances import GOLDEN_TOLERANCE, Precision


def describe(
    stored: Checkpoint,
    cam: GradCam,
    graph: Path,
    found: Found,
    answer: Answerer,
    options: Options,
) -> Manifest:
    """Return the manifest of a checkpoint and its graph.

    Parameters
    ----------
    stored : Checkpoint
    cam : GradCam
    graph : Path
    found : (parity, report)
    answer : Answerer
        Who gives the golden answer: the network, or the graph where its precision is its own.
    options : Options
    """
    about, decision = stored.recipe["package"], stored.decision
    classes = tuple(stored.network["classes"])
    gate = gate_of(about["accepts"], decision) if isinstance(cam.network, Pim) else None
    config: Any = cam.network.config
    return Manifest(
        **_common(stored, graph, found, options),
        activation=config.activation,
        classes=classes,
        findings=findings_of(classes, decision),
        temperature=decision["temperature"],
        calibration=about["calibration"],
        gate=gate,
        cam_layer=cam_name(cam),
        maps=map_specs(cam),
        golden=golden_answer(answer, cam.size, gate is not None, options.precision),
        body_parts=tuple(about["body_parts"]),
        min_age_years=about["min_age_years"],
        max_age_years=about["max_age_years"],
    )


def describe_localiser(
    stored: Checkpoint,
    network: Localiser,
    graph: Path,
    found: Found,
    options: Options,
) -> LandmarkManifest:
    """Return the manifest of a landmark localiser."""
    with torch.no_grad():
        places = network(torch.from_numpy(golden_input(network.config.size)))[0]
    rounded = np.round(places.numpy().astype(float), 6).tolist()
    return LandmarkManifest(
        **_common(stored, graph, found, options),
        landmarks=network.config.landmarks,
        golden=tuple((x, y) for x, y in rounded),
    )


def _common(
    stored: Checkpoint,
    graph: Path,
    found: Found,
    options: Options,
) -> dict[str, Any]:
    beside = sorted(graph.parent.glob(f"{graph.name}.*"))
    return {
        "name": stored.recipe["name"],
        "version": stored.recipe["version"],
        "network": stored.network.get("kind", "pim"),
        "precision": options.precision,
        "batch": options.batch,
        "graph_sha256": hash_file(graph),
        "external_data": {file.name: hash_file(file) for file in beside},
        "pixel_contract": CONTRACT_VERSION,
        "pixels": stored.profile(),
        "training": stored.provenance | {"onnx": version("onnx"), "timm": version("timm")},
        "parity": rounded(found[0]),
        "parity_report": found[1],
        "attribution": tuple(stored.recipe["package"]["attribution"]),
    }


def rounded(parity: dict[str, float]) -> dict[str, float]:
    """Return the figures to three digits."""
    return {name: float(f"{value:.3g}") for name, value in parity.items()}


def map_specs(cam: GradCam) -> tuple[MapSpec, ...]:
    """Describe every map output of a graph, in the graph's order."""
    layers = list(zip(cam.layers, cam.places, strict=True))
    each = [name for name in cam.outputs if name.startswith("cam")]
    named = [(name, *layer, False) for name, layer in zip(each, layers, strict=True)]
    named += [("finding_cams", *layers[0], True)] if cam.findings else []
    return tuple(
        MapSpec(
            output=output,
            layer=layer,
            method=cam.method,
            rows=place.rows,
            columns=place.columns,
            per_finding=per_finding,
        )
        for output, layer, place, per_finding in named
    )


def findings_of(classes: tuple[str, ...], decision: dict[str, float]) -> tuple[FindingSpec, ...]:
    """Return every finding that has operating points: its own, or the only finding's.

    A class without operating points (all judged films were alike) is not reported.

    Raises
    ------
    ValueError
        No finding has any, or they are not in (0, 1) and in order.
    """
    prefixes = {name: f"{name}." for name in classes if f"{name}.high_sensitivity" in decision}
    named = [name for name in classes if name != NO_FINDING]
    if not prefixes and len(named) == 1 and "high_sensitivity" in decision:
        prefixes = {named[0]: ""}
    if not prefixes:
        raise ValueError(
            "no finding has operating points, and without them no score is positive or negative; "
            "judge the network by films with and films without a finding, then export it again"
        )
    return tuple(
        FindingSpec(
            name=name,
            class_index=classes.index(name),
            high_sensitivity=decision[f"{prefix}high_sensitivity"],
            high_specificity=decision[f"{prefix}high_specificity"],
        )
        for name, prefix in prefixes.items()
    )


def gate_of(accepts: str, decision: dict[str, float]) -> Gate | None:
    """Return the body-part gate; None where none was fitted."""
    if "gate_threshold" not in decision:
        return None
    return Gate(accepts=accepts, threshold=decision["gate_threshold"])


def cam_name(cam: GradCam) -> str:
    """Return the first layer's name with its grid, for people."""
    rows, columns = cam.grid
    pyramid = "feature pyramid " if isinstance(cam.network, Pim) else ""
    method = " (LayerCAM)" if cam.method == "layercam" else ""
    return f"{pyramid}{cam.layers[0]}, {rows} x {columns}{method}"


def golden_answer(answer: Answerer, size: int, gated: bool, precision: Precision) -> Golden:
    """Return the answer to the golden input, with the gate's where there is one."""
    given = answer(golden_input(size), np.array([PREDICTED]))
    return Golden(
        logits=tuple(np.round(given["logits"][0].astype(float), 6).tolist()),
        gate=round(float(given["gate"][0]), 6) if gated else None,
        tolerance=GOLDEN_TOLERANCE[precision],
    )
