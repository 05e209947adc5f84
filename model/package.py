"""The model package: a folder that holds a network and everything its numbers mean.

``model.onnx`` (graph), ``manifest.json`` (this module's `Manifest`), ``CARD.md`` (for people), and
the files of weights that the manifest names as external data, where the graph is too large for one.

The graph's contract: inputs ``image`` float32 [batch, 3, size, size] and ``target`` int64 [batch]
(class index whose evidence is wanted, -1 for the predicted class); outputs ``logits``
[batch, classes], ``cam`` [batch, h, w] (Grad-CAM, >= 0, not normalised) and, where the manifest
has a gate, ``gate`` [batch] (logit that the image shows the expected body part). Further map
outputs are listed under ``maps``; inputs and outputs are float32 in every precision.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from model.composition import Activation, activated
from model.findings import FINDINGS, NO_FINDING
from model.verified import (
    CARD_FILE,
    GRAPH_FILE,
    MANIFEST_FILE,
    Description,
    PackageError,
    Record,
    hash_file,
    read_verified,
    write_verified,
)

__all__ = [
    "CARD_FILE",
    "GRAPH_FILE",
    "MANIFEST_FILE",
    "FindingSpec",
    "Gate",
    "Golden",
    "Manifest",
    "MapSpec",
    "ModelPackage",
    "PackageError",
    "golden_input",
    "hash_file",
    "load_package",
    "probabilities",
    "write_package",
]


class FindingSpec(Record):
    """How one finding is read from the network's output, and where its operating points lie.

    A calibrated score below ``high_sensitivity`` is negative, from ``high_specificity`` on
    positive, between them doubt.
    """

    name: str
    class_index: int = Field(ge=0)
    high_sensitivity: float = Field(gt=0, lt=1)
    high_specificity: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _known_and_ordered(self) -> "FindingSpec":
        if self.name not in FINDINGS:
            raise ValueError(f"finding {self.name!r} is not in model.findings")
        if self.high_sensitivity > self.high_specificity:
            raise ValueError(f"{self.name}: high_sensitivity must not exceed high_specificity")
        return self


class Gate(Record):
    """Refuses images of another body part: accepted when sigmoid(gate) >= threshold."""

    accepts: str = Field(description="what passes, in words a reader understands")
    threshold: float = Field(gt=0, lt=1)


class Golden(Record):
    """The network's answer to `golden_input`, measured at export."""

    logits: tuple[float, ...]
    gate: float | None = None
    tolerance: float = Field(default=1e-3, gt=0)


class MapSpec(Record):
    """One map output of the graph.

    ``per_finding``: [batch, findings, rows, columns] in the manifest's order of findings, for every
    finding in the same call; else [batch, rows, columns] for the target class.
    """

    output: str
    layer: str
    method: Literal["gradcam", "layercam"]
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    per_finding: bool = False


class Manifest(Description):
    """All that the daemon must know of a network to use it, and to say what it used."""

    kind: Literal["findings"] = "findings"
    activation: Activation
    classes: tuple[str, ...] = Field(min_length=1)
    findings: tuple[FindingSpec, ...] = Field(min_length=1)
    temperature: float = Field(gt=0, description="logits are divided by it before activation")
    calibration: str = Field(description="how the temperature was found; repeated in reports")
    gate: Gate | None = None
    cam_layer: str
    maps: tuple[MapSpec, ...] = Field(default=(), description="empty: one, ``cam``")
    golden: Golden
    body_parts: tuple[str, ...] = Field(description="BodyPartExamined values the model is for")
    min_age_years: float | None = Field(default=None, ge=0)
    max_age_years: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _classes_fit(self) -> "Manifest":
        for finding in self.findings:
            if finding.class_index >= len(self.classes):
                raise ValueError(f"{finding.name}: there is no class {finding.class_index}")
            if self.classes[finding.class_index] != finding.name:
                raise ValueError(f"class {finding.class_index} is not named {finding.name!r}")
        unknown = [name for name in self.classes if name not in FINDINGS and name != NO_FINDING]
        if unknown:
            raise ValueError(f"classes are not in model.findings: {unknown}")
        if len(self.golden.logits) != len(self.classes):
            raise ValueError("golden.logits needs one value for each class")
        return self


@dataclass(frozen=True)
class ModelPackage:
    """A verified package on disk."""

    folder: Path
    manifest: Manifest
    digest: str
    """sha256 of the manifest, which holds the graph's own: names exactly what was run."""

    @property
    def graph(self) -> Path:
        """Path of the ONNX file."""
        return self.folder / GRAPH_FILE

    @property
    def graphs(self) -> "dict[str, ModelPackage]":
        """Its only graph, which has no name."""
        return {"": self}

    def with_findings(self, findings: tuple[FindingSpec, ...]) -> "ModelPackage":
        """Return it with other operating points."""
        changed = self.manifest.model_copy(update={"findings": findings})
        return replace(self, manifest=changed)


def load_package(folder: Path) -> ModelPackage:
    """Read a package and verify it down to the last bit of its graph.

    Raises
    ------
    PackageError
        Missing file, malformed manifest, other pixel contract, a digest that differs, or no parity
        results within their limits.
    """
    manifest, digest = read_verified(folder, Manifest)
    return ModelPackage(folder, manifest, digest)


def write_package(folder: Path, graph: Path, manifest: Manifest, card: str) -> ModelPackage:
    """Write a package beside its place and rename it there; an old one is replaced whole.

    Raises
    ------
    PackageError
        The manifest's digest is not the graph's, or the package would not be accepted.
    """
    digest = write_verified(folder, graph, manifest, card)
    return ModelPackage(folder, manifest, digest)


def golden_input(size: int) -> NDArray[np.float32]:
    """Return a fixed, smooth input, float32 (1, 3, size, size): the same on every machine.

    Waves of several directions and lengths, so that a changed weight shows in the answer.
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float64) / size
    channels = [np.sin(9 * x + 5 * y + c) + np.cos((17 + 3 * c) * x * y) for c in range(3)]
    return np.stack(channels)[None].astype(np.float32)


def probabilities(logits: NDArray[np.float32], manifest: Manifest) -> NDArray[np.float64]:
    """Turn logits [batch, classes] into calibrated probabilities of the same shape."""
    return activated(logits.astype(np.float64) / manifest.temperature, manifest.activation)
