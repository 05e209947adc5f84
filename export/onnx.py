"""Write a model package: ``python -m export.onnx CHECKPOINT --out DIR [--card TEMPLATE]``.

Trace, compare with PyTorch and pytorch-grad-cam, then write manifest, card and graph at once; when
the comparison fails nothing is written and the exit status is 1.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from export.card import write_card
from export.graph import write_graph
from export.parity import ParityError, insist, measure
from model import checkpoint
from model.checkpoint import Checkpoint
from model.gradcam import PREDICTED, GradCam
from model.package import (
    FindingSpec,
    Gate,
    Golden,
    Manifest,
    golden_input,
    hash_file,
    write_package,
)
from model.pixels import CONTRACT_VERSION

FINDING = "fracture"
_MEGABYTE = 1e6


def main(arguments: Sequence[str]) -> int:
    """Export one checkpoint; exit status 0, or 1 when the graph does not pass its parity gate."""
    parser = argparse.ArgumentParser(prog="export.onnx", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the package")
    parser.add_argument(
        "--card", type=Path, default=Path("training/recipes/wrist_demo_card.md"), help="template"
    )
    options = parser.parse_args(arguments)
    try:
        export(options.checkpoint, options.out, options.card)
    except ParityError as error:
        print(f"{options.checkpoint}: not exported: {error}", file=sys.stderr)
        return 1
    return 0


def export(source: Path, out: Path, template: Path) -> Manifest:
    """Write the package of a checkpoint into `out`.

    Raises
    ------
    ParityError
        The graph differs from PyTorch; `out` is as it was.
    """
    stored = checkpoint.load(source)
    size = stored.profile().size
    cam = GradCam(stored.build(), stored.recipe["package"]["cam_layer"])
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        write_graph(cam, size, graph)
        parity = measure(cam, graph, size)
        print(", ".join(f"{name} {value:.1e}" for name, value in parity.items()))
        insist(parity)
        manifest = describe(stored, cam, graph, parity)
        facts = {
            "name": manifest.name,
            "version": manifest.version,
            "megabytes": f"{graph.stat().st_size / _MEGABYTE:.1f}",
            "cam_layer": manifest.cam_layer,
            "size": str(size),
        }
        package = write_package(out, graph, manifest, write_card(template, stored, facts))
    print(f"{out}: {facts['megabytes']} MB, manifest sha256 {package.digest}")
    return manifest


def describe(stored: Checkpoint, cam: GradCam, graph: Path, parity: dict[str, float]) -> Manifest:
    """Return the manifest of a checkpoint and its graph."""
    about, decision = stored.recipe["package"], stored.decision
    profile = stored.profile()
    classes = tuple(stored.network["classes"])
    return Manifest(
        name=stored.recipe["name"],
        version=stored.recipe["version"],
        graph_sha256=hash_file(graph),
        pixel_contract=CONTRACT_VERSION,
        pixels=profile,
        activation=cam.network.config.activation,
        classes=classes,
        findings=findings_of(classes, decision),
        temperature=decision["temperature"],
        calibration=about["calibration"],
        gate=gate_of(about["accepts"], decision),
        cam_layer=cam_name(about["cam_layer"], cam),
        golden=golden_answer(cam, profile.size, gated="gate_threshold" in decision),
        body_parts=tuple(about["body_parts"]),
        min_age_years=about["min_age_years"],
        max_age_years=about["max_age_years"],
        training=stored.provenance | {"onnx": version("onnx"), "timm": version("timm")},
        parity={name: float(f"{value:.3g}") for name, value in parity.items()},
        attribution=tuple(about["attribution"]),
    )


def findings_of(classes: tuple[str, ...], decision: dict[str, float]) -> tuple[FindingSpec, ...]:
    """Return every finding that has operating points: its own, or the only finding's.

    A class without operating points (all judged films were alike) is not reported.
    """
    prefixes = {name: f"{name}." for name in classes if f"{name}.high_sensitivity" in decision}
    if not prefixes:
        prefixes = {FINDING: ""}
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


def cam_name(layer: str, cam: GradCam) -> str:
    """Return the layer's name with its grid, for people."""
    rows, columns = cam.grid
    return f"feature pyramid {layer}, {rows} x {columns}"


def golden_answer(cam: GradCam, size: int, gated: bool) -> Golden:
    """Return PyTorch's answer to the golden input, with the gate's where there is one."""
    image = torch.from_numpy(golden_input(size))
    logits, _, gate = cam(image, torch.tensor([PREDICTED]))
    return Golden(
        logits=tuple(np.round(logits[0].numpy().astype(float), 6).tolist()),
        gate=round(float(gate[0]), 6) if gated else None,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
